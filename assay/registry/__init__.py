"""The registry: repositories, uploads, manifests, images, tags, referrers, under the distribution protocol's rules."""

from assay.registry import (
    artifacts,
    blobs,
    images,
    manifests,
    model,
    pulls,
    pushes,
    removals,
    repositories,
    rules,
    tags,
    uploads,
)

__all__ = [
    "artifacts",
    "blobs",
    "images",
    "manifests",
    "model",
    "pulls",
    "pushes",
    "removals",
    "repositories",
    "rules",
    "tags",
    "uploads",
]
