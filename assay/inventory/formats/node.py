"""Installed Node packages: the `package.json` of each folder in a `node_modules` folder, however deep it lies.

Source: npm documentation, "folders" and "package.json": a package is a folder directly in `node_modules`, or directly
in a scope's folder there; its package.json has a name and a version. Other package.json files are parts of packages.
"""

from typing import Any

import msgspec

from assay.inventory.formats.parsed import Parsed, cut_short, record, unusable

NAME = "node"
BYTES_MAX = 4 << 20


class _PackageJson(msgspec.Struct):
    name: Any = None
    version: Any = None


def wants(path: str) -> bool:
    """Whether `path` is the package.json of an installed package."""
    if not path.endswith("/package.json"):
        return False
    folders = path.split("/")[-4:-1]
    if len(folders) < 2:
        return False
    return folders[-2] == "node_modules" or (folders[0] == "node_modules" and folders[1].startswith("@"))


def parse(path: str, content: bytes, *, whole: bool = True) -> Parsed:  # noqa: ARG001 - every format has this face
    """The one package that it describes; nothing for a package.json without a name or version, which installs none."""
    if not whole:
        return Parsed(remarks=(cut_short(BYTES_MAX),))
    try:
        described = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=_PackageJson)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        return Parsed(remarks=(f"not JSON that can be read ({str(fault)[:60]!a})",))
    name, version = described.name, described.version
    if not name or not version:
        return Parsed()
    package = record(name, version.strip()) if isinstance(name, str) and isinstance(version, str) else None
    return Parsed((package,)) if package else Parsed(remarks=(unusable(name, version),))
