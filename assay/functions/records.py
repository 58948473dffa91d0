"""Rows of applications and functions."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Boolean, Column, Connection, Index, Row, Select, Table, Text, func, select, text
from sqlalchemy import update as update_rows

from assay.admission import ImagePolicy
from assay.admission.model import Listing, SortBy
from assay.clock import Instant, new_etag
from assay.errors import not_found
from assay.functions.model import (
    Application,
    ApplicationDetails,
    Function,
    FunctionDetails,
    Resources,
    Shape,
    State,
)
from assay.oci import Digest
from assay.storage import Json, Store, metadata, owned
from assay.storage.pages import Page, Window, select_page

_LIVING = text("lifecycle_state <> 'DELETED'")

application = Table(
    "fn_application",
    metadata,
    *owned(),
    Column("display_name", Text, nullable=False),
    Column("subnets", Json, nullable=False),
    Column("shape", Text, nullable=False),
    Column("config", Json, nullable=False),
    Column("policy_enabled", Boolean, nullable=False),
    Column("trusted_keys", Json, nullable=False),
    Column("key_names", Json, nullable=False),
    Column("kept", Json, nullable=False),
)
Index(
    "uq_fn_application_living_name",
    application.c.tenancy,
    application.c.display_name,
    unique=True,
    sqlite_where=_LIVING,
    postgresql_where=_LIVING,
)

#: `repository` is the OCID of the image's repository, `tag` the tag that was named, empty when a digest was.
function = Table(
    "fn_function",
    metadata,
    *owned(),
    Column("application", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("image_digest", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("resources", Json, nullable=False),
    Column("config", Json, nullable=False),
    Column("kept", Json, nullable=False),
)
Index(
    "uq_fn_function_living_name",
    function.c.application,
    function.c.display_name,
    unique=True,
    sqlite_where=_LIVING,
    postgresql_where=_LIVING,
)


def insert_application(
    connection: Connection,
    ocid: str,
    tenancy: str,
    details: ApplicationDetails,
    key_names: tuple[str, ...],
    now: Instant,
) -> Application:
    """Write a new application."""
    connection.execute(
        application.insert().values(
            **_fresh(ocid, tenancy, details.compartment, now),
            display_name=details.display_name,
            subnets=list(details.subnets),
            shape=details.shape,
            config=dict(details.config),
            **policy_columns(details.policy, key_names),
            kept=dict(details.kept),
            freeform_tags=dict(details.freeform_tags),
            defined_tags=dict(details.defined_tags),
        )
    )
    return get_application(connection, tenancy, ocid)


def policy_columns(policy: ImagePolicy, key_names: tuple[str, ...]) -> dict[str, Any]:
    """An image verification policy as its columns."""
    return {
        "policy_enabled": policy.enabled,
        "trusted_keys": [key.text for key in policy.keys],
        "key_names": list(key_names),
    }


def get_application(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> Application:
    """The application, deleted or not, locked until the transaction ends if asked. Errors: Refused (NOT_FOUND)."""
    query = select(application).where(application.c.tenancy == tenancy, application.c.ocid == ocid)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise not_found()
    return _application(row)


def application_named(connection: Connection, tenancy: str, name: str) -> Application | None:
    """The living application of that name."""
    row = connection.execute(
        select(application).where(
            application.c.tenancy == tenancy,
            application.c.display_name == name,
            application.c.lifecycle_state != State.DELETED,
        )
    ).one_or_none()
    return _application(row) if row else None


def applications(
    store: Store, connection: Connection, tenancy: str, compartment: str, listing: Listing
) -> Page[Application]:
    """A page of the applications of a compartment: the living, or those in the states that are asked for."""
    query = select(application).where(application.c.tenancy == tenancy, application.c.compartment == compartment)
    found = _page(store, connection, query, application, listing)
    return Page(tuple(map(_application, found.items)), found.next_page)


def insert_function(
    connection: Connection,
    ocid: str,
    of: Application,
    details: FunctionDetails,
    image: Mapping[str, str],
    now: Instant,
) -> Function:
    """Write a new function; `image` are the four columns that say which image."""
    connection.execute(
        function.insert().values(
            **_fresh(ocid, of.tenancy, of.compartment, now),
            application=of.ocid,
            display_name=details.display_name,
            **image,
            resources=msgspec.to_builtins(details.resources),
            config=dict(details.config),
            kept=dict(details.kept),
            freeform_tags=dict(details.freeform_tags),
            defined_tags=dict(details.defined_tags),
        )
    )
    return get_function(connection, of.tenancy, ocid)


def get_function(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> Function:
    """The function, deleted or not, locked until the transaction ends if asked. Errors: Refused (NOT_FOUND)."""
    query = _functions().where(function.c.tenancy == tenancy, function.c.ocid == ocid)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise not_found()
    return _function(row)


def function_named(connection: Connection, of: Application, name: str) -> Function | None:
    """The living function of that name in an application."""
    row = connection.execute(
        _functions().where(
            function.c.application == of.ocid,
            function.c.display_name == name,
            function.c.lifecycle_state != State.DELETED,
        )
    ).one_or_none()
    return _function(row) if row else None


def functions(store: Store, connection: Connection, of: Application, listing: Listing) -> Page[Function]:
    """A page of the functions of an application: the living, or those in the states that are asked for."""
    found = _page(store, connection, _functions().where(function.c.application == of.ocid), function, listing)
    return Page(tuple(map(_function, found.items)), found.next_page)


def count_functions(connection: Connection, of: Application) -> int:
    """How many living functions an application has."""
    query = select(func.count()).where(function.c.application == of.ocid, function.c.lifecycle_state != State.DELETED)
    return int(connection.execute(query).scalar_one())


def change(connection: Connection, table: Table, ocid: str, now: Instant, values: Mapping[str, Any]) -> None:
    """Change one row; its etag and time of update change with it."""
    changed = {"time_updated": now, "etag": new_etag(), **values}
    connection.execute(update_rows(table).where(table.c.ocid == ocid).values(**changed))


def move_application(connection: Connection, ocid: str, compartment: str, now: Instant) -> None:
    """Put an application with all its functions into another compartment."""
    change(connection, application, ocid, now, {"compartment": compartment})
    of_it = update_rows(function).where(function.c.application == ocid)
    connection.execute(of_it.values(compartment=compartment, time_updated=now))


def _functions() -> Select[Any]:
    columns: list[Column[Any]] = [*function.c, application.c.shape]
    return select(*columns).join(application, application.c.ocid == function.c.application)


def _page(store: Store, connection: Connection, query: Select[Any], table: Table, listing: Listing) -> Page[Row[Any]]:
    state = table.c.lifecycle_state
    query = query.where(state.in_(listing.states) if listing.states else state != State.DELETED)
    if listing.name:
        query = query.where(table.c.display_name == listing.name)
    if listing.ocid:
        query = query.where(table.c.ocid == listing.ocid)
    order = {
        SortBy.ID: (table.c.ocid,),
        SortBy.NAME: (table.c.display_name, table.c.ocid),
        SortBy.TIME_CREATED: (table.c.time_created, table.c.ocid),
    }[listing.sort_by]
    return select_page(
        connection, store.page_key, query, order, Window(listing.descending, listing.limit, listing.page)
    )


def _fresh(ocid: str, tenancy: str, compartment: str, now: Instant) -> dict[str, Any]:
    return {
        "ocid": ocid,
        "tenancy": tenancy,
        "compartment": compartment,
        "lifecycle_state": State.ACTIVE,
        "time_created": now,
        "time_updated": now,
        "etag": new_etag(),
    }


def _application(row: Row[Any]) -> Application:
    return Application(
        ocid=row.ocid,
        tenancy=row.tenancy,
        compartment=row.compartment,
        display_name=row.display_name,
        state=State(row.lifecycle_state),
        subnets=tuple(row.subnets),
        shape=Shape(row.shape),
        config=row.config,
        policy=ImagePolicy.of(enabled=row.policy_enabled, keys=tuple(row.trusted_keys)),
        key_names=tuple(row.key_names),
        kept=row.kept,
        time_created=row.time_created,
        time_updated=row.time_updated,
        freeform_tags=row.freeform_tags,
        defined_tags=row.defined_tags,
        etag=row.etag,
    )


def _function(row: Row[Any]) -> Function:
    return Function(
        ocid=row.ocid,
        tenancy=row.tenancy,
        compartment=row.compartment,
        application=row.application,
        display_name=row.display_name,
        state=State(row.lifecycle_state),
        image=row.image,
        image_digest=Digest(row.image_digest),
        repository=row.repository,
        tag=row.tag,
        resources=msgspec.convert(row.resources, Resources),
        config=row.config,
        kept=row.kept,
        shape=Shape(row.shape),
        time_created=row.time_created,
        time_updated=row.time_updated,
        freeform_tags=row.freeform_tags,
        defined_tags=row.defined_tags,
        etag=row.etag,
    )
