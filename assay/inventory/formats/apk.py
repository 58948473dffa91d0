"""Alpine's package database (`lib/apk/db/installed`, under `usr/` since the merge of the two).

Source: Alpine wiki, "Apk spec", installed database: one letter, a colon and a value a line (P name, V version,
A architecture, o origin = source package, F folder, R file in it), an empty line after each package.
"""

from collections.abc import Iterator

from assay.inventory.formats import node, python
from assay.inventory.formats.parsed import PACKAGES_MAX, Damage, PackageRecord, Parsed, cut_short, record, too_many

NAME = "apk"
BYTES_MAX = 32 << 20
#: Longer than any field that a package writes; what is longer was damaged, and may hide records.
FIELD_BYTES_MAX = 1 << 20

DATABASES = ("lib/apk/db/installed", "usr/lib/apk/db/installed")


def wants(path: str) -> bool:
    """Whether `path` is the package database."""
    return path in DATABASES


def parse(path: str, content: bytes, *, whole: bool = True) -> Parsed:  # noqa: ARG001 - every format has this face
    """Packages, with those of their files that look like Python or Node packages."""
    if not whole:
        # What the cut went through could be taken for a shorter version.
        content = content[: content.rfind(b"\n\n") + 1]
    remarks = (() if whole else (cut_short(BYTES_MAX),)) + tuple(_damage(content))
    packages: list[PackageRecord] = []
    owned: list[tuple[str, tuple[str, ...]]] = []
    damage = Damage("package records")
    for fields, files in _records(content):
        if len(packages) >= PACKAGES_MAX:
            remarks += (too_many(),)
            break
        package = record(fields.get("P", ""), fields.get("V", ""), fields.get("A", ""), fields.get("o", ""))
        if package:
            packages.append(package)
            owned += [(package.name, tuple(files))] if files else []
        else:
            damage.note(fields.get("P", ""))
    return Parsed(tuple(packages), tuple(owned), remarks=remarks + damage.remarks())


def _damage(content: bytes) -> Iterator[str]:
    """What shows that the database is damaged, whichever records can still be read."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        yield f"the package database is damaged: line {line:,} is not UTF-8"
    if any(len(line) > FIELD_BYTES_MAX for line in content.split(b"\n")):
        yield f"the package database is damaged: a field of it is longer than {FIELD_BYTES_MAX:,} bytes"


def _records(content: bytes) -> Iterator[tuple[dict[str, str], list[str]]]:
    fields: dict[str, str] = {}
    files: list[str] = []
    folder = ""
    for line in content.split(b"\n"):
        key, value = line[:2], line[2:]
        if not line.strip():
            if fields or files:
                yield fields, files
            fields, files, folder = {}, [], ""
        elif key in (b"P:", b"V:", b"A:", b"o:"):
            fields.setdefault(chr(key[0]), _text(value.strip()))
        elif key == b"F:":
            folder = _text(value)
        elif key == b"R:":
            file = f"{folder}/{_text(value)}"
            if python.wants(file) or node.wants(file):
                files.append(file)
        else:
            fields.setdefault("", "")
    if fields or files:
        yield fields, files


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
