"""The OCI SDK's own deserialisation takes every model of Artifacts, Vulnerability Scanning and work requests, whole.

Every field that the SDK's model knows is set, but for those that are named here with the reason.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_hub import VSS, ApiHub, api_hub
from oci_sdks import Case, empty_fields, python_of
from registry_pieces import manifest_of
from scanning_hub import REPOSITORY, blob_of

from assay.clock import SetClock
from assay.iam import hashing
from assay.registry import images, pulls
from assay.storage import Store

#: Fields that stay empty, and why.
EMPTY = {
    "Vulnerability.authentication": "no feed says what an attacker must prove",
    "Vulnerability.cve_details.cvss3": "feeds' scores become one rating, which is `severity`",
    "Vulnerability.cve_details.time_updated": "an advisory's last change is told by feed revision",
    "Vulnerability.cve_details.threat": "no feed states it",
    "Vulnerability.cve_details.impact": "no feed states it",
    "Vulnerability.cve_details.exploitable": "no feed states it",
}


@pytest.fixture
def api(store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiHub]:
    """The door, with passwords that are hashed quickly."""
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    with api_hub(store, tmp_path, clock) as made:
        yield made


def get(api: ApiHub, path: str, **query: str) -> Any:
    reply = api.ask("GET", path, query=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


def made(api: ApiHub, path: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = api.ask("POST", path, body)
    assert reply.is_success, reply.text
    return dict(reply.json())


def pulled(api: ApiHub, ocid: str) -> None:
    """Count one pull of an image."""
    image = images.get(api.hub.store, api.hub.actor, ocid)
    counter = pulls.PullCounter(api.hub.store)
    counter.note(image.repository, image.digest)
    counter.count()


def signed(api: ApiHub, image: str) -> str:
    """The OCID of a signature of an image."""
    here = {"compartmentId": api.place}
    vault = made(api, "/20180608/vaults", {**here, "displayName": "v", "vaultType": "DEFAULT"})["id"]
    key = {**here, "displayName": "k", "keyShape": {"algorithm": "RSA", "length": 256}, "protectionMode": "SOFTWARE"}
    keys = f"/vaults/{vault.split('.')[-2]}/20180608/keys"
    signing = {"kmsKeyId": made(api, keys, key)["id"], "signingAlgorithm": "SHA_256_RSA_PKCS_PSS"}
    return str(made(api, f"/20260901/images/{image}/actions/sign", signing)["id"])


def artifacts(api: ApiHub) -> list[Case]:
    """A repository with a readme, an image that was pulled, and its signature, one by one and listed."""
    client, base, here = "artifacts.ArtifactsClient", "/20160918/container", {"compartmentId": api.place}
    readme = {"content": "# app", "format": "TEXT_MARKDOWN"}
    body = {**here, "displayName": "team/app", "readme": readme, "freeformTags": {"a": "b"}}
    repository = made(api, f"{base}/repositories", body)["id"]
    image = api.hub.push({"a": 1, "b": 1})
    pulled(api, image)
    signature = signed(api, image)
    return [
        (client, "ContainerRepository", get(api, f"{base}/repositories/{repository}")),
        (client, "ContainerRepositoryCollection", get(api, f"{base}/repositories", **here)),
        (client, "ContainerImage", get(api, f"{base}/images/{image}")),
        (client, "ContainerImageCollection", get(api, f"{base}/images", **here)),
        (client, "ContainerImageSignature", get(api, f"{base}/imageSignatures/{signature}")),
        (client, "ContainerImageSignatureCollection", get(api, f"{base}/imageSignatures", **here)),
        (client, "ContainerConfiguration", get(api, f"{base}/configuration", **here)),
    ]


def push_broken(api: ApiHub) -> None:
    """Push an image whose layer does not unpack to what its configuration says."""
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [f"sha256:{'0' * 64}"]}}).encode()
    layer = blob_of({"c": 1})
    for content in (config, layer):
        api.hub.room.push_blob(content, REPOSITORY, api.hub.actor)
    api.hub.room.put(manifest_of(config, [layer]), "broken", REPOSITORY, api.hub.actor)


def scanning(api: ApiHub) -> list[Case]:
    """A recipe, a target, a result with problems, a vulnerability and its images, a work request with its entries."""
    client, here = "vulnerability_scanning.VulnerabilityScanningClient", {"compartmentId": api.place}
    api.hub.push({"a": 1})
    push_broken(api)
    recipe = api.recipe(freeformTags={"a": "b"})["id"]
    target = api.target(recipe, "team/app")
    api.hub.deliver()
    (result,) = api.items(f"{VSS}/containerScanResults", image="v1")
    found = api.items(f"{VSS}/vulnerabilities")[0]["id"]
    work = f"{VSS}/workRequests/{target.headers['opc-work-request-id']}"
    return [
        (client, "ContainerScanRecipe", get(api, f"{VSS}/containerScanRecipes/{recipe}")),
        (client, "ContainerScanRecipeSummaryCollection", get(api, f"{VSS}/containerScanRecipes", **here)),
        (client, "ContainerScanTarget", get(api, f"{VSS}/containerScanTargets/{target.json()['id']}")),
        (client, "ContainerScanTargetSummaryCollection", get(api, f"{VSS}/containerScanTargets", **here)),
        (client, "ContainerScanResult", get(api, f"{VSS}/containerScanResults/{result['id']}")),
        (client, "ContainerScanResultSummaryCollection", get(api, f"{VSS}/containerScanResults", **here, image="v1")),
        (client, "Vulnerability", get(api, f"{VSS}/vulnerabilities/{found}")),
        (client, "VulnerabilitySummaryCollection", get(api, f"{VSS}/vulnerabilities", **here)),
        (
            client,
            "VulnerabilityImpactedContainerSummaryCollection",
            get(api, f"{VSS}/vulnerabilities/{found}/impactedContainers"),
        ),
        (client, "WorkRequest", get(api, work)),
        (client, "WorkRequestCollection", get(api, f"{VSS}/workRequests", **here)),
        (client, "WorkRequestErrorCollection", get(api, f"{work}/errors")),
        (client, "WorkRequestLogEntryCollection", get(api, f"{work}/logs")),
    ]


def work_requests(api: ApiHub) -> list[Case]:
    """Work requests of clusters, functions and the generic API, which is Identity's too."""
    here = {"compartmentId": api.place}
    cluster = {**here, "name": "c", "vcnId": "v", "kubernetesVersion": "v1.30.1"}
    assert api.ask("POST", "/20180222/clusters", cluster).is_success
    made(api, "/20260325/applications", {**here, "displayName": "app", "subnetIds": ["s"]})
    gone = made(api, "/20160918/compartments", {**here, "name": "gone", "description": "d"})["id"]
    assert api.ask("DELETE", f"/20160918/compartments/{gone}").is_success
    cases: list[Case] = []
    for client, base, listed in (
        ("container_engine.ContainerEngineClient", "/20180222", "list[WorkRequestSummary]"),
        ("functions.WorkRequestManagementClient", "/20260325", "WorkRequestSummaryCollection"),
        ("work_requests.WorkRequestClient", "/20160918", "list[WorkRequestSummary]"),
        ("identity.IdentityClient", "/20160918", "list[WorkRequestSummary]"),
    ):
        # Identity's words are those of its own work requests alone.
        own = {"resourceIdentifier": gone} if client.startswith("identity") else {}
        found = get(api, f"{base}/workRequests", **here, **own)
        first = (found if isinstance(found, list) else found["items"])[0]["id"]
        cases += [(client, listed, found), (client, "WorkRequest", get(api, f"{base}/workRequests/{first}"))]
    return cases


@pytest.mark.parametrize("cases_of", [artifacts, scanning, work_requests])
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_sdk_reads_every_model_with_every_field_set(api: ApiHub, cases_of: Callable[[ApiHub], list[Case]]) -> None:
    assert empty_fields(python_of(), cases_of(api)) - EMPTY.keys() == set()
