"""What every verb needs: the database, the clock, the site, the key that signs page tokens, one rule."""

from dataclasses import dataclass

from assay.clock import Clock, Site
from assay.secret import Secret
from assay.storage.database import Database


@dataclass(frozen=True, slots=True)
class Store:
    """The first argument of every verb. `unrated_as`: the level that problems nobody has rated count as."""

    database: Database
    clock: Clock
    site: Site
    page_key: Secret
    unrated_as: str = "medium"
