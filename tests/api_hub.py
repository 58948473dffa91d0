"""The API's door on a registry with image scanners: what a client asks over the wire, and scans made by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from api_caller import ApiCaller
from registry_pieces import Room
from route_world import NEEDED_BY_SCANNING, app_on
from scanning_hub import CLAIMS, Hub
from scanning_world import World

from assay.clock import SetClock
from assay.iam import Actor
from assay.iam.credentials import passwords, sessions
from assay.iam.identity import first_start, policies, users
from assay.inventory import LayerReaders
from assay.inventory.catalog import keep_part
from assay.secret import Secret
from assay.storage import Store

PASSWORD = Secret("correct horse battery staple")
VSS = "/20210215"


@dataclass
class ApiHub(ApiCaller):
    """`ask` speaks as the first administrator. `hub` pushes and scans; `place` is the tenancy's root compartment."""

    hub: Hub
    namespace: str
    clock: SetClock

    def recipe(self, **members: Any) -> dict[str, Any]:
        """A recipe, made."""
        body = {"compartmentId": self.place, "scanSettings": {"scanLevel": "STANDARD"}, "imageCount": 4, **members}
        return dict(self.ask("POST", f"{VSS}/containerScanRecipes", body).json())

    def target(self, recipe: str, *repositories: str, **headers: str) -> httpx.Response:
        """The answer to making a target on these repositories."""
        registry = {"type": "OCIR", "compartmentId": self.place, "repositories": list(repositories)}
        body = {"compartmentId": self.place, "containerScanRecipeId": recipe, "targetRegistry": registry}
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", f"{VSS}/containerScanTargets", body, headers=said)

    def work(self, reply: httpx.Response) -> dict[str, Any]:
        """The work request that an answer names."""
        return dict(self.ask("GET", f"{VSS}/workRequests/{reply.headers['opc-work-request-id']}").json())


@contextmanager
def api_hub(store: Store, folder: Path, clock: SetClock) -> Iterator[ApiHub]:
    """A fresh installation whose scanning service may scan, with a feed revision in force."""
    first = first_start.bootstrap(store)
    assert first is not None
    admin = Actor(users.principal_of(first.administrator), first.tenancy.ocid)
    policies.add_statements(store, admin, NEEDED_BY_SCANNING)
    name = f"{first.tenancy.namespace}/admin"
    passwords.change(store, sessions.sign_in(store, name, first.secret).token, first.secret, PASSWORD)
    token = sessions.sign_in(store, name, PASSWORD).token.reveal()
    with LayerReaders(partial(keep_part, store), processes=1) as readers:
        hub = Hub(store, Room.on(store, folder / "blobs"), readers, admin, World(store), clock.advance)
        hub.world.publish(CLAIMS)
        yield ApiHub(app_on(store, folder), token, admin.tenancy, hub, first.tenancy.namespace, clock)
