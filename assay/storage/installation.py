"""What the installation knows of itself: its site, fixed at first start, and secrets that were sealed elsewhere."""

from sqlalchemy import select

from assay.clock import Clock, Site
from assay.storage.database import Database, insert
from assay.storage.tables import installation, sealed_secret


def site_of(database: Database, clock: Clock, wanted: Site) -> Site:
    """The site of this installation. At first start it becomes `wanted`; later `wanted` changes nothing."""
    with database.read() as connection:
        row = connection.execute(select(installation.c.realm, installation.c.region)).one_or_none()
    if row is None:
        values = {"id": 1, "realm": wanted.realm, "region": wanted.region, "time_created": clock.now()}
        with database.write() as connection:
            connection.execute(insert(connection, installation).values(values).on_conflict_do_nothing())
            row = connection.execute(select(installation.c.realm, installation.c.region)).one()
    return Site(row.realm, row.region)


def sealed(database: Database, name: str) -> bytes | None:
    """The sealed secret of that name."""
    with database.read() as connection:
        return connection.execute(
            select(sealed_secret.c.sealed).where(sealed_secret.c.name == name)
        ).scalar_one_or_none()


def keep_sealed(database: Database, clock: Clock, name: str, content: bytes) -> bytes:
    """Keep a sealed secret; what is kept then: of several processes at once, the first one's."""
    with database.write() as connection:
        connection.execute(
            insert(connection, sealed_secret)
            .values(name=name, sealed=content, time_created=clock.now())
            .on_conflict_do_nothing()
        )
        kept: bytes = connection.execute(
            select(sealed_secret.c.sealed).where(sealed_secret.c.name == name)
        ).scalar_one()
        return kept
