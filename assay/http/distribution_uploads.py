"""The distribution door for uploads (distribution-spec 1.1, end-4 to 6, 11, 13, 14).

A body is hashed and written in pieces, on threads. No thread is held while the client is waited for.
"""

import asyncio
from collections.abc import Awaitable

from assay.errors import Reason, Refused
from assay.http import bodies
from assay.http.distribution_exchange import Exchange
from assay.http.ranges import chunk_start
from assay.http.receiving import BODY_READER, BodyReader
from assay.iam import Actor
from assay.iam.credentials.registry_tokens import Scope
from assay.oci import Digest, is_repository_name
from assay.registry import blobs, uploads
from assay.registry.model import Upload
from assay.registry.uploads import Writer

_ALGORITHMS = ("sha256", "sha512")


async def begin(exchange: Exchange, actor: Actor, name: str) -> None:
    """POST: mount a blob, or take it whole, or begin a session."""
    if (mount := exchange.one_of("mount")) is not None and await _mounted(exchange, actor, name, Digest(mount)):
        return
    digest_text = exchange.one_of("digest")
    digest = Digest(digest_text) if digest_text is not None else None
    algorithm = digest.algorithm if digest else exchange.one_of("digest-algorithm") or "sha256"
    if algorithm not in _ALGORITHMS:
        raise Refused(
            f"{algorithm[:40]!r} is no algorithm that digests are made by here.",
            advice=f"Use {' or '.join(_ALGORITHMS)}.",
            reason=Reason.DIGEST_INVALID,
        )
    begun = await exchange.call(uploads.begin, exchange.services.intake, actor, name, algorithm=algorithm)
    if digest is None:
        await exchange.reply(202, _session_headers(exchange, begun))
        return
    await _take(exchange, actor, name, begun.id, digest)


async def append(exchange: Exchange, actor: Actor, name: str, upload: str) -> None:
    """PATCH: one chunk, or a stream of unknown length."""
    await _in_order(exchange, actor, name, upload, _append(exchange, actor, name, upload))


async def _append(exchange: Exchange, actor: Actor, name: str, upload: str) -> None:
    writer = await _writer(exchange, actor, name, upload)
    try:
        await _receive(exchange, writer)
        acknowledged = await exchange.call(writer.acknowledge)
    finally:
        writer.release()
    await exchange.reply(202, _session_headers(exchange, acknowledged))


async def finish(exchange: Exchange, actor: Actor, name: str, upload: str) -> None:
    """PUT: the last chunk, perhaps empty, and the digest of all."""
    digest_text = exchange.one_of("digest")
    if digest_text is None:
        raise Refused("No digest was given.", advice="Add ?digest=sha256:….", reason=Reason.DIGEST_INVALID)
    await _in_order(exchange, actor, name, upload, _take(exchange, actor, name, upload, Digest(digest_text)))


async def status(exchange: Exchange, actor: Actor, name: str, upload: str) -> None:
    """GET: how far a session has come."""
    found = await exchange.call(uploads.status, exchange.services.intake, actor, name, upload)
    await exchange.reply(204, _session_headers(exchange, found))


async def cancel(exchange: Exchange, actor: Actor, name: str, upload: str) -> None:
    """DELETE: end a session without a blob."""
    await exchange.call(uploads.cancel, exchange.services.intake, actor, name, upload)
    await exchange.reply(204)


async def _in_order(exchange: Exchange, actor: Actor, name: str, upload: str, taking: Awaitable[None]) -> None:
    """Take a chunk; one out of order is answered with 416 and with where to go on, so that nobody need ask for it."""
    try:
        await taking
    except Refused as refusal:
        if refusal.reason is not Reason.RANGE_INVALID:
            raise
        found = await exchange.call(uploads.status, exchange.services.intake, actor, name, upload)
        await exchange.refuse(refusal, _session_headers(exchange, found))


async def _take(exchange: Exchange, actor: Actor, name: str, upload: str, digest: Digest) -> None:
    writer = await _writer(exchange, actor, name, upload)
    try:
        await _receive(exchange, writer)
        await exchange.call(uploads.finish, exchange.services.intake, actor, name, writer, digest)
    finally:
        writer.release()
    await exchange.reply(201, _blob_headers(exchange, digest))


async def _mounted(exchange: Exchange, actor: Actor, name: str, digest: Digest) -> bool:
    """Whether the request was answered: the blob mounted, or a token asked for that lets the caller read the source.

    Not being able to mount is no error: the client sends the blob.
    """
    source = exchange.one_of("from")
    if source is not None:
        if not is_repository_name(source):
            return False
        readable = Scope("repository", source, ("pull",))
        if not exchange.caller.holds(readable):
            writable = Scope("repository", exchange.repository, ("pull", "push"))
            await exchange.challenge(writable, readable, error="insufficient_scope")
            return True
        namespace, _, source = source.partition("/")
        if namespace != exchange.repository.partition("/")[0]:
            return False
    size = await exchange.call(blobs.mount, exchange.services.intake, actor, name, digest, source_name=source)
    if size is None:
        return False
    await exchange.reply(201, _blob_headers(exchange, digest))
    return True


async def _writer(exchange: Exchange, actor: Actor, name: str, upload: str) -> Writer:
    content_range = exchange.header("content-range")
    length = exchange.content_length
    start = chunk_start(content_range, length) if content_range else None
    intake = exchange.services.intake
    return await exchange.call(uploads.resume, intake, actor, name, upload, start=start, coming=length)


async def _receive(exchange: Exchange, writer: Writer) -> None:
    """Stage the body. What came of one that breaks off is acknowledged, so that the client can go on from there."""
    reader: BodyReader | None = exchange.scope.get("extensions", {}).get(BODY_READER)
    try:
        if reader is not None:
            await _read(exchange, reader, writer)
        else:
            await _gather(exchange, writer)
    except bodies.ClientGone:
        await exchange.call(writer.acknowledge)
        raise


async def _read(exchange: Exchange, reader: BodyReader, writer: Writer) -> None:
    """Where the server can: hashed and written by the thread that reads from the socket."""
    patience = bodies.Patience()
    first = await patience.message(exchange.receive)
    if first["body"]:
        await exchange.call(writer.append, first["body"])
    if first["more_body"]:
        await reader.read(writer.append, patience)


async def _gather(exchange: Exchange, writer: Writer) -> None:
    """Elsewhere in pieces of a mebibyte: while one is hashed and written on a thread, the next one is gathered."""
    writing: asyncio.Future[int] | None = None
    try:
        with exchange.services.room.stream() as piece_bytes:
            async for piece in bodies.pieces(exchange.receive, piece_bytes=piece_bytes):
                if writing is not None:
                    await writing
                writing = asyncio.ensure_future(exchange.call(writer.append, piece))
        if writing is not None:
            await writing
    except BaseException:
        if writing is not None and not writing.done():
            await asyncio.wait([writing])
        raise


def _session_headers(exchange: Exchange, upload: Upload) -> dict[str, str]:
    return {
        "location": f"/v2/{exchange.repository}/blobs/uploads/{upload.id}",
        "range": f"0-{max(upload.acknowledged - 1, 0)}",
        "docker-upload-uuid": upload.id,
    }


def _blob_headers(exchange: Exchange, digest: Digest) -> dict[str, str]:
    return {
        "location": f"/v2/{exchange.repository}/blobs/{digest}",
        "docker-content-digest": digest.text,
    }
