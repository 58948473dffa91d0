"""Where any resource lies and how it is tagged, whatever its room: the columns that every owned row has.

Rooms lend these columns alone to IAM, through `storage.owned`; what else their rows hold is theirs.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import CompoundSelect, Connection, bindparam, select, union_all

from assay.iam.records.tables import tenancy as tenancies
from assay.storage import metadata

_COLUMNS = ("compartment", "lifecycle_state", "defined_tags")


@dataclass(frozen=True, slots=True)
class Owned:
    """A resource as every room keeps it. `defined_tags`: namespace → key → value."""

    compartment: str
    defined_tags: dict[str, dict[str, Any]]


def get(connection: Connection, tenancy: str, ocid: str) -> Owned | None:
    """The resource of a tenancy with that OCID, unless it is deleted."""
    query = _everywhere(len(metadata.tables))
    row = connection.execute(query, {"resource": ocid, "owner": tenancy}).one_or_none()
    return None if row is None else Owned(row.compartment, row.defined_tags or {})


@lru_cache(maxsize=4)
def _everywhere(_tables: int) -> CompoundSelect[Any]:
    """One look by primary key into each table of owned rows; built anew when tables were added."""
    # A tenancy is its root compartment, too; what holds for that one counts.
    tables = [
        table
        for table in metadata.sorted_tables
        if {"ocid", "tenancy", *_COLUMNS} <= set(table.c.keys()) and table is not tenancies
    ]
    return union_all(
        *(
            select(*(table.c[name] for name in _COLUMNS)).where(
                table.c.ocid == bindparam("resource"),
                table.c.tenancy == bindparam("owner"),
                table.c.lifecycle_state != "DELETED",
            )
            for table in tables
        )
    )
