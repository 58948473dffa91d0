"""What every verb needs: the database, the clock, the site, and the key that signs page tokens."""

from dataclasses import dataclass

from assay.clock import Clock, Site
from assay.secret import Secret
from assay.storage.database import Database


@dataclass(frozen=True, slots=True)
class Store:
    """The first argument of every verb."""

    database: Database
    clock: Clock
    site: Site
    page_key: Secret
