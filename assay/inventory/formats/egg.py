"""A Python distribution installed as one zip file (`NAME.egg` holding `EGG-INFO/PKG-INFO`).

Source: setuptools, "The Internal Structure of Python Eggs".
"""

import io
import zipfile
import zlib

from assay.inventory.formats import python
from assay.inventory.formats.parsed import Parsed, cut_short

NAME = "egg"
BYTES_MAX = 32 << 20

_METADATA = "EGG-INFO/PKG-INFO"
_FAULTS = (ValueError, NotImplementedError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)


def wants(path: str) -> bool:
    """Whether `path` may be a zipped egg."""
    return path.endswith(".egg")


def parse(path: str, content: bytes, *, whole: bool = True) -> Parsed:
    """The distribution whose metadata is in the zip file, or a remark; nothing for what is no zipped egg."""
    if not content.startswith(b"PK"):
        return Parsed()
    if not whole:
        return Parsed(remarks=(cut_short(BYTES_MAX),))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open(_METADATA) as metadata:
            head = metadata.read(python.BYTES_MAX)
    except KeyError:
        return Parsed()
    except _FAULTS as fault:
        return Parsed(remarks=(f"not a zipped egg that can be read ({str(fault)[:60]!a})",))
    return python.parse(f"{path}/{_METADATA}", head, whole=len(head) < python.BYTES_MAX)
