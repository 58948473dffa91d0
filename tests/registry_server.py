"""A registry server really started on loopback, in a thread of the tests, with one tenancy and its administrator."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from assay.clock import MINUTE
from assay.http.distribution import Services, routes
from assay.http.sendfile import SendfileProtocol
from assay.iam import Actor, credentials, identity
from assay.registry.pulls import PullCounter
from assay.registry.uploads import Intake
from assay.storage import BlobStore, FolderBlobs, Store

SERVICE = "registry.test"


@dataclass(frozen=True)
class Account:
    """Somebody who may log in: `NAMESPACE/USER` and an auth token."""

    actor: Actor
    namespace: str
    login: str
    token: str


@dataclass(frozen=True)
class Server:
    """A started server. `account` is the administrator of its tenancy."""

    url: str
    port: int
    services: Services
    account: Account
    blobs: BlobStore

    @property
    def store(self) -> Store:
        return self.services.intake.store

    def path(self, name: str = "team/app") -> str:
        """The path of a repository below `/v2/`."""
        return f"{self.url}/v2/{self.account.namespace}/{name}"

    def bearer(self, *scopes: str, account: Account | None = None) -> str:
        """A bearer token for scopes, got as clients get it."""
        account = account or self.account
        answer = httpx.get(
            f"{self.url}/20180419/docker/token",
            params=[("service", SERVICE), *(("scope", scope) for scope in scopes)],
            auth=(account.login, account.token),
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    def client(self, name: str = "team/app", actions: str = "pull,push,delete", **options: Any) -> httpx.Client:
        """A client that may do everything in a repository."""
        token = self.bearer(f"repository:{self.account.namespace}/{name}:{actions}")
        return httpx.Client(base_url=self.path(name), headers={"authorization": f"Bearer {token}"}, **options)


def account_of(store: Store, tenancy: str, administrator: str = "admin") -> Account:
    """A new tenancy with its administrator, and an auth token of theirs."""
    made = identity.first_start.create_tenancy(store, tenancy, administrator=administrator)
    actor = Actor(identity.users.principal_of(made.administrator), made.tenancy.ocid)
    token = credentials.auth_tokens.create(store, actor, made.administrator.ocid, "tests").token
    assert token is not None
    namespace = made.tenancy.namespace
    return Account(actor, namespace, f"{namespace}/{administrator}", token.reveal())


def colleague_of(account: Account, store: Store, name: str, *statements: str) -> Account:
    """Another user of the account's tenancy, in a group of the same name, with statements that speak of it."""
    actor = account.actor
    user = identity.users.create(store, actor, name)
    group = identity.groups.create(store, actor, name)
    identity.groups.add_user(store, actor, user.ocid, group.ocid)
    if statements:
        identity.policies.create(store, actor, actor.tenancy, name, statements, "tests")
    theirs = Actor(identity.users.principal_of(user), actor.tenancy)
    token = credentials.auth_tokens.create(store, actor, user.ocid, "tests").token
    assert token is not None
    return Account(theirs, account.namespace, f"{account.namespace}/{name}", token.reveal())


def withdraw(account: Account, store: Store, name: str) -> None:
    """Take away what the statements of a colleague of that name allow."""
    policies = identity.policies.listed(store, account.actor, account.actor.tenancy).items
    (policy,) = [each for each in policies if each.name == name]
    identity.policies.delete(store, account.actor, policy.ocid)


@contextmanager
def started(store: Store, folder: Path, account: Account | None = None, **settings: Any) -> Iterator[Server]:
    """Start a server on a store, and stop it. `settings` go to uvicorn; `intake` to uploads, `services` to the door.

    Its blobs lie in `folder`, unless `blobs` are given.
    """
    account = account or account_of(store, "tests")
    blobs = settings.pop("blobs", None) or FolderBlobs(folder)
    intake = Intake(store, blobs, **settings.pop("intake", {}))
    more = settings.pop("services", {})
    with ThreadPoolExecutor(8, thread_name_prefix="registry") as pool:
        services = Services(intake, PullCounter(store), pool, "", SERVICE, 5 * MINUTE, **more)
        options = {
            "http": SendfileProtocol,
            "log_level": "warning",
            "access_log": False,
            "lifespan": "off",
            "proxy_headers": False,
        }
        config = uvicorn.Config(Starlette(routes=routes(services)), host="127.0.0.1", port=0, **(options | settings))
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, name="uvicorn", daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        scheme = "https" if config.is_ssl else "http"
        try:
            yield Server(f"{scheme}://127.0.0.1:{port}", port, services, account, blobs)
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
