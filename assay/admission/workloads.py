"""The image references of any workload kind, each with where it stands.

Pure. Source: Kubernetes API, `core/v1` PodSpec (containers, initContainers, ephemeralContainers, volumes[].image of
KEP-4639) and the kinds that carry a pod template. What is decided on is the *kind*, never the sub-resource: an
ephemeral container comes as kind `EphemeralContainers` from servers before 1.22 and as a whole `Pod` from later ones.
The version is not looked at: the fields are the same in every version that was ever served.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.errors import Reason, Refused

#: More image references in one object than any real workload has; each costs a decision.
IMAGES_IN_OBJECT_MAX = 500
REFERENCE_LENGTH_MAX = 1024
NAME_LENGTH_MAX = 253

#: (API group, kind) → the path of the pod spec, and whether it is a template that controllers make pods from.
_POD_SPECS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): ("spec",),
    ("", "PodTemplate"): ("template", "spec"),
    ("", "ReplicationController"): ("spec", "template", "spec"),
    ("apps", "Deployment"): ("spec", "template", "spec"),
    ("apps", "ReplicaSet"): ("spec", "template", "spec"),
    ("apps", "DaemonSet"): ("spec", "template", "spec"),
    ("apps", "StatefulSet"): ("spec", "template", "spec"),
    ("extensions", "Deployment"): ("spec", "template", "spec"),
    ("extensions", "ReplicaSet"): ("spec", "template", "spec"),
    ("extensions", "DaemonSet"): ("spec", "template", "spec"),
    ("batch", "Job"): ("spec", "template", "spec"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
}
_EPHEMERAL_CONTAINERS = ("", "EphemeralContainers")

#: Member of a pod spec → what people call one of its items.
_CONTAINERS = {
    "initContainers": "init container",
    "containers": "container",
    "ephemeralContainers": "ephemeral container",
}
_VOLUME = "image volume"


@dataclass(frozen=True, slots=True)
class ImageUse:
    """One image reference of a workload: the text as written, and where.

    `pointer` is the JSON pointer (RFC 6901) of the text in the object, `role` what uses it ("container",
    "init container", "ephemeral container", "image volume"), `name` the container's or volume's name.
    """

    pointer: str
    role: str
    name: str
    text: str

    @property
    def where(self) -> str:
        """For people: `init container "migrate"`; what a terminal would obey is escaped."""
        return f"{self.role} {json.dumps(self.name)}"

    @property
    def identity(self) -> tuple[str, str, str]:
        """What must be equal in an object before and after for the image to be unchanged; a list may be reordered."""
        return self.role, self.name, self.text


def is_pod(group: str, kind: str) -> bool:
    """Whether an object of this kind runs as it is, so that its images may be pinned; templates are only checked."""
    return (group, kind) in {("", "Pod"), _EPHEMERAL_CONTAINERS}


def image_uses(group: str, kind: str, document: Mapping[str, Any]) -> tuple[ImageUse, ...]:
    """Every image reference of the object, in the order of its containers.

    Errors: Refused (NOT_ALLOWED) for a kind that is not known to carry images: nobody could say what it would run;
    Refused (MALFORMED) for an object that lacks what its kind must have, or has it in another type.
    """
    if document.get("kind", kind) != kind:
        raise _malformed(f"The object says its kind is {str(document['kind'])[:60]!r}, the review says {kind!r}.")
    if (group, kind) == _EPHEMERAL_CONTAINERS:
        uses = tuple(_containers(document, "ephemeralContainers", "", template=False))
    else:
        uses = tuple(_pod_spec_uses(group, kind, document))
    if len(uses) > IMAGES_IN_OBJECT_MAX:
        raise _malformed(f"The object names {len(uses)} images; at most {IMAGES_IN_OBJECT_MAX} are decided on.")
    return uses


def _pod_spec_uses(group: str, kind: str, document: Mapping[str, Any]) -> Iterator[ImageUse]:
    path = _POD_SPECS.get((group, kind))
    if path is None:
        raise Refused(
            f"Unsupported kind {kind[:60]!r} of API group {group[:60]!r}: nobody can say which images it runs.",
            advice="Register the webhook only for the kinds in the manifests that Assay prints.",
            reason=Reason.NOT_ALLOWED,
        )
    template = not is_pod(group, kind)
    spec: Any = document
    pointer = ""
    for member in path:
        pointer += f"/{member}"
        spec = spec.get(member)
        if not isinstance(spec, dict):
            raise _malformed(f"{pointer} is not an object.")
    if spec.get("containers") is None:
        raise _malformed(f"{pointer}/containers is missing.")
    for member in _CONTAINERS:
        yield from _containers(spec, member, pointer, template=template)
    yield from _volumes(spec, pointer, template=template)


def _containers(spec: Mapping[str, Any], member: str, pointer: str, *, template: bool) -> Iterator[ImageUse]:
    for at, container in _items(spec, member, pointer):
        text = _reference(container.get("image"), f"{at}/image", template=template)
        if text:
            yield ImageUse(f"{at}/image", _CONTAINERS[member], _name(container, at), text)


def _volumes(spec: Mapping[str, Any], pointer: str, *, template: bool) -> Iterator[ImageUse]:
    for at, volume in _items(spec, "volumes", pointer):
        source = volume.get("image")
        if source is None:
            continue
        if not isinstance(source, dict):
            raise _malformed(f"{at}/image is not an object.")
        text = _reference(source.get("reference"), f"{at}/image/reference", template=template)
        if text:
            yield ImageUse(f"{at}/image/reference", _VOLUME, _name(volume, at), text)


def _items(spec: Mapping[str, Any], member: str, pointer: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(pointer, item) of a list of objects; an absent or null list is empty, as the API server reads it."""
    items = spec.get(member)
    if items is None:
        return
    if not isinstance(items, list):
        raise _malformed(f"{pointer}/{member} is not a list.")
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise _malformed(f"{pointer}/{member}/{number} is not an object.")
        yield f"{pointer}/{member}/{number}", item


def _reference(value: object, pointer: str, *, template: bool) -> str:
    """The text of a reference; empty only in a template, where the server lets a controller fill it in later."""
    if value is None and template:
        return ""
    if not isinstance(value, str):
        raise _malformed(f"{pointer} is not a string.")
    if not value and not template:
        raise _malformed(f"{pointer} is empty.")
    if len(value) > REFERENCE_LENGTH_MAX:
        raise _malformed(f"{pointer} is longer than {REFERENCE_LENGTH_MAX} characters.")
    return value


def _name(item: Mapping[str, Any], pointer: str) -> str:
    name = item.get("name", "")
    if not isinstance(name, str) or len(name) > NAME_LENGTH_MAX:
        raise _malformed(f"{pointer}/name is not a name.")
    return name


def _malformed(message: str) -> Refused:
    return Refused(message, advice="Send the object as the API server holds it.", reason=Reason.MALFORMED)
