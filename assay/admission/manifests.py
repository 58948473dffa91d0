"""What a Kubernetes administrator applies or puts beside the API server so that a cluster asks Assay.

Pure. Two documents are for `kubectl apply`: the mutating and the validating webhook configuration. Two are files for
the API server (`--admission-control-config-file`), because only they can make it present a bearer token or a client
certificate. Sources: `admissionregistration.k8s.io/v1`, `apiserver.config.k8s.io/v1`, the kubeconfig format.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from assay.errors import Refused
from assay.secret import Secret

TIMEOUT_SECONDS = 10
NAMESPACES_MAX = 64
CONFIGURATION_NAME = "assay-image-verification"
#: A webhook's name needs three segments; users read it in each denial.
MUTATING_HOOK = "mutate.images.assay"
VALIDATING_HOOK = "validate.images.assay"

_OPERATIONS = ["CREATE", "UPDATE"]
_POD_RESOURCES = ["pods", "pods/ephemeralcontainers"]
#: (group, version) → resources that are validated. Pods decide; templates are checked so that a fault shows early.
_VALIDATED = {
    ("", "v1"): [*_POD_RESOURCES, "replicationcontrollers", "podtemplates"],
    ("apps", "v1"): ["deployments", "replicasets", "daemonsets", "statefulsets"],
    ("batch", "v1"): ["jobs", "cronjobs"],
}
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a cluster finds Assay.

    `origin` is `https://HOST:PORT`; `cluster` the cluster's OCID; `ca_bundle` the PEM certificates to trust, during a
    rotation old and new; `exempt_namespaces` are never sent: they are told by their name, the one label that a
    namespace's owner cannot give to another namespace.
    """

    origin: str
    cluster: str
    ca_bundle: str
    exempt_namespaces: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = urlsplit(self.origin)
        if parts.scheme != "https" or not parts.hostname or parts.path or parts.query or parts.username:
            raise Refused(f"{self.origin[:80]!r} is not an https origin.", advice="Write https://HOST:PORT.")
        if "BEGIN CERTIFICATE" not in self.ca_bundle:
            raise Refused("The certificate bundle holds no certificate.", advice="Give PEM certificates.")
        if len(self.exempt_namespaces) > NAMESPACES_MAX:
            raise Refused(f"{len(self.exempt_namespaces)} namespaces are exempt; at most {NAMESPACES_MAX} may be.")
        for namespace in self.exempt_namespaces:
            if not _NAMESPACE.fullmatch(namespace):
                raise Refused(f"{namespace[:80]!r} is not the name of a namespace.")

    def url(self, phase: str) -> str:
        """The address of the hook for "mutate" or "validate"."""
        return f"{self.origin}/v1/clusters/{self.cluster}/{phase}"

    @property
    def server(self) -> str:
        """`HOST:PORT`, the name under which the API server looks for credentials."""
        parts = urlsplit(self.origin)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or 443}"


@dataclass(frozen=True, slots=True)
class Credential:
    """What the API server presents: a bearer token, or a client certificate and its key (PEM)."""

    token: Secret | None = None
    certificate: str = ""
    private_key: Secret | None = None

    def __post_init__(self) -> None:
        if (self.token is None) == (self.private_key is None) or bool(self.certificate) != bool(self.private_key):
            raise Refused("A credential is either a token, or a certificate with its key.")


def webhook_configurations(hook: Hook) -> tuple[dict[str, Any], dict[str, Any]]:
    """The mutating and the validating configuration.

    The mutating one pins pods only: pinning templates would make GitOps controllers fight, and hide that a tag moved.
    It is asked again when a later hook changed the pod; the validating one then decides on what really runs.
    """
    mutating = _configuration(hook, "MutatingWebhookConfiguration", MUTATING_HOOK, "mutate")
    mutating["webhooks"][0]["rules"] = [_rule("", "v1", _POD_RESOURCES)]
    mutating["webhooks"][0]["reinvocationPolicy"] = "IfNeeded"
    validating = _configuration(hook, "ValidatingWebhookConfiguration", VALIDATING_HOOK, "validate")
    validating["webhooks"][0]["rules"] = [
        _rule(group, version, resources) for (group, version), resources in _VALIDATED.items()
    ]
    return mutating, validating


def _configuration(hook: Hook, kind: str, name: str, phase: str) -> dict[str, Any]:
    webhook: dict[str, Any] = {
        "name": name,
        "clientConfig": {
            "url": hook.url(phase),
            "caBundle": base64.b64encode(hook.ca_bundle.encode()).decode(),
        },
        "admissionReviewVersions": ["v1"],
        "matchPolicy": "Equivalent",
        "failurePolicy": "Fail",
        # Each decision is recorded, but none of a dry run.
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": TIMEOUT_SECONDS,
    }
    if hook.exempt_namespaces:
        webhook["namespaceSelector"] = {
            "matchExpressions": [
                {
                    "key": "kubernetes.io/metadata.name",
                    "operator": "NotIn",
                    "values": list(hook.exempt_namespaces),
                }
            ]
        }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": CONFIGURATION_NAME},
        "webhooks": [webhook],
    }


def _rule(group: str, version: str, resources: Sequence[str]) -> dict[str, Any]:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": _OPERATIONS,
        "resources": list(resources),
        "scope": "Namespaced",
    }


def admission_configuration(kubeconfig_path: str) -> dict[str, Any]:
    """The file for `--admission-control-config-file`; both plug-ins read credentials from `kubeconfig_path`."""
    plugins = [
        {
            "name": name,
            "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "WebhookAdmissionConfiguration",
                "kubeConfigFile": kubeconfig_path,
            },
        }
        for name in ("MutatingAdmissionWebhook", "ValidatingAdmissionWebhook")
    ]
    return {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": plugins}


def kubeconfig(hook: Hook, credential: Credential) -> Secret:
    """The text of the kubeconfig file from which the API server takes its credential for Assay; it holds a secret."""
    user: dict[str, str] = {}
    if credential.token is not None:
        user["token"] = credential.token.reveal()
    if credential.private_key is not None:
        user["client-certificate-data"] = base64.b64encode(credential.certificate.encode()).decode()
        user["client-key-data"] = base64.b64encode(credential.private_key.reveal().encode()).decode()
    document = {"apiVersion": "v1", "kind": "Config", "users": [{"name": hook.server, "user": user}]}
    return Secret(yaml_text([document]))


def yaml_text(documents: Sequence[Mapping[str, Any]]) -> str:
    """The documents as one YAML stream in block style. Texts are written as JSON strings, which YAML reads as such."""
    return "---\n".join("\n".join(_block(document, "")) + "\n" for document in documents)


def _block(value: Any, indent: str) -> Iterator[str]:
    """The lines of a non-empty mapping or list."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _entry(f"{indent}{key}:", item, indent + "  ")
    else:
        for item in value:
            if isinstance(item, Mapping | list) and item:
                first, *rest = _block(item, indent + "  ")
                yield f"{indent}- {first.removeprefix(indent + '  ')}"
                yield from rest
            else:
                yield f"{indent}- {json.dumps(item)}"


def _entry(head: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, Mapping | list) and item:
        yield head
        yield from _block(item, indent)
    else:
        yield f"{head} {json.dumps(item)}"
