"""The admission door as an API server finds it: TLS, credentials, bounded reading, an answer in any case."""

import gzip
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from admission_loopback import HOST, ROOT, Served, encoded, pod_review, serving, written
from cryptography.hazmat.primitives.serialization import Encoding

from assay.admission import admit, authority, certificates, clusters, ledger
from assay.admission.model import Cluster, ClusterChange, ClusterDetails
from assay.admission.policy import ImagePolicy
from assay.admission.reviews import REVIEW_BYTES_MAX
from assay.clock import DAY, Instant, SetClock, SystemClock
from assay.http import certificates as tls
from assay.http.admission import Timing
from assay.iam import Actor, Principal, PrincipalKind
from assay.iam.identity import first_start
from assay.storage import Database, Store

JSON = {"content-type": "application/json"}


@pytest.fixture
def live(store: Store) -> Store:
    """The store with the machine's clock: certificates are checked against it."""
    return replace(store, clock=SystemClock())


@pytest.fixture
def owner(live: Store) -> Actor:
    """Who may do everything in a fresh tenancy."""
    started = first_start.bootstrap(live)
    assert started is not None
    return Actor(Principal(PrincipalKind.INSTALLATION, "tests"), started.tenancy.ocid)


@pytest.fixture
def cluster(live: Store, owner: Actor) -> Cluster:
    """A cluster whose policy is enabled and lists no key, so that everything is denied."""
    made = clusters.create_cluster(live, owner, ClusterDetails(owner.tenancy, "prod-eu"))
    return clusters.update_cluster(live, owner, made.ocid, ClusterChange(policy=ImagePolicy(enabled=True)))


@pytest.fixture
def token(live: Store, owner: Actor, cluster: Cluster) -> str:
    made = clusters.create_cluster_token(live, owner, cluster.ocid).token
    assert made is not None
    return made.reveal()


@pytest.fixture
def door(live: Store, cluster: Cluster) -> Iterator[Served]:
    with serving(live, timing=Timing(read_seconds=0.6)) as served:
        yield served


def path(cluster: Cluster, phase: str = "validate") -> str:
    return f"/v1/clusters/{cluster.ocid}/{phase}?timeout=10s"


def post(client: httpx.Client, to: str, content: Any, **headers: str) -> httpx.Response:
    return client.post(to, content=content, headers=JSON | headers)


def status_of(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    answered = response.json()["response"]
    assert answered["allowed"] is False
    found: dict[str, Any] = answered["status"]
    return found


def test_a_review_is_answered_with_its_uid_in_both_phases(door: Served, cluster: Cluster, token: str) -> None:
    with door.client(token) as client:
        for phase in ("mutate", "validate"):
            response = post(client, path(cluster, phase), encoded(pod_review(f"{HOST}/acme/a:1")))
            assert response.headers["content-type"] == "application/json"
            assert response.json()["response"]["uid"] == pod_review()["request"]["uid"]
            message = status_of(response)["message"]
            assert "the image verification policy of prod-eu is enabled and lists no key" in message


def test_a_caller_without_a_credential_or_with_a_wrong_one_is_turned_away(
    door: Served, cluster: Cluster, token: str
) -> None:
    for wrong in ("", "nonsense", token[:-1]):
        with door.client(wrong) as client:
            response = post(client, path(cluster), encoded(pod_review("a")))
            assert response.status_code == 401
            assert response.headers["www-authenticate"].startswith("Bearer")
            assert (response.json()["kind"], response.json()["reason"]) == ("Status", "Unauthorized")


def test_case_51_the_credential_of_another_cluster_is_refused_on_this_ones_path(
    live: Store, owner: Actor, door: Served, cluster: Cluster, tmp_path: Path
) -> None:
    other = clusters.create_cluster(live, owner, ClusterDetails(owner.tenancy, "other"))
    token = clusters.create_cluster_token(live, owner, other.ocid).token
    assert token is not None
    made = clusters.create_cluster_certificate(live, owner, other.ocid, issuer=authority.open_authority(live, ROOT))
    assert made.private_key is not None
    files = written(tmp_path, made.certificate, made.private_key.reveal())
    for client in (door.client(token.reveal()), door.client(certificate=files)):
        with client:
            assert post(client, path(cluster), encoded(pod_review("a"))).status_code == 403
            assert post(client, path(other), encoded(pod_review("a"))).status_code == 200


def test_a_client_certificate_opens_until_it_is_deleted_though_tls_still_trusts_it(
    live: Store, owner: Actor, door: Served, cluster: Cluster, tmp_path: Path
) -> None:
    made = clusters.create_cluster_certificate(live, owner, cluster.ocid, issuer=authority.open_authority(live, ROOT))
    assert made.private_key is not None
    files = written(tmp_path, made.certificate, made.private_key.reveal())
    with door.client(certificate=files) as client:
        assert "lists no key" in status_of(post(client, path(cluster), encoded(pod_review("a"))))["message"]
        clusters.delete_cluster_certificate(live, owner, cluster.ocid, made.ocid)
        assert post(client, path(cluster), encoded(pod_review("a"))).status_code == 401


def test_a_client_certificate_of_a_strange_authority_does_not_even_connect(
    door: Served, cluster: Cluster, tmp_path: Path
) -> None:
    now = SystemClock().now()
    issued = certificates.issue_client(certificates.make_authority("stranger", now), cluster.ocid, now)
    files = written(tmp_path, issued.certificate, issued.private_key.reveal())
    with door.client(certificate=files) as client, pytest.raises(httpx.TransportError):
        post(client, path(cluster), encoded(pod_review("a")))


def test_a_deleted_token_and_a_deleted_cluster_open_nothing(
    live: Store, owner: Actor, door: Served, cluster: Cluster, token: str
) -> None:
    with door.client(token) as client:
        clusters.delete_cluster(live, owner, cluster.ocid)
        assert post(client, path(cluster), encoded(pod_review("a"))).status_code == 401


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[" * 5000 + b"]" * 5000, {}, 400),
        (b"\xff\xfe", {}, 400),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}', {}, 400),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {"content-type": "application/yaml"}, 415),
        (gzip.compress(b"{}", mtime=0), {"content-encoding": "gzip"}, 415),
        (b" " * (REVIEW_BYTES_MAX + 1), {}, 413),
    ],
)
def test_case_43_what_is_no_review_gets_the_status_that_fits(
    door: Served, cluster: Cluster, token: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    with door.client(token) as client:
        response = post(client, path(cluster), content, **headers)
        assert response.status_code == status
        assert response.json()["message"]


def test_case_43_a_chunked_body_is_read_and_a_chunked_flood_is_cut_off(
    door: Served, cluster: Cluster, token: str
) -> None:
    with door.client(token) as client:
        whole = encoded(pod_review("a"))
        status_of(post(client, path(cluster), (whole[n : n + 100] for n in range(0, len(whole), 100))))
    with door.client(token) as client:
        try:
            response = post(client, path(cluster), (b" " * 65536 for _ in range(200)))
        except httpx.TransportError:
            return  # the door answered and hung up while we were still sending
        assert response.status_code == 413


def test_case_43_other_methods_and_paths_are_refused(door: Served, cluster: Cluster, token: str) -> None:
    with door.client(token) as client:
        response = client.get(path(cluster))
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"
        assert post(client, f"/v1/clusters/{cluster.ocid}/other", b"{}").status_code == 404
        assert post(client, "/", b"{}").status_code == 404


def test_case_43_a_pod_of_three_megabytes_on_both_sides_is_decided(door: Served, cluster: Cluster, token: str) -> None:
    review = pod_review("a", operation="UPDATE", oldObject=pod_review("b")["request"]["object"])
    for side in ("object", "oldObject"):
        review["request"][side]["metadata"]["annotations"] = {"much": "x" * (3 * 1024 * 1024)}
    with door.client(token) as client:
        assert "lists no key" in status_of(post(client, path(cluster), encoded(review)))["message"]


def test_case_41_a_pod_that_cannot_be_read_is_denied_with_its_uid(door: Served, cluster: Cluster, token: str) -> None:
    review = pod_review("a")
    review["request"]["object"]["spec"]["containers"] = None
    with door.client(token) as client:
        status = status_of(post(client, path(cluster), encoded(review)))
    assert (status["code"], status["message"].startswith("/spec/containers is missing.")) == (400, True)


def test_case_39_a_kind_that_is_not_known_is_denied_as_unsupported(door: Served, cluster: Cluster, token: str) -> None:
    review = pod_review("a", kind={"group": "argoproj.io", "version": "v1alpha1", "kind": "Rollout"})
    review["request"]["object"]["kind"] = "Rollout"
    with door.client(token) as client:
        status = status_of(post(client, path(cluster), encoded(review)))
    assert status["code"] == 403
    assert "Unsupported kind 'Rollout'" in status["message"]


@contextmanager
def connected(door: Served) -> Iterator[ssl.SSLSocket]:
    """A bare TLS connection to the door."""
    context = ssl.create_default_context(cadata=door.tls.identity.trusted_by)
    with (
        socket.create_connection(("127.0.0.1", door.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        yield connection


def test_case_44_a_client_that_stops_in_its_body_is_answered_within_the_deadline(
    door: Served, cluster: Cluster, token: str
) -> None:
    with connected(door) as connection:
        connection.sendall(
            f"POST {path(cluster)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{".encode()
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_case_44_a_client_that_stops_in_its_headers_is_hung_up_on(
    door: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls.AdmissionProtocol, "headers_seconds", 0.3)
    # It may hang up while we are still sending.
    with connected(door) as connection, suppress(ConnectionError, ssl.SSLError):
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert connection.recv(4096) == b""


@pytest.mark.parametrize("size", [70_000, 300_000])
def test_case_44_headers_that_are_too_long_are_answered_so(door: Served, size: int) -> None:
    with connected(door) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * size + b"\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 431 ")


def test_a_database_that_is_away_denies_and_says_so(live: Store, cluster: Cluster, token: str) -> None:
    away = replace(live, database=Database("postgresql://nobody@127.0.0.1:1/none"))
    with serving(away, identity_from=live) as door, door.client(token) as client:
        status = status_of(post(client, path(cluster), encoded(pod_review("a"))))
    assert "could not be checked: The database could not do it" in status["message"]


def test_an_error_inside_denies_and_tells_nothing_of_itself(
    door: Served, cluster: Cluster, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr(admit, "examined", broken)
    with door.client(token) as client:
        message = status_of(post(client, path(cluster), encoded(pod_review("a"))))["message"]
    assert message == "The images could not be checked: an error inside Assay. Whoever runs Assay can see to it"


def test_an_answer_that_would_be_late_is_a_denial_and_is_never_recorded(
    live: Store, owner: Actor, cluster: Cluster, token: str
) -> None:
    """Somebody writes for longer than the API server waits; on SQLite everybody else waits."""
    if not live.database.is_sqlite:
        pytest.skip("PostgreSQL lets many write at once")
    review = encoded(pod_review(f"{HOST}/acme/a:1"))
    with serving(live, timing=Timing(margin_seconds=0.5)) as door, door.client(token) as client:
        with live.database.write():
            response = client.post(f"/v1/clusters/{cluster.ocid}/validate?timeout=1s", content=review, headers=JSON)
        assert "no answer within 0.5 seconds" in status_of(response)["message"]
        with live.database.write():
            pass  # turns are taken in order: who asked before us is done
    assert ledger.list_decisions(live, owner, cluster.ocid).items == ()


def test_a_certificate_is_renewed_while_the_door_serves(live: Store, cluster: Cluster, token: str) -> None:
    clock = SetClock(live.clock.now())
    with serving(live, clock=clock) as door, door.client(token) as standing:
        body = encoded(pod_review("a"))
        post(standing, path(cluster), body)
        before = door.tls.identity.leaf
        assert _presented(door) == before.public_bytes(Encoding.DER)
        assert not door.tls.renew()
        clock.at = Instant(clock.at + 61 * DAY)
        assert door.tls.renew()
        assert _presented(door) == door.tls.identity.leaf.public_bytes(Encoding.DER)
        assert door.tls.identity.leaf != before
        assert post(standing, path(cluster), body).status_code == 200


def _presented(door: Served) -> bytes:
    with connected(door) as connection:
        presented = connection.getpeercert(binary_form=True)
    assert presented is not None
    return presented
