"""Admission: may this image run here? Clusters and their policies, the decision, and what is recorded of it."""

from assay.admission import (
    admit,
    authority,
    callers,
    clusters,
    decide,
    examine,
    identity,
    ledger,
    manifests,
    model,
    reviews,
)
from assay.admission.policy import ImagePolicy

__all__ = [
    "ImagePolicy",
    "admit",
    "authority",
    "callers",
    "clusters",
    "decide",
    "examine",
    "identity",
    "ledger",
    "manifests",
    "model",
    "reviews",
]
