"""Assay takes a container image from pushed to allowed to run. Start reading at `journey.py`."""
