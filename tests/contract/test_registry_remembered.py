"""Manifests and blobs that are asked for again are answered from memory, and the next request sees every change all the
same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_pieces import OCI_MANIFEST, manifest_of
from registry_server import Account, Server, colleague_of, started, withdraw

from assay.clock import DAY, HOUR, SECOND, SetClock
from assay.iam import credentials
from assay.oci import Digest
from assay.registry import blobs, pulls, repositories
from assay.registry.repositories import RepositoryChanges
from assay.storage import Store

CONFIG = b'{"architecture":"amd64"}'


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path / "blobs") as running:
        yield running


@pytest.fixture
def image(server: Server) -> bytes:
    return push(server, "v1", b"layer")


def push(server: Server, tag: str, layer: bytes) -> bytes:
    with server.client() as client:
        for blob in (CONFIG, layer):
            sent = client.post("/blobs/uploads/", params={"digest": Digest.of(blob).text}, content=blob)
            assert sent.status_code == 201, sent.text
        content = manifest_of(CONFIG, [layer])
        put = client.put(f"/manifests/{tag}", content=content, headers={"content-type": OCI_MANIFEST})
        assert put.status_code == 201, put.text
        return content


def reader(server: Server, *conditions: str) -> Account:
    """Somebody who may pull, under conditions."""
    return colleague_of(
        server.account, server.store, "reader", f"allow group reader to read repos in tenancy{''.join(conditions)}"
    )


def bearer(server: Server, account: Account) -> dict[str, str]:
    scope = f"repository:{account.namespace}/team/app:pull"
    return {"authorization": f"Bearer {server.bearer(scope, account=account)}"}


def get(server: Server, headers: dict[str, str], reference: str = "v1") -> httpx.Response:
    return httpx.get(f"{server.path()}/manifests/{reference}", headers=headers)


def warmed(server: Server, account: Account) -> dict[str, str]:
    """A token of theirs that was used twice, so that its answer is remembered where anything is."""
    headers = bearer(server, account)
    assert [get(server, headers).status_code for _ in range(2)] == [200, 200]
    return headers


def test_a_manifest_is_read_once_while_nobody_changes_anything(
    server: Server, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    ask = pulls.manifest

    def counted(*args: Any, **options: Any) -> pulls.PulledManifest:
        read.append("manifest")
        return ask(*args, **options)

    monkeypatch.setattr(pulls, "manifest", counted)
    headers = bearer(server, server.account)
    answers = [get(server, headers) for _ in range(3)]
    assert [answer.content for answer in answers] == [image] * 3
    headers_of = [{**answer.headers, "date": ""} for answer in answers]
    assert headers_of == [headers_of[0]] * 3
    assert len(read) == (1 if server.store.database.is_sqlite else 3)


def test_a_pull_from_memory_is_counted(server: Server, image: bytes) -> None:
    warmed(server, server.account)
    assert server.services.pulls.count() == 2


def test_the_answer_to_head_has_no_body_and_that_to_get_has_it(server: Server, image: bytes) -> None:
    headers = bearer(server, server.account)
    for _ in range(2):
        head = httpx.head(f"{server.path()}/manifests/v1", headers=headers)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(image)))
        assert get(server, headers).content == image


def test_a_tag_that_moved_is_answered_anew(server: Server, image: bytes) -> None:
    headers = warmed(server, server.account)
    moved = push(server, "v1", b"another layer")
    assert get(server, headers).content == moved


def test_a_deleted_tag_is_gone_at_once(server: Server, image: bytes) -> None:
    headers = warmed(server, server.account)
    with server.client() as client:
        assert client.delete("/manifests/v1").status_code == 202
    assert get(server, headers).status_code == 404


def test_a_deleted_policy_ends_it_at_once(server: Server, image: bytes) -> None:
    headers = warmed(server, reader(server))
    withdraw(server.account, server.store, "reader")
    assert get(server, headers).status_code == 404


def test_a_deleted_auth_token_ends_its_bearer_tokens_at_once(server: Server, image: bytes) -> None:
    someone = reader(server)
    headers = warmed(server, someone)
    user = someone.actor.principal.ocid
    (token,) = credentials.auth_tokens.listed(server.store, server.account.actor, user)
    credentials.auth_tokens.delete(server.store, server.account.actor, user, token.ocid)
    assert get(server, headers).status_code == 401


def test_a_bearer_token_ends_in_its_second_though_nobody_changes_anything(
    server: Server, image: bytes, clock: SetClock
) -> None:
    headers = warmed(server, server.account)
    clock.advance(server.services.token_lifetime - SECOND)
    assert get(server, headers).status_code == 200
    clock.advance(SECOND)
    assert get(server, headers).status_code == 401


def test_what_a_statement_lets_for_a_time_ends_though_nobody_changes_anything(
    server: Server, image: bytes, clock: SetClock
) -> None:
    headers = warmed(server, reader(server, " where request.utc-timestamp before '2026-08-01T12:00:10Z'"))
    clock.advance(11 * SECOND)
    assert get(server, headers).status_code == 404


def test_a_repository_that_is_public_no_more_asks_strangers_at_once(server: Server, image: bytes) -> None:
    admin = server.account.actor
    repository = repositories.by_name(server.store, admin, "team/app")
    repositories.change(server.store, admin, repository.ocid, RepositoryChanges(is_public=True))
    assert [get(server, {}).status_code for _ in range(2)] == [200, 200]
    repositories.change(server.store, admin, repository.ocid, RepositoryChanges(is_public=False))
    assert get(server, {}).status_code == 401


def test_what_is_remembered_for_one_is_not_given_to_another(server: Server, image: bytes) -> None:
    warmed(server, server.account)
    outsider = colleague_of(server.account, server.store, "outsider")
    assert get(server, bearer(server, outsider)).status_code == 404
    assert get(server, {}).status_code == 401


def test_a_token_that_holds_no_scope_for_it_is_asked_for_another(server: Server, image: bytes) -> None:
    warmed(server, server.account)
    elsewhere = server.bearer(f"repository:{server.account.namespace}/team/other:pull")
    assert get(server, {"authorization": f"Bearer {elsewhere}"}).status_code == 401


LAYER = b"layer"


def get_blob(server: Server, headers: dict[str, str], content: bytes = LAYER) -> httpx.Response:
    return httpx.get(f"{server.path()}/blobs/{Digest.of(content)}", headers=headers)


def warmed_blob(server: Server, account: Account, content: bytes = LAYER) -> dict[str, str]:
    """As `warmed`, of a blob."""
    headers = bearer(server, account)
    assert [get_blob(server, headers, content).content for _ in range(2)] == [content, content]
    return headers


def test_a_blob_is_looked_up_once_while_nobody_changes_anything(
    server: Server, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    find = blobs.find

    def counted(*args: Any) -> blobs.HeldBlob:
        looked.append("blob")
        return find(*args)

    monkeypatch.setattr(blobs, "find", counted)
    headers = bearer(server, server.account)
    answers = [get_blob(server, headers) for _ in range(3)]
    assert [answer.content for answer in answers] == [LAYER] * 3
    assert len(looked) == (1 if server.store.database.is_sqlite else 3)


def test_a_deleted_policy_ends_pulls_of_blobs_at_once(server: Server, image: bytes) -> None:
    headers = warmed_blob(server, reader(server))
    withdraw(server.account, server.store, "reader")
    assert get_blob(server, headers).status_code == 404


def test_a_statement_for_a_time_lets_no_blob_go_after_it(server: Server, image: bytes, clock: SetClock) -> None:
    headers = warmed_blob(server, reader(server, " where request.utc-timestamp before '2026-08-01T12:00:10Z'"))
    clock.advance(11 * SECOND)
    assert get_blob(server, headers).status_code == 404


def test_a_blob_that_is_remembered_for_one_is_not_given_to_another(server: Server, image: bytes) -> None:
    warmed_blob(server, server.account)
    outsider = colleague_of(server.account, server.store, "outsider")
    assert get_blob(server, bearer(server, outsider)).status_code == 404
    assert get_blob(server, {}).status_code == 401


def test_a_deleted_blob_is_gone_at_once(server: Server, image: bytes) -> None:
    with server.client() as client:
        client.post("/blobs/uploads/", params={"digest": Digest.of(b"loose").text}, content=b"loose")
        headers = warmed_blob(server, server.account, b"loose")
        assert client.delete(f"/blobs/{Digest.of(b'loose')}").status_code == 202
    assert get_blob(server, headers, b"loose").status_code == 404


def test_a_blob_that_no_manifest_names_is_shown_no_more_before_it_goes(
    server: Server, image: bytes, clock: SetClock
) -> None:
    """It goes after a day; nobody is told that it is there in the last hour of it."""
    with server.client() as client:
        client.post("/blobs/uploads/", params={"digest": Digest.of(b"loose").text}, content=b"loose")
    clock.advance(DAY - HOUR - 2 * SECOND)
    headers = warmed_blob(server, server.account, b"loose")
    clock.advance(SECOND)
    assert get_blob(server, headers, b"loose").status_code == 200
    clock.advance(SECOND)
    assert get_blob(server, headers, b"loose").status_code == 404


@pytest.mark.parametrize("harm", ["gone", "shorter"])
def test_a_remembered_blob_whose_bytes_are_not_what_they_were_is_not_served(
    server: Server, image: bytes, harm: str
) -> None:
    headers = warmed_blob(server, server.account)
    path = server.blobs.path(Digest.of(LAYER))
    assert path is not None
    if harm == "gone":
        path.unlink()
    else:
        path.chmod(0o600)
        path.write_bytes(LAYER[:-1])
    answer = get_blob(server, headers)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "BLOB_UNKNOWN")
