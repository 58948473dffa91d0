"""What whoever signs an image should know of its scan: a signature vouches, whether or not anybody has looked. Pure.

It warns and refuses nothing: what may be signed is for the key's own gate to say.
"""

from dataclasses import dataclass

from assay.scanning.model import ImageStatus, Scan, Standing
from assay.scanning.risk import ScanState

REASONS_SAID = 3
_UNSEEN = "Signing it vouches for what nobody has looked at."
_WHY_NOT_SCANNED = {
    Standing.WAITING: "its first scan is still to come",
    Standing.NO_ADVISORIES: "it waits for the first feed revision",
    Standing.NOT_PERMITTED: "the scanning service may not read it",
}
_WHY_NOT_CURRENT = {
    Standing.UNWATCHED: "no scanner looks at it any more",
    Standing.NOT_PERMITTED: "the scanning service may no longer read it",
}


@dataclass(frozen=True, slots=True)
class Caution:
    """What is wrong with the scan, in one sentence, and what that means for a signature, in others."""

    title: str
    words: str

    def __str__(self) -> str:
        return f"{self.title} {self.words}"


def caution(status: ImageStatus | None) -> Caution | None:
    """The caution about an image that stands so towards scanning; None where its scan is whole and current.

    Without a status the asker may not read scan results.
    """
    if status is None:
        return Caution(
            "You may not see whether this image has been scanned.", "Signing it vouches for it all the same."
        )
    scan = status.scan
    if scan is None:
        why = _WHY_NOT_SCANNED.get(status.standing, "no scanner looks at it")
        return Caution(f"This image has not been scanned: {why}.", _UNSEEN)
    if scan.state is ScanState.FAILED:
        return Caution("The scan of this image failed, so its problems are unknown.", f"{_because(scan)}. {_UNSEEN}")
    if scan.state is ScanState.PARTIAL:
        found = f"{scan.counts.total} problem{'' if scan.counts.total == 1 else 's'} found, perhaps more there"
        words = f"{_because(scan)}. Signing it vouches also for what was not looked at."
        return Caution(f"This image was only partly scanned: {found}.", words)
    if status.standing in _WHY_NOT_CURRENT:
        revision = status.current_as_of or scan.revision
        title = f"The scan of this image is as of feed revision {revision}: {_WHY_NOT_CURRENT[status.standing]}."
        return Caution(title, "Problems that became known since are not in it.")
    return None


def _because(scan: Scan) -> str:
    said = "; ".join(scan.reasons[:REASONS_SAID])
    more = len(scan.reasons) - REASONS_SAID
    text = f"{said}; and {more} more reasons" if more > 0 else said
    return f"{text[:1].upper()}{text[1:]}" if text else "The reason is not recorded"
