"""Blobs: staged while they arrive, published under their digest, opened for reading. One port, one file an adapter."""

from assay.storage.blobs.folder import FolderBlobs
from assay.storage.blobs.port import BLOBS_OPENED, PAGE_ROWS, BlobStore, KeptBlob, StagedUpload, Staging
from assay.storage.blobs.s3 import S3Blobs
from assay.storage.blobs.s3_bucket import Bucket, S3Place
from assay.storage.blobs.s3_signature import S3Credentials

__all__ = [
    "BLOBS_OPENED",
    "PAGE_ROWS",
    "BlobStore",
    "Bucket",
    "FolderBlobs",
    "KeptBlob",
    "S3Blobs",
    "S3Credentials",
    "S3Place",
    "StagedUpload",
    "Staging",
]
