"""What cannot be added later to a table is there, and the migrations make exactly the tables of the code."""

import importlib
import pkgutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import assay
from assay.errors import Refused
from assay.storage import Database, metadata, migrations

for module in pkgutil.walk_packages(assay.__path__, "assay."):
    if "migrations" not in module.name and not module.name.endswith(("__main__", "reader_process")):
        importlib.import_module(module.name)

#: Tables whose rows are nobody's in particular, and why. Every other row is owned: it has tenancy and compartment.
FACTS = {
    # of the installation
    "installation": "one row: realm and region",
    "sealed_secret": "secrets of the installation, sealed",
    "outbox": "facts on their way; each names its tenancy",
    "outbox_aggregate": "sequence numbers",
    "job": "books of the task engine",
    "job_executor": "heartbeats",
    "certificate_authority": "admission's own authorities",
    "root_key": "which root key seals this database",
    "sign_in_failure": "counts failures by name, which need not exist",
    # about the world, reachable only through an owned row
    "blob": "content by digest",
    "manifest": "content by digest",
    "manifest_link": "what a manifest's content names",
    "layer_part": "what a layer says, by digest",
    "damage": "content by digest, of which the stored bytes are not what they should be",
    "upkeep_round": "how far a piece of upkeep has come",
    "component": "a package in a version",
    "component_set": "components by id",
    "set_item": "components by id",
    "chain": "sets by id",
    "chain_path": "sets by id",
    "chain_total": "counts of chains",
    "match": "component and vulnerability",
    "place_list": "where a layer has its components, by content",
    "feed": "an advisory feed",
    "feed_refusal": "records of a feed that could not be read",
    "feed_revision": "revisions",
    "feed_state": "the published revision",
    "touched": "vulnerabilities of a revision",
    "advisory": "published statements",
    "advisory_version": "published statements",
    "advisory_link": "published statements",
    "affected": "published statements",
    "vulnerability": "classes of advisories",
    "member": "classes of advisories",
}

#: Tables whose rows are parts of one owned row, many to one, and the column that names it (docs/adr/0010).
PARTS = {
    "scan": "inventory_id",
    "inventory_layer": "inventory_id",
    "late": "inventory_id",
    "scan_target_repository": "target",
    "work_request_entry": "work_request",
}


def test_every_row_that_a_tenant_owns_says_tenancy_and_compartment() -> None:
    ownerless = {
        name for name, table in metadata.tables.items() if not {"tenancy", "compartment"} <= set(table.c.keys())
    }
    assert ownerless - set(FACTS) - set(PARTS) == set(), "neither owned, nor parts, nor known as facts"
    assert set(FACTS) | set(PARTS) <= ownerless, "named as facts or parts, but owned or gone"


def test_a_part_names_the_owned_row_in_its_key() -> None:
    for table, column in PARTS.items():
        assert column in metadata.tables[table].primary_key.columns, table


def test_every_time_is_a_whole_number_of_microseconds() -> None:
    for table in metadata.tables.values():
        for column in table.c:
            if column.name.startswith("time_"):
                assert str(column.type) == "BIGINT", f"{table.name}.{column.name}"


def test_every_resource_has_state_times_tags_and_etag() -> None:
    needed = {
        "lifecycle_state",
        "time_created",
        "time_updated",
        "time_deleted",
        "freeform_tags",
        "defined_tags",
        "etag",
    }
    for table in metadata.tables.values():
        if "ocid" in table.c and "lifecycle_state" in table.c and "freeform_tags" in table.c:
            assert needed <= set(table.c.keys()), table.name


@pytest.fixture(params=["sqlite", "postgres"])
def migrated(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database that the migrations made from nothing."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'assay.db'}")
    else:
        import psycopg

        server = request.getfixturevalue("postgres_server")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS migrated")
            connection.execute("CREATE DATABASE migrated")
        database = Database(f"{server}/migrated")
    migrations.upgrade(database)
    return database


def test_the_migrations_make_the_tables_of_the_code(migrated: Database) -> None:
    with migrated.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    assert differences == []
    migrated.close()


def test_upgrading_what_is_up_to_date_changes_nothing_and_a_newer_database_is_refused(migrated: Database) -> None:
    migrations.upgrade(migrated)
    with migrated.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Refused, match="newer Assay"):
        migrations.upgrade(migrated)
    migrated.close()
