"""Health and metrics: what a load balancer, a cluster and Prometheus ask.

`/healthz` says that the process answers; `/readyz` that it can serve: database and blob store answer. A sealed vault,
an admission port that had to stay closed, a stale feed or facts that wait are told but don't make the server unready:
what does not need them goes on.
"""

from collections.abc import Iterable

import anyio.to_thread
import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from assay.app import App, Condition


class Conditions:
    """A Prometheus collector that asks the app at each scrape."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterable[Metric]:
        """One gauge for each condition and each count."""
        state = GaugeMetricFamily("assay_condition", "1 where the named condition holds well", labels=["condition"])
        for condition in self._app.conditions():
            state.add_metric([condition.name], 1.0 if condition.well else 0.0)
        yield state
        counts = GaugeMetricFamily("assay_count", "Things there are", labels=["thing"])
        for thing, number in self._app.counts().items():
            counts.add_metric([thing], number)
        yield counts


def routes(app: App) -> list[Route]:
    """The three routes. The collector is registered with the process's registry while the app lives."""
    REGISTRY.register(Conditions(app))

    async def alive(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        conditions = await anyio.to_thread.run_sync(app.conditions)
        body = {condition.name: _said(condition) for condition in conditions}
        well = all(condition.well or not condition.needed for condition in conditions)
        return Response(msgspec.json.encode(body), 200 if well else 503, media_type="application/json")

    async def metrics(_: Request) -> Response:
        return Response(await anyio.to_thread.run_sync(generate_latest), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", metrics)]


def _said(condition: Condition) -> str:
    return "ok" if condition.well else condition.says
