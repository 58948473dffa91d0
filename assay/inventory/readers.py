"""A small pool of reader processes that follow uploads as they grow and read stored layers.

The server never parses a foreign byte: it hands a file descriptor to a reader process and gets a layer part. A process
that dies, hangs or exceeds a limit is replaced, and what it read counts as not read, with the reason; nothing raises.

Following is only a head start. It implements the port that the registry defines for those who want to follow an
upload (`begun`, `grown`, `published`, `abandoned`: none blocks, none raises). A part becomes visible, through `keep`,
only when the upload is published under the digest that the reader computed. Uploads that nobody has followed to their
end are read when they are asked for.
"""

import logging
import math
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from assay.errors import AssayError, Corrupt
from assay.inventory import wire
from assay.inventory.child import Child, ReaderGone, copy_into
from assay.inventory.limits import ReaderLimits, ReadLimits
from assay.inventory.part import LayerPart, decode, unread
from assay.oci import Digest

logger = logging.getLogger(__name__)

_CLOSED = "not read: the server is shutting down"
_COPIED_BYTES = 1 << 20
#: By how much an upload grows before the reader that follows it is told.
STEP_BYTES = 1 << 20
#: Times that one layer is begun before it counts as unreadable; only deaths that may be accidents are tried again.
_TRIES_MAX = 2


@dataclass(slots=True, eq=False)
class _Order:
    """A stored layer to be read, from a file or a pipe; `done` says when `part` is there."""

    digest: Digest
    descriptor: int
    is_repeatable: bool
    asked: Mapping[str, str]
    part: LayerPart | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def finish(self, part: LayerPart) -> None:
        os.close(self.descriptor)
        self.part = part
        self.done.set()


@dataclass(slots=True, eq=False)
class _Following:
    """An upload that is followed or waits to be; changed only under the pool's lock."""

    descriptor: int
    size: int = 0
    digest: Digest | None = None
    is_served: bool = False


class LayerReaders:
    """The pool. `keep` stores the part of a published blob; the AssayErrors it raises are logged, the part is lost."""

    def __init__(
        self,
        keep: Callable[[LayerPart], None],
        *,
        processes: int = 2,
        limits: ReaderLimits | None = None,
        read_limits: ReadLimits | None = None,
    ) -> None:
        self._keep = keep
        self._limits = limits or ReaderLimits()
        self._read_limits = read_limits or ReadLimits()
        #: Guards everything below, and tells of each change.
        self._changed = threading.Condition()
        self._followings: dict[str, _Following] = {}
        #: What somebody waits for, since when: stored layers, and published uploads that nobody has read yet.
        self._due: deque[tuple[float, _Order | str]] = deque()
        #: Uploads that have bytes and no reader.
        self._waiting: deque[str] = deque()
        #: Digests of published uploads that are still being read.
        self._unsettled: Counter[Digest] = Counter()
        self._is_closed = False
        self._children: dict[int, Child] = {}
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"layer-reader-{number}", daemon=True)
            for number in range(processes)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all reader processes; what is being read, or waits to be, is answered as not read."""
        with self._changed:
            self._is_closed = True
            for _, task in self._due:
                if isinstance(task, _Order):
                    task.finish(unread(task.digest, 0, _CLOSED))
            self._due.clear()
            for upload in list(self._followings):
                self._forget(upload)
            for child in self._children.values():
                child.kill()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def process_ids(self) -> tuple[int, ...]:
        """The reader processes that run now."""
        with self._changed:
            return tuple(child.process_id for child in self._children.values())

    def begun(self, upload: str, staged: Path) -> None:
        """An upload has begun; its bytes will be in the file `staged`."""
        try:
            descriptor = os.open(staged, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return
        with self._changed:
            if self._is_closed or upload in self._followings or len(self._followings) >= self._limits.followed_max:
                os.close(descriptor)
            else:
                self._followings[upload] = _Following(descriptor)

    def grown(self, upload: str, size: int) -> None:
        """The upload has `size` bytes now; nobody is woken up for a few of them."""
        with self._changed:
            following = self._followings.get(upload)
            if following is not None and (not following.size or size - following.size >= STEP_BYTES):
                self._grow(upload, size)

    def published(self, upload: str, digest: Digest, size: int) -> None:
        """The upload is complete and stored under `digest`."""
        with self._changed:
            following = self._grow(upload, size)
            if following is not None and size:
                following.digest = digest
                self._unsettled[digest] += 1
                if not following.is_served:
                    self._due.append((time.monotonic(), upload))
            elif following is not None:
                self._forget(upload)

    def abandoned(self, upload: str) -> None:
        """The upload will never be complete."""
        with self._changed:
            self._forget(upload)

    def settle(self, digest: Digest) -> None:
        """Wait while an upload published under `digest` is still being read, but no longer than a layer may take."""
        with self._changed:
            self._changed.wait_for(lambda: not self._unsettled[digest], self._limits.wall_seconds)

    def read(self, blob: BinaryIO, digest: Digest, *, asked: Mapping[str, str] | None = None) -> LayerPart:
        """What the layer stored under `digest` says; waits for a free reader.

        A `blob` with a file descriptor is read from that file's beginning, another one from where it stands. `asked`
        as in `LayerReading`. A part whose `is_read` is false says why there is none. Errors: only those of `blob`.
        """
        try:
            order, pipe = _Order(digest, os.dup(blob.fileno()), is_repeatable=True, asked=asked or {}), None
        except OSError:
            # In memory, or on its way from an object store: its bytes go through a pipe.
            outlet, pipe = os.pipe()
            order = _Order(digest, outlet, is_repeatable=False, asked=asked or {})
        with self._changed:
            if self._is_closed:
                order.finish(unread(digest, 0, _CLOSED))
            else:
                self._due.append((time.monotonic(), order))
                self._changed.notify_all()
        if pipe is not None:
            _pour(blob, pipe)
        order.done.wait()
        return order.part or unread(digest, 0, _CLOSED)

    # Under the lock:

    def _grow(self, upload: str, size: int) -> _Following | None:
        following = self._followings.get(upload)
        if following is not None and size > following.size:
            if not following.size:
                self._waiting.append(upload)
            following.size = size
        self._changed.notify_all()
        return following

    def _forget(self, upload: str) -> None:
        following = self._followings.pop(upload, None)
        if following is None:
            return
        self._strike_out(upload)
        if not following.is_served:
            os.close(following.descriptor)
        if following.digest is not None:
            self._unsettled[following.digest] -= 1
            self._unsettled += Counter()  # drops what has come to nothing
        self._changed.notify_all()

    def _strike_out(self, upload: str) -> None:
        if upload in self._waiting:
            self._waiting.remove(upload)

    def _take(self) -> _Order | str | None:
        """The next thing to be read: what somebody waits for, else an upload to follow; None when closed."""
        while not self._is_closed:
            while self._due or self._waiting:
                task = self._due.popleft()[1] if self._due else self._waiting.popleft()
                if isinstance(task, _Order):
                    return task
                following = self._followings.get(task)
                if following is not None and not following.is_served:
                    following.is_served = True
                    self._strike_out(task)
                    return task
            self._changed.wait()
        return None

    def _next_step(self, upload: str, following: _Following, read: int) -> wire.Available | wire.Dropped:
        """What to tell the reader that has read all `read` bytes it knew of.

        However steadily an upload trickles in, it gives way to what somebody waits for; to other uploads only when
        nothing comes. It is read when it is stored then.
        """
        idle_since = time.monotonic()
        while not self._is_closed and self._followings.get(upload) is following:
            if following.digest is not None:
                return wire.Available(following.size, is_all=True)
            deadline = idle_since + self._limits.idle_seconds if self._waiting else math.inf
            if self._due:
                deadline = min(deadline, self._due[0][0] + self._limits.patience_seconds)
            left = deadline - time.monotonic()
            if left <= 0:
                self._forget(upload)
            elif following.size > read:
                return wire.Available(following.size, is_all=False)
            else:
                self._changed.wait(left if left < math.inf else None)
        return wire.Dropped()

    # In the threads:

    def _work(self, number: int) -> None:
        self._renew(number)
        while True:
            with self._changed:
                task = self._take()
                following = self._followings.get(task) if isinstance(task, str) else None
            if task is None:
                break
            if isinstance(task, _Order):
                task.finish(self._read_order(number, task))
            elif following is not None:
                self._follow(number, task, following)
        with self._changed:
            child = self._children.pop(number, None)
        if child is not None:
            child.end()

    def _read_order(self, number: int, order: _Order) -> LayerPart:
        reason = _CLOSED
        for _ in range(_TRIES_MAX if order.is_repeatable else 1):
            try:
                child = self._child(number)
                child.send(self._begin(order.digest.algorithm, None, order.asked), order.descriptor)
                answer = child.receive()
            except ReaderGone as gone:
                self._renew(number)
                reason = f"partly read: {gone.message}"
                if not gone.is_worth_another_try:
                    break
                continue
            if isinstance(answer, wire.Read):
                return _believed(answer, order.digest)
            self._renew(number)
            reason = f"partly read: {answer.reason if isinstance(answer, wire.Failed) else 'its reader gave no answer'}"
            break
        logger.warning("layer not read", extra={"digest": str(order.digest), "reason": reason})
        return unread(order.digest, 0, reason)

    def _follow(self, number: int, upload: str, following: _Following) -> None:
        try:
            part = self._followed(number, upload, following)
            if part is not None and part.digest == following.digest:
                self._keep(part)
        except ReaderGone as gone:
            logger.info("upload not followed", extra={"upload": upload, "reason": gone.message})
            self._renew(number)
        except AssayError as fault:
            logger.warning("layer part not kept", extra={"upload": upload, "reason": fault.message})
        finally:
            os.close(following.descriptor)
            with self._changed:
                if self._followings.get(upload) is following:
                    self._forget(upload)

    def _followed(self, number: int, upload: str, following: _Following) -> LayerPart | None:
        """The part of an upload that was followed to its end; None when it wasn't."""
        child = self._child(number)
        read = following.size
        child.send(self._begin("sha256", read, {}), following.descriptor)
        answer = child.receive()
        while isinstance(answer, wire.More):
            with self._changed:
                step = self._next_step(upload, following, read)
            child.send(step)
            if isinstance(step, wire.Dropped):
                return None
            read = step.size
            answer = child.receive()
        if isinstance(answer, wire.Failed):
            raise ReaderGone(answer.reason, is_worth_another_try=False)
        return decode(answer.body) if isinstance(answer, wire.Read) else None

    def _begin(self, algorithm: str, available: int | None, asked: Mapping[str, str]) -> wire.Begin:
        return wire.Begin(algorithm, available, self._limits.cpu_seconds, self._read_limits, dict(asked))

    def _child(self, number: int) -> Child:
        """This thread's reader process, fresh after so many layers. ReaderGone: none can be started."""
        child = self._children.get(number)
        if child is None or child.layers >= self._limits.layers_each_max:
            self._renew(number)
            child = self._children.get(number)
        if child is None:
            raise ReaderGone("no reader process can be started", is_worth_another_try=True)
        child.layers += 1
        return child

    def _renew(self, number: int) -> None:
        with self._changed:
            old = self._children.pop(number, None)
            is_closed = self._is_closed
        if old is not None:
            old.end()
        if is_closed:
            return
        try:
            child = Child(self._limits)
        except ReaderGone as gone:
            logger.warning("no reader process", extra={"reason": gone.message})
            return
        with self._changed:
            self._children[number] = child
            if self._is_closed:
                child.kill()


def _believed(answer: wire.Read, digest: Digest) -> LayerPart:
    try:
        part = decode(answer.body)
    except Corrupt as fault:
        return unread(digest, 0, f"partly read: {fault.message}")
    if part.digest != digest:
        return unread(digest, part.size, f"the bytes stored for it have the digest {part.digest}")
    return part


def _pour(blob: BinaryIO, pipe: int) -> None:
    """Copy what `blob` has into a pipe until nobody reads it any more."""
    try:
        while (piece := blob.read(_COPIED_BYTES)) and copy_into(pipe, piece):
            pass
    finally:
        os.close(pipe)
