"""What conditions ask for and the request alone does not say: tags, the principal's compartment, network sources.

Each is looked up only when a statement that names the caller asks for it, so that the others cost nothing.
"""

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from assay.iam.actor import RESOURCES, Actor
from assay.iam.evaluate import Caller
from assay.iam.records import identities, named, owned
from assay.iam.records.authority import groups_of
from assay.iam.resources import NetworkSource
from assay.iam.variables import (
    NETWORK_SOURCE,
    PRINCIPAL_COMPARTMENT,
    PRINCIPAL_COMPARTMENT_TAG,
    PRINCIPAL_GROUP_TAG,
    RESOURCE_COMPARTMENT_TAG,
    RESOURCE_TAG,
)


def looked_up(
    connection: Connection, actor: Actor, caller: Caller, resource: str, compartment: str, wanted: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Those of the variables `wanted` that must be looked up; what is not known is left out.

    `resource` is the OCID of the target (empty when it is yet to be made), `compartment` where it lies.
    """
    found: dict[str, tuple[str, ...]] = {}

    def asked(prefix: str) -> bool:
        return any(name.startswith(prefix) for name in wanted)

    if NETWORK_SOURCE in wanted:
        found[NETWORK_SOURCE] = _network_sources(connection, actor)
    if asked(RESOURCE_TAG) and resource:
        found |= _tags(connection, actor, resource, RESOURCE_TAG)
    if asked(RESOURCE_COMPARTMENT_TAG):
        found |= _tags(connection, actor, compartment, RESOURCE_COMPARTMENT_TAG)
    if caller.kind in RESOURCES and asked(PRINCIPAL_COMPARTMENT.removesuffix("id")):
        here = owned.get(connection, actor.tenancy, caller.ocid)
        if here is not None:
            found[PRINCIPAL_COMPARTMENT] = (here.compartment,)
            found |= _tags(connection, actor, here.compartment, PRINCIPAL_COMPARTMENT_TAG)
    if asked(PRINCIPAL_GROUP_TAG):
        found |= _group_tags(connection, actor, caller)
    return found


def _network_sources(connection: Connection, actor: Actor) -> tuple[str, ...]:
    try:
        address = ipaddress.ip_address(actor.address)
    except ValueError:
        return ()
    return tuple(
        source.name
        for source in named.every(connection, NetworkSource, actor.tenancy)
        if any(address in ipaddress.ip_network(network) for network in source.networks)
    )


def _group_tags(connection: Connection, actor: Actor, caller: Caller) -> dict[str, tuple[str, ...]]:
    """The tags of all groups of a user: a variable has as many values as groups give it."""
    found: dict[str, tuple[str, ...]] = {}
    for group in sorted(groups_of(connection, actor.tenancy, caller.ocid) or ()):
        row = identities.get_group(connection, actor.tenancy, group)
        for name, value in _flat(row.defined_tags if row else {}, PRINCIPAL_GROUP_TAG):
            found[name] = (*found.get(name, ()), value)
    return found


def _tags(connection: Connection, actor: Actor, resource: str, prefix: str) -> dict[str, tuple[str, ...]]:
    row = owned.get(connection, actor.tenancy, resource)
    return {name: (value,) for name, value in _flat(row.defined_tags if row else {}, prefix)}


def _flat(tags: Mapping[str, Mapping[str, Any]], prefix: str) -> Iterator[tuple[str, str]]:
    for namespace, pairs in tags.items():
        for key, value in pairs.items():
            yield f"{prefix}{namespace}.{key}".lower(), str(value)
