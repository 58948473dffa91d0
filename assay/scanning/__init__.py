"""Scanning: image scanners, matching, the re-scan of what a feed changed, scans with their history, verdicts."""

from assay.scanning import (
    comparison,
    details,
    model,
    purge,
    recipes,
    rescan,
    results,
    risk,
    scanners,
    verdicts,
    vulnerabilities,
    waiting,
)

__all__ = [
    "comparison",
    "details",
    "model",
    "purge",
    "recipes",
    "rescan",
    "results",
    "risk",
    "scanners",
    "verdicts",
    "vulnerabilities",
    "waiting",
]
