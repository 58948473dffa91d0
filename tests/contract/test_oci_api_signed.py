"""The API door and who calls: signatures beside session tokens, the raw target, replays, and request rates."""

import json
from types import SimpleNamespace

import httpx
import pytest
from request_signing import Client, KeyPair
from starlette.applications import Starlette

from assay.clock import SECOND
from assay.iam import Actor, hashing
from assay.iam.credentials import api_keys, passwords, sessions
from assay.iam.identity import first_start, users
from assay.oci_api import routes
from assay.secret import Secret
from assay.settings import Settings

PAIR, OTHER = KeyPair(), KeyPair()
PASSWORD = Secret("correct horse battery")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    """Passwords are hashed slowly on purpose; here none is worth guessing."""
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    monkeypatch.setattr(hashing, "PASSES", 1)


@pytest.fixture
def made(store):
    return first_start.bootstrap(store)


@pytest.fixture
def admin(made):
    return Actor(users.principal_of(made.administrator), made.tenancy.ocid)


@pytest.fixture
def client(store, admin):
    api_keys.upload(store, admin, admin.principal.ocid, PAIR.public_pem)
    return Client(PAIR, admin.tenancy, admin.principal.ocid)


class Api:
    """The door as clients reach it; a request goes out exactly as it was signed."""

    def __init__(self, store, **settings):
        app = SimpleNamespace(store=store, settings=Settings(external_url="http://assay.test", **settings))
        self.store = store
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(Starlette(routes=routes(app))), base_url="http://assay.test"
        )

    async def send(self, method, target, headers, body=b""):
        url = httpx.URL("http://assay.test").copy_with(raw_path=target.encode())
        return await self.client.request(method, url, headers=headers, content=body)

    async def signed(self, client, method, target, body=b"", **more):
        headers = client.headers(method, target, self.store.clock.now(), body)
        return await self.send(method, target, {**headers, **more}, body)


@pytest.fixture
def api(store):
    return Api(store)


@pytest.mark.anyio
async def test_a_signed_request_is_answered_also_when_its_endpoint_ends_with_a_slash(api, client, made):
    for target in ("/n", "//n", "/n?compartmentId=", "//n?limit=%31"):
        answer = await api.signed(client, "GET", target)
        assert (answer.status_code, answer.json()) == (200, made.tenancy.namespace), target


@pytest.mark.anyio
async def test_what_was_not_signed_so_is_refused_in_oci_s_shape(api, client):
    headers = client.headers("GET", "/n", api.store.clock.now())
    for target in ("/n?a=b", "//n", "/20160918/users?compartmentId=x"):
        answer = await api.send("GET", target, headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "NotAuthenticated"), target
        assert set(answer.json()) == {"code", "message"}
    answer = await api.send("GET", "/n", headers | {"host": "elsewhere.test"})
    assert answer.status_code == 401


@pytest.mark.anyio
async def test_a_body_changed_on_its_way_is_refused_before_anything_is_done(api, client, admin):
    target = f"/20160918/users/{admin.principal.ocid}/authTokens"
    headers = client.headers("POST", target, api.store.clock.now(), b'{"description": "one"}')
    answer = await api.send("POST", target, headers, b'{"description": "two"}')
    assert answer.status_code == 401
    assert (await api.signed(client, "GET", target)).json() == []


@pytest.mark.anyio
async def test_the_same_signed_change_is_refused_the_second_time_and_tried_again_by_the_clients(
    api, client, admin, clock
):
    target = f"/20160918/users/{admin.principal.ocid}/authTokens"
    body = b'{"description": "one"}'
    headers = client.headers("POST", target, clock.now(), body)
    assert (await api.send("POST", target, headers | {"opc-retry-token": "a"}, body)).status_code == 200
    for token in ("a", "b"):
        again = await api.send("POST", target, headers | {"opc-retry-token": token}, body)
        # The code and status that the clients' retry strategy repeats (oci-api 1.3).
        assert (again.status_code, again.json()["code"]) == (409, "IncorrectState")
    assert len((await api.signed(client, "GET", target)).json()) == 1
    clock.advance(SECOND)
    # Signed again, with the retry token it had: the first result.
    repeated = await api.signed(client, "POST", target, body, **{"opc-retry-token": "a"})
    assert repeated.status_code == 200
    assert len((await api.signed(client, "GET", target)).json()) == 1


@pytest.mark.anyio
async def test_reading_may_come_twice_in_a_second(api, client):
    headers = client.headers("GET", "/n", api.store.clock.now())
    assert [(await api.send("GET", "/n", headers)).status_code for _ in range(2)] == [200, 200]


@pytest.mark.anyio
async def test_session_tokens_and_signatures_work_side_by_side(api, client, store, made):
    first = sessions.sign_in(store, "admin", made.secret)
    passwords.change(store, first.token, made.secret, PASSWORD)
    bearer = {"authorization": f"Bearer {first.token.reveal()}"}
    assert (await api.send("GET", "/n", bearer)).json() == (await api.signed(client, "GET", "/n")).json()
    who = await api.signed(client, "GET", "/20260901/sessions/current")
    assert who.json()["userName"] == "admin"
    # Of two ways to say who calls, neither counts.
    twice = [*client.headers("GET", "/n", store.clock.now()).items(), *bearer.items()]
    answer = await api.client.get("http://assay.test/n", headers=twice)
    assert (answer.status_code, "more than one Authorization" in answer.json()["message"]) == (401, True)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("authorization", "says"),
    [
        ("", "does not say who calls"),
        ("Signature", "does not read"),
        ("signature algorithm", "does not read"),
        (
            (
                'Signature algorithm="rsa-sha256",headers="date (request-target) host",keyId="ST$eyJh.e30.c2ln",'
                'signature="AAAA",version="1"'
            ),
            "session, instance or resource token",
        ),
    ],
)
async def test_other_ways_of_saying_who_calls_are_refused_by_what_they_are(api, authorization, says):
    answer = await api.send("GET", "/n", {"authorization": authorization} if authorization else {})
    assert (answer.status_code, says in answer.json()["message"]) == (401, True), answer.text


@pytest.mark.anyio
async def test_keys_are_uploaded_listed_and_deleted_in_the_models_of_the_clients(api, client, admin):
    keys = f"/20160918/users/{admin.principal.ocid}/apiKeys"
    made = await api.signed(client, "POST", keys, json.dumps({"key": OTHER.public_pem}).encode())
    assert made.status_code == 200
    assert made.headers["etag"]
    body = made.json()
    assert body.pop("timeCreated").endswith("Z")
    assert body.pop("timeExpires").endswith("Z")
    assert body == {
        "keyId": f"{admin.tenancy}/{admin.principal.ocid}/{OTHER.fingerprint}",
        "keyValue": OTHER.public_pem,
        "fingerprint": OTHER.fingerprint,
        "userId": admin.principal.ocid,
        "lifecycleState": "ACTIVE",
        "inactiveStatus": None,
    }
    listed = (await api.signed(client, "GET", keys)).json()
    assert {each["fingerprint"] for each in listed} == {PAIR.fingerprint, OTHER.fingerprint}
    gone = await api.signed(client, "DELETE", f"{keys}/{OTHER.fingerprint.replace(':', '%3A')}")
    assert gone.status_code == 204
    assert len((await api.signed(client, "GET", keys)).json()) == 1
    private = await api.signed(client, "POST", keys, json.dumps({"key": PAIR.private_pem}).encode())
    assert private.status_code == 400
    assert PAIR.private_pem.splitlines()[5] not in private.text


@pytest.mark.anyio
async def test_a_lifetime_can_be_said_or_set(store, client, admin):
    api = Api(store, credential_lifetime=3600 * SECOND)
    user = f"/20160918/users/{admin.principal.ocid}"
    set_ = await api.signed(client, "POST", f"{user}/apiKeys", json.dumps({"key": OTHER.public_pem}).encode())
    said = await api.signed(client, "POST", f"{user}/authTokens", b'{"description": "d", "lifetimeInSeconds": 60}')
    # The clock of these tests stands at noon of 1 August 2026.
    assert set_.json()["timeExpires"] == "2026-08-01T13:00:00.000Z"
    assert said.json()["timeExpires"] == "2026-08-01T12:01:00.000Z"
    store.clock.advance(3601 * SECOND)
    told = (await api.signed(client, "GET", f"{user}/apiKeys")).json()
    assert {each["fingerprint"]: (each["lifecycleState"], each["inactiveStatus"]) for each in told} == {
        PAIR.fingerprint: ("ACTIVE", None),
        OTHER.fingerprint: ("INACTIVE", 2),
    }


@pytest.mark.anyio
async def test_too_many_failures_and_too_many_requests_say_when_to_come_again(store, client, admin):
    api = Api(store, api_requests_per_second_user=1, api_requests_per_second_address=3)
    answers = [await api.signed(client, "GET", "/n") for _ in range(12)]
    assert [each.status_code for each in answers] == [200] * 11 + [429]
    assert (answers[-1].json()["code"], answers[-1].headers["retry-after"]) == ("TooManyRequests", "1")
    assert "this user" in answers[-1].json()["message"]
    stranger = Client(OTHER, admin.tenancy, "ocid1.user.oc1..nobody")
    tried = [await api.signed(stranger, "GET", "/n") for _ in range(20)]
    assert [each.status_code for each in tried[:6]] == [401] * 5 + [429]
    assert tried[5].headers["retry-after"] == "300"
    assert "this address" in tried[-1].json()["message"]
