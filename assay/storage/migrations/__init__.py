"""The schema's history: opens a database of any earlier version, refuses one of a later version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from assay.errors import Reason, Refused
from assay.storage.database import Database


def configuration() -> Config:
    """Alembic's settings, without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def upgrade(database: Database) -> None:
    """Bring the schema to this version, in one transaction. Errors: Refused for a database of a later version."""
    config = configuration()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with database.write() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
        if present is not None and present not in known:
            raise Refused(
                f"The database was written by a newer Assay (schema {present}).",
                advice="Start that version, or restore a backup made before the upgrade.",
                reason=Reason.WRONG_STATE,
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
