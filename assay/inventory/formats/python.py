"""Installed Python distributions: `*.dist-info/METADATA` and the older `*.egg-info` as a folder or as a file.

Source: "Recording installed projects" and "Core metadata" of the Python packaging specifications; a distribution is
what has a name and a version in the headers of that file, which end with the first empty line.
"""

import re

from assay.inventory.formats.parsed import Parsed, cut_short, record, unusable

NAME = "python"
BYTES_MAX = 1 << 20

_NAME = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]*[A-Z0-9])?", re.IGNORECASE | re.ASCII)


def wants(path: str) -> bool:
    """Whether `path` is the metadata of an installed distribution."""
    folder, _, name = path.rpartition("/")
    if name == "METADATA":
        return folder.endswith(".dist-info")
    if name == "PKG-INFO":
        return folder.endswith((".egg-info", ".egg/EGG-INFO"))
    return name.endswith(".egg-info")


def parse(path: str, content: bytes, *, whole: bool = True) -> Parsed:  # noqa: ARG001 - every format has this face
    """The one distribution that the headers name, under its spelled name, or a remark."""
    found: dict[str, str] = {}
    for line in content.removeprefix(b"\xef\xbb\xbf").splitlines():
        if not line.strip():
            whole = True  # the headers are; the description that follows may be of any length
            break
        key, colon, value = line.partition(b":")
        if colon and key.lower() in (b"name", b"version"):
            found.setdefault(key.lower().decode(), value.strip().decode("utf-8", "backslashreplace"))
    name, version = found.get("name", ""), found.get("version", "")
    package = record(name, version) if _NAME.fullmatch(name) else None
    remarks = () if package else (unusable(name, version),)
    return Parsed((package,) if package else (), remarks=remarks if whole else (*remarks, cut_short(BYTES_MAX)))
