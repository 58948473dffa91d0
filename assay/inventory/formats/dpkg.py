"""Debian's package database: `status`, distroless images' `status.d`, and the lists of files each package installed.

Source: deb822(5), dpkg-query(1) "package states", deb-src-control(5) for `Source: name (version)`; distroless images
write one control file a package to `status.d/NAME` and its checksums to `status.d/NAME.md5sums`.
"""

import re
from collections.abc import Iterator

from assay.inventory.formats import node, python
from assay.inventory.formats.parsed import PACKAGES_MAX, Damage, PackageRecord, Parsed, cut_short, record, too_many

NAME = "dpkg"
BYTES_MAX = 32 << 20

DATABASE = "var/lib/dpkg/status"
DATABASE_FOLDER = "var/lib/dpkg/status.d/"
_LISTS_FOLDER = "var/lib/dpkg/info/"
_LISTS = (".list", ".md5sums")

#: States in which a package's files are not, or no longer, in the file system.
_ABSENT_STATES = (b"not-installed", b"config-files")

#: Ends of paths that another format may read as an installed package.
_OWNABLE = (b"/METADATA", b"/PKG-INFO", b".egg-info", b"/package.json")

_END_OF_RECORD = re.compile(rb"\n[ \t\r]*\n")
_FIELD = re.compile(rb"^(Package|Status|Version|Architecture|Source):[ \t]*([^\n]*)$", re.MULTILINE | re.IGNORECASE)
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")


def wants(path: str) -> bool:
    """Whether `path` belongs to the package database."""
    if not path.startswith("var/lib/dpkg/"):
        return False
    if path.startswith(_LISTS_FOLDER):
        return path.endswith(_LISTS)
    return path == DATABASE or (path.startswith(DATABASE_FOLDER) and "/" not in path[len(DATABASE_FOLDER) :])


def parse(path: str, content: bytes, *, whole: bool = True) -> Parsed:
    """Packages of a database, or the files that a package owns."""
    if not whole:
        # What the cut went through could be taken for a shorter version.
        content = content[: content.rfind(b"\n\n") + 1]
    remarks: tuple[str, ...] = () if whole else (cut_short(BYTES_MAX),)
    if path.endswith(_LISTS):
        return Parsed(owned=_owned(path, content), remarks=remarks)
    packages: list[PackageRecord] = []
    damage = Damage("package records")
    for text in _records(content):
        if len(packages) >= PACKAGES_MAX:
            remarks += (too_many(),)
            break
        fields = {field.title(): value.strip() for field, value in reversed(_FIELD.findall(text))}
        state = fields.get(b"Status", b"").split()
        if state and state[-1] in _ABSENT_STATES:
            continue
        package = _package(fields)
        if package:
            packages.append(package)
        else:
            damage.note(_text(fields.get(b"Package", b"")))
    return Parsed(tuple(packages), remarks=remarks + damage.remarks())


def _records(content: bytes) -> Iterator[bytes]:
    start = 0
    for end in _END_OF_RECORD.finditer(content):
        if content[start : end.start()].strip():
            yield content[start : end.start()]
        start = end.end()
    if content[start:].strip():
        yield content[start:]


def _package(fields: dict[bytes, bytes]) -> PackageRecord | None:
    source = _SOURCE.fullmatch(_text(fields.get(b"Source", b"")))
    return record(
        _text(fields.get(b"Package", b"")),
        _text(fields.get(b"Version", b"")),
        _text(fields.get(b"Architecture", b"")),
        source[1] if source else "",
        (source[2] or "") if source else "",
    )


def _owned(path: str, content: bytes) -> tuple[tuple[str, tuple[str, ...]], ...]:
    package = path.rpartition("/")[2].rpartition(".")[0].partition(":")[0]
    paths: list[str] = []
    for line in content.splitlines():
        # `.list` has absolute paths; `.md5sums` has a checksum, two spaces, and a relative path.
        file = line.partition(b"  ")[2] if path.endswith(".md5sums") else line
        if file.endswith(_OWNABLE):
            text = _text(file).lstrip("/")
            if python.wants(text) or node.wants(text):
                paths.append(text)
    return ((package, tuple(paths)),) if paths else ()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
