"""The rows of oci-api 5 by the SDK: run by a Python that has it, old or new, and nothing of ours.

    python sdk.py FACTS.json      in the environment that `assay oci-setup` wrote, which alone says where the server is

FACTS: profile, host, images (tag to {layout, digest}), registry_client, folder. Exit status 0 when every row held.
"""

import base64
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import oci
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

REPOSITORY = "proj/app"
PROBLEM = "CVE-2021-35042"
ALGORITHM = "SHA_256_RSA_PKCS_PSS"
STATEMENTS = [
    "allow service vulnerability-scanning-service to read repos in tenancy",
    "allow service vulnerability-scanning-service to read compartments in tenancy",
    "allow service faas to read repos in tenancy",
]
SUBNET = "ocid1.subnet.oc1.local." + "a" * 60
VCN = "ocid1.vcn.oc1.local." + "a" * 60
RSA_2048 = {"algorithm": "RSA", "length": 256}


class Walk:
    """The clients, none of which is told an address, and what earlier rows made."""

    def __init__(self, facts):
        self.facts = facts
        self.config = oci.config.from_file(profile_name=facts["profile"])
        self.T, self.U = self.config["tenancy"], self.config["user"]
        make = self.client
        self.storage = make(oci.object_storage.ObjectStorageClient)
        self.identity = make(oci.identity.IdentityClient)
        self.artifacts = make(oci.artifacts.ArtifactsClient)
        self.scanning = make(oci.vulnerability_scanning.VulnerabilityScanningClient)
        self.vaults = make(oci.key_management.KmsVaultClient)
        self.ce = make(oci.container_engine.ContainerEngineClient)
        self.fn = make(oci.functions.FunctionsManagementClient)
        self.models = oci.functions.models
        #: Since when sources of functions are nested, their service speaks /20260325.
        self.is_nested = hasattr(self.models, "CreateContainerImageFunctionSourceDetails")

    def client(self, kind, **more):
        return kind(self.config, retry_strategy=oci.retry.NoneRetryStrategy(), **more)


def hold(found, **wanted):
    wrong = {name: getattr(found, name) for name, value in wanted.items() if getattr(found, name) != value}
    assert not wrong, f"{wrong}, not { {name: wanted[name] for name in wrong} }"


def refused(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except oci.exceptions.ServiceError as fault:
        return fault.status, fault.code, fault.message
    raise AssertionError("it was not refused")


def namespace(w):
    w.NS = w.storage.get_namespace().data
    assert isinstance(w.NS, str), w.NS
    assert len(w.NS) == 12, w.NS


def compartment(w):
    details = oci.identity.models.CreateCompartmentDetails(compartment_id=w.T, name="dev", description="d")
    reply = w.identity.create_compartment(details)
    hold(reply.data, compartment_id=w.T, name="dev", description="d", lifecycle_state="ACTIVE", is_accessible=True)
    assert reply.headers["etag"]
    assert reply.headers["opc-request-id"]
    w.C = reply.data.id


def policy(w):
    details = oci.identity.models.CreatePolicyDetails(
        compartment_id=w.T, name="services", description="d", statements=STATEMENTS
    )
    hold(w.identity.create_policy(details).data, name="services", statements=STATEMENTS, lifecycle_state="ACTIVE")


def api_key(w):
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    made = w.identity.upload_api_key(w.U, oci.identity.models.CreateApiKeyDetails(key=pem)).data
    hold(made, key_value=pem, user_id=w.U, lifecycle_state="ACTIVE", key_id=f"{w.T}/{w.U}/{made.fingerprint}")
    assert isinstance(made.time_created, datetime)


def auth_token(w):
    made = w.identity.create_auth_token(oci.identity.models.CreateAuthTokenDetails(description="push"), w.U).data
    hold(made, description="push", user_id=w.U, lifecycle_state="ACTIVE")
    assert made.token
    assert made.time_expires > datetime.now(UTC)
    w.token = made.token


def repository(w):
    details = oci.artifacts.models.CreateContainerRepositoryDetails(
        compartment_id=w.C, display_name=REPOSITORY, is_immutable=True
    )
    made = w.artifacts.create_container_repository(details).data
    hold(made, compartment_id=w.C, display_name=REPOSITORY, is_immutable=True, is_public=False, namespace=w.NS)
    hold(made, created_by=w.U, image_count=0, layers_size_in_bytes=0, lifecycle_state="AVAILABLE")
    w.RP = made.id


def push(w):
    client, host = w.facts["registry_client"], w.facts["host"]
    logins = f"--authfile={w.facts['folder']}/logins.json"
    login = [client, "login", "--tls-verify=false", logins, f"--username={w.NS}/admin", "--password-stdin", host]
    subprocess.run(login, input=w.token, text=True, check=True, capture_output=True, timeout=60)
    for tag, image in w.facts["images"].items():
        copy = [client, "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", logins]
        words = [*copy, f"oci:{image['layout']}:latest", f"docker://{host}/{w.NS}/{REPOSITORY}:{tag}"]
        subprocess.run(words, check=True, capture_output=True, timeout=60)
    hold(w.artifacts.get_container_repository(w.RP).data, image_count=2, layer_count=3)


def repositories(w):
    found = w.artifacts.list_container_repositories(w.C).data
    hold(found, repository_count=1, image_count=2, layer_count=3, remaining_items_count=0)
    (one,) = found.items
    hold(one, id=w.RP, display_name=REPOSITORY, namespace=w.NS, layers_size_in_bytes=found.layers_size_in_bytes)


def recipe(w):
    of = oci.vulnerability_scanning.models
    details = of.CreateContainerScanRecipeDetails(
        compartment_id=w.C,
        display_name="r",
        image_count=4,
        scan_settings=of.ContainerScanSettings(scan_level="STANDARD"),
    )
    made = w.scanning.create_container_scan_recipe(details)
    hold(made.data, compartment_id=w.C, display_name="r", image_count=4, lifecycle_state="ACTIVE")
    hold(made.data.scan_settings, scan_level="STANDARD")
    request = w.scanning.get_work_request(made.headers["opc-work-request-id"]).data
    hold(request, operation_type="CREATE_CONTAINER_SCAN_RECIPE", status="SUCCEEDED", compartment_id=w.C)
    assert [each.identifier for each in request.resources] == [made.data.id]
    w.R = made.data.id


def target(w):
    of = oci.vulnerability_scanning.models
    registry = of.CreateOcirContainerScanRegistryDetails(compartment_id=w.C, repositories=[REPOSITORY])
    details = of.CreateContainerScanTargetDetails(
        compartment_id=w.C, display_name="t", container_scan_recipe_id=w.R, target_registry=registry
    )
    made = w.scanning.create_container_scan_target(details).data
    hold(made, compartment_id=w.C, display_name="t", container_scan_recipe_id=w.R, lifecycle_state="ACTIVE")
    assert isinstance(made.target_registry, of.OcirContainerScanRegistry)
    hold(made.target_registry, type="OCIR", compartment_id=w.C, repositories=[REPOSITORY])
    w.TG = made.id


def images(w):
    listed = w.artifacts.list_container_images(w.C, repository_name=REPOSITORY).data
    found = {each.version: each for each in listed.items}
    assert {tag: each.digest for tag, each in found.items()} == {
        tag: each["digest"] for tag, each in w.facts["images"].items()
    }
    hold(found["1.0"], display_name=f"{REPOSITORY}:1.0", repository_id=w.RP, lifecycle_state="AVAILABLE")
    w.I, w.I2, w.D, w.D2 = found["1.0"].id, found["2.0"].id, found["1.0"].digest, found["2.0"].digest


def results(w):
    deadline = time.monotonic() + 90
    found = []
    while not found and time.monotonic() < deadline:
        found = w.scanning.list_container_scan_results(
            w.C, repository=REPOSITORY, image="1.0", is_latest_only=True
        ).data.items
        time.sleep(0.5)
    (one,) = found
    hold(one, repository=REPOSITORY, image="1.0", compartment_id=w.C, container_scan_target_id=w.TG)
    hold(one, highest_problem_severity="CRITICAL")
    assert one.time_started <= one.time_finished
    w.S, w.problems = one.id, one.problem_count


def result(w):
    found = w.scanning.get_container_scan_result(w.S).data
    hold(found, repository=REPOSITORY, target_compartment_id=w.C, problem_count=w.problems)
    assert len(found.problems) == w.problems
    (known,) = [each for each in found.problems if each.name == PROBLEM]
    hold(known, severity="CRITICAL", state="OPEN")
    (package,) = known.vulnerable_packages
    hold(package, name="django", version="3.2", cve_fix_version="3.2.5", type="PYTHON")


def vault(w):
    of = oci.key_management.models
    made = w.vaults.create_vault(of.CreateVaultDetails(compartment_id=w.C, display_name="v", vault_type="DEFAULT")).data
    hold(made, compartment_id=w.C, display_name="v", vault_type="DEFAULT", lifecycle_state="ACTIVE", is_primary=True)
    extension = made.id.split(".")[4]
    assert made.management_endpoint.startswith(f"https://{extension}-management.kms."), made.management_endpoint
    assert made.crypto_endpoint.startswith(f"https://{extension}-crypto.kms."), made.crypto_endpoint
    w.V = made.id
    w.keys = w.client(oci.key_management.KmsManagementClient, service_endpoint=made.management_endpoint)
    w.crypto = w.client(oci.key_management.KmsCryptoClient, service_endpoint=made.crypto_endpoint)


def _key(w, name):
    of = oci.key_management.models
    made = w.keys.create_key(
        of.CreateKeyDetails(
            compartment_id=w.C, display_name=name, key_shape=of.KeyShape(**RSA_2048), protection_mode="SOFTWARE"
        )
    ).data
    hold(made, display_name=name, vault_id=w.V, protection_mode="SOFTWARE", lifecycle_state="ENABLED")
    hold(made.key_shape, **RSA_2048)
    return made


def key(w):
    made = _key(w, "k")
    w.K, w.KV = made.id, made.current_key_version


def key_version(w):
    found = w.keys.get_key_version(w.K, w.KV).data
    hold(found, key_id=w.K, vault_id=w.V, lifecycle_state="ENABLED", origin="INTERNAL")
    w.public = load_pem_public_key(found.public_key.encode())


def _verified(w, signature, message):
    w.public.verify(
        base64.b64decode(signature), message, padding.PSS(padding.MGF1(SHA256()), padding.PSS.AUTO), SHA256()
    )


def _sign(w, key, message):
    return w.crypto.sign(
        oci.key_management.models.SignDataDetails(
            message=base64.b64encode(message).decode(),
            key_id=key,
            signing_algorithm=ALGORITHM,
            message_type="RAW",
        )
    ).data


def _signed(w, image, digest):
    """What `sign-upload` does: the SDK has its parts only."""
    said = {
        "description": "",
        "imageDigest": digest,
        "kmsKeyId": w.K,
        "kmsKeyVersionId": w.KV,
        "metadata": "",
        "region": w.config["region"],
        "repositoryName": REPOSITORY,
        "signingAlgorithm": ALGORITHM,
    }
    message = json.dumps(said, separators=(",", ":")).encode()
    signature = _sign(w, w.K, message).signature
    _verified(w, signature, message)
    details = oci.artifacts.models.CreateContainerImageSignatureDetails(
        compartment_id=w.C,
        image_id=image,
        kms_key_id=w.K,
        kms_key_version_id=w.KV,
        message=base64.b64encode(message).decode(),
        signature=signature,
        signing_algorithm=ALGORITHM,
    )
    made = w.artifacts.create_container_image_signature(details)
    assert made.status == 200
    hold(made.data, image_id=image, kms_key_id=w.K, kms_key_version_id=w.KV, signing_algorithm=ALGORITHM)
    hold(made.data, signature=signature, created_by=w.U, lifecycle_state="AVAILABLE")
    return made.data


def sign_upload(w):
    w.signature = _signed(w, w.I, w.D)


def get_verify(w):
    listed = w.artifacts.list_container_image_signatures(w.C, repository_name=REPOSITORY, image_digest=w.D).data
    (one,) = [each for each in listed.items if each.kms_key_id == w.K]
    details = oci.key_management.models.VerifyDataDetails(
        key_id=one.kms_key_id,
        key_version_id=one.kms_key_version_id,
        message=one.message,
        signature=one.signature,
        signing_algorithm=one.signing_algorithm,
    )
    hold(w.crypto.verify(details).data, is_signature_valid=True)


def signatures(w):
    (one,) = w.artifacts.list_container_image_signatures(w.C, repository_name=REPOSITORY).data.items
    hold(one, id=w.signature.id, image_id=w.I, display_name=w.signature.display_name, message=w.signature.message)


def cluster(w):
    of = oci.container_engine.models
    details = of.CreateClusterDetails(
        compartment_id=w.C,
        name="prod",
        vcn_id=VCN,
        kubernetes_version="v1.30.1",
        image_policy_config=of.CreateImagePolicyConfigDetails(
            is_policy_enabled=True, key_details=[of.KeyDetails(kms_key_id=w.K)]
        ),
    )
    reply = w.ce.create_cluster(details)
    request = w.ce.get_work_request(reply.headers["opc-work-request-id"]).data
    hold(request, operation_type="CLUSTER_CREATE", status="SUCCEEDED", compartment_id=w.C)
    (about,) = request.resources
    hold(about, entity_type="cluster", action_type="CREATED")
    w.CL = about.identifier


def cluster_update(w):
    of = oci.container_engine.models
    config = of.UpdateImagePolicyConfigDetails(is_policy_enabled=False, key_details=[of.KeyDetails(kms_key_id=w.K)])
    reply = w.ce.update_cluster(w.CL, of.UpdateClusterDetails(image_policy_config=config))
    request = oci.wait_until(
        w.ce, w.ce.get_work_request(reply.headers["opc-work-request-id"]), "status", "SUCCEEDED", max_wait_seconds=60
    ).data
    hold(request, operation_type="CLUSTER_UPDATE", compartment_id=w.C)
    assert [each.identifier for each in request.resources] == [w.CL]


def cluster_get(w):
    found = w.ce.get_cluster(w.CL).data
    hold(found, id=w.CL, name="prod", vcn_id=VCN, kubernetes_version="v1.30.1", lifecycle_state="ACTIVE")
    hold(found.image_policy_config, is_policy_enabled=False)
    assert [each.kms_key_id for each in found.image_policy_config.key_details] == [w.K]
    hold(found.metadata, created_by_user_id=w.U)


def application(w):
    details = w.models.CreateApplicationDetails(
        compartment_id=w.C, display_name="app", subnet_ids=[SUBNET], image_policy_config=_fn_policy(w)
    )
    made = w.fn.create_application(details).data
    hold(made, display_name="app", compartment_id=w.C, subnet_ids=[SUBNET], lifecycle_state="ACTIVE")
    hold(made.image_policy_config, is_policy_enabled=True)
    assert [each.kms_key_id for each in made.image_policy_config.key_details] == [w.K]
    w.A = made.id


def _fn_policy(w):
    of = w.models
    return of.ImagePolicyConfig(is_policy_enabled=True, key_details=[of.KeyDetails(kms_key_id=w.K)])


def _function_details(w, name, tag, digest):
    image = f"{w.facts['host']}/{w.NS}/{REPOSITORY}:{tag}"
    source = {"image": image, "image_digest": digest}
    if w.is_nested:
        source = {"source_details": w.models.CreateContainerImageFunctionSourceDetails(**source)}
    return image, w.models.CreateFunctionDetails(display_name=name, application_id=w.A, memory_in_mbs=128, **source)


def _function(w, name, tag, digest):
    image, details = _function_details(w, name, tag, digest)
    made = w.fn.create_function(details).data
    hold(made, display_name=name, application_id=w.A, memory_in_mbs=128, lifecycle_state="ACTIVE")
    hold(made.source_details if w.is_nested else made, image=image, image_digest=digest)
    assert made.invoke_endpoint.startswith("https://functions."), made.invoke_endpoint
    return made


def function(w):
    w.F = _function(w, "fn", "1.0", w.D)
    again = w.fn.get_function(w.F.id).data
    hold(again.source_details if w.is_nested else again, image_digest=w.D)
    (one,) = w.fn.list_functions(w.A).data
    hold(one, id=w.F.id, invoke_endpoint=w.F.invoke_endpoint)
    assert refused(w.fn.create_function, _function_details(w, "no", "2.0", w.D2)[1])[:2] == (
        502,
        "FunctionImageVerificationFail",
    )


def invoke(w):
    client = w.client(oci.functions.FunctionsInvokeClient, service_endpoint=w.F.invoke_endpoint)
    status, code, message = refused(client.invoke_function, w.F.id, invoke_function_body="{}")
    assert (status, code) == (501, "MethodNotImplemented"), (status, code)
    assert "it does not run functions" in message, message
    signature = _signed(w, w.I2, w.D2)
    unsigned = _function(w, "no longer signed", "2.0", w.D2)
    w.artifacts.delete_container_image_signature(signature.id)
    status, code, message = refused(client.invoke_function, unsigned.id, invoke_function_body="{}")
    assert (status, code) == (502, "FunctionImageVerificationFail"), (status, code)
    assert message.startswith("Image cannot be verified or no valid signature found"), message


def restore(w):
    w.artifacts.delete_container_image(w.I)
    hold(w.artifacts.get_container_image(w.I).data, lifecycle_state="DELETED")
    details = oci.artifacts.models.RestoreContainerImageDetails(version="1.0")
    found = w.artifacts.restore_container_image(w.I, details).data
    hold(found, id=w.I, version="1.0", digest=w.D, lifecycle_state="AVAILABLE")


def key_ends(w):
    other = _key(w, "to end").id
    hold(w.keys.disable_key(other).data, id=other, lifecycle_state="DISABLED")
    at = (datetime.now(UTC) + timedelta(days=10)).replace(microsecond=0)
    details = oci.key_management.models.ScheduleKeyDeletionDetails(time_of_deletion=at)
    hold(w.keys.schedule_key_deletion(other, details).data, lifecycle_state="PENDING_DELETION", time_of_deletion=at)
    assert refused(_sign, w, other, b"message")[0] == 409


def sign(w):
    w.signed = _sign(w, w.K, b"what row 28 signs")
    hold(w.signed, key_id=w.K, key_version_id=w.KV, signing_algorithm=ALGORITHM)
    _verified(w, w.signed.signature, b"what row 28 signs")


def verify(w):
    for message, holds in ((b"what row 28 signs", True), (b"what row 28 did not sign", False)):
        details = oci.key_management.models.VerifyDataDetails(
            key_id=w.K,
            key_version_id=w.KV,
            message=base64.b64encode(message).decode(),
            signature=w.signed.signature,
            signing_algorithm=ALGORITHM,
        )
        hold(w.crypto.verify(details).data, is_signature_valid=holds)


ROWS = (
    namespace, compartment, policy, api_key, auth_token, repository, push, repositories, recipe, target, images,
    results, result, vault, key, key_version, sign_upload, get_verify, signatures, cluster, cluster_update,
    cluster_get, application, function, invoke, restore, key_ends, sign, verify,
)  # fmt: skip


def main():
    """Play the rows; the first that does not hold ends it, with the fault."""
    walk = Walk(json.loads(Path(sys.argv[1]).read_text()))
    held = 0
    try:
        for row in ROWS:
            row(walk)
            held += 1
    finally:
        print(f"sdk {oci.__version__}: {held} of {len(ROWS)} rows", flush=True)


if __name__ == "__main__":
    main()
