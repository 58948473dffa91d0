"""audit chain."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_UNSEALED = sa.text("position IS NULL")


def upgrade() -> None:
    """The chain's columns and tables; rows that are there wait for the sealer."""
    op.add_column("audit", sa.Column("times", sa.Integer(), server_default="1", nullable=False))
    op.add_column("audit", sa.Column("position", sa.BigInteger(), nullable=True))
    op.add_column("audit", sa.Column("seal", sa.Text(), nullable=True))
    op.create_index("ix_audit_principal_id", "audit", ["principal", "id"])
    op.create_index("uq_audit_tenancy_position", "audit", ["tenancy", "position"], unique=True)
    op.create_index("ix_audit_unsealed", "audit", ["tenancy", "id"], sqlite_where=_UNSEALED, postgresql_where=_UNSEALED)
    op.create_table(
        "audit_chain",
        sa.Column("tenancy", sa.Text(), nullable=False),
        sa.Column("compartment", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("seal", sa.Text(), nullable=False),
        sa.Column("purged_position", sa.BigInteger(), nullable=False),
        sa.Column("purged_seal", sa.Text(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
    )
    op.create_index("uq_audit_chain_tenancy", "audit_chain", ["tenancy"], unique=True)
    op.create_table(
        "denial_count",
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in (
                "tenancy",
                "compartment",
                "principal_kind",
                "principal",
                "principal_name",
                "address",
                "operation",
            )
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("time_last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "minute",
            "tenancy",
            "compartment",
            "principal_kind",
            "principal",
            "principal_name",
            "address",
            "operation",
            name=op.f("pk_denial_count"),
        ),
        sqlite_with_rowid=False,
    )
