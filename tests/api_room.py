"""The API's door on a tenancy with a registry, a vault and two compartments: for what needs no scans."""

from dataclasses import dataclass
from pathlib import Path

from api_caller import ApiCaller
from registry_pieces import Room
from route_world import HOST, app_on
from signing_pieces import Desk

from assay.clock import SetClock
from assay.iam import Actor
from assay.iam.credentials import passwords, sessions
from assay.iam.identity import compartments, first_start, users
from assay.secret import Secret
from assay.storage import Store

PASSWORD = Secret("correct horse battery staple")


@dataclass
class ApiRoom(ApiCaller):
    """`ask` speaks as the first administrator. `place` is the tenancy's root compartment, `other` one below it."""

    desk: Desk
    other: str
    clock: SetClock


def api_room(store: Store, folder: Path, clock: SetClock) -> ApiRoom:
    """A fresh installation."""
    first = first_start.bootstrap(store)
    assert first is not None
    admin = Actor(users.principal_of(first.administrator), first.tenancy.ocid)
    name = f"{first.tenancy.namespace}/admin"
    passwords.change(store, sessions.sign_in(store, name, first.secret).token, first.secret, PASSWORD)
    token = sessions.sign_in(store, name, PASSWORD).token.reveal()
    other = compartments.create(store, admin, admin.tenancy, "other").ocid
    desk = Desk.of(Room.on(store, folder / "blobs"), admin, first.tenancy.namespace, HOST)
    return ApiRoom(app_on(store, folder), token, admin.tenancy, desk, other, clock)
