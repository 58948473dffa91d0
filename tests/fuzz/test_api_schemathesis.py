"""schemathesis on a real server, by the OpenAPI document of the whole service: no 5xx, no undocumented answer.

`ASSAY_SCHEMATHESIS_MINUTES` gives the run a time instead of a number of examples (make schemathesis MINUTES=30).
"""

import os
import secrets
from collections.abc import Iterator

import pytest
from fuzzed_service import PASSES, FuzzedService, fuzzed_service

MINUTES = float(os.environ.get("ASSAY_SCHEMATHESIS_MINUTES", "0"))
#: What each pass gets of the time, by how many operations it has.
SHARE = {"api": 0.9, "admission": 0.05, "sessions": 0.05}
EXAMPLES = 6

pytestmark = pytest.mark.timeout(600 + MINUTES * 60)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FuzzedService]:
    yield from fuzzed_service(tmp_path_factory.mktemp("fuzzed"))


@pytest.mark.parametrize("what", PASSES)
def test_no_request_gets_an_error_of_the_server_or_an_answer_that_is_not_documented(
    service: FuzzedService, what: str
) -> None:
    if MINUTES:
        seconds = max(round(MINUTES * 60 * SHARE[what]), 1)
        bounds = {
            "phases": "coverage,fuzzing",
            "max-time": seconds,
            "max-examples": 1000,
            "seed": secrets.randbits(32),
        }
    else:
        bounds = {"phases": "fuzzing", "max-examples": EXAMPLES, "seed": 1}
    done = service.run(what, *(f"--{name}={value}" for name, value in bounds.items()))
    print(done.stdout[-3000:])
    assert done.returncode == 0, f"{done.stdout[-20_000:]}\n{done.stderr[-2000:]}"
    assert "Tested: 0" not in done.stdout
    log = service.server.log
    assert "Traceback" not in log, log[-5000:]


def test_the_caller_is_still_who_it_was(service: FuzzedService) -> None:
    """Else every answer of the run were a refusal, and the run would have shown nothing."""
    with service.server.api() as api:
        assert api.get("/20260901/sessions/current").status_code == 200
