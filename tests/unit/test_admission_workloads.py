"""Image references of workload kinds. Expected pointers are read off the Kubernetes API's field paths by hand."""

from typing import Any

import pytest

from assay.admission.workloads import IMAGES_IN_OBJECT_MAX, ImageUse, image_uses, is_pod
from assay.errors import Reason, Refused

SPEC = {
    "initContainers": [{"name": "migrate", "image": "r.example/shop/migrate:1"}],
    "containers": [{"name": "app", "image": "r.example/shop/web:1"}, {"name": "log", "image": "r.example/shop/log:2"}],
    "volumes": [{"name": "data", "emptyDir": {}}, {"name": "model", "image": {"reference": "r.example/shop/model:7"}}],
}
FOUND = [
    ("/initContainers/0/image", "init container", "migrate", "r.example/shop/migrate:1"),
    ("/containers/0/image", "container", "app", "r.example/shop/web:1"),
    ("/containers/1/image", "container", "log", "r.example/shop/log:2"),
    ("/volumes/1/image/reference", "image volume", "model", "r.example/shop/model:7"),
]


def at(pointer: str) -> tuple[ImageUse, ...]:
    return tuple(ImageUse(pointer + rest, role, name, text) for rest, role, name, text in FOUND)


def templated(kind: str) -> dict[str, Any]:
    return {"kind": kind, "spec": {"template": {"spec": SPEC}}}


@pytest.mark.parametrize(
    ("group", "kind", "document", "pointer"),
    [
        ("", "Pod", {"kind": "Pod", "spec": SPEC}, "/spec"),
        ("", "PodTemplate", {"kind": "PodTemplate", "template": {"spec": SPEC}}, "/template/spec"),
        ("", "ReplicationController", templated("ReplicationController"), "/spec/template/spec"),
        ("apps", "Deployment", templated("Deployment"), "/spec/template/spec"),
        ("apps", "ReplicaSet", templated("ReplicaSet"), "/spec/template/spec"),
        ("apps", "DaemonSet", templated("DaemonSet"), "/spec/template/spec"),
        ("apps", "StatefulSet", templated("StatefulSet"), "/spec/template/spec"),
        ("extensions", "Deployment", templated("Deployment"), "/spec/template/spec"),
        ("batch", "Job", templated("Job"), "/spec/template/spec"),
        (
            "batch",
            "CronJob",
            {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": SPEC}}}}},
            "/spec/jobTemplate/spec/template/spec",
        ),
    ],
)
def test_every_image_of_a_kind_is_found_with_its_place(
    group: str, kind: str, document: dict[str, Any], pointer: str
) -> None:
    assert image_uses(group, kind, document) == at(pointer)


def test_case_01_an_ephemeral_container_is_seen_in_the_shape_of_old_and_of_new_servers() -> None:
    debug = {"name": "debug", "image": "r.example/tools/sh:1"}
    old = image_uses("", "EphemeralContainers", {"kind": "EphemeralContainers", "ephemeralContainers": [debug]})
    new = image_uses("", "Pod", {"kind": "Pod", "spec": {"containers": [], "ephemeralContainers": [debug]}})
    assert old == (ImageUse("/ephemeralContainers/0/image", "ephemeral container", "debug", "r.example/tools/sh:1"),)
    assert new == (
        ImageUse("/spec/ephemeralContainers/0/image", "ephemeral container", "debug", "r.example/tools/sh:1"),
    )


def test_case_02_a_restartable_sidecar_among_the_init_containers_is_seen() -> None:
    sidecar = {"name": "proxy", "image": "r.example/proxy:1", "restartPolicy": "Always"}
    uses = image_uses("", "Pod", {"spec": {"initContainers": [sidecar], "containers": []}})
    assert [use.where for use in uses] == ['init container "proxy"']


def test_case_03_an_image_volume_is_seen() -> None:
    volume = {"name": "model", "image": {"reference": "r.example/model:1", "pullPolicy": "Always"}}
    uses = image_uses("", "Pod", {"spec": {"containers": [], "volumes": [volume]}})
    assert [(use.pointer, use.text) for use in uses] == [("/spec/volumes/0/image/reference", "r.example/model:1")]


def test_case_39_a_kind_that_is_not_known_is_refused_as_unsupported() -> None:
    with pytest.raises(Refused, match="Unsupported kind 'Rollout'") as refusal:
        image_uses("argoproj.io", "Rollout", templated("Rollout"))
    assert refusal.value.reason is Reason.NOT_ALLOWED


def test_a_pod_of_another_api_group_is_not_a_pod() -> None:
    with pytest.raises(Refused, match="Unsupported kind"):
        image_uses("evil.example", "Pod", {"kind": "Pod", "spec": SPEC})


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": None},
        {},
        {"containers": {}},
        {"containers": ["r.example/a:1"]},
        {"containers": [{"name": "a"}]},
        {"containers": [{"name": "a", "image": ""}]},
        {"containers": [{"name": "a", "image": None}]},
        {"containers": [{"name": "a", "image": ["r.example/a:1"]}]},
        {"containers": [{"name": 7, "image": "r.example/a:1"}]},
        {"containers": [{"name": "a", "image": "r" * 1025}]},
        {"containers": [], "initContainers": "none"},
        {"containers": [], "volumes": [{"name": "v", "image": "r.example/a:1"}]},
        {"containers": [], "volumes": [{"name": "v", "image": {}}]},
    ],
)
def test_case_41_a_pod_whose_images_cannot_be_read_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        image_uses("", "Pod", {"kind": "Pod", "spec": spec})
    assert refusal.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("container", [{"name": "a"}, {"name": "a", "image": ""}, {"name": "a", "image": None}])
def test_case_41_an_image_may_be_missing_in_a_template_alone(container: dict[str, Any]) -> None:
    document = {"spec": {"template": {"spec": {"containers": [container]}}}}
    assert image_uses("apps", "Deployment", document) == ()


def test_an_object_of_another_kind_than_the_review_says_is_refused() -> None:
    with pytest.raises(Refused, match="says its kind is 'Pod'"):
        image_uses("apps", "Deployment", {"kind": "Pod", "spec": SPEC})


def test_more_images_than_the_limit_are_refused_and_as_many_are_read() -> None:
    containers = [{"name": f"c{n}", "image": "r.example/a:1"} for n in range(IMAGES_IN_OBJECT_MAX + 1)]
    assert len(image_uses("", "Pod", {"spec": {"containers": containers[:-1]}})) == IMAGES_IN_OBJECT_MAX
    with pytest.raises(Refused, match="at most 500"):
        image_uses("", "Pod", {"spec": {"containers": containers}})


def test_only_pods_and_their_ephemeral_containers_are_pinned() -> None:
    assert is_pod("", "Pod")
    assert is_pod("", "EphemeralContainers")
    assert not is_pod("apps", "Deployment")
    assert not is_pod("", "PodTemplate")


def test_a_name_that_a_terminal_would_obey_is_escaped() -> None:
    assert ImageUse("/p", "container", "a\x1b[2J", "t").where == 'container "a\\u001b[2J"'
