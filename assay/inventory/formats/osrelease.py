"""Which operating system it is: `os-release`, in `etc` or, where that is missing, in `usr/lib`.

Source: os-release(5): lines `KEY=value`, the value quoted as in a shell; nothing is ever expanded.
"""

import re

from assay.inventory.formats.parsed import Parsed, cut_short

NAME = "os-release"
BYTES_MAX = 64 << 10

#: The file that counts comes first.
PLACES = ("etc/os-release", "usr/lib/os-release")

_FIELDS = ("ID", "ID_LIKE", "VERSION_ID", "VERSION_CODENAME", "PRETTY_NAME")
_VALUE_LENGTH_MAX = 255
_LINE = re.compile(r"([A-Z_]+)=(.*)")
_ESCAPED = re.compile(r'\\(["$`\\])')


def wants(path: str) -> bool:
    """Whether `path` is one of the two places."""
    return path in PLACES


def parse(path: str, content: bytes, *, whole: bool = True) -> Parsed:  # noqa: ARG001 - every format has this face
    """The fields of use, or a remark when there is no `ID` among them."""
    if not whole:
        content = content[: content.rfind(b"\n") + 1]
    found: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        match = _LINE.fullmatch(line.strip())
        if match and match[1] in _FIELDS:
            value = _unquoted(match[2])
            if value.isprintable() and len(value) <= _VALUE_LENGTH_MAX:
                found[match[1]] = value
    remarks = () if found.get("ID") else ("it doesn't say which operating system this is",)
    return Parsed(release=tuple(sorted(found.items())), remarks=remarks if whole else (*remarks, cut_short(BYTES_MAX)))


def _unquoted(value: str) -> str:
    for quote in "\"'":
        if len(value) >= 2 and value[0] == value[-1] == quote:
            return _ESCAPED.sub(r"\1", value[1:-1]) if quote == '"' else value[1:-1]
    return value
