"""Referrers: manifests that tell something of another one, by their `subject` (distribution-spec 1.1, end-12)."""

from assay.iam import Actor
from assay.oci import Digest
from assay.registry import access
from assay.registry.model import StoredManifest
from assay.registry.records import manifests as records
from assay.storage import Store

REFERRERS_PAGE_MAX = 200


def listed(
    store: Store,
    actor: Actor,
    repository_name: str,
    subject: Digest,
    *,
    artifact_type: str = "",
    after: str = "",
    rows_max: int = REFERRERS_PAGE_MAX,
) -> tuple[tuple[StoredManifest, ...], bool]:
    """Manifests whose subject is `subject`, by digest, behind the digest `after`, and whether there are more.

    None for a subject that nobody knows. Errors: Refused (NOT_FOUND).
    """
    rows_max = min(rows_max, REFERRERS_PAGE_MAX)
    with store.database.read() as connection:
        repository = access.readable(connection, actor, repository_name, "PullImage", now=store.clock.now())
        found = records.referrers(connection, repository.ocid, subject, artifact_type, after, rows_max=rows_max + 1)
    return found[:rows_max], len(found) > rows_max
