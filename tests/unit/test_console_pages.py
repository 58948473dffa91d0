"""Every address of the console leads to its own page, and no other page's pattern stands before it."""

import pytest
from starlette.routing import Match, Route

from assay.console import routes
from assay.console.pages import PLACES

#: A value for each name in a pattern; repository names have several components, tags dots, digests colons.
VALUES = {
    "name": "shop/cart",
    "digest": "sha256:" + "0" * 64,
    "tag": "1.0.0-rc.1",
    "scan": "r12",
    "problem": "CVE-2026-1",
}


def filled(pattern: str) -> str:
    for part in pattern.split("{")[1:]:
        whole = part.partition("}")[0]
        name = whole.partition(":")[0]
        pattern = pattern.replace(f"{{{whole}}}", VALUES.get(name, "one"))
    return pattern


def first_match(path: str) -> str:
    scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
    for route in routes(None):
        if isinstance(route, Route) and route.matches(scope)[0] is Match.FULL:
            return route.path
    return ""


@pytest.mark.parametrize(
    "pattern",
    [place.path for place in PLACES]
    + [f"{place.exports}.{kind}" for place in PLACES if place.exports for kind in ("csv", "json")],
)
def test_an_address_is_answered_by_its_own_page(pattern):
    assert first_match(filled(pattern)) == pattern


def test_what_is_no_digest_is_no_image():
    assert first_match("/r/shop/cart/-/images.csv") == "/r/{name:path}/-/images.csv"
    assert first_match("/r/shop/cart/-/sha256:12") == "/r/{name:path}/-/{digest:digest}"
