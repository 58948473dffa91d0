"""The tables of the scanning room, as the re-scan's model has them, which was tried at 100,000 images.

Two kinds of rows. *Global facts* (components, sets, chains, totals of chains, matches, lists of places) belong to
nobody and are reachable only through an owned row. *Owned rows* have tenancy and compartment: recipes, targets,
requests, verdicts, and the inventory of an image. A scan or a layer is part of its inventory: its key begins with the
inventory's and it is read through it alone, so who owns the inventory owns it. A copy of two OCIDs in each of millions
of scans would be eight times the row, and wrong as soon as a scanner moves.

"As of revision k" is always `from_rev <= k < until_rev`; `until_rev` is OPEN while a row holds. It is the one column
that is ever changed in place, and only from OPEN to a revision that nobody reads yet.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from assay.storage import Json, metadata, owned

#: `until_rev` of a row that holds. A number and not NULL: one predicate, one index order.
OPEN = 2**31 - 1

#: What a match depends on, and nothing else. `package` and `package_version` are what advisories speak of (for
#: distributions the source package); `identity` is the SHA-256 of all the other columns.
component = Table(
    "component",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("identity", LargeBinary, nullable=False, unique=True),
    Column("ecosystem", Text, nullable=False),
    Column("package", Text, nullable=False),
    Column("package_version", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("architecture", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_version", Text, nullable=False),
    Column("modularity", Text, nullable=False),
    Index("ix_component_package", "package", "ecosystem"),
)

#: `components`: ascending ids as little-endian 32-bit numbers, the forward direction. `digest`: of their identities.
component_set = Table(
    "component_set",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("components", LargeBinary, nullable=False),
)

#: The inverted direction: in which sets a component is.
set_item = Table(
    "set_item",
    metadata,
    Column("component_id", Integer, primary_key=True, autoincrement=False),
    Column("set_id", Integer, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

#: A path of disjoint sets, by its last set and the path before it (`parent_id` 0: none). Equal paths are one row.
chain = Table(
    "chain",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("parent_id", Integer, nullable=False),
    Column("set_id", Integer, nullable=False, index=True),
    Column("level", SmallInteger, nullable=False),
    UniqueConstraint("parent_id", "set_id"),
)

#: Every chain on a chain's path, itself included, level 0 first.
chain_path = Table(
    "chain_path",
    metadata,
    Column("chain_id", Integer, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("ancestor_id", Integer, nullable=False),
    Column("set_id", Integer, nullable=False),
    Index("ix_chain_path_set_id", "set_id", "chain_id"),
    sqlite_with_rowid=False,
)

#: What a vulnerability says of a component, from a revision until another. `fix` is empty where there is none.
#: `severity` 0: in doubt, whether it is affected could not be found out; such a row counts nowhere as a problem.
match = Table(
    "match",
    metadata,
    Column("vulnerability_id", Integer, primary_key=True, autoincrement=False),
    Column("component_id", Integer, primary_key=True, autoincrement=False),
    Column("from_rev", Integer, primary_key=True, autoincrement=False),
    Column("until_rev", Integer, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("advisory", Text, nullable=False),
    Column("fix", Text, nullable=False),
    # Covering: counts and pages of problems never touch the table.
    Index("ix_match_component_id", "component_id", "vulnerability_id", "until_rev", "from_rev", "severity"),
    sqlite_with_rowid=False,
)

#: The own total of a chain since a revision; a row only where it changed. Single numbers may be negative.
chain_total = Table(
    "chain_total",
    metadata,
    Column("chain_id", Integer, primary_key=True, autoincrement=False),
    Column("rev", Integer, primary_key=True, autoincrement=False),
    Column("c5", Integer, nullable=False),
    Column("c4", Integer, nullable=False),
    Column("c3", Integer, nullable=False),
    Column("c2", Integer, nullable=False),
    Column("c1", Integer, nullable=False),
    sqlite_with_rowid=False,
)

#: An image's inventory: the chain of all its platforms' sets, and how much of the image was read. `chain_id` is NULL
#: when nothing could be. `frozen_rev`: the revision since which no scanner looks at it. `mark`: see `ocids.py`.
inventory = Table(
    "inventory",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("mark", Text, nullable=False, unique=True),
    Column("tenancy", Text, nullable=False),
    Column("compartment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("repository", Text, nullable=False, index=True),
    Column("image", Text, nullable=False),
    Column("chain_id", Integer, index=True),
    Column("state", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("from_rev", Integer, nullable=False),
    Column("until_rev", Integer, nullable=False),
    Column("frozen_rev", Integer),
    Column("time_created", BigInteger, nullable=False),
    Index("ix_inventory_image", "image", "from_rev"),
    Index("ix_inventory_compartment", "tenancy", "compartment"),
)
Index(
    "uq_inventory_image_open",
    inventory.c.image,
    unique=True,
    sqlite_where=text(f"until_rev = {OPEN}"),
    postgresql_where=text(f"until_rev = {OPEN}"),
)

#: Where the components of one layer lie; the same list in two images is one row. `places` is packed (see `places.py`).
place_list = Table(
    "place_list",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("places", LargeBinary, nullable=False),
)

#: The layers of an image that hold components, by platform and position.
inventory_layer = Table(
    "inventory_layer",
    metadata,
    Column("inventory_id", Integer, ForeignKey("inventory.id"), primary_key=True, autoincrement=False),
    Column("platform_number", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("platform", Text, nullable=False),
    Column("layer", Text, nullable=False),
    Column("place_list_id", Integer, nullable=False),
    sqlite_with_rowid=False,
)

#: One dated summary of one image: frozen. `rev` is the feed revision as of which it holds. `state`: that of its
#: inventory; "partial" too where something in the image was in doubt as of `rev`.
scan = Table(
    "scan",
    metadata,
    Column("inventory_id", Integer, ForeignKey("inventory.id"), primary_key=True, autoincrement=False),
    Column("rev", Integer, primary_key=True, autoincrement=False),
    Column("cause", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("time_created", BigInteger, nullable=False),
    Column("c5", Integer, nullable=False),
    Column("c4", Integer, nullable=False),
    Column("c3", Integer, nullable=False),
    Column("c2", Integer, nullable=False),
    Column("c1", Integer, nullable=False),
    sqlite_with_rowid=False,
)

#: Inventories that came, or were looked at again, while revision `rev` was being prepared.
late = Table(
    "late",
    metadata,
    Column("rev", Integer, primary_key=True, autoincrement=False),
    Column("inventory_id", Integer, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

#: Images that wait to be scanned; a row goes in the transaction that writes the scan.
scan_request = Table(
    "scan_request",
    metadata,
    Column("image", Text, primary_key=True),
    Column("tenancy", Text, nullable=False, index=True),
    Column("compartment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("repository", Text, nullable=False, index=True),
    Column("cause", SmallInteger, nullable=False),
    Column("time_created", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: How a scanner scans (VSS: container scan recipe).
scan_recipe = Table(
    "scan_recipe",
    metadata,
    *owned(),
    Column("display_name", Text, nullable=False),
    Column("image_count", Integer, nullable=False),
    Column("scan_level", Text, nullable=False),
)

#: What a scanner scans (VSS: container scan target). No row in `scan_target_repository`: all of its compartment.
scan_target = Table(
    "scan_target",
    metadata,
    *owned(),
    Column("display_name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("recipe", Text, nullable=False, index=True),
    Column("registry_url", Text, nullable=False),
    Column("registry_compartment", Text, nullable=False, index=True),
)

#: The repositories that a target names.
scan_target_repository = Table(
    "scan_target_repository",
    metadata,
    Column("target", Text, ForeignKey("scan_target.ocid"), primary_key=True),
    Column("name", Text, primary_key=True),
    sqlite_with_rowid=False,
)

#: What a reviewer said of a scan, with the revision and the counts that the reviewer saw.
scan_verdict = Table(
    "scan_verdict",
    metadata,
    *owned(),
    Column("image", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("scan", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("reviewer_name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("counts", Json, nullable=False),
    Index("ix_scan_verdict_image", "image", "time_created"),
)
