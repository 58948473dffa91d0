"""The printed manifests, read back with an independent YAML reader. Expected members: the Kubernetes API reference of
`admissionregistration.k8s.io/v1` and signing-and-admission 2.4."""

import base64
from typing import Any

import pytest
import yaml

from assay.admission.manifests import (
    Credential,
    Hook,
    admission_configuration,
    kubeconfig,
    webhook_configurations,
    yaml_text,
)
from assay.errors import Refused
from assay.secret import Secret

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
CLUSTER = "ocid1.cluster.oc1.local." + "c" * 60
HOOK = Hook("https://assay.example:8443", CLUSTER, CA, ("kube-system",))


def printed(hook: Hook = HOOK) -> tuple[dict[str, Any], dict[str, Any]]:
    mutating, validating = yaml.safe_load_all(yaml_text(webhook_configurations(hook)))
    return mutating, validating


def test_both_configurations_fail_closed_and_carry_the_authority() -> None:
    for configuration, kind, phase in zip(
        printed(),
        ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
        ("mutate", "validate"),
        strict=True,
    ):
        assert configuration["apiVersion"] == "admissionregistration.k8s.io/v1"
        assert configuration["kind"] == kind
        (webhook,) = configuration["webhooks"]
        assert webhook["clientConfig"]["url"] == f"https://assay.example:8443/v1/clusters/{CLUSTER}/{phase}"
        assert base64.b64decode(webhook["clientConfig"]["caBundle"]).decode() == CA
        assert webhook["failurePolicy"] == "Fail"
        assert webhook["matchPolicy"] == "Equivalent"
        assert webhook["sideEffects"] == "NoneOnDryRun"
        assert webhook["timeoutSeconds"] == 10
        assert webhook["admissionReviewVersions"] == ["v1"]
        assert webhook["name"].count(".") >= 2
        assert "objectSelector" not in webhook
        assert "matchConditions" not in webhook


def test_pods_are_pinned_and_every_kind_with_a_template_is_checked() -> None:
    mutating, validating = (configuration["webhooks"][0] for configuration in printed())
    assert [rule["resources"] for rule in mutating["rules"]] == [["pods", "pods/ephemeralcontainers"]]
    assert mutating["reinvocationPolicy"] == "IfNeeded"
    assert {(rule["apiGroups"][0], *rule["resources"]) for rule in validating["rules"]} == {
        ("", "pods", "pods/ephemeralcontainers", "replicationcontrollers", "podtemplates"),
        ("apps", "deployments", "replicasets", "daemonsets", "statefulsets"),
        ("batch", "jobs", "cronjobs"),
    }
    for rule in mutating["rules"] + validating["rules"]:
        assert rule["operations"] == ["CREATE", "UPDATE"]
        assert rule["apiVersions"] == ["v1"]
        assert rule["scope"] == "Namespaced"


def test_case_50_namespaces_are_exempt_by_their_name_alone() -> None:
    for configuration in printed():
        assert configuration["webhooks"][0]["namespaceSelector"] == {
            "matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]},
            ]
        }
    for configuration in printed(Hook("https://assay.example", CLUSTER, CA)):
        assert "namespaceSelector" not in configuration["webhooks"][0]


@pytest.mark.parametrize(
    ("credential", "user"),
    [
        (Credential(token=Secret("t0ken")), {"token": "t0ken"}),
        (
            Credential(certificate="CERT", private_key=Secret("KEY")),
            {"client-certificate-data": "Q0VSVA==", "client-key-data": "S0VZ"},
        ),
    ],
)
def test_the_kubeconfig_gives_the_credential_for_exactly_our_host_and_port(
    credential: Credential, user: dict[str, str]
) -> None:
    document = yaml.safe_load(kubeconfig(HOOK, credential).reveal())
    assert document["kind"] == "Config"
    assert document["users"] == [{"name": "assay.example:8443", "user": user}]


def test_a_host_without_a_port_is_named_with_the_default_port() -> None:
    hook = Hook("https://[2001:db8::1]", CLUSTER, CA)
    assert yaml.safe_load(kubeconfig(hook, Credential(token=Secret("t"))).reveal())["users"][0]["name"] == (
        "[2001:db8::1]:443"
    )


def test_the_admission_configuration_names_both_plugins_and_the_kubeconfig() -> None:
    document = yaml.safe_load(yaml_text([admission_configuration("/etc/kubernetes/assay.kubeconfig")]))
    assert document["kind"] == "AdmissionConfiguration"
    assert [plugin["name"] for plugin in document["plugins"]] == [
        "MutatingAdmissionWebhook",
        "ValidatingAdmissionWebhook",
    ]
    for plugin in document["plugins"]:
        assert plugin["configuration"]["kubeConfigFile"] == "/etc/kubernetes/assay.kubeconfig"


@pytest.mark.parametrize(
    "origin", ["http://a.example", "https://", "https://a.example/x", "https://u@a.example", "https://a.example?x=1"]
)
def test_an_origin_that_a_webhook_may_not_have_is_refused(origin: str) -> None:
    with pytest.raises(Refused):
        Hook(origin, CLUSTER, CA)


def test_a_namespace_or_bundle_that_cannot_be_is_refused() -> None:
    with pytest.raises(Refused):
        Hook("https://a.example", CLUSTER, CA, ("Not A Name",))
    with pytest.raises(Refused):
        Hook("https://a.example", CLUSTER, "")


def test_a_credential_is_one_of_two() -> None:
    with pytest.raises(Refused):
        Credential()
    with pytest.raises(Refused):
        Credential(token=Secret("t"), certificate="C", private_key=Secret("K"))
    with pytest.raises(Refused):
        Credential(private_key=Secret("K"))
