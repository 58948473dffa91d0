"""A reader process: `python -m assay.inventory.reader_process`, its socket to the server as standard input.

It confines itself before it meets a foreign byte, opens no file and no connection, and reads one layer after the other
from descriptors that it is handed. It may die of a layer; the server expects that.
"""

import os
import resource
import socket
import stat
import sys
from collections.abc import Iterator

from assay.inventory import wire
from assay.inventory.layer import LayerReading
from assay.inventory.part import encode

_PIECE_BYTES = 256 << 10
_OPEN_FILES_MAX = 32


def confine(memory_bytes_max: int) -> None:
    """Give up what reading a layer doesn't need: memory beyond the limit, core dumps, written files, many files."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes_max, memory_bytes_max))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES_MAX, _OPEN_FILES_MAX))


def serve(control: socket.socket) -> None:
    """Read layers until the server is gone."""
    while (request := wire.receive_request(control)) is not None:
        begin, descriptor = request
        if not isinstance(begin, wire.Begin) or descriptor is None:
            continue
        try:
            _allow_cpu(begin.cpu_seconds)
            answer = _read(control, begin, descriptor)
        except MemoryError:
            wire.send(control, wire.Failed("reading it needs more memory than a reader may use"))
            return
        finally:
            os.close(descriptor)
        if answer is not None:
            wire.send(control, answer)


def _allow_cpu(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _read(control: socket.socket, begin: wire.Begin, descriptor: int) -> wire.Answer | None:
    """The answer about one layer; None when it was dropped."""
    reading = LayerReading(algorithm=begin.algorithm, limits=begin.limits, asked=begin.asked)
    if begin.available is None:
        for piece in _pieces(descriptor):
            reading.feed(piece)
        return wire.Read(encode(reading.finish()))
    available, is_all, offset = begin.available, False, 0
    while True:
        while offset < available:
            piece = os.pread(descriptor, min(_PIECE_BYTES, available - offset), offset)
            if not piece:
                return wire.Failed("the upload lost bytes while it was followed")
            reading.feed(piece)
            offset += len(piece)
            if reading.is_no_layer:
                return wire.NoLayer()
        if is_all:
            return wire.Read(encode(reading.finish()))
        wire.send(control, wire.More())
        request = wire.receive_request(control)
        if request is None or not isinstance(request[0], wire.Available):
            return None
        available, is_all = request[0].size, request[0].is_all


def _pieces(descriptor: int) -> Iterator[bytes]:
    """A file from its beginning, wherever the server's descriptor of the same file stands; or a pipe."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        offset = 0
        while piece := os.pread(descriptor, _PIECE_BYTES, offset):
            yield piece
            offset += len(piece)
    else:
        while piece := os.read(descriptor, _PIECE_BYTES):
            yield piece


def main() -> None:
    """Confine, then serve. The one argument is the limit of the address space in bytes."""
    confine(int(sys.argv[1]))
    with socket.socket(fileno=0) as control:
        serve(control)


if __name__ == "__main__":
    main()
