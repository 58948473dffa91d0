"""Scanning: image scanners, matching, the re-scan of what a feed changed, scans with their history, verdicts."""

from assay.scanning import (
    comparison,
    details,
    full,
    model,
    purge,
    recipes,
    rescan,
    results,
    risk,
    scanners,
    verdicts,
    waiting,
)

__all__ = [
    "comparison",
    "details",
    "full",
    "model",
    "purge",
    "recipes",
    "rescan",
    "results",
    "risk",
    "scanners",
    "verdicts",
    "waiting",
]
