"""Lists of every room: who may only inspect sees that there is something, and nothing that people wrote about it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from api_room import ApiRoom, api_room
from route_world import HOST

from assay.admission import clusters
from assay.clock import SetClock
from assay.functions import applications, functions
from assay.iam import Actor, hashing
from assay.iam.identity import groups, policies, users
from assay.registry import images, repositories
from assay.scanning import recipes, scanners
from assay.scanning.model import ScannerFilter
from assay.signing import signatures
from assay.storage import Store
from assay.vault import keys, vaults

TAGS: dict[str, Any] = {"freeformTags": {"owner": "erin"}, "definedTags": {"ops": {"cost": "42"}}}

#: How what lies in a compartment is listed, and what of it people write beside tags.
Listed = Callable[[Store, Actor, str], Sequence[Any]]
LISTS: dict[str, tuple[Listed, dict[str, Any]]] = {
    "vaults": (lambda store, actor, place: vaults.list_vaults(store, actor, place).items, {}),
    "keys": (
        lambda store, actor, place: [
            key
            for vault in vaults.list_vaults(store, actor, place).items
            for key in keys.list_keys(store, actor, place, vault.ocid).items
        ],
        {},
    ),
    "clusters": (lambda store, actor, place: clusters.list_clusters(store, actor, place).items, {"options": {}}),
    "applications": (
        lambda store, actor, place: applications.listed(store, actor, place).items,
        {"config": {}, "kept": {}},
    ),
    "functions": (
        lambda store, actor, place: (
            functions.listed(store, actor, applications.listed(store, actor, place).items[0].ocid).items
        ),
        {"config": {}, "kept": {}},
    ),
    "recipes": (lambda store, actor, place: recipes.listed(store, actor, ScannerFilter((place,))).items, {}),
    "targets": (
        lambda store, actor, place: scanners.listed(store, actor, ScannerFilter((place,))).items,
        {"description": ""},
    ),
    "repositories": (lambda store, actor, place: repositories.listed(store, actor).items, {"readme": None}),
    "images": (lambda store, actor, place: images.listed(store, actor).items, {}),
    "signatures": (lambda store, actor, place: signatures.list_signatures(store, actor).items, {}),
}


@pytest.fixture
def api(store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> ApiRoom:
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    return api_room(store, tmp_path, clock)


def one_of_everything(api: ApiRoom) -> None:
    here = {"compartmentId": api.place, **TAGS}
    vault = api.made("POST", "/20180608/vaults", {**here, "displayName": "v", "vaultType": "DEFAULT"})
    shape = {"keyShape": {"algorithm": "ECDSA", "length": 32}, "protectionMode": "SOFTWARE", "displayName": "k"}
    api.made("POST", f"{vault['managementEndpoint'].removeprefix(f'http://{HOST}')}/20180608/keys", {**here, **shape})
    options = {"options": {"ipFamilies": ["IPv4"]}, "vcnId": "", "kubernetesVersion": "", "name": "c"}
    api.made("POST", "/20180222/clusters", {**here, **options})
    image, _ = api.desk.push("v1", "one", "fn/hello")
    signature = api.desk.sign(image, api.desk.key())
    repository = api.made("PUT", f"/20160918/container/images/{image}", TAGS)["repositoryId"]
    readme = {"readme": {"content": "# secret plan", "format": "TEXT_MARKDOWN"}}
    api.made("PUT", f"/20160918/container/repositories/{repository}", {**TAGS, **readme})
    api.made("PUT", f"/20160918/container/imageSignatures/{signature.ocid}", TAGS)
    application = {**here, "displayName": "a", "subnetIds": [], "config": {"password": "x"}, "syslogUrl": "tcp://log:1"}
    made = api.made("POST", "/20260325/applications", application)
    source = {"sourceType": "CONTAINER_IMAGE", "image": f"{HOST}/{api.desk.namespace}/fn/hello:v1"}
    function = {"displayName": "f", "memoryInMBs": 128, "sourceDetails": source, "config": {"password": "x"}, **TAGS}
    kept = {"detachedModeTimeoutInSeconds": 300}
    api.made("POST", "/20260325/functions", {**function, **kept, "applicationId": made["id"]})
    recipe = api.made("POST", "/20210215/containerScanRecipes", {**here, "scanSettings": {"scanLevel": "STANDARD"}})
    registry = {"type": "OCIR", "compartmentId": api.place, "repositories": ["none"]}
    target = {**here, "containerScanRecipeId": recipe["id"], "targetRegistry": registry, "description": "secret plan"}
    api.made("POST", "/20210215/containerScanTargets", target)


def somebody_who_may(api: ApiRoom, verb: str) -> Actor:
    store, admin = api.desk.store, api.desk.actor
    user, group = users.create(store, admin, verb), groups.create(store, admin, verb.capitalize())
    groups.add_user(store, admin, user.ocid, group.ocid)
    text = f"allow group {group.name} to {verb} all-resources in tenancy"
    policies.create(store, admin, admin.tenancy, verb, [text])
    return Actor(users.principal_of(user), admin.tenancy)


def test_inspect_shows_that_there_is_something_and_read_what_people_wrote_about_it(api: ApiRoom) -> None:
    one_of_everything(api)
    inspector, reader = somebody_who_may(api, "inspect"), somebody_who_may(api, "read")
    for what, (listed, unread) in LISTS.items():
        (read,) = (item for item in listed(api.desk.store, reader, api.place) if item.freeform_tags)
        every = listed(api.desk.store, inspector, api.place)
        (seen,) = (item for item in every if item.ocid == read.ocid)
        assert (read.freeform_tags, read.defined_tags) == ({"owner": "erin"}, {"ops": {"cost": "42"}}), what
        assert [(item.freeform_tags, item.defined_tags) for item in every] == [({}, {})] * len(every), what
        for name, empty in unread.items():
            assert getattr(read, name) != empty, (what, name)
            assert getattr(seen, name) == empty, (what, name)
