"""The official conformance program of the distribution specification, with every flag on, against `assay serve`."""

from collections.abc import Iterator
from pathlib import Path

import distribution_conformance as conformance
import pytest
from assay_server import CARRIED, AssayServer
from go_programs import Missing

pytestmark = pytest.mark.real


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AssayServer]:
    server = AssayServer(tmp_path / "server", str(CARRIED), settings=conformance.SETTINGS)
    server.start()
    try:
        server.sign_in_first()
        yield server
    finally:
        assert server.stop() in (0, 130)


def test_the_official_program_finds_nothing_and_every_skip_is_explained(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    try:
        judge = conformance.program()
    except Missing as fault:
        pytest.skip(f"SKIPPED FOR WANT OF A PART: {fault}")
    results = tmp_path / "results"
    results.mkdir()
    report = conformance.play(judge, request.getfixturevalue("server"), results)
    assert report.is_good, "\n".join(report.lines())
    # Were hundreds of its tests not run, nothing else here would tell.
    assert report.passed > 900


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason for the flag `data.sparse` to be off."""
    monkeypatch.setattr(conformance, "EXPLAINED", {"flag data.sparse": "a reason"})


def report_of(folder: Path, *statuses: str, flag: str = "true") -> conformance.Report:
    """What is read from reports in which tests ended so."""
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    counts = " ".join(f'{name}="{statuses.count(status)}"' for name, status in kinds.items())
    cases = "".join(f'<testcase name="OCI Conformance Test/a" status="{status}"/>' for status in statuses)
    suite = f'<testsuite tests="{len(statuses)}" {counts}>{cases}</testsuite>'
    (folder / "junit.xml").write_text(f"<testsuites>{suite}</testsuites>")
    (folder / "results.yaml").write_text(f"config: {{apis: {{blobs: {{delete: {flag}}}}}, data: {{sparse: false}}}}")
    return conformance.read(folder)


@pytest.mark.usefixtures("explained")
def test_a_failure_an_error_and_an_unexplained_skip_fail(tmp_path: Path) -> None:
    good = report_of(tmp_path, "passed", "passed")
    assert good.is_good
    assert list(good.lines())[-1] == "2 passed, 0 failed, 1 skipped"
    for status in ("failure", "error", "skipped"):
        bad = report_of(tmp_path, "passed", status)
        assert not bad.is_good
        assert list(bad.lines())[-1] == "1 passed, 1 failed, 1 skipped"


@pytest.mark.usefixtures("explained")
def test_a_flag_that_is_switched_off_without_an_explanation_fails(tmp_path: Path) -> None:
    off = report_of(tmp_path, "passed", flag="false")
    assert off.unexplained == ("flag apis.blobs.delete",)
    assert not off.is_good


def test_a_program_that_ran_nothing_has_not_passed(tmp_path: Path) -> None:
    assert not report_of(tmp_path).is_good
