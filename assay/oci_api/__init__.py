"""The API door: OCI's operations on the wire, and Assay's own in the same style. Models, headers, errors; no rule."""

from starlette.routing import BaseRoute

from assay.app import App
from assay.oci_api import (
    artifacts,
    clusters,
    credentials,
    feeds,
    functions,
    identity,
    kms,
    sign_in,
    signatures,
    trail,
    vulnerability_scanning,
)
from assay.oci_api.frame import starlette_routes

__all__ = ["routes"]

_ROWS = (
    *artifacts.ROWS,
    *signatures.ROWS,
    *vulnerability_scanning.ROWS,
    *kms.ROWS,
    *clusters.ROWS,
    *functions.ROWS,
    *identity.ROWS,
    *credentials.ROWS,
    *feeds.ROWS,
    *trail.ROWS,
    *sign_in.ROWS,
)


def routes(app: App) -> list[BaseRoute]:
    """The routes of every service. One origin hosts them all: their paths don't overlap (oci-api 1.1)."""
    return [
        *starlette_routes(app, _ROWS, sign_in.authenticate),
        *starlette_routes(app, sign_in.OPEN_ROWS, sign_in.nobody),
    ]
