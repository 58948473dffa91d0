"""Advisories: what is known against packages. Feeds, version orders, the advisory log, alias classes, revisions."""

from assay.advisories import affects, feeds, orders, revisions, vulnerabilities
from assay.advisories.affects import Effect, Standing, Statement
from assay.advisories.severity import Severity, best_severity
from assay.advisories.sync import ChangeSet

__all__ = [
    "ChangeSet",
    "Effect",
    "Severity",
    "Standing",
    "Statement",
    "affects",
    "best_severity",
    "feeds",
    "orders",
    "revisions",
    "vulnerabilities",
]
