"""Artifacts: container repositories and images (oci-api 2.1). Image signatures stand in `signatures.py`."""

from typing import Any, TypedDict

from assay.clock import Instant, rfc3339
from assay.errors import Refused
from assay.iam.identity import tenancies
from assay.oci import Digest, Reference
from assay.oci_api.contract import IN_COMPARTMENT, PAGED, SORT_ORDER, SUBTREE, TAGS, Gives, Members, Need, one_of
from assay.oci_api.frame import Call, Reply, Row, takes
from assay.oci_api.wire import compartments_of, tags_changed, tags_of, tags_reply
from assay.registry import images, removals, repositories
from assay.registry.model import (
    Image,
    ImageFilter,
    LifecycleState,
    Order,
    Readme,
    ReadmeFormat,
    Repository,
    RepositoryFilter,
    tag_or_digest,
)
from assay.registry.repositories import RepositoryChanges, RepositoryDetails

_GIB = 1 << 30


class _Readme(TypedDict):
    """A ContainerRepositoryReadme."""

    content: str
    format: ReadmeFormat


#: What every update of a repository, and its creation, may say.
_CHANGEABLE: Members = {"isPublic": bool, "isImmutable": bool, "readme": _Readme, **TAGS}
#: How repositories and images are listed.
_LISTED: Members = {
    **SUBTREE,
    "repositoryId": str,
    "displayName": str,
    "lifecycleState": one_of(LifecycleState),
    "sortBy": one_of(("TIMECREATED", "DISPLAYNAME")),
    **SORT_ORDER,
    **PAGED,
}


def repository_reply(repository: Repository, namespace: str) -> dict[str, Any]:
    """A ContainerRepository."""
    return {
        "id": repository.ocid,
        "compartmentId": repository.compartment,
        "displayName": repository.name,
        "namespace": namespace,
        "createdBy": repository.created_by,
        "lifecycleState": repository.lifecycle_state,
        "isPublic": repository.is_public,
        "isImmutable": repository.is_immutable,
        "readme": _readme_reply(repository.readme),
        "imageCount": repository.image_count,
        "layerCount": repository.layer_count,
        "layersSizeInBytes": repository.layers_bytes,
        "billableSizeInGBs": -(-repository.stored_bytes // _GIB),
        "timeCreated": rfc3339(repository.time_created),
        "timeLastPushed": _time(repository.time_last_pushed),
        **tags_reply(repository),
    }


def _readme_reply(readme: Readme | None) -> dict[str, Any] | None:
    return None if readme is None else {"content": readme.content, "format": readme.format}


def image_reply(image: Image, restore_window: int) -> dict[str, Any]:
    """A ContainerImage but for its layers, which stand in the answers about one image.

    Beyond OCI's members it says when it was deleted, and until when, `restore_window` microseconds later, it can be
    restored.
    """
    deleted = image.time_deleted
    return {
        "id": image.ocid,
        "compartmentId": image.compartment,
        "repositoryId": image.repository,
        "repositoryName": image.repository_name,
        "displayName": image.display_name,
        "digest": str(image.digest),
        "createdBy": image.created_by,
        "lifecycleState": image.lifecycle_state,
        "version": image.version or None,
        "versions": [
            {"version": each.version, "createdBy": each.created_by, "timeCreated": rfc3339(each.time_created)}
            for each in image.versions
        ],
        "manifestSizeInBytes": image.manifest_bytes,
        "layersSizeInBytes": image.layers_bytes,
        "pullCount": image.pull_count,
        "timeCreated": rfc3339(image.time_created),
        "timeLastPushed": rfc3339(image.time_last_pushed),
        "timeLastPulled": _time(image.time_last_pulled),
        "timeDeleted": _time(deleted),
        "timeRestorableUntil": None if deleted is None else rfc3339(Instant(deleted + restore_window)),
        **tags_reply(image),
    }


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def _namespace(call: Call) -> str:
    return tenancies.namespace(call.app.store, call.actor)


def _order(call: Call) -> Order:
    by_time = call.choice("sortBy", ("TIMECREATED", "DISPLAYNAME"), "TIMECREATED") == "TIMECREATED"
    direction = call.choice("sortOrder", ("ASC", "DESC"), "DESC" if by_time else "ASC")
    return Order(by_time=by_time, descending=direction == "DESC")


def _state(call: Call) -> LifecycleState | None:
    word = call.choice("lifecycleState", tuple(LifecycleState), "")
    return LifecycleState(word) if word else None


def _readme(call: Call) -> Readme | None:
    given: _Readme | None = call.field("readme")
    return None if given is None else Readme(given["content"], given["format"])


@takes(Gives.ONE, body={**IN_COMPARTMENT, "displayName": Need(str), **_CHANGEABLE})
def _create_repository(call: Call) -> Reply:
    details = RepositoryDetails(
        compartment=call.field("compartmentId"),
        name=call.field("displayName"),
        is_public=call.field("isPublic", default=False),
        is_immutable=call.field("isImmutable", default=False),
        readme=_readme(call),
        **tags_of(call),
    )
    made = repositories.create(call.app.store, call.actor, details, retry_token=call.retry_token)
    return Reply(repository_reply(made, _namespace(call)), etag=made.etag)


@takes(Gives.ONE, query={**_LISTED, "isPublic": bool})
def _list_repositories(call: Call) -> Reply:
    narrow = RepositoryFilter(
        compartments=compartments_of(call),
        ocid=call.query.get("repositoryId", ""),
        name=call.query.get("displayName", ""),
        is_public=call.flag("isPublic"),
        lifecycle_state=_state(call),
    )
    order = _order(call)
    page = repositories.listed(call.app.store, call.actor, narrow, order, limit=call.limit, page=call.page or "")
    totals = repositories.totals(call.app.store, call.actor, narrow)
    namespace = _namespace(call)
    body = {
        "items": [repository_reply(each, namespace) for each in page.items],
        "remainingItemsCount": repositories.remaining(call.app.store, call.actor, narrow, order, page.next_page),
        "repositoryCount": totals.repository_count,
        "imageCount": totals.image_count,
        "layerCount": totals.layer_count,
        "layersSizeInBytes": totals.layers_bytes,
    }
    return Reply(body, next_page=page.next_page)


@takes(Gives.ONE)
def _get_repository(call: Call) -> Reply:
    found = repositories.get(call.app.store, call.actor, call.path["repository"])
    return Reply(repository_reply(found, _namespace(call)), etag=found.etag)


@takes(Gives.ONE, body=_CHANGEABLE)
def _update_repository(call: Call) -> Reply:
    changes = RepositoryChanges(
        is_public=call.field("isPublic"),
        is_immutable=call.field("isImmutable"),
        readme=_readme(call),
        **tags_changed(call),
    )
    found = repositories.change(
        call.app.store,
        call.actor,
        call.path["repository"],
        changes,
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return Reply(repository_reply(found, _namespace(call)), etag=found.etag)


@takes(Gives.NOTHING)
def _delete_repository(call: Call) -> Reply:
    repositories.delete(call.app.store, call.actor, call.path["repository"], if_match=call.if_match)
    return Reply()


@takes(Gives.NOTHING, body=IN_COMPARTMENT)
def _move_repository(call: Call) -> Reply:
    found = repositories.move(
        call.app.store,
        call.actor,
        call.path["repository"],
        call.field("compartmentId"),
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return Reply(etag=found.etag)


@takes(
    Gives.ONE,
    query={**_LISTED, "repositoryName": str, "version": str, "isVersioned": bool, "imageId": str, "imageDigest": str},
)
def _list_images(call: Call) -> Reply:
    digest = call.query.get("imageDigest")
    narrow = ImageFilter(
        compartments=compartments_of(call),
        repository=call.query.get("repositoryId", ""),
        repository_name=call.query.get("repositoryName", ""),
        version=call.query.get("version", ""),
        is_versioned=call.flag("isVersioned"),
        display_name=call.query.get("displayName", ""),
        ocid=call.query.get("imageId", ""),
        digest=Digest(digest) if digest else None,
        lifecycle_state=_state(call) or LifecycleState.AVAILABLE,
    )
    order = _order(call)
    page = images.listed(call.app.store, call.actor, narrow, order, limit=call.limit, page=call.page or "")
    body = {
        "items": [image_reply(each, call.app.settings.restore_window) for each in page.items],
        "remainingItemsCount": images.remaining(call.app.store, call.actor, narrow, order, page.next_page),
    }
    return Reply(body, next_page=page.next_page)


def _whole(call: Call, found: Image) -> Reply:
    """A ContainerImage, as every operation on one image answers."""
    layers = [
        {"digest": str(each.digest), "sizeInBytes": each.size, "timeCreated": rfc3339(each.time_created)}
        for each in images.layers(call.app.store, found)
    ]
    return Reply({**image_reply(found, call.app.settings.restore_window), "layers": layers}, etag=found.etag)


@takes(Gives.ONE)
def _get_image(call: Call) -> Reply:
    return _whole(call, images.get(call.app.store, call.actor, call.path["image"]))


@takes(Gives.ONE, body=TAGS)
def _update_image(call: Call) -> Reply:
    found = removals.change_tags(
        call.app.store, call.actor, call.path["image"], if_match=call.if_match, **tags_changed(call)
    )
    return _whole(call, found)


@takes(Gives.NOTHING)
def _delete_image(call: Call) -> Reply:
    removals.delete(call.app.store, call.actor, call.path["image"], if_match=call.if_match)
    return Reply()


@takes(Gives.ONE, body={"version": str})
def _restore_image(call: Call) -> Reply:
    found = removals.restore(
        call.app.store,
        call.actor,
        call.path["image"],
        version=call.field("version", ""),
        window=call.app.settings.restore_window,
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return _whole(call, found)


@takes(Gives.ONE, body={"version": Need(str)})
def _remove_version(call: Call) -> Reply:
    found = removals.remove_version(
        call.app.store,
        call.actor,
        call.path["image"],
        call.field("version"),
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return _whole(call, found)


@takes(Gives.ONE, body={"imageUri": Need(str)})
def _lookup_image(call: Call) -> Reply:
    """`namespace/repo:version` or `namespace/repo@sha256:…`, without a host."""
    uri = call.field("imageUri")
    reference = Reference.parse(uri)
    namespace, slash, name = reference.name.partition("/")
    if not slash or namespace != _namespace(call) or not (reference.tag or reference.digest):
        raise Refused(
            f"{uri[:120]!r} names no image of this tenancy.", advice="Write NAMESPACE/REPOSITORY:VERSION or @DIGEST."
        )
    found = images.lookup(call.app.store, call.actor, name, reference.digest or tag_or_digest(reference.tag))
    return _whole(call, found)


def _configuration(call: Call, *, is_created: bool) -> Reply:
    body = {"isRepositoryCreatedOnFirstPush": is_created, "namespace": _namespace(call)}
    return Reply(body, etag=repositories.configuration_etag(is_created=is_created))


def _root(call: Call) -> str:
    """The compartment asked for, which can only be the root: there is one configuration for a tenancy."""
    return call.needed("compartmentId")


@takes(Gives.ONE, query=IN_COMPARTMENT)
def _get_configuration(call: Call) -> Reply:
    return _configuration(
        call, is_created=repositories.is_created_on_first_push(call.app.store, call.actor, _root(call))
    )


@takes(Gives.ONE, query=IN_COMPARTMENT, body={"isRepositoryCreatedOnFirstPush": bool})
def _update_configuration(call: Call) -> Reply:
    value = call.field("isRepositoryCreatedOnFirstPush")
    made = repositories.set_created_on_first_push(
        call.app.store, call.actor, _root(call), value=value, if_match=call.if_match
    )
    return _configuration(call, is_created=made)


_REPOSITORIES = "/20160918/container/repositories"
_IMAGES = "/20160918/container/images"
_CONFIGURATION = "/20160918/container/configuration"

ROWS: tuple[Row, ...] = (
    Row("POST", _REPOSITORIES, "CreateContainerRepository", _create_repository),
    Row("GET", _REPOSITORIES, "ListContainerRepositories", _list_repositories),
    Row("GET", f"{_REPOSITORIES}/{{repository}}", "GetContainerRepository", _get_repository),
    Row("PUT", f"{_REPOSITORIES}/{{repository}}", "UpdateContainerRepository", _update_repository),
    Row("DELETE", f"{_REPOSITORIES}/{{repository}}", "DeleteContainerRepository", _delete_repository),
    Row(
        "POST",
        f"{_REPOSITORIES}/{{repository}}/actions/changeCompartment",
        "ChangeContainerRepositoryCompartment",
        _move_repository,
    ),
    Row("POST", f"{_IMAGES}/actions/lookupImageByUri", "LookupContainerImageByUri", _lookup_image),
    Row("GET", _IMAGES, "ListContainerImages", _list_images),
    Row("GET", f"{_IMAGES}/{{image}}", "GetContainerImage", _get_image),
    Row("PUT", f"{_IMAGES}/{{image}}", "UpdateContainerImage", _update_image),
    Row("DELETE", f"{_IMAGES}/{{image}}", "DeleteContainerImage", _delete_image),
    Row("POST", f"{_IMAGES}/{{image}}/actions/restore", "RestoreContainerImage", _restore_image),
    Row("POST", f"{_IMAGES}/{{image}}/actions/removeVersion", "RemoveContainerVersion", _remove_version),
    Row("GET", _CONFIGURATION, "GetContainerConfiguration", _get_configuration),
    Row("PUT", _CONFIGURATION, "UpdateContainerConfiguration", _update_configuration),
)
