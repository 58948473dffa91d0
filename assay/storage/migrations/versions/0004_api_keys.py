"""api_keys."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """api_keys."""
    op.create_table(
        "used_signature",
        sa.Column("tenancy", sa.Text(), nullable=False),
        sa.Column("compartment", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("time_over", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_used_signature")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("used_signature", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_used_signature_time_over"), ["time_over"], unique=False)

    op.create_table(
        "api_key",
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
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("time_expires", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user"], ["iam_user.ocid"], name=op.f("fk_api_key_user")),
        sa.PrimaryKeyConstraint("ocid", name=op.f("pk_api_key")),
        sa.UniqueConstraint("user", "fingerprint", name=op.f("uq_api_key_user_fingerprint")),
    )
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_key_compartment"), ["compartment"], unique=False)
        batch_op.create_index(batch_op.f("ix_api_key_tenancy"), ["tenancy"], unique=False)
