"""The tables of the advisory log. Global facts, not owned by a tenant.

A row holds as of revision k when `from_rev <= k < until_rev`; `until_rev` is OPEN while nothing has ended it. Rows of a
revision in preparation stand beside those of the published one, and no reader sees them before it is published.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    and_,
)

from assay.storage import Json, metadata

#: `until_rev` of a row that nothing has ended.
OPEN = 2**31 - 1


def as_of(table: Table, rev: int) -> ColumnElement[bool]:
    """The condition that a row of `table` holds as of a revision."""
    return and_(table.c.from_rev <= rev, table.c.until_rev > rev)


#: Where advisories come from. `etags`: the validators of the files as they were last taken in, by path.
#: `taken_source`: address and ecosystems of the last complete read, empty when the next one shall be as if it were the
#: first: no validator counts, and nothing that has vanished is suspicious.
feed = Table(
    "feed",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("ecosystems", Json, nullable=False),
    Column("refresh_seconds", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("last_run", BigInteger),
    Column("last_success", BigInteger),
    Column("next_run", BigInteger, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("etags", Json, nullable=False),
    Column("taken_source", Text, nullable=False),
    Column("advisories", Integer, nullable=False),
)

#: Records that could not be taken in: refused as they are, or (`again`) not to be had yet in the version listed.
feed_refusal = Table(
    "feed_refusal",
    metadata,
    Column("feed_id", Integer, ForeignKey("feed.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("listed", Json, nullable=False),
    Column("reason", Text, nullable=False),
    Column("again", Boolean, nullable=False),
    Column("time", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: One row: the number that readers read as of, and the one in preparation.
feed_state = Table(
    "feed_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("published", Integer, nullable=False),
    Column("preparing", Integer),
)

#: One row for each revision, without gaps; (phase, cursor) is how far its preparation has come.
feed_revision = Table(
    "feed_revision",
    metadata,
    Column("rev", Integer, primary_key=True, autoincrement=False),
    Column("phase", SmallInteger, nullable=False),
    Column("cursor", BigInteger, nullable=False),
    Column("time_begun", BigInteger, nullable=False),
)

advisory = Table(
    "advisory",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("feed_id", Integer, ForeignKey("feed.id"), nullable=False),
    UniqueConstraint("name", "feed_id"),
)

#: `listed`: the dates under which the feed listed this record, by ecosystem; the one column that is corrected in place,
#: as only the next reading of the feed looks at it. `digest`: of everything a revision can tell apart.
#: `texts`: what people read of it, as compressed JSON.
advisory_version = Table(
    "advisory_version",
    metadata,
    Column("advisory_id", Integer, ForeignKey("advisory.id"), primary_key=True),
    Column("from_rev", Integer, primary_key=True),
    Column("until_rev", Integer, nullable=False),
    Column("listed", Json, nullable=False),
    Column("published", BigInteger),
    Column("withdrawn", Boolean, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("texts", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_advisory_version_begun", advisory_version.c.from_rev, advisory_version.c.advisory_id)
Index("ix_advisory_version_ended", advisory_version.c.until_rev, advisory_version.c.advisory_id)

#: What an advisory says of a package. `statement`: ranges and versions, as JSON. `severity`: null where unrated.
affected = Table(
    "affected",
    metadata,
    Column("advisory_id", Integer, ForeignKey("advisory.id"), primary_key=True),
    Column("ecosystem", Text, primary_key=True),
    Column("package", Text, primary_key=True),
    Column("from_rev", Integer, primary_key=True),
    Column("until_rev", Integer, nullable=False),
    Column("severity", SmallInteger),
    Column("statement", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_affected_package",
    affected.c.ecosystem,
    affected.c.package,
    affected.c.until_rev,
    affected.c.from_rev,
    affected.c.advisory_id,
)

#: Ids that an advisory names as its aliases, or that it is a notice about (`classes.LinkKind`).
advisory_link = Table(
    "advisory_link",
    metadata,
    Column("advisory_id", Integer, ForeignKey("advisory.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("from_rev", Integer, primary_key=True),
    Column("until_rev", Integer, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_advisory_link_name", advisory_link.c.name)

#: An alias class by its name. A class that is renamed is another row, and its members move.
vulnerability = Table(
    "vulnerability",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

member = Table(
    "member",
    metadata,
    Column("vulnerability_id", Integer, ForeignKey("vulnerability.id"), primary_key=True),
    Column("advisory_id", Integer, ForeignKey("advisory.id"), primary_key=True),
    Column("from_rev", Integer, primary_key=True),
    Column("until_rev", Integer, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_member_advisory", member.c.advisory_id)

#: The vulnerabilities that a revision must evaluate anew.
touched = Table(
    "touched",
    metadata,
    Column("rev", Integer, primary_key=True),
    Column("vulnerability_id", Integer, ForeignKey("vulnerability.id"), primary_key=True),
    sqlite_with_rowid=False,
)
