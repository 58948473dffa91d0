"""The command line's way to a server: who is signed in where, and one request at a time.

Requests go through the standard library: it is there in a tenth of the time that an HTTP client package needs to load,
which a command would spend before it does anything.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from assay.cli import private_files
from assay.errors import Reason, Refused, Unavailable
from assay.secret import Secret

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

TIMEOUT_SECONDS = 60.0

_REASONS = {401: Reason.NOT_AUTHENTICATED, 404: Reason.NOT_FOUND}


class Profile(msgspec.Struct, frozen=True):
    """What `assay login` keeps, in a file that only its owner may read. `registry` is the host of image references."""

    server: str
    user: str
    token: str
    tenancy: str
    namespace: str
    registry: str


def profile_path() -> Path:
    """Where the profile lies if nobody says otherwise."""
    return Path.home() / ".config" / "assay" / "profile.json"


def save_profile(profile: Profile, path: Path) -> None:
    """Write the profile; only its owner may read it."""
    private_files.write(path, msgspec.json.encode(profile).decode())


def load_profile(path: Path) -> Profile:
    """The profile. Errors: Refused when nobody is signed in."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Profile)
    except (OSError, msgspec.MsgspecError) as fault:
        raise Refused(
            "You are not signed in.", advice="Run: assay login URL", reason=Reason.NOT_AUTHENTICATED
        ) from fault


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply: its JSON (or text), and the headers that carry meaning."""

    body: Any
    etag: str = ""
    next_page: str = ""


class Connection:
    """Requests to one server as one user. Errors of every verb: the server's refusal as Refused, else Unavailable."""

    def __init__(self, server: str, token: Secret | None = None) -> None:
        self._server = server
        self._headers = {"user-agent": "assay-cli"}
        if token is not None:
            self._headers["authorization"] = f"Bearer {token.reveal()}"

    def get(self, path: str, **query: Any) -> Answer:
        """Read."""
        return self._ask("GET", path, query, None)

    def post(self, path: str, body: object = None, **query: Any) -> Answer:
        """Create or act."""
        return self._ask("POST", path, query, {} if body is None else body)

    def put(self, path: str, body: object, **query: Any) -> Answer:
        """Change."""
        return self._ask("PUT", path, query, body)

    def delete(self, path: str) -> Answer:
        """Remove."""
        return self._ask("DELETE", path, {}, None)

    def everything(self, path: str, *, rows_max: int | None = None, **query: Any) -> list[dict[str, Any]]:
        """All pages of a list, in its order, or its first `rows_max` rows; bare arrays and `items` alike."""
        rows: list[dict[str, Any]] = []
        page = ""
        while True:
            answer = self.get(path, **query, page=page)
            rows += answer.body["items"] if isinstance(answer.body, dict) else answer.body
            page = answer.next_page
            if not page or (rows_max is not None and len(rows) >= rows_max):
                return rows[:rows_max]

    def _ask(self, method: str, path: str, query: dict[str, Any], body: object) -> Answer:
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import Request

        parameters = urlencode({name: _text(value) for name, value in query.items() if value not in (None, "")})
        address = f"{self._server}{quote(path)}{'?' if parameters else ''}{parameters}"
        content = None if body is None else msgspec.json.encode(body)
        headers = {**self._headers, "content-type": "application/json"} if body is not None else self._headers
        try:
            # The scheme of a server's address was checked when the user signed in.
            request = Request(address, content, headers, method=method)  # noqa: S310
            with _opener().open(request, timeout=TIMEOUT_SECONDS) as reply:
                told = reply.headers
                return Answer(
                    _content(reply.read(), told.get("content-type", "")),
                    told.get("etag", ""),
                    told.get("opc-next-page", ""),
                )
        except HTTPError as refusal:
            with refusal:
                raise _refused(refusal.code, refusal.read(), refusal.headers.get("opc-request-id", "-")) from None
        except (OSError, HTTPException) as fault:
            why = getattr(fault, "reason", fault)
            raise Unavailable(f"{self._server} does not answer: {why}.", advice="Is the server running?") from fault


@cache
def _opener() -> "OpenerDirector":
    """Opens requests, through the environment's proxies where there are any, and follows no redirection: a session's
    token is for one server, and a redirected POST would lose its body."""
    from urllib.request import HTTPRedirectHandler, build_opener

    class NoRedirection(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return build_opener(NoRedirection)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _content(content: bytes, media_type: str) -> Any:
    return msgspec.json.decode(content) if "json" in media_type else content.decode(errors="replace")


def _refused(status: int, content: bytes, request: str) -> Refused:
    try:
        said = msgspec.json.decode(content)
        text = f"{said['message']} ({said['code']}, request {request})"
    except (ValueError, KeyError, TypeError):
        text = f"The server answered {status}: {content.decode(errors='replace')[:200]}"
    return Refused(text, reason=_REASONS.get(status, Reason.MALFORMED))
