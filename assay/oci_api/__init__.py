"""The API door: OCI's operations on the wire, and Assay's own in the same style. Models, headers, errors; no rule."""

from dataclasses import replace
from typing import Any

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
    openapi,
    origins,
    people,
    policies,
    registry_rules,
    scan_results,
    sign_in,
    signatures,
    trail,
    vulnerabilities,
    vulnerability_scanning,
    work_requests,
)
from assay.oci_api.absent import Absent
from assay.oci_api.contract import Gives
from assay.oci_api.frame import Call, Door, Reply, Row, starlette_routes, takes
from assay.oci_api.targets import LeadingSlashes
from assay.rates import Meters

__all__ = ["openapi_document", "routes"]

_ROWS = (
    *artifacts.ROWS,
    *signatures.ROWS,
    *registry_rules.ROWS,
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


def openapi_document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the whole service."""
    return openapi.document(_ROWS, sign_in.OPEN_ROWS)


@takes(Gives.ONE)
def _describe(_call: Call) -> Reply:
    return Reply(openapi_document())


#: For every signed-in caller: it says what there is to call, and nothing of what anybody has.
_ROWS = (*_ROWS, Row("GET", "/20260901/openapi.json", "GetSession", _describe))


def routes(app: App) -> list[BaseRoute]:
    """The routes of every service. One origin hosts them all: their paths don't overlap (oci-api 1.1)."""
    meters = Meters.of(
        address_per_second=app.settings.api_requests_per_second_address,
        user_per_second=app.settings.api_requests_per_second_user,
    )
    signed_in = Door(app, sign_in.authenticate, meters)
    found = starlette_routes([(signed_in, _ROWS), (replace(signed_in, authenticate=sign_in.nobody), sign_in.OPEN_ROWS)])
    every: list[BaseRoute] = [*found, Absent(found)]
    return [*every, LeadingSlashes(every)]
