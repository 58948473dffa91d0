"""An index by which the images of a manifest are found, deleted ones included."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The index."""
    op.create_index("ix_image_repository_digest", "image", ["repository", "digest"])
