"""Retention policies, quotas, and indexes for lists of images."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two tables; columns without a value where nothing is known; indexes."""
    op.create_table(
        "container_quota",
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("tenancy", sa.Text(), nullable=False),
        sa.Column("compartment", sa.Text(), nullable=False),
        sa.Column("bytes_max", sa.BigInteger(), nullable=True),
        sa.Column("repositories_max", sa.Integer(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("time_updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_container_quota")),
    )
    op.create_table(
        "retention_policy",
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
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("repositories", sa.Text(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ocid", name=op.f("pk_retention_policy")),
    )
    for column in ("tenancy", "compartment"):
        op.create_index(op.f(f"ix_retention_policy_{column}"), "retention_policy", [column])
    op.add_column("image", sa.Column("time_untagged", sa.BigInteger(), nullable=True))
    op.add_column("repository", sa.Column("time_retained", sa.BigInteger(), nullable=True))
    for owner in ("repository", "tenancy"):
        columns = [owner, "lifecycle_state", "time_created", "ocid"]
        op.create_index(f"ix_image_{owner}_listed", "image", columns)
    op.create_index("ix_repository_tenancy_time_retained", "repository", ["tenancy", "time_retained"])
    op.create_index("ix_tag_tenancy_name", "tag", ["tenancy", "name"])
