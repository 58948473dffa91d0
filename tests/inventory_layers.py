"""Layers written by hand for the inventory's tests: raw tar headers, and the package files that stand in them."""

import gzip
from collections.abc import Mapping

from assay.inventory import LayerPart, ReadLimits
from assay.inventory.layer import LayerReading

END = bytes(1024)


def header(
    name: bytes, size: int = 0, flag: bytes = b"0", *, link: bytes = b"", magic: bytes = b"ustar\x0000", **fields: bytes
) -> bytes:
    """One tar header, as POSIX lays it out; `fields` overrides `size_field` and `prefix`."""
    block = bytearray(512)
    block[0:100] = name[:100].ljust(100, b"\0")
    block[100:124] = b"0000644\x000000000\x000000000\0"
    block[124:136] = fields.get("size_field", b"%011o\0" % size)
    block[136:148] = b"00000000000\0"
    block[156:157] = flag
    block[157:257] = link[:100].ljust(100, b"\0")
    block[257:265] = magic
    block[345:500] = fields.get("prefix", b"").ljust(155, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    """Content filled up to whole blocks."""
    return content + bytes(-len(content) % 512)


def file(path: str, content: bytes | str = b"") -> bytes:
    """An ordinary file."""
    content = content.encode() if isinstance(content, str) else content
    return header(path.encode(), len(content)) + padded(content)


def folder(path: str) -> bytes:
    """A folder with an entry of its own."""
    return header(f"{path}/".encode(), flag=b"5")


def symlink(path: str, target: str) -> bytes:
    """A symbolic link."""
    return header(path.encode(), flag=b"2", link=target.encode())


def hard_link(path: str, target: str) -> bytes:
    """A hard link to an entry of the same archive."""
    return header(path.encode(), flag=b"1", link=target.encode())


def whiteout(path: str) -> bytes:
    """The mark that `path` of the lower layers is gone."""
    above, slash, name = path.rpartition("/")
    return file(f"{above}{slash}.wh.{name}")


def opaque(path: str) -> bytes:
    """The mark that the lower layers' content of a folder is gone."""
    return file(f"{path}/.wh..wh..opq")


def pax(records: Mapping[str, str], flag: bytes = b"x") -> bytes:
    """A pax header; a record's length counts its own digits."""
    body = b""
    for key, value in records.items():
        rest = f" {key}={value}\n".encode()
        length = len(rest) + 1
        while len(str(length)) + len(rest) != length:
            length = len(str(length)) + len(rest)
        body += str(length).encode() + rest
    return header(b"pax", len(body), flag) + padded(body)


def metadata(name: str, version: str) -> str:
    """A Python distribution's METADATA."""
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nA description.\n"


def python_package(folder_: str, name: str, version: str) -> bytes:
    """An installed Python distribution."""
    return file(f"{folder_}/{name}-{version}.dist-info/METADATA", metadata(name, version))


def dpkg_record(name: str, version: str, *, source: str = "", state: str = "install ok installed") -> str:
    """A record of dpkg's status file."""
    said = f"Source: {source}\n" if source else ""
    return f"Package: {name}\nStatus: {state}\nArchitecture: amd64\n{said}Version: {version}\nDescription: x\n y\n\n"


def debian(*records: str) -> bytes:
    """What makes a layer a Debian 12: its os-release and package database."""
    return file("etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n') + file(
        "var/lib/dpkg/status", "".join(records)
    )


def read_blob(
    blob: bytes, *, limits: ReadLimits | None = None, asked: Mapping[str, str] | None = None, piece: int = 1 << 16
) -> LayerPart:
    """The part of a blob, fed in pieces."""
    reading = LayerReading(limits=limits, asked=asked)
    for start in range(0, len(blob), piece):
        reading.feed(blob[start : start + piece])
    return reading.finish()


def layer(*entries: bytes, limits: ReadLimits | None = None, asked: Mapping[str, str] | None = None) -> LayerPart:
    """The part of a gzip layer of these entries."""
    return read_blob(gzip.compress(b"".join(entries) + END, 1, mtime=0), limits=limits, asked=asked)
