"""Run by alembic: migrates over the connection that `upgrade` hands in, inside its transaction."""

from alembic import context

from assay.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
