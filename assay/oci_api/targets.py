"""The request target: as it was sent, for signatures; and without doubled slashes before it, for routing.

Clients whose endpoint ends with a slash send `//20160918/…`, and sign that (oci-api 1.2).
"""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute, Match, Router
from starlette.types import Receive, Scope, Send

#: The ASGI extension in which our server gives the target byte for byte: the scope tells `/n` and `/n?` not apart.
EXTENSION = "assay.request-target"


def target_of(request: Request) -> bytes:
    """The request target, byte for byte where the server tells it, else path and query as they were sent."""
    told = request.scope.get("extensions", {}).get(EXTENSION)
    if told is not None:
        return bytes(told["target"])
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return path + b"?" + query if query else path


class LeadingSlashes(BaseRoute):
    """The routes given, also for paths that begin with more than one slash. Nothing but the routing sees the change."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._router = Router(routes)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Only such paths."""
        doubled = scope["type"] == "http" and scope["path"].startswith("//")
        return (Match.FULL if doubled else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the path with one slash would be."""
        await self._router({**scope, "path": "/" + scope["path"].lstrip("/")}, receive, send)
