"""What an image consists of for signing: the image itself and, of an index, every child that is no attestation."""

from sqlalchemy import Connection

from assay.errors import Reason, Refused
from assay.oci import Digest
from assay.registry import artifacts
from assay.registry.manifests import STORED, read_manifest
from assay.signing.resources import Subject

#: An index of more manifests is not signed, nor trusted.
SUBJECTS_MAX = 128


def subjects_of(
    connection: Connection, repository: str, digest: Digest, *, skips_absent: bool = False
) -> tuple[Subject, ...]:
    """The manifests that a signature of `digest` must cover, itself first, each once.

    `skips_absent`: only those that are there, which is enough to look at and not enough to trust or sign the image.
    The bytes of each are hashed again. Errors: Refused (MANIFEST_UNKNOWN when one is missing or was changed,
    LIMIT_EXCEEDED).
    """
    found: dict[Digest, Subject] = {}
    waiting = [digest]
    while waiting:
        here = waiting.pop(0)
        if here in found:
            continue
        if len(found) == SUBJECTS_MAX:
            raise Refused(f"The index {digest} holds more than {SUBJECTS_MAX} manifests.", reason=Reason.LIMIT_EXCEEDED)
        held = artifacts.manifest(connection, repository, here)
        if held is None and skips_absent and here != digest:
            continue
        if held is None:
            raise Refused(
                f"The manifest {here} is not in the repository.",
                advice="Push it: an index is signed with all its platforms.",
                reason=Reason.MANIFEST_UNKNOWN,
            )
        stored, content = held
        if not here.matches(content):
            raise Refused(
                f"The stored bytes of the manifest {here} have changed.",
                advice="Restore the database from a backup, or delete the image and push it again.",
                reason=Reason.MANIFEST_UNKNOWN,
            )
        found[here] = Subject(here, stored.media_type, stored.size)
        waiting += [child.digest for child in read_manifest(content, stored.media_type, STORED).platforms]
    return tuple(found.values())
