"""Every route of the API × every kind of caller: what lets in is exactly the table of `iam/permissions.py`.

A route's row names its operation, whose permissions the table gives. For each route: who says nothing or has a wrong
session is not known (401); who has no policy, one for another compartment, or comes from another tenancy gets the one
refusal (404), and so does whoever lacks one single permission of the table; who has exactly those of the table is let
in. A new route is walked by itself, and fails until `route_samples` has a request for it and the table its operation.
"""

from pathlib import Path
from typing import Any

import pytest
from places import NOON
from route_samples import Sample, host_of, path_of, sample_of
from route_world import Copy, RouteWorld, build

import assay.oci_api as door
from assay.clock import SetClock
from assay.errors import not_found
from assay.iam import hashing
from assay.iam.permissions import OPERATIONS
from assay.oci_api import sign_in
from assay.oci_api.contract import Need
from assay.oci_api.frame import Row

REFUSED = {"code": "NotAuthorizedOrNotFound", "message": str(not_found())}

#: Routes that need no statement, and why.
OPEN = {
    ("GET", "/20260901/sessions/current"): "tells callers who they are",
    ("GET", "/20260901/openapi.json"): "tells callers what there is to call, and nothing of what anybody has",
    ("GET", "/20260901/ociClient"): "tells clients where this server is, and whom to trust for it",
}

#: Routes that say what the caller's own tenancy has, whichever that is: they name no resource of another one.
OF_THE_OWN_TENANCY = {
    ("GET", "/20160918/regions"),
    ("GET", "/20260901/missingStatements"),
    ("POST", "/20260901/policyStatements"),
    ("GET", "/20260901/feeds"),
    ("POST", "/20260901/feeds/{feed}/actions/refresh"),
    ("GET", "/20260901/jobs"),
    ("GET", "/20260901/auditEvents"),
    ("GET", "/20260901/auditEvents/{position}"),
    ("GET", "/20260901/auditChain"),
    ("PUT", "/20260901/auditChain"),
    ("POST", "/20260901/auditChain/actions/check"),
    # Lists of what belongs to a repository or image: of one that is not the tenancy's they are empty, as of none.
    ("GET", "/20260901/repositories/{repository}/scanStatuses"),
    ("GET", "/20260901/images/{image}/verdicts"),
    # What Kubernetes can do is the same everywhere.
    ("GET", "/20180222/clusterOptions/{option}"),
}

#: What somebody from another tenancy is told instead of the refusal, and why that tells nothing.
TOLD_OTHERWISE = {
    # The image is named with a namespace, which is not theirs whatever it holds.
    ("POST", "/20160918/container/images/actions/lookupImageByUri"): 400,
}

ROWS = tuple(door._ROWS)
NUMBERED = dict(enumerate(ROWS))
PATHS = door.openapi_document()["paths"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> RouteWorld:
    """One of everything, made once."""
    patch = pytest.MonkeyPatch()
    # Passwords are hashed slowly on purpose; here many are, and none is worth guessing.
    patch.setattr(hashing, "MEMORY_KIB", 64)
    patch.setattr(hashing, "PASSES", 1)
    try:
        return build(tmp_path_factory.mktemp("routes"), sqlite_template, SetClock(NOON))
    finally:
        patch.undo()


def test_every_route_has_a_row_in_the_table() -> None:
    unknown = {(row.method, row.path) for row in ROWS if row.name not in OPERATIONS}
    assert unknown - set(OPEN) == set()
    assert set(OPEN) <= {(row.method, row.path) for row in ROWS}
    assert {row.name for row in sign_in.OPEN_ROWS} <= OPERATIONS.keys()


def test_a_request_without_a_member_that_must_be_there_is_refused_by_its_name(world: RouteWorld) -> None:
    with world.copy(len(ROWS)) as copy:
        admin = copy.caller("admin")
        for row in ROWS:
            sample = sample_of(row.method, row.path, row.name, world.names) or Sample()
            path, host = path_of(row.path, sample, world.names), host_of(row.path, world.names)
            for members, given in ((row.run.contract.query, sample.query), (row.run.contract.body, sample.body or {})):
                for name in (name for name, declared in members.items() if isinstance(declared, Need)):
                    assert name in given, (row.method, row.path, name)
                    less = {key: value for key, value in given.items() if key != name}
                    body, query = (sample.body, less) if given is sample.query else (less, sample.query)
                    reply = admin.ask(row.method, path, body, dict(query), host)
                    answer = (reply.status_code, reply.json()["code"])
                    assert answer == (400, "MissingParameter"), (row.method, row.path, name)
                    assert reply.json()["message"].startswith(f"{name} is missing")


class Walk:
    """One route in one copy of the world."""

    def __init__(self, copy: Copy, row: Row, sample: Sample) -> None:
        self.copy, self.row, self.sample = copy, row, sample
        self.names = copy.world.names

    def ask(self, caller: str) -> tuple[int, Any]:
        path = path_of(self.row.path, self.sample, self.names)
        host = host_of(self.row.path, self.names)
        who = self.copy.caller(caller)
        reply = who.ask(self.row.method, path, self.sample.body, dict(self.sample.query), host)
        is_json = "json" in reply.headers.get("content-type", "")
        return reply.status_code, reply.json() if is_json else reply.text

    @property
    def needed(self) -> frozenset[str]:
        """The permissions of the table."""
        return frozenset().union(*(OPERATIONS[name].permissions for name in (self.row.name, *self.sample.also)))


@pytest.mark.parametrize(
    "number", NUMBERED, ids=lambda number: f"{NUMBERED[number].method} {NUMBERED[number].path}".replace("/", "|")
)
def test_a_route_lets_in_exactly_those_whom_the_table_lets_in(world: RouteWorld, number: int) -> None:
    row = NUMBERED[number]
    sample = sample_of(row.method, row.path, row.name, world.names)
    if (row.method, row.path) in OPEN:
        sample = Sample()
    assert sample is not None, f"{row.method} {row.path}: no request for {row.name} in tests/route_samples.py"
    with world.copy(number) as copy:
        walk = Walk(copy, row, sample)
        for caller in ("nobody", "wrong"):
            assert walk.ask(caller)[0] == 401, caller
        if (row.method, row.path) in OPEN:
            assert walk.ask("plain")[0] == 200
            return
        denied = ["plain", "elsewhere"]
        if (row.method, row.path) in TOLD_OTHERWISE:
            assert walk.ask("stranger")[0] == TOLD_OTHERWISE[row.method, row.path]
        elif (row.method, row.path) not in OF_THE_OWN_TENANCY:
            denied.append("stranger")
        for caller in denied:
            assert walk.ask(caller) == (404, REFUSED), (caller, walk.ask(caller))
        for missing in sorted(walk.needed):
            copy.allow_exactly(walk.needed - {missing})
            is_own = missing in OPERATIONS[row.name].permissions
            status, body = walk.ask("exact")
            if sample.related and not is_own:
                code = "RelatedResourceNotAuthorizedOrNotFound"
                assert (status, body["code"]) == (400, code), f"let in without {missing}"
                continue
            wanted = (200, {"items": []}) if sample.hidden and is_own else (404, REFUSED)
            assert (status, body) == wanted, f"let in without {missing}"
        copy.allow_exactly(walk.needed)
        status, body = walk.ask("exact")
        assert status not in (401, 403, 404), f"not let in with {sorted(walk.needed)}: {status} {body}"
        assert status < 500 or status == 501, f"{status} {body}"
        assert str(status) in PATHS[row.path][row.method.lower()]["responses"], f"{status} is in no document"
