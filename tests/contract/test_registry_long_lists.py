"""Lists of the distribution protocol at size: referrers by the hundred, long annotations, a catalogue of thousands."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from registry_pieces import OCI_CONFIG, OCI_MANIFEST, described
from registry_server import Server, colleague_of, started
from sqlalchemy import Engine, event, select

from assay.oci import Digest
from assay.registry import repositories
from assay.registry.repositories import RepositoryDetails
from assay.storage import Store, metadata

IS_FULL = os.environ.get("ASSAY_TEST_SIZE") == "full"
REFERRERS = 700 if IS_FULL else 230
REPOSITORIES = 9_000 if IS_FULL else 1_300
#: What clients take of a manifest: "at least 4 megabytes" (distribution-spec, "Pushing Manifests"), and no more.
CLIENTS_BYTES_MAX = 4 * 1024 * 1024
SUBJECT = Digest.of(b"a subject that was never pushed")
KINDS = ("application/x.sbom", "application/x.signature")


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path / "blobs") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as session:
        answer = session.post("/blobs/uploads/", params={"digest": Digest.of(b"{}").text}, content=b"{}")
        assert answer.status_code == 201
        yield session


def attach(client: httpx.Client, number: int, annotations: dict[str, str]) -> str:
    content = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": KINDS[number % 2],
            "config": described(b"{}", OCI_CONFIG),
            "layers": [],
            "subject": {"mediaType": OCI_MANIFEST, "digest": SUBJECT.text, "size": 7},
            "annotations": {"number": str(number), **annotations},
        }
    ).encode()
    digest = Digest.of(content).text
    answer = client.put(f"/manifests/{digest}", content=content, headers={"content-type": OCI_MANIFEST})
    assert (answer.status_code, answer.headers["oci-subject"]) == (201, SUBJECT.text)
    return digest


def pages_of(client: httpx.Client, path: str) -> Iterator[httpx.Response]:
    """The pages of a list, as clients follow them: by the `Link` alone (RFC 5988)."""
    while path:
        page = client.get(path)
        assert page.status_code == 200, page.text
        yield page
        following = page.links.get("next", {}).get("url", "")
        path = f"{client.base_url.copy_with(raw_path=following.encode())}" if following else ""


def test_hundreds_of_referrers_come_page_by_page_each_once_and_narrowed_on_every_page(client: httpx.Client) -> None:
    digests = [attach(client, number, {}) for number in range(REFERRERS)]
    pages = list(pages_of(client, f"/referrers/{SUBJECT}"))
    shown = [each["digest"] for page in pages for each in page.json()["manifests"]]
    assert len(pages) > 1
    assert (len(shown), set(shown)) == (REFERRERS, set(digests))
    assert all("oci-filters-applied" not in page.headers for page in pages)
    narrowed = list(pages_of(client, f"/referrers/{SUBJECT}?artifactType={KINDS[0]}"))
    of_kind = [each for page in narrowed for each in page.json()["manifests"]]
    assert {each["artifactType"] for each in of_kind} == {KINDS[0]}
    assert {each["digest"] for each in of_kind} == set(digests[::2])
    assert all(page.headers["oci-filters-applied"] == "artifactType" for page in narrowed)
    assert {each["annotations"]["number"] for each in of_kind} == {str(number) for number in range(0, REFERRERS, 2)}
    assert client.get(f"/referrers/{SUBJECT}?artifactType=application/none").json()["manifests"] == []


def test_a_page_of_referrers_is_never_longer_than_clients_read(client: httpx.Client) -> None:
    # A character that JSON writes as six bytes, in as many annotations as are taken: some 360 KiB each.
    digests = {attach(client, number, {"long": "\x01" * 60_000}) for number in range(30)}
    pages = list(pages_of(client, f"/referrers/{SUBJECT}"))
    assert max(len(page.content) for page in pages) <= CLIENTS_BYTES_MAX
    assert len(pages) == 3  # eleven to a page
    assert {each["digest"] for page in pages for each in page.json()["manifests"]} == digests


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What is asked of the database."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


def test_a_long_catalogue_is_not_asked_for_row_by_row(server: Server, store: Store, statements: list[str]) -> None:
    """One who may see every seventh of thousands of repositories gets just these, in a few statements."""
    admin = server.account
    first = repositories.create(store, admin.actor, RepositoryDetails(admin.actor.tenancy, "r00000"))
    table = metadata.tables["repository"]
    with store.database.write() as connection:
        row = dict(connection.execute(select(table).where(table.c.ocid == first.ocid)).one()._mapping)
        copies = [
            {**row, "ocid": f"{first.ocid}{number}", "name": f"r{number:05}"} for number in range(1, REPOSITORIES)
        ]
        connection.execute(table.insert(), copies)
    seven = "allow group bob to read repos in tenancy where target.repo.name = /*7/"
    bob = colleague_of(admin, store, "bob", seven)
    for account, mine in ((admin, range(REPOSITORIES)), (bob, range(7, REPOSITORIES, 10))):
        with httpx.Client(base_url=server.url, auth=(account.login, account.token)) as session:
            wanted = [f"{account.namespace}/r{number:05}" for number in mine]
            statements.clear()
            page = session.get("/v2/_catalog", params={"n": len(wanted)} if len(wanted) <= 1_000 else {})
            assert page.json()["repositories"] == wanted[:1_000]
            assert ("next" in page.links) == (len(wanted) > 1_000)
            assert len(statements) < 20 + REPOSITORIES / 100, statements[:40]
            last = session.get("/v2/_catalog", params={"n": 2, "last": wanted[-3]})
            assert last.json()["repositories"] == wanted[-2:]
            assert "link" not in last.headers
