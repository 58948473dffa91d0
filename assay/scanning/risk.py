"""The one risk level of a scan, from its counts. Pure.

Source: the brief, "risk level": the highest severity of an open problem; None means *no open problem*; what nobody has
rated counts as Medium, which is a setting; a partial, failed or missing scan has no risk level.
"""

from enum import StrEnum

from assay.scanning.counting import Counts


class RiskLevel(StrEnum):
    """The words people and the API use."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    NONE = "NONE"


class ScanState(StrEnum):
    """How much a scan can say of the image. PARTIAL: its counts are "at least". FAILED: it has none."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"


def state_of(read: ScanState, *, in_doubt: bool) -> ScanState:
    """The state of a scan: how much of the image was read, and whether of what was read anything is in doubt."""
    return ScanState.PARTIAL if in_doubt and read is ScanState.COMPLETE else read


#: From the worst; a lower place in this order is a worse risk.
ORDER = (RiskLevel.CRITICAL, RiskLevel.HIGH, RiskLevel.MEDIUM, RiskLevel.LOW, RiskLevel.NONE)


def risk_level(
    counts: Counts, state: ScanState = ScanState.COMPLETE, *, unrated_as: RiskLevel = RiskLevel.MEDIUM
) -> RiskLevel | None:
    """The risk level, or None when the scan did not see the whole image and so has none."""
    if state is not ScanState.COMPLETE:
        return None
    present = {
        RiskLevel.CRITICAL: counts.critical,
        RiskLevel.HIGH: counts.high,
        RiskLevel.MEDIUM: counts.medium,
        RiskLevel.LOW: counts.low,
    }
    levels = [level for level, number in present.items() if number]
    if counts.unrated:
        levels.append(unrated_as)
    return min(levels, key=ORDER.index, default=RiskLevel.NONE)
