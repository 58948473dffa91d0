"""The one risk level of a scan (the brief, "risk level")."""

import pytest

from assay.scanning.counting import Counts
from assay.scanning.risk import RiskLevel, ScanState, risk_level


@pytest.mark.parametrize(
    ("counts", "level"),
    [
        (Counts(), RiskLevel.NONE),
        (Counts(low=3), RiskLevel.LOW),
        (Counts(medium=1, low=3), RiskLevel.MEDIUM),
        (Counts(high=1, medium=9), RiskLevel.HIGH),
        (Counts(critical=1, high=1, unrated=1), RiskLevel.CRITICAL),
        (Counts(unrated=1), RiskLevel.MEDIUM),
        (Counts(unrated=1, low=1), RiskLevel.MEDIUM),
        (Counts(unrated=1, high=1), RiskLevel.HIGH),
    ],
)
def test_the_risk_level_is_the_highest_severity_and_unrated_counts_as_medium(counts: Counts, level: RiskLevel) -> None:
    assert risk_level(counts) is level


def test_what_unrated_counts_as_is_a_setting() -> None:
    assert risk_level(Counts(unrated=1), unrated_as=RiskLevel.HIGH) is RiskLevel.HIGH
    assert risk_level(Counts(unrated=1, low=1), unrated_as=RiskLevel.LOW) is RiskLevel.LOW


@pytest.mark.parametrize("state", [ScanState.PARTIAL, ScanState.FAILED])
def test_a_scan_that_is_not_whole_has_no_risk_level(state: ScanState) -> None:
    assert risk_level(Counts(critical=1), state) is None
    assert risk_level(Counts(), state) is None
