"""By which mark the blob store finds what was acknowledged of an upload."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The column; uploads that are open lie in a folder, whose mark is empty."""
    op.add_column("upload", sa.Column("mark", sa.Text(), server_default="", nullable=False))
