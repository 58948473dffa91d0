"""Measurements: `make bench NAME=<name>`; each closes with one JSON line of figures."""
