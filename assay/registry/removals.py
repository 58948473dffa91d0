"""How images and manifests go, softly, and come back (oci-api 2.1, 4.1; distribution-spec 1.1, end-9)."""

from collections.abc import Callable

from sqlalchemy import Connection

from assay.clock import DAY, Instant, new_etag, span
from assay.errors import Reason, Refused
from assay.events import ImageDeleted, ImageRestored, TagMoved
from assay.iam import Act, Actor, Target, perform
from assay.oci import Digest, tag_name
from assay.registry import access, pulls, standing, tags, units
from assay.registry.model import DefinedTags, Image, LifecycleState, Repository, Tags
from assay.registry.records import images as records
from assay.registry.records import manifests as manifest_records
from assay.registry.records import repositories as repository_records
from assay.registry.records import tags as tag_records
from assay.storage import Store

#: How long a deleted image can be restored unless the installation is set otherwise (oci-api 4.1).
RESTORE_MICROSECONDS = 2 * DAY


def delete(store: Store, actor: Actor, ocid: str, *, if_match: str | None = None) -> None:
    """Delete an image softly, with its whole unit: its tags go, it is not served any more, and it may be restored for
    a time.

    A platform of an index that is served goes on being served as such. Errors: Refused (NOT_FOUND, ETAG_MISMATCH,
    WRONG_STATE when it is deleted already).
    """
    operation = "DeleteContainerImage"

    def change(act: Act) -> None:
        found, repository = _held(act, ocid)
        if found.lifecycle_state is LifecycleState.DELETED:
            raise Refused("The image is deleted.", advice="Restore it, or push it again.", reason=Reason.WRONG_STATE)
        delete_unit(act, repository, found)

    perform(store, actor, operation, locate=_locate(actor, ocid), change=change, if_match=if_match)


def delete_unit(act: Act, repository: Repository, image: Image) -> None:
    """Delete an available image with its unit, in an act that holds its repository."""
    unit = units.of(act.connection, repository.ocid, image.digest)
    _delete(act, repository, image)
    if manifest_records.is_child(act.connection, repository.ocid, image.digest):
        return
    for tag in sorted(unit.companions):
        tags.untag(act, repository, tag)
    manifest_records.serve(act.connection, repository.ocid, unit.manifests, act.now)


def delete_manifest(store: Store, actor: Actor, repository_name: str, digest: Digest) -> None:
    """Delete a manifest by digest, with its tags, and nothing that hangs from it; an image softly.

    Errors: Refused (NOT_FOUND, MANIFEST_UNKNOWN, METHOD while an index of the repository names it).
    """
    operation = "DeleteContainerImage"

    def change(act: Act) -> None:
        repository = access.held(act.connection, actor, repository_name)
        if digest not in manifest_records.stored(act.connection, repository.ocid, [digest]):
            raise pulls.unknown(digest)
        if manifest_records.is_child(act.connection, repository.ocid, digest):
            raise Refused(
                f"An index of the repository needs the manifest {digest}.",
                advice="Delete the index first.",
                reason=Reason.METHOD,
            )
        found = records.available(act.connection, repository.ocid, digest)
        if found is not None:
            _delete(act, repository, found)
        else:
            tags.untag_all(act, repository, digest)
            manifest_records.serve(act.connection, repository.ocid, [digest], act.now)

    perform(
        store,
        actor,
        operation,
        locate=lambda connection: access.target_of(access.named(connection, actor, repository_name)),
        change=change,
    )


def restore(
    store: Store,
    actor: Actor,
    ocid: str,
    *,
    version: str = "",
    window: int = RESTORE_MICROSECONDS,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> Image:
    """Bring a deleted image back with its unit, without its tags, or under the tag `version`.

    `window`: for how many microseconds after its deletion that may be done.
    Errors: Refused (NOT_FOUND, ETAG_MISMATCH; WRONG_STATE when it is not deleted, or was too long ago; EXISTS when its
    digest was pushed again, or its repository is immutable and the tag names another image, or did).
    """
    operation = "RestoreContainerImage"
    if version:
        tag_name(version)

    def change(act: Act) -> Image:
        found, repository = _held(act, ocid)
        _check_restorable(act, repository, found, window)
        for tag, digest in standing.come_back(act.connection, repository, found, act.now).items():
            _tag(act, repository, digest, tag)
        if version:
            _tag(act, repository, found.digest, version)
        fact = ImageRestored(
            tenancy=found.tenancy, repository=found.repository, image=found.ocid, digest=found.digest.text
        )
        act.announce(fact)
        return access.image(act.connection, actor, ocid)

    return perform(
        store,
        actor,
        operation,
        locate=_locate(actor, ocid),
        change=change,
        if_match=if_match,
        retry_token=retry_token,
        request=(ocid, version),
        replay=Image,
    )


def remove_version(
    store: Store,
    actor: Actor,
    ocid: str,
    version: str,
    *,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> Image:
    """Take a tag from an image, which stays.

    Errors: Refused (NOT_FOUND, ETAG_MISMATCH, MANIFEST_UNKNOWN for a tag that it doesn't have).
    """
    operation = "RemoveContainerVersion"

    def change(act: Act) -> Image:
        found, repository = _held(act, ocid)
        if version not in {each.version for each in found.versions}:
            raise pulls.unknown(version)
        tags.untag(act, repository, version)
        return access.image(act.connection, actor, ocid)

    return perform(
        store,
        actor,
        operation,
        locate=_locate(actor, ocid),
        change=change,
        if_match=if_match,
        retry_token=retry_token,
        request=(ocid, version),
        replay=Image,
    )


def change_tags(
    store: Store,
    actor: Actor,
    ocid: str,
    *,
    freeform_tags: Tags | None = None,
    defined_tags: DefinedTags | None = None,
    if_match: str | None = None,
) -> Image:
    """Set free-form or defined tags of an image; None leaves them. Errors: Refused (NOT_FOUND, ETAG_MISMATCH)."""
    operation = "UpdateContainerImage"

    def change(act: Act) -> Image:
        given = {"freeform_tags": freeform_tags, "defined_tags": defined_tags}
        values = {name: value for name, value in given.items() if value is not None}
        records.change(act.connection, ocid, time_updated=act.now, etag=new_etag(), **values)
        return access.image(act.connection, actor, ocid)

    return perform(store, actor, operation, locate=_locate(actor, ocid), change=change, if_match=if_match)


def _locate(actor: Actor, ocid: str) -> Callable[[Connection], Target]:
    def locate(connection: Connection) -> Target:
        found = access.image(connection, actor, ocid)
        repository_records.lock(connection, found.repository)
        found = access.image(connection, actor, ocid)
        return access.image_target(found, before=found)

    return locate


def _held(act: Act, ocid: str) -> tuple[Image, Repository]:
    found = access.image(act.connection, act.actor, ocid)
    return found, access.known(act.connection, act.actor, found.repository)


def _delete(act: Act, repository: Repository, image: Image) -> None:
    tags.untag_all(act, repository, image.digest)
    standing.leave(act.connection, repository, image, act.now)
    if not manifest_records.is_child(act.connection, repository.ocid, image.digest):
        manifest_records.serve(act.connection, repository.ocid, [image.digest], act.now)
    act.announce(
        ImageDeleted(tenancy=repository.tenancy, repository=repository.ocid, image=image.ocid, digest=image.digest.text)
    )


def _tag(act: Act, repository: Repository, digest: Digest, version: str) -> None:
    before = tag_records.digest_of(act.connection, repository.ocid, version)
    if before == digest:
        return
    tags.check_immutable(act.connection, repository, version, digest)
    if before is not None:
        records.remember_version(act.connection, repository.ocid, before, version, act.now)
    who = access.name_of(act.actor)
    tag_records.move(act.connection, repository, version, digest, moved_by=who, now=act.now)
    act.announce(TagMoved(tenancy=repository.tenancy, repository=repository.ocid, tag=version, digest=digest.text))


def _check_restorable(act: Act, repository: Repository, image: Image, window: int) -> None:
    deleted = image.time_deleted
    if repository.lifecycle_state is LifecycleState.DELETED:
        raise Refused("The image's repository is deleted.", advice="Push it again.", reason=Reason.WRONG_STATE)
    if image.lifecycle_state is not LifecycleState.DELETED or deleted is None:
        raise Refused("The image is not deleted.", reason=Reason.WRONG_STATE)
    if act.now > Instant(deleted + window):
        raise Refused(
            f"The image was deleted more than {span(window)} ago.",
            advice="Push it again.",
            reason=Reason.WRONG_STATE,
        )
    if records.available(act.connection, image.repository, image.digest) is not None:
        raise Refused(
            "The same digest was pushed to the repository again.",
            advice="Use the image that is there.",
            reason=Reason.EXISTS,
        )
