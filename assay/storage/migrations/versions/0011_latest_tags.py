"""The latest tag of a digest is found by an index alone."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The wider index takes the place of the one that it begins with."""
    op.create_index("ix_tag_latest", "tag", ["repository", "digest", "time_moved", "name"])
    op.drop_index("ix_tag_repository_digest", table_name="tag")
