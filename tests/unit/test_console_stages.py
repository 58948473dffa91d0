"""The journey strip: the first stage that is not green is the answer."""

import pytest

from assay.console import stages
from assay.console.chart import Standing
from assay.console.results import status_view
from assay.console.stages import Signing
from assay.console.trust import Answer
from assay.scanning.counting import Counts
from assay.scanning.model import Cause, ImageStatus, Scan, Verdict
from assay.scanning.model import Standing as Watched
from assay.scanning.risk import ScanState

NOW = 1_785_585_600_000_000


def scan(state=ScanState.COMPLETE, critical=1, revision=7):
    return Scan(
        "ocid",
        "t",
        "c",
        "target",
        "r",
        "image",
        revision,
        Cause.FEED,
        state,
        "a reason",
        NOW,
        Counts(critical=critical),
    )


def verdict(accepted=True, critical=1):
    return Verdict("v", "t", "c", "r", "image", "ocid", 7, accepted, "why", "u", "erin", Counts(critical=critical), NOW)


def status(standing, of=None):
    return ImageStatus("image", standing, of, 9 if of else None, ())


@pytest.mark.parametrize(
    ("state", "kind"), [(ScanState.COMPLETE, "ok"), (ScanState.PARTIAL, "warn"), (ScanState.FAILED, "bad")]
)
def test_what_could_not_be_read_whole_is_not_green(state, kind):
    assert stages.catalogued(scan(state)).kind == kind


def test_a_result_says_as_of_when_it_is_current():
    stage = stages.scanned(status(Watched.SCANNED, scan()), "/i", "/s")
    assert (stage.kind, stage.words, stage.href) == ("ok", "1 problem, current as of r9", "/i/scans/r7")


@pytest.mark.parametrize(
    ("given", "kind", "href"),
    [
        (None, "off", "/s"),
        (status(Watched.WAITING), "off", ""),
        (status(Watched.NOT_PERMITTED), "bad", "/s"),
        (status(Watched.UNWATCHED, scan()), "warn", "/i/scans/r7"),
        (status(Watched.SCANNED, scan(ScanState.PARTIAL)), "warn", "/i/scans/r7"),
        (status(Watched.SCANNED, scan(ScanState.FAILED)), "bad", "/i/scans/r7"),
    ],
)
def test_an_image_without_a_whole_current_result_is_never_green(given, kind, href):
    stage = stages.scanned(given, "/i", "/s")
    assert (stage.kind, stage.href) == (kind, href)


def test_a_waiting_image_never_looks_clean_in_a_list():
    assert status_view(status(Watched.WAITING)).kind == "waiting"
    assert status_view(status(Watched.NOT_PERMITTED)).words == "The scanning service may not read it"
    assert status_view(None).words == "not scanned"


def test_a_result_that_nobody_keeps_current_says_as_of_when():
    assert status_view(status(Watched.UNWATCHED, scan())).note == "as of r9, not now"
    assert status_view(status(Watched.SCANNED, scan())).note == ""


@pytest.mark.parametrize(
    ("given", "latest", "name", "kind"),
    [
        (None, scan(), "Not reviewed", "off"),
        (verdict(), scan(), "Accepted", "ok"),
        (verdict(), scan(critical=2), "Accepted", "warn"),
        (verdict(accepted=False), scan(), "Refused", "bad"),
    ],
)
def test_a_verdict_is_green_only_while_the_result_is_what_was_reviewed(given, latest, name, kind):
    stage = stages.reviewed(given, latest, "/i")
    assert (stage.name, stage.kind) == (name, kind)


@pytest.mark.parametrize(
    ("signing", "verdict_now", "name", "kind"),
    [
        (Signing(), Standing.NONE, "Not signed", "off"),
        (Signing(keys=("release-signing",)), Standing.PASSED, "Signed", "ok"),
        (Signing(keys=("release-signing",)), Standing.REFUSED, "Signed", "warn"),
        (Signing(because=("The key is disabled.",)), Standing.PASSED, "Not verified", "bad"),
    ],
)
def test_a_signature_is_green_only_if_it_verifies(signing, verdict_now, name, kind):
    stage = stages.signed(signing, verdict_now, "/i")
    assert (stage.name, stage.kind) == (name, kind)


def answer(cluster, kind):
    return Answer(cluster, kind, "", "")


@pytest.mark.parametrize(
    ("answers", "name", "kind", "said"),
    [
        ((), "Not asked for", "off", "no cluster yet"),
        ((answer("dev", "info"),), "Not asked for", "off", "no cluster verifies images"),
        ((answer("prod", "ok"),), "Admitted", "ok", "by prod"),
        ((answer("prod", "bad"),), "Denied", "bad", "prod denies it"),
        ((answer("prod", "bad"), answer("stage", "bad")), "Denied", "bad", "prod and stage deny it"),
        ((answer("prod", "bad"), answer("stage", "ok")), "Partly admitted", "bad", "prod denies it"),
    ],
)
def test_admission_is_green_only_if_every_verifying_cluster_admits(answers, name, kind, said):
    stage = stages.admitted(answers, "/i")
    assert (stage.name, stage.kind, stage.words) == (name, kind, said)
