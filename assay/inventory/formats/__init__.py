"""Package formats, one file each, all with the same face; a new format is a new file and a line in the table."""

from typing import Protocol

from assay.inventory.formats import apk, dpkg, egg, node, osrelease, python
from assay.inventory.formats.parsed import PackageRecord, Parsed

__all__ = ["FORMATS", "Format", "PackageRecord", "Parsed", "format_of"]


class Format(Protocol):
    """What each format's module offers: its `NAME` in layer parts, and how much of one file is kept while reading."""

    NAME: str
    BYTES_MAX: int

    def wants(self, path: str) -> bool:
        """Whether a file at `path` (no leading slash) is of this format; cheap, as every path in a layer is asked."""
        ...

    def parse(self, path: str, content: bytes, *, whole: bool = True) -> Parsed:
        """What the file says; `whole` is false when it was cut at `BYTES_MAX`.

        Never fails: what can't be read becomes a remark.
        """
        ...


FORMATS: tuple[Format, ...] = (dpkg, apk, python, egg, node, osrelease)

#: Every path that a format wants ends so, or lies in the folder of dpkg; asked first, as most paths end otherwise.
_ENDS = ("/METADATA", "/PKG-INFO", ".egg-info", ".egg", "/package.json", "/installed", "/os-release")


def format_of(path: str) -> Format | None:
    """The format that wants a file at `path`, or None."""
    if path.endswith(_ENDS) or path.startswith("var/lib/dpkg/"):
        return next((format_ for format_ in FORMATS if format_.wants(path)), None)
    return None
