"""The official conformance program of the distribution specification against a fresh server: `make conformance`.

It ends with `N passed, N failed, N skipped`. Exit status: 0 when nothing failed and every skip is explained in
`EXPLAINED`, 1 when not, 2 when the program cannot be had.
"""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from assay_server import CARRIED, AssayServer
from go_programs import Missing, built
from places import PROJECT

RUN_SECONDS_MAX = 900
SUITE = "OCI Conformance Test/"

#: Why a test is not run, or a flag of the program is off. Whatever is skipped and doesn't stand here is a failure.
EXPLAINED: dict[str, str] = {}
#: Settings of the server that is judged: the program's flag `data.sparse` asks for what is refused by default.
SETTINGS = {"ASSAY_SPARSE_MANIFESTS": "take"}


@dataclass(frozen=True)
class Report:
    """What the program found: its own counts, what it says of each failure, and names of tests that were skipped.

    A flag that was off is skipped too, as `flag …`.
    """

    passed: int
    failed: int
    failures: tuple[str, ...]
    skipped: tuple[str, ...]

    @property
    def unexplained(self) -> tuple[str, ...]:
        return tuple(name for name in self.skipped if name not in EXPLAINED)

    @property
    def is_good(self) -> bool:
        return self.passed > 0 and not self.failed and not self.unexplained

    def lines(self) -> Iterator[str]:
        """What failed, each skip with its reason, and the counts."""
        for what in self.failures:
            yield f"FAILED   {what}"
        for name in self.skipped:
            yield f"SKIPPED  {name}: {EXPLAINED.get(name, 'UNEXPLAINED, which counts as a failure')}"
        failed = self.failed + len(self.unexplained)
        yield f"{self.passed} passed, {failed} failed, {len(self.skipped) - len(self.unexplained)} skipped"


def program() -> Path:
    """The program at the version that tests/parts/conformance pins, built if need be. Errors: Missing."""
    return built("conformance", "github.com/opencontainers/distribution-spec/conformance")


def play(judge: Path, server: AssayServer, results: Path) -> Report:
    """Let the program judge a running server to which somebody has signed in; its own reports are left in `results`."""
    me = server.call("GET", "/20260901/sessions/current")
    made = server.call("POST", f"/20160918/users/{me['userId']}/authTokens", {"description": "conformance"})
    settings = {
        "OCI_REGISTRY": server.host,
        "OCI_TLS": "disabled",
        "OCI_REPO1": f"{me['namespace']}/conformance/one",
        "OCI_REPO2": f"{me['namespace']}/conformance/two",
        "OCI_USERNAME": f"{me['namespace']}/{me['userName']}",
        "OCI_PASSWORD": made["token"],
        "OCI_VERSION": "dev",  # every flag on that the present specification knows …
        "OCI_DATA_SPARSE": "true",  # … and those that it leaves off
        "OCI_RESULTS_DIR": str(results),
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OCI_")}
    done = subprocess.run(
        [judge],
        cwd=results,
        env=inherited | settings,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )
    if not (results / "junit.xml").exists():
        raise AssertionError(f"the conformance program left no report:\n{done.stderr[-2000:]}")
    report = read(results)
    assert (done.returncode == 0) == (not report.failed), f"its status {done.returncode} is not what its report says"
    return report


def read(results: Path) -> Report:
    """What the program's own reports say."""
    (suite,) = ET.parse(results / "junit.xml").iter("testsuite")
    failures, skipped = [], []
    for case in suite.iter("testcase"):
        name = str(case.get("name")).removeprefix(SUITE)
        if case.get("status") == "skipped":
            skipped.append(name)
        elif case.get("status") != "passed":
            failures.append(f"{name}: {(case.findtext('system-out') or '').strip()[:500]}")
    # A test with parts is counted too where it is judged itself, so there are more than are named.
    tests, *others = (int(suite.get(kind, "0")) for kind in ("tests", "failures", "errors", "skipped", "disabled"))
    failed, unrun = others[0] + others[1], others[2] + others[3]
    assert (failed > 0, unrun > 0) == (len(failures) > 0, len(skipped) > 0), "its counts are not what it names"
    config = yaml.safe_load((results / "results.yaml").read_text())["config"]
    off = [f"flag {name}" for kind in ("apis", "data") for name in _switched_off(config[kind], kind)]
    return Report(tests - failed - unrun, failed, tuple(failures), (*skipped, *off))


def _switched_off(flags: dict[str, object], above: str) -> Iterator[str]:
    for name, value in flags.items():
        if isinstance(value, dict):
            yield from _switched_off(value, f"{above}.{name}")
        elif value is False:
            yield f"{above}.{name}"


def main() -> int:
    """Build the program, start a server, let it be judged."""
    try:
        judge = program()
    except Missing as fault:
        print(f"conformance: WANTS {fault}")
        return 2
    with tempfile.TemporaryDirectory(prefix="assay-conformance-") as folder:
        server = AssayServer(Path(folder) / "server", str(CARRIED), settings=SETTINGS)
        results = PROJECT / "build" / "conformance"
        results.mkdir(parents=True, exist_ok=True)
        (results / "junit.xml").unlink(missing_ok=True)
        server.start()
        try:
            server.sign_in_first()
            report = play(judge, server, results)
        finally:
            server.stop()
    print(f"{judge.name}; every request and answer: {(results / 'report.html').relative_to(PROJECT)}")
    print("\n".join(report.lines()))
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
