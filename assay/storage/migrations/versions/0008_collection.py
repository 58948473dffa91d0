"""What collection needs to know: when blobs go, what is damaged, how far rounds have come."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_DAY = 24 * 3600 * 1_000_000

#: Columns that say when something goes, each indexed where it says so.
_GOING = {
    "blob": "time_unreferenced",
    "repository_blob": "time_goes",
    "repository_manifest": "time_deleted",
    "image": "time_deleted",
}


def upgrade() -> None:
    """Columns, tables, indexes; what nobody needs by now begins to go."""
    op.add_column("blob", sa.Column("time_unreferenced", sa.BigInteger(), nullable=True))
    op.add_column("repository_blob", sa.Column("time_goes", sa.BigInteger(), nullable=True))
    for table, column in _GOING.items():
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_{table}_{column}", table, [column], sqlite_where=there, postgresql_where=there)
    op.create_table(
        "damage",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("says", sa.Text(), nullable=False),
        sa.Column("time_created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "kind", name=op.f("pk_damage")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "upkeep_round",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("time_began", sa.BigInteger(), nullable=False),
        sa.Column("time_ended", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_upkeep_round")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "UPDATE blob SET time_unreferenced = time_created WHERE NOT EXISTS"
        " (SELECT 1 FROM repository_blob WHERE repository_blob.digest = blob.digest)"
    )
    op.execute(
        f"UPDATE repository_blob SET time_goes = time_created + {_DAY} WHERE NOT EXISTS (SELECT 1 FROM manifest_link"  # noqa: S608 - a constant
        " JOIN repository_manifest ON repository_manifest.digest = manifest_link.manifest"
        " WHERE manifest_link.target = repository_blob.digest"
        " AND repository_manifest.repository = repository_blob.repository"
        " AND manifest_link.role IN ('config', 'layer', 'foreign-layer'))"
    )
