"""A real kube-apiserver asks admission: the printed manifests and files as they are, and what users are told.

Needs kube-apiserver, etcd and kubectl in `.parts/kube/bin` (`tests/parts/api-server.sh .parts/kube`, which `make
test-all` runs where Go is); skipped loudly where they are not. Everything listens on loopback and is stopped by its
process id.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from admission_loopback import ROOT, Served, serving
from admission_pieces import Checkpoint
from places import PROJECT, free_port

from assay.admission import authority, clusters, identity
from assay.admission.manifests import (
    Credential,
    Hook,
    admission_configuration,
    kubeconfig,
    webhook_configurations,
    yaml_text,
)
from assay.clock import SystemClock
from assay.storage import Store
from assay.vault import keys

pytestmark = pytest.mark.real

PARTS = Path(os.environ.get("ASSAY_KUBE_PARTS", PROJECT / ".parts" / "kube" / "bin"))
START_SECONDS = 120


@pytest.fixture(scope="module")
def programs() -> tuple[Path, Path, str]:
    """kube-apiserver, etcd and kubectl."""
    found = PARTS / "kube-apiserver", PARTS / "etcd"
    kubectl = shutil.which("kubectl", path=str(PARTS)) or shutil.which("kubectl")
    if kubectl is None or not all(path.exists() for path in found):
        pytest.skip("SKIPPED FOR WANT OF A PART: no kube-apiserver, etcd or kubectl (run tests/parts/api-server.sh)")
    return *found, kubectl


@contextmanager
def running(command: Sequence[object], log: Path) -> Iterator[None]:
    """A process for the length of a block, stopped by its id."""
    with log.open("wb") as output:
        process = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


@dataclass(frozen=True)
class Kube:
    """An API server as its user meets it."""

    kubectl: Path | str
    config: Path

    def run(self, *arguments: str, given: Any = None) -> subprocess.CompletedProcess[str]:
        text = given if isinstance(given, str) or given is None else json.dumps(given)
        command = [str(self.kubectl), "--kubeconfig", str(self.config), *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)

    def apply(self, document: Any, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run("apply", "--validate=false", "-f", "-", *options, given=document)

    def image_of(self, pod: str) -> str:
        return self.run("get", "pod", pod, "-o", "jsonpath={.spec.containers[0].image}").stdout


@contextmanager
def api_server(
    programs: tuple[Path, Path, str], folder: Path, hook: Hook, credential: Credential | None
) -> Iterator[Kube]:
    """A fresh API server that presents the credential to the hook."""
    apiserver, etcd, kubectl = programs
    folder.mkdir(exist_ok=True)
    (folder / "tokens.csv").write_text("tok,admin,admin,system:masters\n")
    subprocess.run(["openssl", "genrsa", "-out", folder / "sa.key", "2048"], check=True, capture_output=True)
    client, peer, port = free_port(), free_port(), free_port()
    files = ["--admission-control-config-file", folder / "admission.yaml"] if credential else []
    if credential:
        (folder / "assay.kubeconfig").write_text(kubeconfig(hook, credential).reveal())
        path = str(folder / "assay.kubeconfig")
        (folder / "admission.yaml").write_text(yaml_text([admission_configuration(path)]))
    with ExitStack() as stack:
        urls = f"http://127.0.0.1:{client}"
        peers = f"http://127.0.0.1:{peer}"
        command = [etcd, "--data-dir", folder / "etcd", "--listen-client-urls", urls, "--advertise-client-urls", urls]
        command += ["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers]
        command += ["--initial-cluster", f"default={peers}"]
        stack.enter_context(running(command, folder / "etcd.log"))
        stack.enter_context(
            running(
                [
                    apiserver,
                    f"--etcd-servers={urls}",
                    "--bind-address=127.0.0.1",
                    "--advertise-address=127.0.0.1",
                    f"--secure-port={port}",
                    f"--cert-dir={folder / 'certs'}",
                    f"--token-auth-file={folder / 'tokens.csv'}",
                    "--authorization-mode=RBAC",
                    "--service-account-issuer=https://kubernetes.default.svc",
                    f"--service-account-signing-key-file={folder / 'sa.key'}",
                    f"--service-account-key-file={folder / 'sa.key'}",
                    "--service-cluster-ip-range=10.0.0.0/24",
                    "--disable-admission-plugins=ServiceAccount",
                    *files,
                ],
                folder / "apiserver.log",
            )
        )
        config = folder / "user.kubeconfig"
        config.write_text(
            yaml_text(
                [
                    {
                        "apiVersion": "v1",
                        "kind": "Config",
                        "clusters": [
                            {
                                "name": "c",
                                "cluster": {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True},
                            }
                        ],
                        "users": [{"name": "u", "user": {"token": "tok"}}],
                        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                        "current-context": "x",
                    }
                ]
            )
        )
        kube = Kube(kubectl, config)
        deadline = time.monotonic() + START_SECONDS
        while kube.run("get", "namespace", "default").returncode:
            assert time.monotonic() < deadline, (folder / "apiserver.log").read_text()[-3000:]
            time.sleep(0.3)
        made = kube.apply(yaml_text(webhook_configurations(hook)))
        assert made.returncode == 0, made.stderr
        time.sleep(2)  # the API server takes notice of its own configuration with a delay that it doesn't tell
        yield kube


@pytest.fixture
def at(store: Store, tmp_path: Path) -> Checkpoint:
    if not store.database.is_sqlite:
        pytest.skip("one database is enough here: the door was tried on both")
    return Checkpoint.on(replace(store, clock=SystemClock()), tmp_path / "blobs")


def hook_of(at: Checkpoint, door: Served) -> Hook:
    return Hook(door.origin, at.cluster.ocid, identity.trusted_bundle(at.store))


def token_of(at: Checkpoint) -> Credential:
    made = clusters.create_cluster_token(at.store, at.desk.actor, at.cluster.ocid)
    return Credential(token=made.token)


def pod(name: str, image: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "app", "image": image}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": containers, **spec},
    }


def test_a_real_api_server_admits_pins_and_denies(
    at: Checkpoint, programs: tuple[Path, Path, str], tmp_path: Path
) -> None:
    digest = at.signed()
    at.push("evil", "evil")
    with (
        serving(at.store, with_gate=at.gate) as door,
        api_server(programs, tmp_path / "kube", hook_of(at, door), token_of(at)) as kube,
    ):
        denied = kube.apply(pod("evil", at.name(":evil")))
        assert denied.returncode != 0
        assert 'admission webhook "mutate.images.assay" denied the request: container "app" uses' in denied.stderr
        assert "payments/api:evil" in denied.stderr
        assert "not signed" in denied.stderr
        assert "https://assay.example/d/" in denied.stderr

        made = kube.apply(pod("web", at.name()))
        assert made.returncode == 0, made.stderr
        assert kube.image_of("web") == at.name(f":2.14.1@{digest}")

        before = len(at.decisions())
        dry = kube.apply(pod("dry", at.name()), "--dry-run=server")
        assert dry.returncode == 0, dry.stderr
        assert len(at.decisions()) == before

        init = pod("init", at.name(), initContainers=[{"name": "first", "image": at.name(":evil")}])
        assert 'init container "first"' in kube.apply(init).stderr
        volume = pod("volume", at.name(), volumes=[{"name": "m", "image": {"reference": at.name(":evil")}}])
        assert 'image volume "m"' in kube.apply(volume).stderr

        changed = kube.run("set", "image", "pod/web", f"app={at.name(':evil')}")
        assert "payments/api:evil" in changed.stderr
        debug = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox:1.36"}]}}
        patched = kube.run(
            "patch", "pod", "web", "--subresource=ephemeralcontainers", "--type=strategic", "-p", json.dumps(debug)
        )
        assert "registry docker.io is not on the list" in patched.stderr

        template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x", at.name(":evil"))["spec"]}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "api", "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
        }
        told = kube.apply(deployment).stderr
        assert 'admission webhook "validate.images.assay" denied the request' in told
        template["spec"] = pod("x", at.name())["spec"]
        assert kube.apply(deployment).returncode == 0
        kept = kube.run("get", "deployment", "api", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
        assert kept.stdout == at.name()

        keys.disable_key(at.store, at.desk.actor, at.key.ocid)
        assert "signed by release-signing, disabled" in kube.apply(pod("late", at.name())).stderr
        labelled = kube.run("label", "pod", "web", "a=b")
        assert labelled.returncode == 0, labelled.stderr
        assert "would be denied now" in labelled.stderr
        assert kube.run("delete", "pod", "web", "--now").returncode == 0


def test_a_real_api_server_presents_a_client_certificate_and_without_one_gets_nowhere(
    at: Checkpoint, programs: tuple[Path, Path, str], tmp_path: Path
) -> None:
    at.signed()
    issuer = authority.open_authority(at.store, ROOT)
    with serving(at.store, with_gate=at.gate) as door:
        made = clusters.create_cluster_certificate(at.store, at.desk.actor, at.cluster.ocid, issuer=issuer)
        credential = Credential(certificate=made.certificate, private_key=made.private_key)
        with api_server(programs, tmp_path / "with", hook_of(at, door), credential) as kube:
            allowed = kube.apply(pod("web", at.name()))
            assert allowed.returncode == 0, allowed.stderr
            clusters.delete_cluster_certificate(at.store, at.desk.actor, at.cluster.ocid, made.ocid)
            refused = kube.apply(pod("web2", at.name()))
            assert "failed calling webhook" in refused.stderr
            assert "client certificate is needed" in refused.stderr
        with api_server(programs, tmp_path / "without", hook_of(at, door), None) as kube:
            assert "failed calling webhook" in kube.apply(pod("web", at.name())).stderr


def test_case_53_without_assay_nothing_new_starts(
    at: Checkpoint, programs: tuple[Path, Path, str], tmp_path: Path
) -> None:
    at.signed()
    with ExitStack() as stack:
        door = stack.enter_context(serving(at.store, with_gate=at.gate))
        kube = stack.enter_context(api_server(programs, tmp_path / "kube", hook_of(at, door), token_of(at)))
        assert kube.apply(pod("web", at.name())).returncode == 0
        hook = hook_of(at, door)
        exempt = replace(hook, exempt_namespaces=("kube-system",))
        door.stop()
        refused = kube.apply(pod("web2", at.name()))
        assert "failed calling webhook" in refused.stderr
        assert kube.apply(yaml_text(webhook_configurations(exempt))).returncode == 0
        time.sleep(2)  # as above
        spared = pod("spared", "registry.k8s.io/pause:3.9")
        spared["metadata"]["namespace"] = "kube-system"
        assert kube.apply(spared).returncode == 0
        assert kube.apply(pod("web3", at.name())).returncode != 0
