"""Kubernetes' own code reads what Assay prints and answers: strict types, credentials by host, the dispatcher's rules.

The reader is a small Go program over the API server's packages, built by `tests/parts/kubeverify/build.sh` (Go 1.26,
some minutes at the first time); skipped loudly where it is not built.
"""

import subprocess
from pathlib import Path

import pytest
from places import PROJECT

from assay.admission.manifests import (
    Credential,
    Hook,
    admission_configuration,
    kubeconfig,
    webhook_configurations,
    yaml_text,
)
from assay.admission.reviews import Phase, Pin, Reply, answer
from assay.secret import Secret

pytestmark = pytest.mark.real

READER = PROJECT / ".parts" / "kubeverify"
CLUSTER = "ocid1.cluster.oc1.local." + "c" * 60
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
HOOK = Hook("https://assay.example:5443", CLUSTER, CA, ("kube-system",))
UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


@pytest.fixture(scope="module")
def reader() -> Path:
    """The Go program."""
    if not READER.exists():
        pytest.skip("SKIPPED FOR WANT OF A PART: no reader of Kubernetes' (run tests/parts/kubeverify/build.sh)")
    return READER


def read(reader: Path, *arguments: str) -> str:
    ended = subprocess.run([str(reader), *arguments], capture_output=True, text=True, timeout=60)
    return ended.stdout.strip()


def test_the_manifests_are_webhook_configurations_without_an_unknown_member(reader: Path, tmp_path: Path) -> None:
    path = tmp_path / "manifests.yaml"
    path.write_text(yaml_text(webhook_configurations(HOOK)))
    assert read(reader, "manifests", str(path)).splitlines() == [
        f"mutating https://assay.example:5443/v1/clusters/{CLUSTER}/mutate IfNeeded",
        f"validating https://assay.example:5443/v1/clusters/{CLUSTER}/validate 3",
    ]
    path.write_text(path.read_text().replace("sideEffects", "sideEfects"))
    assert "unknown field" in read(reader, "manifests", str(path))


def test_both_plugins_find_the_kubeconfig(reader: Path, tmp_path: Path) -> None:
    path = tmp_path / "admission.yaml"
    path.write_text(yaml_text([admission_configuration("/etc/kubernetes/assay.kubeconfig")]))
    assert read(reader, "plugin", str(path)).splitlines() == [
        "MutatingAdmissionWebhook /etc/kubernetes/assay.kubeconfig",
        "ValidatingAdmissionWebhook /etc/kubernetes/assay.kubeconfig",
    ]


def test_the_api_server_presents_the_credential_to_assay_and_to_nobody_else(reader: Path, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig(HOOK, Credential(token=Secret("t0ken"))).reveal())
    assert read(reader, "credential", str(path), "assay.example:5443") == "token t0ken certificate 0 key 0"
    assert read(reader, "credential", str(path), "other.example:5443") == "token  certificate 0 key 0"
    path.write_text(kubeconfig(HOOK, Credential(certificate="CERT", private_key=Secret("KEY"))).reveal())
    assert read(reader, "credential", str(path), "assay.example:5443") == "token  certificate 4 key 3"


def verified(reader: Path, folder: Path, reply: Reply, phase: Phase, uid: str = UID) -> str:
    path = folder / "answer.json"
    path.write_bytes(answer(UID, reply, phase))
    return read(reader, "answer", uid, phase, str(path))


def test_every_kind_of_answer_is_taken_as_it_is_meant(reader: Path, tmp_path: Path) -> None:
    pins = (Pin("/spec/containers/0/image", "r/a:1", "r/a:1@sha256:" + "0" * 64),)
    allowed = Reply(allowed=True, pins=pins, warnings=("tag moved",), notes=(("decision", "01J3HQ2V6Y"),))
    mutated = verified(reader, tmp_path, allowed, Phase.MUTATE)
    assert mutated.startswith("allowed true patch ")
    assert mutated.endswith(" warnings 1")
    assert " patch 0 " not in mutated
    assert verified(reader, tmp_path, allowed, Phase.VALIDATE) == "allowed true patch 0 warnings 1"
    denied = verified(reader, tmp_path, Reply(allowed=False, message="not signed"), Phase.VALIDATE)
    assert denied.splitlines() == ["allowed false patch 0 warnings 0", "status 403 Forbidden not signed"]


def test_case_52_an_answer_with_another_uid_is_refused_by_the_api_server(reader: Path, tmp_path: Path) -> None:
    assert "refused" in verified(reader, tmp_path, Reply(allowed=True), Phase.MUTATE, uid="another")
