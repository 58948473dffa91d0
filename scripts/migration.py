"""Write a migration from the difference between the tables in the code and the newest schema version.

python -m scripts.migration NAME
"""

import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path

from alembic import command

import assay
from assay.storage import Database, migrations


def import_all_rooms() -> None:
    """Import every module of the package, so that every table is on the metadata."""
    for module in pkgutil.walk_packages(assay.__path__, "assay."):
        if "migrations" not in module.name and not module.name.endswith(("__main__", "reader_process")):
            importlib.import_module(module.name)


def write(name: str) -> None:
    """Put the new version file beside the others."""
    import_all_rooms()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'empty.db'}")
        migrations.upgrade(database)
        config = migrations.configuration()
        versions = Path(migrations.__file__).parent / "versions"
        number = len(list(versions.glob("[0-9]*.py"))) + 1
        with database.write() as connection:
            config.attributes["connection"] = connection
            command.revision(config, message=name, rev_id=f"{number:04d}", autogenerate=True)
        database.close()


if __name__ == "__main__":
    write(sys.argv[1])
