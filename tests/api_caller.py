"""Somebody with a session who asks the API's door over the wire."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
from route_world import HOST
from starlette.applications import Starlette


@dataclass
class ApiCaller:
    """`token` is the session's, `place` the compartment that lists are asked of."""

    app: Starlette
    token: str
    place: str

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Any = None,
        headers: Mapping[str, str] | None = None,
        host: str = HOST,
    ) -> httpx.Response:
        """One request. A body of bytes goes out as it is."""
        said = {"authorization": f"Bearer {self.token}", **(headers or {})}
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                return await client.request(method, path, params=query, headers=said, **sent)

        return anyio.run(send)

    def made(self, method: str, path: str, body: Any = None, query: Any = None, **headers: str) -> Any:
        """What a request that must succeed answers; `if_match="…"` is the header `if-match`."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = self.ask(method, path, body, query, said)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    def refused(self, method: str, path: str, body: Any = None, query: Any = None, **headers: str) -> tuple[int, str]:
        """Status and code of a request that must be refused."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = self.ask(method, path, body, query, said)
        assert not reply.is_success, f"{method} {path} was not refused: {reply.text}"
        assert reply.json()["message"]
        return reply.status_code, str(reply.json()["code"])

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The items of a list, all pages of one row each together; no page twice, none empty but an empty list's."""
        found: list[dict[str, Any]] = []
        page: dict[str, str] = {}
        while True:
            reply = self.ask("GET", path, query={"compartmentId": self.place, "limit": 1, **query, **page})
            assert reply.status_code == 200, reply.text
            body = reply.json()
            found += body if isinstance(body, list) else body["items"]
            if "opc-next-page" not in reply.headers:
                return found
            assert reply.headers["opc-next-page"]
            page = {"page": reply.headers["opc-next-page"]}
