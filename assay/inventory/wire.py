"""What a server and its reader processes say to one another: length-prefixed msgpack over a socket pair.

The server speaks first and then only in answer, so neither side ever waits to send:

    Begin (with the file's descriptor)  ->  More* … -> Read | NoLayer | Failed
    More                                <-  Available | Dropped
"""

import os
import socket
import struct

import msgspec

from assay.errors import Corrupt
from assay.inventory.limits import ReadLimits

_LENGTH = struct.Struct(">I")
#: The longest message: a packed layer part.
MESSAGE_BYTES_MAX = 128 << 20


class Begin(msgspec.Struct, tag=True, frozen=True):
    """Read the layer in the descriptor that comes along.

    `available` bytes of it are there and more may follow; None: all that can be read from it. `asked` as in
    `LayerReading`.
    """

    algorithm: str
    available: int | None
    cpu_seconds: int
    limits: ReadLimits
    asked: dict[str, str]


class Available(msgspec.Struct, tag=True, frozen=True):
    """So many bytes are there now; `is_all` when no more will follow."""

    size: int
    is_all: bool


class Dropped(msgspec.Struct, tag=True, frozen=True):
    """Nobody wants this layer any more; wait for the next."""


class More(msgspec.Struct, tag=True, frozen=True):
    """All that is available is read."""


class Read(msgspec.Struct, tag=True, frozen=True):
    """The layer part, encoded."""

    body: bytes


class NoLayer(msgspec.Struct, tag=True, frozen=True):
    """The first bytes tell that an upload is no layer; said only of what is followed."""


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The reader had to give up, and ends."""

    reason: str


Request = Begin | Available | Dropped
Answer = More | Read | NoLayer | Failed

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def send(to: socket.socket, message: Request | Answer, descriptor: int | None = None) -> None:
    """Send one message, with a file descriptor if given. OSError: the other side is gone or doesn't listen."""
    body = _encoder.encode(message)
    head = _LENGTH.pack(len(body))
    if descriptor is None:
        to.sendall(head + body)
    else:
        socket.send_fds(to, [head], [descriptor])
        to.sendall(body)


def receive_request(at: socket.socket) -> tuple[Request, int | None] | None:
    """The next request, and the descriptor that came along; None when the server is gone."""
    head, descriptors, _, _ = socket.recv_fds(at, _LENGTH.size, 1)
    if not head:
        return None
    body = _exactly(at, _LENGTH.unpack(head + _exactly(at, _LENGTH.size - len(head)))[0])
    return _requests.decode(body), descriptors[0] if descriptors else None


def receive_answer(at: socket.socket) -> Answer:
    """The next answer. OSError: the reader is gone or says nothing in time; Corrupt: it says what no reader says."""
    length = _LENGTH.unpack(_exactly(at, _LENGTH.size))[0]
    if length > MESSAGE_BYTES_MAX:
        raise Corrupt("A layer reader's answer is longer than an answer can be.")
    try:
        return _answers.decode(_exactly(at, length))
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Corrupt("A layer reader's answer can't be read.") from fault


def _exactly(at: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        piece = at.recv(min(size - len(received), 1 << 20))
        if not piece:
            raise ConnectionResetError(os.strerror(104))
        received += piece
    return bytes(received)
