"""dynamic groups and network sources."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NOT_DELETED = sa.text("lifecycle_state <> 'DELETED'")


def upgrade() -> None:
    """dynamic groups and network sources."""
    for name, own in (
        ("dynamic_group", sa.Column("matching_rule", sa.Text(), nullable=False)),
        ("network_source", sa.Column("networks", sa.Text(), nullable=False)),
    ):
        op.create_table(
            name,
            sa.Column("ocid", sa.Text(), nullable=False),
            sa.Column("tenancy", sa.Text(), nullable=False),
            sa.Column("compartment", sa.Text(), nullable=False),
            sa.Column("lifecycle_state", sa.Text(), nullable=False),
            sa.Column("time_created", sa.BigInteger(), nullable=False),
            sa.Column("time_updated", sa.BigInteger(), nullable=False),
            sa.Column("time_deleted", sa.BigInteger(), nullable=True),
            sa.Column("freeform_tags", sa.Text(), nullable=False),
            sa.Column("defined_tags", sa.Text(), nullable=False),
            sa.Column("etag", sa.Text(), nullable=False),
            sa.Column("name", sa.Text(), nullable=False),
            sa.Column("name_key", sa.Text(), nullable=False),
            sa.Column("description", sa.Text(), nullable=False),
            own,
            sa.PrimaryKeyConstraint("ocid", name=op.f(f"pk_{name}")),
        )
        op.create_index(op.f(f"ix_{name}_compartment"), name, ["compartment"])
        op.create_index(op.f(f"ix_{name}_tenancy"), name, ["tenancy"])
        op.create_index(
            f"uq_{name}_name",
            name,
            ["tenancy", "name_key"],
            unique=True,
            sqlite_where=_NOT_DELETED,
            postgresql_where=_NOT_DELETED,
        )
