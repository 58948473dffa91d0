"""Every route of the API × every kind of caller: what lets in is exactly the table of `iam/permissions.py`.

A route's row names its operation, whose permissions the table gives. For each route: who says nothing, has a wrong
session, or signs with another key or an old date is not known (401), and what changes something is taken once for a
signature (409); who has no policy, one for another compartment, or comes from another tenancy gets the one
refusal (404), and so does whoever lacks one single permission of the table; who has exactly those of the table is let
in. A new route is walked by itself, and fails until `route_samples` has a request for it and the table its operation.
"""

import os
from typing import Any

import pytest
from places import NOON
from request_signing import KeyPair
from route_samples import Sample, host_of, path_of, sample_of
from route_world import PAIR, STRANGE_PAIR, Copy, RouteWorld, build, databases_of

import assay.oci_api as door
from assay.clock import MINUTE, SECOND, SetClock
from assay.errors import not_found
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

IS_FULL = os.environ.get("ASSAY_TEST_SIZE") == "full"
POSTGRES_EVERY = 16
#: A request may be this old, and no older (oci-api 1.2).
SKEW = 5 * MINUTE

ROWS = tuple(door._ROWS)
NUMBERED = dict(enumerate(ROWS))
PATHS = door.openapi_document()["paths"]


@pytest.fixture(scope="module", params=["sqlite"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RouteWorld:
    """One of everything, made once."""
    folder = tmp_path_factory.mktemp("routes")
    return build(folder, databases_of(request, request.param, folder), SetClock(NOON))


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

    def ask_signed(self, pair: KeyPair = PAIR, *, age: int = 0) -> tuple[int, str]:
        """Status and code, asked by the caller `exact` with a signature of `pair`, dated `age` ago."""
        path = path_of(self.row.path, self.sample, self.names)
        client = self.copy.signer(host_of(self.row.path, self.names), pair)
        at = self.copy.store.clock.now() - age
        caller = self.copy.caller("nobody")
        reply = caller.ask_signed(client, at, self.row.method, path, self.sample.body, dict(self.sample.query))
        return reply.status_code, "" if reply.is_success else reply.json()["code"]

    @property
    def needed(self) -> frozenset[str]:
        """The permissions of the table."""
        return frozenset().union(*(OPERATIONS[name].permissions for name in (self.row.name, *self.sample.also)))


def _case(kind: str, number: int) -> Any:
    row = NUMBERED[number]
    return pytest.param(kind, number, id=f"{kind} {row.method} {row.path}".replace("/", "|"))


#: On SQLite every route; on PostgreSQL too when tests run at full size, else some of each service.
CASES = [
    *(_case("sqlite", number) for number in NUMBERED),
    *(_case("postgres", number) for number in NUMBERED if IS_FULL or number % POSTGRES_EVERY == 0),
]


@pytest.mark.parametrize(("world", "number"), CASES, indirect=["world"], scope="module")
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
        assert walk.ask_signed(STRANGE_PAIR) == (401, "NotAuthenticated")
        assert walk.ask_signed(age=SKEW + SECOND) == (401, "NotAuthenticated")
        # Denied or let in, a signature was used.
        first = walk.ask_signed()
        assert first[0] != 401
        changes = row.method != "GET" and row.name not in sign_in.LEAVE_NOTHING
        assert walk.ask_signed() == ((409, "IncorrectState") if changes else first)
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
