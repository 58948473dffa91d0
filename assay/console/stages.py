"""The journey strip: where an image stands in the six stages, and what holds it up. Pure.

Source of the rules: the console's design, sections 1 and 3: the first stage that isn't green is the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.console.chart import Standing
from assay.console.results import name_of, problems_said, standing_of
from assay.console.trust import Answer
from assay.console.words import listing
from assay.scanning import model, risk


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: `kind` is ok, warn, bad or off; one line, a link at most, a time at most."""

    name: str
    kind: str
    words: str
    href: str = ""
    at: int = 0


@dataclass(frozen=True, slots=True)
class Signing:
    """What the signatures of an image come to: names of keys that vouch for it, and why others do not."""

    keys: tuple[str, ...] = ()
    because: tuple[str, ...] = ()


def pushed(at: int, by: str) -> Stage:
    """It is here, or there would be no page."""
    return Stage("Pushed", "ok", f"by {by}," if by else "", at=at)


def catalogued(scan: model.Scan | None) -> Stage:
    """Whether all of it could be read."""
    if scan is None:
        return Stage("Catalogued", "off", "with its first scan")
    if scan.state is risk.ScanState.COMPLETE:
        return Stage("Catalogued", "ok", "every layer read")
    kind = "warn" if scan.state is risk.ScanState.PARTIAL else "bad"
    return Stage("Catalogued", kind, "partly read" if kind == "warn" else "could not be read")


def scanned(status: model.ImageStatus | None, path: str, scanner_path: str) -> Stage:
    """Its latest result, and as of when."""
    scan = status.scan if status else None
    if status is not None and status.standing is model.Standing.NOT_PERMITTED:
        return Stage("Not scanned", "bad", "the scanning service lacks a statement", scanner_path)
    if status is not None and status.standing is model.Standing.WAITING and scan is None:
        return Stage("Waiting", "off", "for its first scan; reload")
    if status is not None and status.standing is model.Standing.NO_ADVISORIES:
        return Stage("Waiting", "off", "for the first feed revision; reload")
    if scan is None or status is None:
        return Stage("Not scanned", "off", "no image scanner looks at it", scanner_path)
    if scan.state is not risk.ScanState.COMPLETE:
        kind, name = ("warn", "Partly scanned") if scan.state is risk.ScanState.PARTIAL else ("bad", "Scan failed")
        return Stage(name, kind, problems_said(scan), f"{path}/scans/{name_of(scan)}")
    said = f"{problems_said(scan)}, current as of r{status.current_as_of or scan.revision}"
    kind = "warn" if status.standing is model.Standing.UNWATCHED else "ok"
    return Stage("Scanned", kind, said, f"{path}/scans/{name_of(scan)}")


def reviewed(verdict: model.Verdict | None, scan: model.Scan | None, path: str) -> Stage:
    """What a person said of it, and whether the result is still what they saw."""
    href = f"{path}/scans/{name_of(scan)}#review" if scan else ""
    if verdict is None:
        return Stage("Not reviewed", "off", "review its scan" if scan else "needs a scan first", href)
    who = verdict.reviewer_name
    if not verdict.accepted:
        return Stage("Refused", "bad", f"by {who}", href, verdict.time_created)
    if standing_of(verdict, scan) is Standing.LAPSED:
        return Stage("Accepted", "warn", f"by {who}; the result has changed since", href, verdict.time_created)
    return Stage("Accepted", "ok", f"by {who}", href, verdict.time_created)


def signed(signing: Signing, verdict: Standing, path: str) -> Stage:
    """Who vouches for it. Presence proves nothing: only what verifies is named."""
    href = f"{path}/signatures"
    if signing.keys:
        kind = "warn" if verdict is Standing.REFUSED else "ok"
        return Stage("Signed", kind, f"with {listing(signing.keys, most=2)}", href)
    if signing.because:
        return Stage("Not verified", "bad", signing.because[0], href)
    return Stage("Not signed", "off", "no signature names it", href)


def admitted(answers: Sequence[Answer], path: str) -> Stage:
    """Which clusters would run it now."""
    href = f"{path}/signatures"
    denying = [answer.cluster for answer in answers if answer.kind == "bad"]
    admitting = [answer.cluster for answer in answers if answer.kind == "ok"]
    if denying:
        verb = "denies" if len(denying) == 1 else "deny"
        return Stage("Denied" if not admitting else "Partly admitted", "bad", f"{listing(denying, 3)} {verb} it", href)
    if admitting:
        return Stage("Admitted", "ok", f"by {listing(admitting, 3)}", href)
    return Stage("Not asked for", "off", "no cluster verifies images" if answers else "no cluster yet", "/c")
