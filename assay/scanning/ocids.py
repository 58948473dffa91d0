"""The OCID of a scan: it follows from image, inventory and revision, so millions of scans need not store one. Pure.

`ocid1.containerscanresult.<realm>.<region>.<mark>.<revision>.<60>`: the inventory's random mark and the revision find
the row; the tail is a digest over all three, so an OCID that was made up is not found.
"""

import re

from assay.clock import Ocid, Site

KIND = "containerscanresult"
_EXTENSION = re.compile(r"([0-9a-f]{16})\.([0-9]{1,9})")


def of_scan(site: Site, image: str, mark: str, rev: int) -> str:
    """The OCID of the scan of an image's inventory as of a revision."""
    return site.derived_ocid(KIND, image, mark, rev, extension=f"{mark}.{rev}").text


def mark_and_revision(ocid: str) -> tuple[str, int] | None:
    """The (mark, revision) in a scan's OCID; None for any other. Errors: Refused for what is no OCID at all."""
    parsed = Ocid(ocid)
    found = _EXTENSION.fullmatch(parsed.extension) if parsed.kind == KIND else None
    return (found[1], int(found[2])) if found else None
