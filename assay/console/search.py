"""The one search box: it looks at the form of what was typed and goes straight to what that names."""

import re

from assay.admission import ledger
from assay.console.replies import Elsewhere, Page, Reply
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.oci import Digest, Reference
from assay.registry import images, repositories
from assay.registry.model import Image, ImageFilter, RepositoryFilter

FOUND_MAX = 50
_NUMBER = re.compile(r"[0-9A-HJKMNP-TV-Z]{10}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
PAGES = {"vault": "/vaults/", "key": "/k/", "cluster": "/c/", "fnapp": "/functions/", "policy": "/iam/policies/"}


def show(visit: Visit) -> Reply:
    """A single exact hit goes to its page; else what fits, in groups."""
    typed = visit.asked("q")[:300]
    direct = _direct(visit, typed) if typed else ""
    if direct:
        return Elsewhere(direct)
    narrow = RepositoryFilter(name_contains=_name_in(typed).lower())
    found = repositories.listed(visit.store, visit.actor, narrow, limit=FOUND_MAX).items if typed else ()
    tagged = images.listed(visit.store, visit.actor, ImageFilter(version=f"{typed}*"), limit=FOUND_MAX).items
    return Page(
        "search.html",
        {
            "query": typed,
            "repositories": found,
            "images": tagged if typed and "/" not in typed else (),
        },
    )


def _direct(visit: Visit, typed: str) -> str:
    """The address of the one thing that the text names exactly, or the empty string."""
    try:
        if _NUMBER.fullmatch(typed.upper()):
            return f"/d/{ledger.get_decision(visit.store, visit.actor, typed.upper()).number}"
        if _DIGEST.fullmatch(typed):
            page = images.listed(visit.store, visit.actor, ImageFilter(digest=Digest(typed)), limit=1)
            return _page_of(page.items[0]) if page.items else ""
        if typed.startswith("ocid1."):
            return _of_ocid(visit, typed)
        return _of_reference(visit, typed)
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return ""


def _of_ocid(visit: Visit, ocid: str) -> str:
    kind = ocid.split(".")[1]
    if kind == "containerrepo":
        return f"/r/{repositories.get(visit.store, visit.actor, ocid).name}"
    if kind == "containerimage":
        return _page_of(images.get(visit.store, visit.actor, ocid))
    return f"{PAGES[kind]}{ocid}" if kind in PAGES else ""


def _of_reference(visit: Visit, typed: str) -> str:
    """`NAME`, `NAME:TAG`, with or without host and namespace."""
    try:
        reference = Reference.parse(typed)
    except Refused:
        return ""
    name = _name_in(typed)
    if reference.digest:
        return _page_of(images.lookup(visit.store, visit.actor, name, reference.digest))
    if reference.tag:
        images.lookup(visit.store, visit.actor, name, reference.tag)
        return f"/r/{name}/-/t/{reference.tag}"
    return f"/r/{repositories.by_name(visit.store, visit.actor, name).name}"


def _name_in(typed: str) -> str:
    """The repository name in a reference; what was typed, where it is none."""
    try:
        reference = Reference.parse(typed)
    except Refused:
        return typed
    return reference.name.partition("/")[2] if reference.host else reference.name


def _page_of(image: Image) -> str:
    return f"/r/{image.repository_name}/-/{image.digest}"
