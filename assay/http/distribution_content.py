"""The distribution door for manifests, blobs, tags and referrers (distribution-spec 1.1, end-2, 3, 7 to 10, 12)."""

import asyncio
from itertools import accumulate
from typing import BinaryIO
from urllib.parse import urlencode

import msgspec

from assay.errors import Corrupt, Reason, Refused
from assay.http import bodies, conditions
from assay.http.distribution_exchange import Exchange, content_headers
from assay.http.ranges import Span, requested_span
from assay.http.sendfile import PATHSEND
from assay.iam import Actor
from assay.oci import Digest, MediaType
from assay.registry import blobs, pulls, pushes, removals, repositories, tags
from assay.registry.blobs import HeldBlob
from assay.registry.model import Condition, StoredManifest, TagOrDigest, tag_or_digest

#: What is read and sent in one go where the kernel can't send the file by itself.
READ_BYTES = 256 * 1024
#: The same from a store without files, of which each read is a request of its own.
REMOTE_READ_BYTES = 4 * 1024 * 1024
CATALOG_PAGE_MAX = 1_000
#: Of the descriptors in a page of referrers: clients refuse a longer manifest than the 4 MiB that everybody takes.
REFERRERS_BYTES_MAX = 4 * 1024 * 1024 - 1024


async def get_manifest(exchange: Exchange, actor: Actor, name: str, reference: str) -> None:
    """GET and HEAD of a manifest by tag or digest."""
    services = exchange.services
    is_head = exchange.method == "HEAD"
    asked = (services.intake.store, actor, name, tag_or_digest(reference))
    found = pulls.remembered(*asked, with_content=not is_head)
    if found is None:
        found = await exchange.call(pulls.manifest, *asked, with_content=not is_head)
    headers = content_headers(found.digest, found.media_type, found.size)
    if await _is_settled_by_condition(exchange, found.digest):
        return
    if not is_head:
        services.pulls.note(found.repository, found.digest)
    await exchange.reply(200, headers, found.content)


async def put_manifest(exchange: Exchange, actor: Actor, name: str, reference: str) -> None:
    """PUT of a manifest under a tag, or under its digest and perhaps tags."""
    target: TagOrDigest = tag_or_digest(reference)
    limits = exchange.services.manifest_limits
    if (exchange.content_length or 0) > limits.bytes_max:
        raise Refused(f"The manifest is longer than {limits.bytes_max} bytes.", reason=Reason.TOO_LARGE)
    kind, more_tags = exchange.header("content-type"), exchange.all_of("tag")
    with exchange.services.room.hold() as take:
        content = await bodies.whole(exchange.receive, bytes_max=limits.bytes_max, what="manifest", take=take)
        push = pushes.Push(name, target, content, kind, more_tags, _condition(exchange), limits)
        pushed = await exchange.call(pushes.put, exchange.services.intake.store, actor, push)
    headers = {
        "location": f"{_path(exchange)}/manifests/{pushed.digest}",
        "docker-content-digest": pushed.digest.text,
    }
    if pushed.subject is not None:
        headers["oci-subject"] = pushed.subject.text
    if isinstance(target, Digest) and pushed.tags:
        headers["oci-tag"] = ", ".join(pushed.tags)
    await exchange.reply(201, headers)


async def delete_manifest(exchange: Exchange, actor: Actor, name: str, reference: str) -> None:
    """DELETE of a tag, or of a manifest with its tags."""
    target = tag_or_digest(reference)
    store = exchange.services.intake.store
    if isinstance(target, Digest):
        await exchange.call(removals.delete_manifest, store, actor, name, target)
    else:
        await exchange.call(tags.remove, store, actor, name, target, condition=_condition(exchange))
    await exchange.reply(202)


async def get_blob(exchange: Exchange, actor: Actor, name: str, digest_text: str) -> None:
    """GET and HEAD of a blob, whole or a range of it."""
    intake = exchange.services.intake
    wanted = (intake.store, intake.blobs, actor, name, Digest(digest_text))
    held = blobs.remembered(*wanted)
    if held is None:
        held = await exchange.call(blobs.find, *wanted)
    headers = content_headers(held.digest, "application/octet-stream", held.size) | {"accept-ranges": "bytes"}
    if await _is_settled_by_condition(exchange, held.digest):
        return
    if exchange.method == "GET" and await _is_sent_elsewhere(exchange, held):
        return
    span = Span(0, held.size)
    status = 200
    if exchange.method == "GET" and exchange.header("if-range") in ("", headers["etag"]):
        try:
            asked = requested_span(exchange.header("range"), held.size)
        except Refused as refusal:
            await exchange.refuse(refusal, {"content-range": f"bytes */{held.size}"})
            return
        if asked is not None:
            status, span = 206, asked
            headers["content-range"] = f"bytes {span.offset}-{span.last}/{held.size}"
            headers["content-length"] = str(span.count)
    if exchange.method == "HEAD":
        await exchange.reply(200, headers)
        return
    await _send_blob(exchange, held, span, status, headers)


async def delete_blob(exchange: Exchange, actor: Actor, name: str, digest_text: str) -> None:
    """DELETE of a blob that no manifest of the repository needs."""
    await exchange.call(blobs.delete, exchange.services.intake.store, actor, name, Digest(digest_text))
    await exchange.reply(202)


async def list_tags(exchange: Exchange, actor: Actor, name: str) -> None:
    """GET of the tags, in order of their bytes."""
    rows = exchange.whole_number("n")
    last = exchange.one_of("last") or ""
    found, more = await exchange.call(
        tags.listed,
        exchange.services.intake.store,
        actor,
        name,
        after=last,
        rows_max=tags.TAGS_PAGE_MAX if rows is None else rows,
    )
    headers = {}
    if more and found:
        headers["link"] = _next_page(exchange, "tags/list", n=rows or len(found), last=found[-1])
    await exchange.reply_json({"name": exchange.repository, "tags": found}, headers)


async def list_referrers(exchange: Exchange, actor: Actor, name: str, digest_text: str) -> None:
    """GET of the referrers of a digest, as an index.

    Never 404 (end-12): a repository that is not there, or not the caller's to see, has no referrers.
    """
    kind = exchange.one_of("artifactType") or ""
    last = exchange.one_of("last") or ""
    found: tuple[StoredManifest, ...]
    subject = Digest(digest_text)
    store = exchange.services.intake.store
    try:
        found, more = await exchange.call(pulls.referrers, store, actor, name, subject, artifact_type=kind, after=last)
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND or exchange.caller.is_anonymous:
            raise
        found, more = (), False
    headers = {"content-type": MediaType.OCI_INDEX.value}
    if kind:
        headers["oci-filters-applied"] = "artifactType"
    shown = _fitting([msgspec.json.encode(_descriptor(each)) for each in found])
    if more or len(shown) < len(found):
        narrowed = {"artifactType": kind} if kind else {}
        last = found[len(shown) - 1].digest.text
        headers["link"] = _next_page(exchange, f"referrers/{digest_text}", **narrowed, last=last)
    index = {
        "schemaVersion": 2,
        "mediaType": MediaType.OCI_INDEX.value,
        "manifests": [msgspec.Raw(each) for each in shown],
    }
    await exchange.reply_json(index, headers)


async def list_repositories(exchange: Exchange, actor: Actor, namespace: str) -> None:
    """GET of the catalogue: the repositories of the caller's tenancy that the caller may pull from."""
    asked = exchange.whole_number("n")
    rows = min(CATALOG_PAGE_MAX if asked is None else asked, CATALOG_PAGE_MAX)
    last = (exchange.one_of("last") or "").removeprefix(f"{namespace}/")
    found = await exchange.call(repositories.names, exchange.services.intake.store, actor, last, rows_max=rows + 1)
    shown = [f"{namespace}/{name}" for name in found[:rows]]
    headers = {}
    if len(found) > rows and shown:
        headers["link"] = f'</v2/_catalog?{urlencode({"n": rows, "last": shown[-1]})}>; rel="next"'
    await exchange.reply_json({"repositories": shown}, headers)


async def _send_blob(exchange: Exchange, held: HeldBlob, span: Span, status: int, headers: dict[str, str]) -> None:
    extension = exchange.scope.get("extensions", {}).get(PATHSEND)
    if held.path is not None and extension is not None and extension.get("offset"):
        await exchange.start(status, headers)
        await exchange.send({"type": PATHSEND, "path": str(held.path), "offset": span.offset, "count": span.count})
        return
    opened = exchange.services.intake.blobs.open(held.digest)
    blob = await exchange.call(opened.__enter__)
    gone = asyncio.create_task(_hung_up(exchange))
    try:
        await exchange.call(blob.seek, span.offset)
        pieces = _Pieces(blob, span.count, REMOTE_READ_BYTES if held.path is None else READ_BYTES)
        await _send_pieces(exchange, pieces, gone, status, headers)
    finally:
        gone.cancel()
        await exchange.call(opened.__exit__, None, None, None)


class _Pieces:
    """A blob that is read, where the kernel can't send the file by itself: under TLS, or from a store without files."""

    def __init__(self, blob: BinaryIO, count: int, piece_bytes: int) -> None:
        self._blob = blob
        self._piece_bytes = piece_bytes
        self.left = count

    def read(self) -> bytes:
        """The next piece; empty at the end. Errors: Corrupt, Unavailable."""
        piece = self._blob.read(min(self.left, self._piece_bytes))
        if self.left and not piece:
            raise Corrupt(f"A blob ends {self.left} bytes too early.")
        self.left -= len(piece)
        return piece


async def _send_pieces(
    exchange: Exchange, pieces: _Pieces, gone: asyncio.Task[None], status: int, headers: dict[str, str]
) -> None:
    """Send one piece after the other. The first is read before anything is sent: a fault can still be answered."""
    piece = await exchange.call(pieces.read)
    await exchange.start(status, headers)
    while piece and not gone.done():
        await exchange.send({"type": "http.response.body", "body": piece, "more_body": True})
        piece = await exchange.call(pieces.read)
    await exchange.send({"type": "http.response.body", "body": b""})


async def _is_sent_elsewhere(exchange: Exchange, held: HeldBlob) -> bool:
    """Whether the client, who may pull the blob, was shown where to get it: from the object store itself."""
    services = exchange.services
    if not services.blob_redirect_seconds:
        return False
    address = await exchange.call(services.intake.blobs.address, held.digest, services.blob_redirect_seconds)
    if address is None:
        return False
    # Whoever has the address gets the blob, so nobody on the way may keep it.
    headers = {"location": address, "docker-content-digest": held.digest.text, "cache-control": "no-store"}
    await exchange.reply(307, headers)
    return True


async def _hung_up(exchange: Exchange) -> None:
    """Return when the client hangs up: the server drops what is sent to nobody without a word."""
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


def _condition(exchange: Exchange) -> Condition:
    return conditions.condition_of(exchange.header("if-match"), exchange.header("if-none-match"))


async def _is_settled_by_condition(exchange: Exchange, digest: Digest) -> bool:
    """Whether the reader was answered that they have it, or that it is not what they wanted."""
    if not conditions.is_as_wanted(exchange.header("if-match"), digest.text):
        raise Refused(
            f"It is {digest}, which is not what If-Match names.",
            advice="Ask without the condition.",
            reason=Reason.ETAG_MISMATCH,
        )
    if conditions.is_changed(exchange.header("if-none-match"), digest.text):
        return False
    await exchange.reply(304, {"etag": f'"{digest}"', "docker-content-digest": digest.text})
    return True


def _fitting(descriptors: list[bytes]) -> list[bytes]:
    """As many descriptors, at least one, as fit into an index that clients read."""
    sizes = accumulate(len(each) + 1 for each in descriptors)
    count = sum(1 for size in sizes if size <= REFERRERS_BYTES_MAX)
    return descriptors[: max(count, 1)]


def _descriptor(manifest: StoredManifest) -> dict[str, object]:
    found: dict[str, object] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest.text,
        "size": manifest.size,
    }
    if manifest.artifact_type:
        found["artifactType"] = manifest.artifact_type
    if manifest.annotations:
        found["annotations"] = manifest.annotations
    return found


def _path(exchange: Exchange) -> str:
    return f"/v2/{exchange.repository}"


def _next_page(exchange: Exchange, rest: str, **query: str | int) -> str:
    return f'<{_path(exchange)}/{rest}?{urlencode(query)}>; rel="next"'
