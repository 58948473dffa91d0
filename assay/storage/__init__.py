"""Storage: rows, blobs, the outbox, jobs. Holds no rule; every room stands on it."""

from assay.storage import jobs, outbox, pages
from assay.storage.blobs import BlobStore, FolderBlobs
from assay.storage.database import Database, insert
from assay.storage.store import Store
from assay.storage.tables import Json, Serial, metadata, owned

__all__ = [
    "BlobStore",
    "Database",
    "FolderBlobs",
    "Json",
    "Serial",
    "Store",
    "insert",
    "jobs",
    "metadata",
    "outbox",
    "owned",
    "pages",
]
