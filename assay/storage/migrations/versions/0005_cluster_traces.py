"""What clusters keep for clients, and who changed them last."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS = ("pod_networks", "created_in", "updated_by", "updated_in", "deleted_by", "deleted_in")


def upgrade() -> None:
    """Columns without a value where nothing is known."""
    for name in COLUMNS:
        op.add_column("cluster", sa.Column(name, sa.Text(), nullable=True))
