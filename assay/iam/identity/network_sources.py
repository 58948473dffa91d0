"""Verbs on network sources: addresses with a name, for conditions on where a request comes from."""

import ipaddress
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from assay.errors import Reason, Refused
from assay.events import PolicyChanged
from assay.iam.actor import Actor
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target, authorize
from assay.iam.identity.targets import known, of_network_source
from assay.iam.records import named as records
from assay.iam.records import rows
from assay.iam.resources import (
    Listing,
    NetworkSource,
    State,
    Tags,
    exists,
    require_description,
    require_name,
)
from assay.storage import Store
from assay.storage.pages import Page

NETWORK_SOURCES_MAX = 10
NETWORKS_MAX = 1_000

T = TypeVar("T")


def create(
    store: Store,
    actor: Actor,
    name: str,
    networks: Sequence[str],
    description: str = "",
    *,
    tags: Tags | None = None,
    retry_token: str | None = None,
) -> NetworkSource:
    """A new network source of addresses and networks in CIDR notation. Errors: Refused (EXISTS, …)."""
    require_name(name, "network source")
    require_description(description)
    given = _networks(networks)

    def change(act: Act) -> NetworkSource:
        if records.count(act.connection, NetworkSource, actor.tenancy) >= NETWORK_SOURCES_MAX:
            raise Refused(
                f"The tenancy has {NETWORK_SOURCES_MAX} network sources.",
                advice="Delete one that is no longer needed.",
                reason=Reason.LIMIT_EXCEEDED,
            )
        ocid = store.site.new_ocid("networksource", regional=False).text
        values = {"description": description, "networks": given}
        if not records.insert(
            act.connection, NetworkSource, ocid, actor.tenancy, name, tags or Tags(), act.now, **values
        ):
            raise exists("network source", name)
        return known(records.get(act.connection, NetworkSource, actor.tenancy, ocid))

    return perform(
        store,
        actor,
        "CreateNetworkSource",
        locate=lambda _connection: Target(actor.tenancy, variables={"target.networksource.name": name}),
        change=change,
        replay=NetworkSource,
        request=(name, given, description, tags),
        retry_token=retry_token,
    )


def get(store: Store, actor: Actor, ocid: str) -> NetworkSource:
    """A network source by OCID. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = known(records.get(connection, NetworkSource, actor.tenancy, ocid))
        authorize(connection, actor, "GetNetworkSource", of_network_source(found), now=store.clock.now())
        return found


def listed(store: Store, actor: Actor, listing: Listing | None = None) -> Page[NetworkSource]:
    """A page of the tenancy's network sources. Errors: Refused (NOT_FOUND when not permitted)."""
    with store.database.read() as connection:
        authorize(connection, actor, "ListNetworkSources", Target(actor.tenancy), now=store.clock.now())
        return records.listed(store, connection, NetworkSource, actor.tenancy, listing or Listing())


def update(
    store: Store,
    actor: Actor,
    ocid: str,
    *,
    networks: Sequence[str] | None = None,
    description: str | None = None,
    tags: Tags | None = None,
    if_match: str | None = None,
) -> NetworkSource:
    """Change what is given; a name never changes. It counts from the next request on. Errors: as of `create`."""
    require_description(description or "")
    values = rows.tag_values(tags) | ({} if description is None else {"description": description})
    if networks is not None:
        values["networks"] = _networks(networks)

    def change(act: Act) -> NetworkSource:
        records.change(act.connection, NetworkSource, ocid, act.now, **values)
        act.announce(PolicyChanged(tenancy=actor.tenancy, policy=""))
        return known(records.get(act.connection, NetworkSource, actor.tenancy, ocid))

    return _perform(store, actor, "UpdateNetworkSource", ocid, change, if_match)


def delete(store: Store, actor: Actor, ocid: str, *, if_match: str | None = None) -> None:
    """Delete a network source: no request comes from it any more. Errors: Refused."""

    def change(act: Act) -> None:
        records.change(
            act.connection, NetworkSource, ocid, act.now, lifecycle_state=State.DELETED, time_deleted=act.now
        )
        act.announce(PolicyChanged(tenancy=actor.tenancy, policy=""))

    _perform(store, actor, "DeleteNetworkSource", ocid, change, if_match)


def _perform(
    store: Store, actor: Actor, operation: str, ocid: str, change: Callable[[Act], T], if_match: str | None
) -> T:
    def locate(connection: Connection) -> Target:
        return of_network_source(known(records.get(connection, NetworkSource, actor.tenancy, ocid, lock=True)))

    return perform(store, actor, operation, locate=locate, change=change, if_match=if_match)


def _networks(texts: Sequence[str]) -> list[str]:
    """The networks in canonical form. Errors: Refused for one that is none."""
    if not 1 <= len(texts) <= NETWORKS_MAX:
        raise Refused(f"A network source of {len(texts)} networks.", advice=f"Give 1 to {NETWORKS_MAX}.")
    found = []
    for text in texts:
        try:
            found.append(str(ipaddress.ip_network(text)))
        except ValueError as fault:
            raise Refused(
                f"{text[:50]!r} is not a network.", advice="Write an address or a network such as 192.0.2.0/24."
            ) from fault
    return found
