"""The door for API servers: `POST /v1/clusters/{cluster}/mutate` and `/validate`, on a TLS port of its own.

The path is no secret: a caller presents a bearer token or a client certificate, and asks for its own cluster only. An
answer to a review is always 200 with a decision, also when deciding failed: then it denies and says why. Anything else
(no review, too long, another method) gets the status that fits, and the API server fails closed by itself.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from threading import Event
from typing import Any, TypeVar

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assay.admission import admit, callers
from assay.admission.examine import Gate
from assay.admission.reviews import (
    REVIEW_BYTES_MAX,
    Phase,
    Reply,
    Review,
    UnreadableReview,
    answer,
    read_review,
)
from assay.errors import ANSWERS, AssayError, Reason, Refused
from assay.http.bodies import ClientGone, whole
from assay.http.certificates import CLIENT_CERTIFICATE, AdmissionProtocol, RenewedContext, renew_hourly
from assay.iam import Actor
from assay.secret import Secret
from assay.storage import Store

#: Threads that decide; no other door uses them, and they wait for no client.
THREADS = 8
IN_FLIGHT_MAX = 32
READ_SECONDS = 5.0
#: The API server's default, and what is left of its time for the answer to travel.
TIMEOUT_SECONDS_DEFAULT = 10.0
TIMEOUT_SECONDS_MAX = 30.0
MARGIN_SECONDS = 1.0

_TIMEOUT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)s|([0-9]{1,6})ms")

#: Source: k8s.io/apimachinery, meta/v1, StatusReason.
_STATUS_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    408: "Timeout",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}

log = getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the door waits, in seconds: for a body, and at most for an answer."""

    read_seconds: float = READ_SECONDS
    margin_seconds: float = MARGIN_SECONDS


def admission_app(
    store: Store, gate: Gate, *, renew: Callable[[], bool] | None = None, timing: Timing | None = None
) -> Starlette:
    """The door. `renew` is called hourly: it takes a renewed server certificate."""
    door = _Door(store, gate, timing or Timing())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        renewing = asyncio.create_task(renew_hourly(renew, "admission")) if renew else None
        try:
            yield
        finally:
            if renewing:
                renewing.cancel()
            door.close()

    routes = [
        Route(f"/v1/clusters/{{cluster}}/{phase}", door.endpoint(phase), methods=["POST"], name=phase)
        for phase in Phase
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def server_config(app: Starlette, host: str, port: int, tls: RenewedContext) -> uvicorn.Config:
    """How uvicorn is to serve the door."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=AdmissionProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        ssl_context_factory=lambda _config, _default: tls.context,
    )


class _Door:
    """What the two routes share: the pool, and how many requests are being answered."""

    def __init__(self, store: Store, gate: Gate, timing: Timing) -> None:
        self._store = store
        self._gate = gate
        self._timing = timing
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="admission")
        self._in_flight = 0

    def close(self) -> None:
        """Start nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def endpoint(self, phase: Phase) -> Callable[[Request], Any]:
        """The endpoint of one hook."""

        async def asked(request: Request) -> Response:
            if self._in_flight >= IN_FLIGHT_MAX:
                busy = Refused("Too many reviews are being decided.", reason=Reason.TOO_MANY_REQUESTS)
                return _refusal(busy)
            self._in_flight += 1
            try:
                return await self._answered(request, phase)
            except AssayError as fault:
                return _refusal(fault)
            except ClientGone:
                return _refusal(Refused("The review did not arrive in time."), status=408)
            finally:
                self._in_flight -= 1

        return asked

    async def _answered(self, request: Request, phase: Phase) -> Response:
        _check_headers(request)
        seconds = _seconds_left(request, self._timing)
        caller = await self._authenticated(request)
        try:
            async with asyncio.timeout(min(self._timing.read_seconds, seconds)):
                body = await whole(request.receive, bytes_max=REVIEW_BYTES_MAX, what="AdmissionReview")
        except TimeoutError as fault:
            raise ClientGone from fault
        try:
            review = await self._run(read_review, body)
        except UnreadableReview as fault:
            if not fault.uid:
                raise
            return _review(answer(fault.uid, Reply.refusal(fault), phase))
        reply = await self._decided(caller, review, phase, seconds) if isinstance(caller, Actor) else caller
        return _review(answer(review.uid, reply, phase))

    async def _authenticated(self, request: Request) -> Actor | Reply:
        """The cluster that asks, or the denial to give when that cannot be told: a denial lets nobody in.

        Errors: Refused (NOT_AUTHENTICATED, NOT_ALLOWED).
        """
        try:
            actor = await self._run(
                callers.authenticate,
                self._store,
                _bearer(request),
                request.scope.get(CLIENT_CERTIFICATE),
                request.client.host if request.client else "",
            )
        except Refused:
            raise
        except AssayError as fault:
            log.warning("admission: nobody could be authenticated: %s", fault)
            return admit.undecided(fault.message)
        except Exception:
            log.exception("admission: nobody could be authenticated")
            return admit.undecided("an error inside Assay")
        if actor.principal.ocid != request.path_params["cluster"]:
            raise Refused("This credential belongs to another cluster.", reason=Reason.NOT_ALLOWED)
        return actor

    async def _decided(self, actor: Actor, review: Review, phase: Phase, seconds: float) -> Reply:
        """The reply in time. What cannot be decided is denied; a late decision is not recorded as if it was given."""
        late = Event()
        work = partial(
            admit.admit, self._store, actor, review, phase, gate=self._gate, still_wanted=lambda: not late.is_set()
        )
        try:
            async with asyncio.timeout(seconds):
                return await self._run(work)
        except TimeoutError:
            late.set()
            return admit.undecided(f"no answer within {seconds:g} seconds")
        except AssayError as fault:
            log.warning("admission: %s of %s was not decided: %s", review.uid, actor.principal.ocid, fault)
            return admit.undecided(fault.message)
        except Exception:
            # The door answers in any case: an API server that gets no answer tells its user nothing.
            log.exception("admission: %s of %s was not decided", review.uid, actor.principal.ocid)
            return admit.undecided("an error inside Assay")

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


def _check_headers(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if kind != "application/json" or coding != "identity":
        raise Refused(
            f"A review of type {kind[:80]!r} in coding {coding[:40]!r} is not read.",
            advice="Send application/json without a content coding.",
            reason=Reason.MEDIA_TYPE,
        )
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:12]) > REVIEW_BYTES_MAX:
        raise Refused(f"The AdmissionReview is longer than {REVIEW_BYTES_MAX} bytes.", reason=Reason.TOO_LARGE)


def _bearer(request: Request) -> Secret | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return Secret(token.strip()) if scheme.lower() == "bearer" and token.strip() else None


def _seconds_left(request: Request, timing: Timing) -> float:
    """The time for reading and deciding, from the API server's own `?timeout=10s`."""
    found = _TIMEOUT.fullmatch(request.query_params.get("timeout", ""))
    seconds = TIMEOUT_SECONDS_DEFAULT
    if found:
        seconds = float(found[1]) if found[1] else int(found[2]) / 1000
    seconds = min(seconds, TIMEOUT_SECONDS_MAX)
    return max(seconds - timing.margin_seconds, seconds / 2)


def _review(content: bytes) -> Response:
    return Response(content, media_type="application/json")


def _refusal(fault: AssayError, *, status: int | None = None) -> Response:
    told = ANSWERS[fault.reason]
    headers = {"www-authenticate": 'Bearer realm="assay admission"'} if fault.reason is Reason.NOT_AUTHENTICATED else {}
    code = status or told.status
    # A Status of the Kubernetes API: of any other body an API server tells its user and its log nothing.
    body = msgspec.json.encode(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(fault),
            "reason": _STATUS_REASONS.get(code, ""),
            "code": code,
        }
    )
    return Response(body, code, headers, "application/json")
