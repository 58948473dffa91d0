"""The API door: OCI's operations on the wire, and Assay's own in the same style. Models, headers, errors; no rule."""

from starlette.routing import BaseRoute

from assay.app import App
from assay.oci_api import (
    access,
    artifacts,
    clusters,
    credentials,
    feeds,
    functions,
    identity,
    kms,
    kms_crypto,
    kms_keys,
    origins,
    people,
    policies,
    scan_results,
    sign_in,
    signatures,
    trail,
    vulnerabilities,
    vulnerability_scanning,
    work_requests,
)
from assay.oci_api.frame import Door, starlette_routes
from assay.oci_api.rates import Meter
from assay.oci_api.targets import LeadingSlashes

__all__ = ["routes"]

_ROWS = (
    *artifacts.ROWS,
    *signatures.ROWS,
    *vulnerability_scanning.ROWS,
    *scan_results.ROWS,
    *vulnerabilities.ROWS,
    *work_requests.ROWS,
    *kms.ROWS,
    *kms_keys.ROWS,
    *kms_crypto.ROWS,
    *clusters.ROWS,
    *functions.ROWS,
    *identity.ROWS,
    *people.ROWS,
    *policies.ROWS,
    *access.ROWS,
    *credentials.ROWS,
    *feeds.ROWS,
    *trail.ROWS,
    *sign_in.ROWS,
    *origins.ROWS,
)


def routes(app: App) -> list[BaseRoute]:
    """The routes of every service. One origin hosts them all: their paths don't overlap (oci-api 1.1)."""
    addresses = Meter(app.settings.api_requests_per_second_address, "this address")
    users = Meter(app.settings.api_requests_per_second_user, "this user")
    found = [
        *starlette_routes(Door(app, sign_in.authenticate, addresses, users), _ROWS),
        *starlette_routes(Door(app, sign_in.nobody, addresses, users), sign_in.OPEN_ROWS),
    ]
    return [*found, LeadingSlashes(found)]
