"""The rows of this room; no other room reads or writes them."""

from assay.advisories.records import content, feeds, graph, log, numbers, reading

__all__ = ["content", "feeds", "graph", "log", "numbers", "reading"]
