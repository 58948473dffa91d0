"""Templates, static files, and the headers that every answer of the console carries."""

import hashlib
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from assay.console import words

STATIC = Path(__file__).parent / "static"

#: Nothing from elsewhere, nothing inline, no frame around it (CSP level 3).
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
PAGE_HEADERS = HEADERS | {"cache-control": "no-store"}
STATIC_HEADERS = HEADERS | {"cache-control": "public, max-age=31536000, immutable"}

SEVERITY_NAMES = {"c": "Critical", "h": "High", "m": "Medium", "l": "Low", "u": "Unrated", "n": "None"}
BAR_WIDTH = 120


def severity(level: str) -> str:
    """The name of a severity by its letter."""
    return SEVERITY_NAMES[level]


def spoken(counts: tuple[int, ...]) -> str:
    """Five counts as a reader hears them: `Critical 1, High 27, …`."""
    return ", ".join(f"{SEVERITY_NAMES[level]} {count}" for level, count in zip("chmlu", counts, strict=True))


def stacked(counts: tuple[int, ...], most: int) -> list[tuple[str, int, int]]:
    """Letter, begin and width of each part of a bar whose whole length stands for `most`; has no width of 0."""
    parts, x = [], 0
    for level, count in zip("chmlu", counts, strict=True):
        if count:
            width = max(1, round(BAR_WIDTH * count / max(most, 1)))
            parts.append((level, x, width))
            x += width
    return parts


def _static_files() -> dict[str, tuple[bytes, str, str]]:
    """Name → content, media type, and the version that its address carries."""
    return {
        path.name: (
            content := path.read_bytes(),
            mimetypes.guess_type(path.name)[0] or "application/octet-stream",
            hashlib.sha256(content).hexdigest()[:12],
        )
        for path in sorted(STATIC.iterdir())
        if path.is_file()
    }


STATIC_FILES = _static_files()


def static(name: str) -> str:
    """The address of a static file; it changes with the content, so that it may be cached for ever."""
    return f"/static/{STATIC_FILES[name][2]}/{name}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("assay.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["static"] = static
    for name in ("number", "plural", "size", "short", "brief_ocid", "day", "relative", "minute", "second"):
        environment.filters[name] = getattr(words, name)
    for filter_ in (words.machine, words.listing, severity, spoken, stacked):
        environment.filters[filter_.__name__] = filter_
    return environment


ENVIRONMENT = _environment()


def render(template: str, values: Mapping[str, Any]) -> str:
    """The page. Errors: jinja2's, for a template that names what it isn't given."""
    return ENVIRONMENT.get_template(template).render(values)
