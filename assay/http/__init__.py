"""The doors of machines: registry clients, tokens, admission, health and metrics."""
