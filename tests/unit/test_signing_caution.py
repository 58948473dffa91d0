"""What whoever signs an image is told of its scan: only a whole, current scan is passed over in silence."""

import pytest

from assay.clock import Instant
from assay.scanning.counting import Counts
from assay.scanning.model import Cause, ImageStatus, Scan, Standing
from assay.scanning.risk import ScanState
from assay.signing.caution import caution

EVERY_STANDING = tuple(Standing)


def scan(state: ScanState, reasons: tuple[str, ...] = (), high: int = 0) -> Scan:
    return Scan("o", "t", "c", "target", "r", "image", 7, Cause.PUSH, state, reasons, Instant(0), Counts(high=high))


def said(standing: Standing, found: Scan | None) -> str:
    return str(caution(ImageStatus("image", standing, found, 9)) or "")


def test_a_whole_and_current_scan_needs_no_caution_whatever_it_found() -> None:
    assert said(Standing.SCANNED, scan(ScanState.COMPLETE, high=40)) == ""
    assert said(Standing.WAITING, scan(ScanState.COMPLETE)) == ""


def test_an_image_that_was_never_scanned_is_said_to_be_so_and_why() -> None:
    assert said(Standing.UNWATCHED, None) == (
        "This image has not been scanned: no scanner looks at it. Signing it vouches for what nobody has looked at."
    )
    assert "has not been scanned: its first scan is still to come." in said(Standing.WAITING, None)
    assert "has not been scanned: the scanning service may not read it." in said(Standing.NOT_PERMITTED, None)


def test_who_may_not_read_results_is_told_that_and_not_that_all_is_well() -> None:
    assert str(caution(None)).startswith("You may not see whether this image has been scanned.")


@pytest.mark.parametrize("standing", EVERY_STANDING)
def test_a_partial_scan_says_what_was_not_looked_at_however_the_image_stands(standing: Standing) -> None:
    partial = scan(ScanState.PARTIAL, ("layer 2 was partly read",), high=1)
    assert said(standing, partial) == (
        "This image was only partly scanned: 1 problem found, perhaps more there. Layer 2 was partly read. "
        "Signing it vouches also for what was not looked at."
    )


@pytest.mark.parametrize("standing", EVERY_STANDING)
def test_a_failed_scan_says_that_nothing_is_known(standing: Standing) -> None:
    assert said(standing, scan(ScanState.FAILED, ("a", "b", "c", "d", "e"))) == (
        "The scan of this image failed, so its problems are unknown. A; b; c; and 2 more reasons. "
        "Signing it vouches for what nobody has looked at."
    )


@pytest.mark.parametrize("standing", [Standing.UNWATCHED, Standing.NOT_PERMITTED])
def test_a_whole_scan_that_is_no_longer_kept_current_says_as_of_when(standing: Standing) -> None:
    assert "is as of feed revision 9: " in said(standing, scan(ScanState.COMPLETE))
