"""The style sheets, the script and the mark, served from memory under an address that changes with their content."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assay.console.rendering import PAGE_HEADERS, STATIC_FILES, STATIC_HEADERS


def static_route() -> Route:
    """`/static/<version>/<name>`; anything else below `/static` is not there."""

    async def endpoint(request: Request) -> Response:
        found = STATIC_FILES.get(request.path_params["name"])
        if found is None or found[2] != request.path_params["version"]:
            return Response("There is no such file.\n", 404, PAGE_HEADERS, "text/plain; charset=utf-8")
        return Response(found[0], 200, STATIC_HEADERS, found[1])

    return Route("/static/{version}/{name}", endpoint, methods=["GET"])
