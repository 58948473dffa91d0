"""The command line's way to a server: who is signed in where, and one request at a time."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from assay.cli import private_files
from assay.errors import Reason, Refused, Unavailable
from assay.secret import Secret

if TYPE_CHECKING:
    import httpx

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
        import httpx

        headers = {"user-agent": "assay-cli"}
        if token is not None:
            headers["authorization"] = f"Bearer {token.reveal()}"
        self._client = httpx.Client(base_url=server, headers=headers, timeout=TIMEOUT_SECONDS)

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

    def _ask(self, method: str, path: str, query: dict[str, object], body: object) -> Answer:
        import httpx

        parameters = {name: _text(value) for name, value in query.items() if value not in (None, "")}
        content = None if body is None else msgspec.json.encode(body)
        headers = {"content-type": "application/json"} if body is not None else {}
        try:
            reply = self._client.request(method, path, params=parameters, content=content, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            raise Unavailable(
                f"{self._client.base_url} does not answer: {fault}.", advice="Is the server running?"
            ) from fault
        if reply.is_success:
            return Answer(_content(reply), reply.headers.get("etag", ""), reply.headers.get("opc-next-page", ""))
        raise _refusal(reply)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _content(reply: "httpx.Response") -> Any:
    if "json" in reply.headers.get("content-type", ""):
        return reply.json()
    return reply.text


def _refusal(reply: "httpx.Response") -> Refused:
    try:
        said = reply.json()
        text = f"{said['message']} ({said['code']}, request {reply.headers.get('opc-request-id', '-')})"
    except (ValueError, KeyError, TypeError):
        text = f"The server answered {reply.status_code}: {reply.text[:200]}"
    return Refused(text, reason=_REASONS.get(reply.status_code, Reason.MALFORMED))
