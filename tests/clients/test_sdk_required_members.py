"""What requests must hold is what the OCI SDK's own sources say they must, no less and no more, by operation."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from oci_sdks import OLD, python_of, requirements

import assay.oci_api as door
from assay.oci_api.contract import Gives, Members, Need, kind_of
from assay.oci_api.frame import Row

pytestmark = pytest.mark.real

NEW_CLIENTS = {
    "artifacts.ArtifactsClient": "/20160918",
    "vulnerability_scanning.VulnerabilityScanningClient": "/20210215",
    "key_management.KmsVaultClient": "",
    "key_management.KmsManagementClient": "",
    "key_management.KmsCryptoClient": "",
    "functions.FunctionsManagementClient": "/20260325",
    "functions.WorkRequestManagementClient": "/20260325",
    "container_engine.ContainerEngineClient": "/20180222",
    "identity.IdentityClient": "/20160918",
    "object_storage.ObjectStorageClient": "",
    "work_requests.WorkRequestClient": "/20160918",
}
OLD_CLIENTS = {"functions.FunctionsManagementClient": "/20181201"}
#: How many operations there are at least to compare: fewer are a fault of the comparison.
COMPARED_MIN = {"": 120, OLD: 10}
#: Where the operations differ from the SDK, and why.
OTHERWISE = {
    ("CreateFunction", "sourceDetails"): "the image may be named flat instead, as the older wire version does",
    ("CreateNetworkSource", "publicSourceList"): "there are no virtual networks here that could stand instead of it",
    ("CreateCluster", "imagePolicyConfig.keyDetails.kmsKeyId"): "an entry without a key would trust nobody knows whom",
    ("UpdateCluster", "imagePolicyConfig.keyDetails.kmsKeyId"): "as of CreateCluster",
}


def _path(row: Row) -> str:
    return f"{row.method} {re.sub(r'{[^}]+}', '{}', row.path)}"


def _needed(members: Members) -> set[str]:
    """The members that must be there, dotted where one lies in another."""
    found = set()
    for name, declared in members.items():
        if isinstance(declared, Need):
            found.add(name)
        (schema,), components = msgspec.json.schema_components([kind_of(declared)], ref_template="{name}")
        found.update(_within(schema, components, f"{name}."))
    return found


def _within(schema: dict[str, Any], components: dict[str, Any], before: str) -> Iterator[str]:
    for each in schema.get("anyOf", ()):
        yield from _within(each, components, before)
    for inner in (components.get(schema.get("$ref", "")), schema.get("items")):
        if inner:
            yield from _within(inner, components, before)
    yield from (before + name for name in schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        yield from _within(inner, components, f"{before}{name}.")


def _wanted(theirs: dict[str, bool], ours: Members) -> set[str]:
    """What the SDK requires; within members that Assay does not look at, nothing."""
    return {name for name, needed in theirs.items() if needed and ("." not in name or name.split(".")[0] in ours)}


@pytest.mark.parametrize(("version", "clients"), [("", NEW_CLIENTS), (OLD, OLD_CLIENTS)], ids=["newest", OLD])
def test_an_operation_requires_what_the_sdk_says_is_required(version: str, clients: dict[str, str]) -> None:
    told = requirements(python_of(version), clients)
    rows = [row for row in door._ROWS if _path(row) in told]
    assert len(rows) >= COMPARED_MIN[version]
    differing = {}
    for row in rows:
        contract = row.run.contract
        for what, ours in (("query", contract.query), ("body", contract.body)):
            theirs = told[_path(row)][what]
            needed, wanted = _needed(ours), _wanted(theirs, ours)
            # What is always refused asks for no more than it takes to say so.
            wrong = needed - wanted if contract.gives is Gives.REFUSAL else needed ^ wanted
            # A subclass may ask for more than the polymorphic model that the SDK names for the member.
            wrong -= {name for name in needed if "." in name and name not in theirs}
            wrong -= {name for operation, name in OTHERWISE if operation == row.name}
            if wrong:
                differing[row.name, what] = sorted(wrong)
    assert differing == {}
