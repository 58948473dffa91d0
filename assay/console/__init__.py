"""The console: the door for people. Pages and forms over the rooms' verbs; no SQL and no rule in it."""

from starlette.routing import BaseRoute

from assay.app import App
from assay.console.gate import routes_of
from assay.console.pages import PLACES
from assay.console.static_files import static_route

__all__ = ["routes"]


def routes(app: App) -> list[BaseRoute]:
    """All routes of the console, its static files among them, to be mounted at the root of the server."""
    return [static_route(), *routes_of(app, PLACES)]
