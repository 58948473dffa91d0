"""The object store's adapter when things go wrong: silence, hang-ups, half-published blobs, keys that may not."""

import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from blob_media import S3Medium, cleared, content_of, held, publish, stage
from s3_server import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server

from assay.clock import SystemClock
from assay.errors import Reason, Refused, Unavailable
from assay.oci import Digest
from assay.secret import Secret
from assay.storage.blobs import Bucket, S3Blobs, S3Credentials, S3Place
from assay.storage.blobs.s3_bucket import PAUSES_SECONDS

CONTENT = random.Random(13).randbytes(17 * 1024 * 1024)
DIGEST = Digest.of(CONTENT)
MEBIBYTE = 1024 * 1024


@pytest.fixture
def medium(s3: S3Server) -> Iterator[S3Medium]:
    with ExitStack() as closing:
        yield closing.enter_context(cleared(S3Medium(s3, closing)))


def staged(blobs: S3Blobs, upload: str = "u1") -> str:
    return stage(blobs, upload, *(CONTENT[at : at + MEBIBYTE] for at in range(0, len(CONTENT), MEBIBYTE)))


@contextmanager
def answering(*answers: bytes | None) -> Iterator[tuple[str, list[bytes]]]:
    """A peer that gives each connection its answer and hangs up, or is silent (None): its address, what it heard."""
    heard: list[bytes] = []
    silent: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                heard.append(connection.recv(65536))
                if answer is None:
                    silent.append(connection)
                else:
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(20)
    for connection in silent:
        connection.close()


def blobs_at(endpoint: str, *, secret: str = SECRET_KEY, bucket: str = BUCKET, silence_seconds: float = 5) -> S3Blobs:
    credentials = S3Credentials(ACCESS_KEY, Secret(secret))
    return S3Blobs(Bucket(S3Place(endpoint, bucket), credentials, SystemClock(), silence_seconds=silence_seconds))


def answer(status: str, body: bytes = b"", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def test_a_store_that_accepts_and_never_answers_is_given_up_in_time() -> None:
    with answering(None) as (endpoint, heard):
        blobs = blobs_at(endpoint, silence_seconds=0.5)
        began = time.monotonic()
        with pytest.raises(Unavailable, match="said nothing in time"):
            blobs.size(DIGEST)
        assert time.monotonic() - began < 30
        blobs.close()
    assert len(heard) == 1


def test_a_store_that_stops_amid_an_answer_is_given_up_in_time() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") as (endpoint, _):
        blobs = blobs_at(endpoint, silence_seconds=0.5)
        with pytest.raises(Unavailable, match=r"hung up|said nothing"):
            blobs.put(DIGEST, b"x")
        blobs.close()


def test_a_request_that_broke_off_or_came_too_early_is_sent_again() -> None:
    well = answer("200 OK", headers="Content-Length: 11\r\n").replace(b"Content-Length: 0\r\n", b"")
    with answering(b"", answer("503 Slow Down"), well) as (endpoint, heard):
        blobs = blobs_at(endpoint)
        assert blobs.size(DIGEST) == 11
        blobs.close()
    assert len(heard) == 3


def test_a_store_that_fails_each_time_is_unavailable() -> None:
    failing = answer("500 Internal Server Error", b"<Error><Code>InternalError</Code></Error>")
    with answering(*[failing] * 9) as (endpoint, heard):
        blobs = blobs_at(endpoint)
        with pytest.raises(Unavailable, match=r"answered 500 \(InternalError\)"):
            blobs.stored()
        blobs.close()
        assert len(heard) == 1 + len(PAUSES_SECONDS)


@pytest.mark.parametrize(
    "body", [b"", b"no document", b"<a", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"x" * (4 * MEBIBYTE + 1)]
)
def test_an_answer_that_is_no_document_is_unavailable(body: bytes) -> None:
    with answering(*[answer("200 OK", body)] * 3) as (endpoint, _):
        blobs = blobs_at(endpoint)
        with pytest.raises(Unavailable):
            blobs.stored()
        blobs.close()


def test_a_copy_that_fails_after_its_status_was_sent_has_failed() -> None:
    late = answer("200 OK", b"<Error><Code>InternalError</Code><Message>too late</Message></Error>")
    with answering(late) as (endpoint, _):
        blobs = blobs_at(endpoint)
        with pytest.raises(Unavailable, match="InternalError"):
            blobs.bucket.copy_part("blobs/x", "attempt", 1, "staged/u1/x")
        blobs.close()


@pytest.mark.real
def test_a_wrong_key_is_told_with_the_settings_to_look_at_and_without_the_key(
    s3: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    blobs = blobs_at(s3.endpoint, secret="wrong but a secret")
    verbs: tuple[Callable[[], object], ...] = (
        lambda: blobs.put(DIGEST, b"x"),
        blobs.stored,
        lambda: blobs.size(DIGEST),
    )
    for verb in verbs:
        with pytest.raises(Unavailable) as fault:
            verb()
        assert "s3_secret_key" in fault.value.advice
        assert not fault.value.may_pass
        assert "wrong but a secret" not in f"{fault.value}{fault.value.__cause__}{caplog.text}"
    blobs.close()


@pytest.mark.real
def test_a_bucket_that_is_not_there_is_told_by_name(s3: S3Server) -> None:
    blobs = blobs_at(s3.endpoint, bucket="no-such-bucket")
    with pytest.raises(Unavailable) as fault:
        blobs.stored()
    assert "no-such-bucket" in fault.value.advice
    blobs.close()


@pytest.mark.real
def test_a_blob_that_was_half_published_is_not_there_and_leaves_nothing_once_it_is(
    medium: S3Medium, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = staged(medium.blobs)

    def killed(*_: object) -> bool:
        raise Unavailable("The process was killed.")

    for verb in ("finish_parts", "drop_parts"):
        monkeypatch.setattr(medium.bucket, verb, killed)
    with pytest.raises(Unavailable):
        publish(medium.blobs, "u1", len(CONTENT), mark, DIGEST)
    assert medium.blobs.size(DIGEST) is None
    assert any("publishing-" in name for name in medium.left())
    monkeypatch.undo()
    second = medium.another()
    assert publish(second, "u1", len(CONTENT), mark, DIGEST) == len(CONTENT)
    assert content_of(second, DIGEST) == CONTENT
    assert [name.partition("/")[0] for name in medium.left()] == ["blobs"]


@pytest.mark.real
def test_discarding_an_upload_ends_what_was_begun_to_publish_it(
    medium: S3Medium, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = staged(medium.blobs)
    monkeypatch.setattr(medium.bucket, "copy_part", lambda *_: 1 / 0)
    monkeypatch.setattr(medium.bucket, "drop_parts", lambda *_: None)
    monkeypatch.setattr(medium.bucket, "delete", lambda *_: None)
    with pytest.raises(ZeroDivisionError):
        publish(medium.blobs, "u1", len(CONTENT), mark, DIGEST)
    monkeypatch.undo()
    assert len(medium.left()) > 3
    medium.another().discard("u1")
    assert medium.left() == []


@pytest.mark.real
def test_a_finish_whose_answer_is_lost_has_succeeded(medium: S3Medium, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = staged(medium.blobs)
    real = medium.bucket.finish_parts

    def twice(*what: object) -> bool:
        assert real(*what)
        return real(*what)

    monkeypatch.setattr(medium.bucket, "finish_parts", twice)
    assert publish(medium.blobs, "u1", len(CONTENT), mark, DIGEST) == len(CONTENT)
    assert content_of(medium.blobs, DIGEST) == CONTENT


@pytest.mark.real
def test_an_upload_whose_segments_were_taken_away_is_refused_and_publishes_nothing(medium: S3Medium) -> None:
    mark = staged(medium.blobs)
    with held(medium.blobs, "u1", len(CONTENT), mark) as staging:
        staging.append(b"more")
        medium.another().discard("u1")
        with pytest.raises((Refused, Unavailable)):
            staging.publish(Digest.of(CONTENT + b"more"))
    assert medium.left() == []
    with pytest.raises(Refused) as refusal:
        medium.blobs.resume("u1", len(CONTENT), mark)
    assert refusal.value.reason is Reason.UPLOAD_UNKNOWN


@pytest.mark.real
def test_a_write_that_failed_may_be_tried_again(medium: S3Medium, monkeypatch: pytest.MonkeyPatch) -> None:
    medium.blobs.begin("u1")
    with held(medium.blobs, "u1") as staging:
        for at in range(0, len(CONTENT), MEBIBYTE):
            piece = CONTENT[at : at + MEBIBYTE]
            if at == 7 * MEBIBYTE:
                with monkeypatch.context() as patched:
                    patched.setattr(medium.bucket, "put", lambda *_: medium.broken().put(DIGEST, b""))
                    with pytest.raises(Unavailable):
                        staging.append(piece)
                assert staging.size == at
            staging.append(piece)
        assert staging.publish(DIGEST) == len(CONTENT)
    assert content_of(medium.blobs, DIGEST) == CONTENT


@pytest.mark.real
def test_objects_of_others_below_the_prefix_are_let_alone(medium: S3Medium) -> None:
    others = ["blobs/readme", "blobs/sha256/ab/short", "staged/a b/x", "staged/.hidden", "elsewhere/x"]
    for key in others:
        medium.bucket.put(key, b"somebody else's")
    assert medium.blobs.stored() == ()
    assert medium.blobs.staged() == ()
    for key in others:
        assert medium.bucket.size(key) == 15
        medium.bucket.delete(key)
