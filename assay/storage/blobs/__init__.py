"""Blobs: staged while they arrive, published under their digest, opened for reading. One port, one file an adapter."""

from assay.storage.blobs.folder import FolderBlobs
from assay.storage.blobs.port import BLOBS_OPENED, PAGE_ROWS, BlobStore, KeptBlob, StagedUpload, Staging

__all__ = ["BLOBS_OPENED", "PAGE_ROWS", "BlobStore", "FolderBlobs", "KeptBlob", "StagedUpload", "Staging"]
