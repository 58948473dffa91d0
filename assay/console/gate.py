"""The way every request of the console goes: session, form token, page, headers; and what becomes of an error.

A page is two plain functions, `show` and `act`; they run, with the rendering, on the console's own bounded threads.
"""

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from hmac import compare_digest
from logging import getLogger
from urllib.parse import quote, urlencode, urlsplit

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from assay.app import App
from assay.console import frames, sessions
from assay.console.rendering import PAGE_HEADERS, render
from assay.console.replies import Cookie, Download, Elsewhere, Listing, Page, Reply, as_csv, as_json
from assay.console.visit import FORM_BYTES_MAX, THEME_COOKIE, THEMES, Fields, Visit, fields_of, form_token
from assay.errors import ANSWERS, AssayError, Denied, Reason, Refused
from assay.iam.identity import trail
from assay.oci import require_no_nul

THREADS = 8
DOOR_COOKIE = "assay-door"
EXPORTS = {"json": ("application/json", as_json), "csv": ("text/csv; charset=utf-8", as_csv)}

log = getLogger(__name__)

Show = Callable[[Visit], Reply]
Act = Callable[[Visit], Reply]


@dataclass(frozen=True, slots=True)
class Place:
    """An address and its page. `rail` is the entry of the rail it stands under; `exports` the address of its rows
    without the ending; `is_open` means that no session is needed.
    """

    path: str
    show: Show
    act: Act | None = None
    rail: str = ""
    exports: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read whole."""

    method: str
    path: str
    names: Mapping[str, str]
    query: str
    body: bytes
    cookies: Mapping[str, str]
    host: str
    origin: str
    site: str
    secure: bool
    address: str
    kind: str
    request_id: str


def routes_of(app: App, places: tuple[Place, ...]) -> list[BaseRoute]:
    """The routes of all places, those of their rows in other forms before them."""
    limiter = anyio.CapacityLimiter(THREADS)
    found: list[BaseRoute] = []
    for place in places:
        found += [
            Route(f"{place.exports}.{kind}", _endpoint(app, place, kind, limiter), methods=["GET"])
            for kind in (EXPORTS if place.exports else ())
        ]
        methods = ["GET", "POST"] if place.act else ["GET"]
        found.append(Route(place.path, _endpoint(app, place, "html", limiter), methods=methods))
    return found


def _endpoint(
    app: App, place: Place, kind: str, limiter: anyio.CapacityLimiter
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        begun = time.perf_counter()
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > FORM_BYTES_MAX:
                return Response(f"A form has at most {FORM_BYTES_MAX} bytes.", 413, PAGE_HEADERS)
        asked = Asked(
            method=request.method,
            path=request.url.path,
            names=request.path_params,
            query=request.url.query,
            body=bytes(body),
            cookies=request.cookies,
            host=request.headers.get("host", ""),
            origin=request.headers.get("origin", ""),
            site=request.headers.get("sec-fetch-site", ""),
            secure=app.settings.url.startswith("https:"),
            address=request.client.host if request.client else "",
            kind=kind,
            request_id=f"{secrets.token_hex(2)}-{secrets.token_hex(2)}",
        )
        response = await anyio.to_thread.run_sync(answer, app, place, asked, limiter=limiter)
        response.headers["server-timing"] = f"page;dur={(time.perf_counter() - begun) * 1000:.1f}"
        return response

    return endpoint


def answer(app: App, place: Place, asked: Asked) -> Response:
    """The response to a request; an error becomes a page that says what to do."""
    if _came_by_a_link(place, asked):
        return Response(render("arrival.html", {}), 200, PAGE_HEADERS, "text/html; charset=utf-8")
    visit: Visit | None = None
    try:
        require_no_nul(asked.path)
        found = _visit_of(app, place, asked)
        if isinstance(found, Elsewhere):
            return _moved(found, asked)
        visit = found
        try:
            reply, visit = _acted(place, visit, asked) if asked.method == "POST" else _shown(place, visit)
        except Denied as denial:
            trail.denials.note(app.store, found.actor, denial)
            raise
        return _written(reply, place, visit, asked)
    except AssayError as fault:
        return _failed(fault, place, visit, asked)
    except Exception:
        log.exception("%s %s failed (request %s)", asked.method, asked.path, asked.request_id)
        mistake = AssayError("The server made a mistake.", advice="Try again.", reason=Reason.INTERNAL)
        return _failed(mistake, place, visit, asked)


def _came_by_a_link(place: Place, asked: Asked) -> bool:
    """Whether a link of another site led here: then a browser keeps the session's cookie back (SameSite=Strict).

    The page that is answered loads itself again, which is a request of this site's own and carries the cookie.
    """
    has_cookie = sessions.cookie_name(secure=asked.secure) in asked.cookies
    return asked.site == "cross-site" and asked.method == "GET" and not place.is_open and not has_cookie


def _visit_of(app: App, place: Place, asked: Asked) -> Visit | Elsewhere:
    """Who visits. Without a session: to the sign-in page, or a stranger where the place is open."""
    person = sessions.resume(app, asked.cookies, asked.address, asked.request_id, secure=asked.secure)
    if person is None and not place.is_open:
        wanted = f"{asked.path}?{asked.query}" if asked.query else asked.path
        return Elsewhere(f"/sign-in?{urlencode({'next': wanted})}" if asked.method == "GET" else "/sign-in")
    if person is not None and person.must_change_password and not place.is_open:
        return Elsewhere("/sign-in/password")
    secret = person.secret if person else asked.cookies.get(DOOR_COOKIE) or secrets.token_urlsafe(24)
    theme = asked.cookies.get(THEME_COOKIE, "")
    return Visit(
        app=app,
        actor=person.actor if person else sessions.stranger(asked.address, asked.request_id),
        name=person.name if person else "",
        session=secret,
        now=app.store.clock.now(),
        host=asked.host,
        secure=asked.secure,
        path=asked.path,
        names=asked.names,
        query=fields_of(asked.query),
        form=_form(asked),
        exports=_filled(place.exports, asked.names) if place.exports else "",
        theme=theme if theme in THEMES else "",
    )


def _form(asked: Asked) -> Fields:
    if asked.method != "POST":
        return {}
    try:
        return fields_of(asked.body.decode("utf-8"))
    except UnicodeDecodeError as fault:
        raise Refused("The form is not UTF-8.", reason=Reason.UNPARSABLE) from fault


def _acted(place: Place, visit: Visit, asked: Asked) -> tuple[Reply, Visit]:
    """Do what a form asks; refused, its page is shown again with the values that were sent."""
    if urlsplit(asked.origin).netloc not in ("", asked.host) or not compare_digest(
        visit.sent("csrf").encode(), form_token(visit.session).encode()
    ):
        raise Refused(
            "This form is not, or no longer, one of yours.",
            advice="Load the page again and send its form.",
            reason=Reason.NOT_ALLOWED,
        )
    if place.act is None:
        raise Refused("Nothing can be sent here.", reason=Reason.METHOD)
    try:
        return place.act(visit), visit
    except Refused as fault:
        if fault.reason is Reason.NOT_FOUND and not _visible(place, visit):
            raise
        return _with_fault(place, visit.with_fault(fault), fault)


def _visible(place: Place, visit: Visit) -> bool:
    """Whether the page itself can be shown: then the act was refused, not the thing missing."""
    try:
        place.show(replace(visit, form={}))
    except Refused:
        return False
    return True


def _shown(place: Place, visit: Visit) -> tuple[Reply, Visit]:
    """The page; a filter that it does not know becomes an error line on the page without filters."""
    try:
        return place.show(visit), visit
    except Refused as fault:
        if ANSWERS[fault.reason].status != 400 or not visit.query:
            raise
        return _with_fault(place, replace(visit, query={}, fault=fault), fault)


def _with_fault(place: Place, visit: Visit, fault: Refused) -> tuple[Reply, Visit]:
    """The page with its fault on top, under the fault's own status."""
    reply = place.show(visit)
    page = reply.page if isinstance(reply, Listing) else reply
    return (replace(page, status=ANSWERS[fault.reason].status) if isinstance(page, Page) else page), visit


def _written(reply: Reply, place: Place, visit: Visit, asked: Asked) -> Response:
    if isinstance(reply, Elsewhere):
        return _moved(reply, asked)
    if isinstance(reply, Download):
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(reply.filename)}"}
        return Response(reply.content, 200, PAGE_HEADERS | headers, reply.media_type)
    if isinstance(reply, Listing):
        if asked.kind != "html":
            media_type, write = EXPORTS[asked.kind]
            return Response(write(reply), 200, PAGE_HEADERS, media_type)
        reply = reply.page
    values = frames.around(visit, place.rail, asked.request_id) | dict(reply.values)
    response = Response(render(reply.template, values), reply.status, PAGE_HEADERS, "text/html; charset=utf-8")
    if place.is_open and DOOR_COOKIE not in asked.cookies:
        _set_cookie(response, Cookie(DOOR_COOKIE, visit.session), asked)
    return response


def _failed(fault: AssayError, place: Place, visit: Visit | None, asked: Asked) -> Response:
    """An error as a page, or as JSON where a program asked; the same for what is missing and what is not theirs."""
    status = ANSWERS[fault.reason].status
    if asked.kind != "html":
        body = f"{fault.message} {fault.advice} Request {asked.request_id}.\n"
        return Response(body, status, PAGE_HEADERS, "text/plain; charset=utf-8")
    values = frames.of_error(fault, status, asked.path, asked.request_id)
    if visit is not None and visit.name:
        values = frames.around_error(visit, place.rail, asked.request_id) | values
        return Response(render("error.html", values), status, PAGE_HEADERS, "text/html; charset=utf-8")
    values |= {"host": asked.host, "theme": ""}
    return Response(render("error_door.html", values), status, PAGE_HEADERS, "text/html; charset=utf-8")


def _moved(reply: Elsewhere, asked: Asked) -> Response:
    response = Response(None, 303, PAGE_HEADERS | {"location": reply.path})
    for cookie in reply.cookies:
        _set_cookie(response, cookie, asked)
    return response


def _set_cookie(response: Response, cookie: Cookie, asked: Asked) -> None:
    response.set_cookie(
        cookie.name,
        cookie.value,
        max_age=(cookie.seconds or None) if cookie.value else 0,
        path="/",
        secure=asked.secure,
        httponly=True,
        samesite="strict",
    )


def _filled(pattern: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: quote(names[found[1]], safe="/:"), pattern)
