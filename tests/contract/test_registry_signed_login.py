"""`docker login -u BEARER_TOKEN`: a request signed with an API key gets a token that is a password for an hour."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_server import SERVICE, Server, started
from request_signing import Client, KeyPair

from assay.clock import HOUR, MINUTE, SECOND, SetClock
from assay.iam.credentials import api_keys
from assay.oci import Digest
from assay.storage import Store

PAIR = KeyPair()
TARGET = "/20180419/docker/token"


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path / "blobs") as running:
        actor = running.account.actor
        api_keys.upload(store, actor, actor.principal.ocid, PAIR.public_pem)
        yield running


def signed(server: Server, query: str = "", pair: KeyPair = PAIR) -> httpx.Response:
    """The answer to what `oci raw-request --http-method GET --target-uri …/20180419/docker/token` sends."""
    actor = server.account.actor
    client = Client(pair, actor.tenancy, actor.principal.ocid, f"127.0.0.1:{server.port}")
    headers = client.headers("GET", TARGET + query, server.store.clock.now())
    return httpx.get(f"{server.url}{TARGET}{query}", headers=headers)


def exchanged(server: Server, password: str, *scopes: str) -> dict[str, Any]:
    """What a client gets for a scope that logs in with a password as BEARER_TOKEN."""
    asked = [("service", SERVICE), *(("scope", scope) for scope in scopes)]
    answer = httpx.get(f"{server.url}{TARGET}", params=asked, auth=("BEARER_TOKEN", password))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def push_status(server: Server, name: str, **login: Any) -> int:
    content = b"blob of " + name.encode()
    query = {"digest": Digest.of(content).text}
    return httpx.post(f"{server.path(name)}/blobs/uploads/", params=query, content=content, **login).status_code


def bearing(token: str) -> dict[str, dict[str, str]]:
    return {"headers": {"authorization": f"Bearer {token}"}}


def test_the_token_is_a_password_with_which_clients_get_tokens_for_what_they_do(server: Server) -> None:
    answer = signed(server)
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == 3600
    password = answer.json()["token"]
    scope = f"repository:{server.account.namespace}/team/app:pull,push"
    token = exchanged(server, password, scope)["token"]
    assert push_status(server, "team/app", **bearing(token)) == 201
    assert push_status(server, "team/other", **bearing(token)) == 401  # the scope was for one repository
    form = {"grant_type": "password", "username": "BEARER_TOKEN", "password": password, "scope": scope}
    posted = httpx.post(f"{server.url}{TARGET}", data=form)
    assert push_status(server, "team/app", **bearing(posted.json()["access_token"])) == 201


def test_the_token_may_also_be_sent_as_it_is(server: Server) -> None:
    password = signed(server).json()["token"]
    assert httpx.get(f"{server.url}/v2/", auth=("BEARER_TOKEN", password)).status_code == 200
    assert push_status(server, "team/app", auth=("BEARER_TOKEN", password)) == 201
    assert push_status(server, "team/app", **bearing(password)) == 201


def test_a_token_with_scopes_is_never_exchanged_for_more_than_it_holds(server: Server) -> None:
    namespace = server.account.namespace
    narrow = signed(server, f"?scope=repository:{namespace}/team/app:pull,push").json()["token"]
    more = exchanged(server, narrow, f"repository:{namespace}/team/other:pull,push")["token"]
    assert push_status(server, "team/other", **bearing(more)) == 401
    same = exchanged(server, narrow, f"repository:{namespace}/team/app:pull,push")["token"]
    assert push_status(server, "team/app", **bearing(same)) == 201
    # One that an auth token got without any scope, as every login does, is good for nothing either.
    empty = exchanged(server, server.bearer(), f"repository:{namespace}/team/app:pull,push")["token"]
    assert push_status(server, "team/app", **bearing(empty)) == 401


def test_it_ends_after_an_hour_and_so_does_what_it_was_exchanged_for(server: Server, clock: SetClock) -> None:
    password = signed(server).json()["token"]
    scope = f"repository:{server.account.namespace}/team/app:pull,push"
    clock.advance(HOUR - MINUTE)
    last = exchanged(server, password, scope)
    assert last["expires_in"] == 60  # though tokens last five minutes here
    assert push_status(server, "team/app", **bearing(last["token"])) == 201
    clock.advance(MINUTE - SECOND)
    assert push_status(server, "team/app", **bearing(last["token"])) == 201
    clock.advance(SECOND)
    assert push_status(server, "team/app", **bearing(last["token"])) == 401
    assert push_status(server, "team/app", auth=("BEARER_TOKEN", password)) == 401
    refused = httpx.get(f"{server.url}{TARGET}", auth=("BEARER_TOKEN", password))
    assert refused.status_code == 401
    assert refused.json()["errors"][0]["code"] == "UNAUTHORIZED"


def test_it_ends_at_once_when_the_api_key_is_taken_away(server: Server, store: Store) -> None:
    password = signed(server).json()["token"]
    scope = f"repository:{server.account.namespace}/team/app:pull,push"
    token = exchanged(server, password, scope)["token"]
    actor = server.account.actor
    api_keys.delete(store, actor, actor.principal.ocid, PAIR.fingerprint)
    assert push_status(server, "team/app", **bearing(token)) == 401
    assert push_status(server, "team/app", auth=("BEARER_TOKEN", password)) == 401


def test_a_wrong_signature_gets_no_token(server: Server) -> None:
    assert signed(server, pair=KeyPair()).status_code == 401
    password = signed(server).json()["token"]
    assert push_status(server, "team/app", auth=("BEARER_TOKEN", password[::-1])) == 401
