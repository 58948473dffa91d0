"""The rows of this room; no other room reads or writes them."""

from assay.advisories.records import feeds, graph, log, numbers, reading

__all__ = ["feeds", "graph", "log", "numbers", "reading"]
