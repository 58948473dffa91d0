"""Run by alembic: migrates over the connection that `upgrade` hands in, inside its transaction."""

from typing import Any, Literal

from alembic import context

from assay.storage.tables import Json, metadata


def _plain(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Migrations name plain column types, not ours: they must read the same for ever."""
    return "sa.Text()" if kind == "type" and isinstance(item, Json) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    render_item=_plain,
    transactional_ddl=True,
)
context.run_migrations()
