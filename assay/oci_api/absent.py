"""Operations of OCI's APIs that Assay does not have: answered in the API's own form, not as a missing page.

501 is what the stock clients don't try again (oci-api 1.3).
"""

import re
from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from assay.errors import Reason, Refused
from assay.oci_api.frame import error_response, request_id_of

#: Every API of OCI has its date first in its paths, where a vault may be named before it; but for Object Storage, whose
#: paths begin with the namespace (oci-api 1.1, 2.7, 5.1).
_OF_AN_API = re.compile(r"(?:/vaults/[^/]+)?/20\d{6}/|/n/")
_SHOWN_LENGTH_MAX = 200


class Absent(BaseRoute):
    """Every path of an API that none of `routes` answers, whatever the method."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = tuple(routes)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Only such paths: a known path with an unknown method is its route's to answer."""
        if scope["type"] != "http" or not _OF_AN_API.match(scope["path"]):
            return Match.NONE, {}
        known = any(route.matches(scope)[0] is not Match.NONE for route in self._routes)
        return (Match.NONE if known else Match.FULL), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say so, and of what."""
        request = Request(scope)
        asked = f"{request.method} {request.url.path[:_SHOWN_LENGTH_MAX]}"
        fault = Refused(
            f"Assay has no operation {asked}.",
            advice="GET /20260901/openapi.json lists those that it has.",
            reason=Reason.UNSUPPORTED,
        )
        await error_response(fault, request_id_of(request))(scope, receive, send)
