"""work_requests."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """work_requests."""
    op.create_table(
        "work_request",
        sa.Column("ocid", sa.Text(), nullable=False),
        sa.Column("tenancy", sa.Text(), nullable=False),
        sa.Column("compartment", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("operation_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("entity_type", sa.Text(), nullable=False),
        sa.Column("action_type", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("steps_total", sa.Integer(), nullable=False),
        sa.Column("steps_done", sa.Integer(), nullable=False),
        sa.Column("time_accepted", sa.BigInteger(), nullable=False),
        sa.Column("time_started", sa.BigInteger(), nullable=True),
        sa.Column("time_updated", sa.BigInteger(), nullable=False),
        sa.Column("time_finished", sa.BigInteger(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ocid", name=op.f("pk_work_request")),
    )
    op.create_index(op.f("ix_work_request_time_finished"), "work_request", ["time_finished"], unique=False)
    op.create_index(
        "ix_work_request_compartment", "work_request", ["compartment", "time_accepted", "ocid"], unique=False
    )
    op.create_index(
        "ix_work_request_open",
        "work_request",
        ["resource"],
        unique=False,
        sqlite_where=sa.text("time_finished IS NULL"),
        postgresql_where=sa.text("time_finished IS NULL"),
    )
    op.create_table(
        "work_request_entry",
        sa.Column("work_request", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("time_created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("work_request", "number", name=op.f("pk_work_request_entry")),
        sqlite_with_rowid=False,
    )
