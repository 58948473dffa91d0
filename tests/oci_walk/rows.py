"""The 29 rows of oci-api 5, in order: each a command of the stock client, and the fields of its reply."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from request_signing import KeyPair

from oci_walk.stage import Stage, hold, package_layer, true
from scripts.demo_image import text_layer

REPOSITORY = "proj/app"
#: Django 3.2 has this one, fixed in 3.2.5: a fact of PYSEC-2021-109.
KNOWN_PROBLEM, FIXED_IN = "CVE-2021-35042", "3.2.5"
ALGORITHM = "SHA_256_RSA_PKCS_PSS"
STATEMENTS = (
    "allow service vulnerability-scanning-service to read repos in tenancy",
    "allow service vulnerability-scanning-service to read compartments in tenancy",
)
FOR_FUNCTIONS = "allow service faas to read repos in tenancy"
SUBNET = "ocid1.subnet.oc1.local." + "a" * 60
VCN = "ocid1.vcn.oc1.local." + "a" * 60
_TAIL = r"\.oc1\.[a-z0-9.-]*\.[a-z0-9]{60}"


@dataclass
class Walk:
    """The stage, and what earlier rows made: OCIDs and texts by the names of oci-api 5."""

    stage: Stage
    made: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.made[name]
        except KeyError:
            raise AttributeError(name) from None

    def policy(self) -> str:
        return json.dumps({"isPolicyEnabled": True, "keyDetails": [{"kmsKeyId": self.K}]})

    def image_name(self, tag: str) -> str:
        return f"{self.stage.server.host}/{self.NS}/{REPOSITORY}:{tag}"


Row = Callable[[Walk], None]


def is_ocid(kind: str, text: Any) -> None:
    """An OCID of a kind (oci-api 1.5)."""
    true(re.fullmatch(rf"ocid1\.{kind}{_TAIL}", str(text)), f"{text!r} is no OCID of a {kind}")


def is_time(text: Any) -> None:
    """A time as the client prints it, near to now."""
    age = datetime.now(UTC) - datetime.fromisoformat(str(text))
    true(abs(age) < timedelta(hours=1), f"{text!r} is not the present")


def namespace(w: Walk) -> None:
    reply = w.stage.oci("os", "ns", "get")
    true(re.fullmatch(r"[a-z][a-z0-9]{11}", reply.data), f"{reply.data!r} is no namespace")
    true(reply.data == w.stage.known["namespace"], "it is another tenancy's")
    w.made |= {"NS": reply.data, "T": w.stage.known["tenancy"], "U": w.stage.known["user"]}


def compartment(w: Walk) -> None:
    words = ("--compartment-id", w.T, "--name", "dev", "--description", "d")
    reply = w.stage.oci("iam", "compartment", "create", *words)
    hold(reply.data, name="dev", description="d", compartment_id=w.T, lifecycle_state="ACTIVE", inactive_status=None)
    hold(reply.data, is_accessible=True, freeform_tags={}, defined_tags={})
    is_ocid("compartment", reply.data["id"])
    is_time(reply.data["time-created"])
    true(reply.whole.get("etag"), "there is no etag")
    w.made["C"] = reply.data["id"]


def policy(w: Walk) -> None:
    words = ("--compartment-id", w.T, "--name", "vss", "--description", "d", "--statements", json.dumps(STATEMENTS))
    reply = w.stage.oci("iam", "policy", "create", *words)
    hold(reply.data, name="vss", description="d", compartment_id=w.T, statements=list(STATEMENTS))
    hold(reply.data, lifecycle_state="ACTIVE", version_date=None)
    is_ocid("policy", reply.data["id"])
    true(reply.whole.get("etag"), "there is no etag")


def api_key(w: Walk) -> None:
    pair = KeyPair()
    file = w.stage.folder / "pub.pem"
    file.write_text(pair.public_pem)
    reply = w.stage.oci("iam", "user", "api-key", "upload", "--user-id", w.U, "--key-file", str(file))
    hold(reply.data, fingerprint=pair.fingerprint, key_id=f"{w.T}/{w.U}/{pair.fingerprint}", user_id=w.U)
    hold(reply.data, lifecycle_state="ACTIVE", key_value=pair.public_pem, inactive_status=None)
    is_time(reply.data["time-created"])


def auth_token(w: Walk) -> None:
    reply = w.stage.oci("iam", "auth-token", "create", "--user-id", w.U, "--description", "push")
    hold(reply.data, description="push", user_id=w.U, lifecycle_state="ACTIVE")
    true(len(reply.data["token"]) >= 20, "there is no token")
    is_time(reply.data["time-created"])
    true(datetime.fromisoformat(reply.data["time-expires"]) > datetime.now(UTC), "it has expired")
    w.stage.known["token"] = reply.data["token"]


def repository(w: Walk) -> None:
    words = ("--compartment-id", w.C, "--display-name", REPOSITORY, "--is-immutable", "true")
    reply = w.stage.oci("artifacts", "container", "repository", "create", *words)
    hold(reply.data, display_name=REPOSITORY, compartment_id=w.C, is_immutable=True, is_public=False, namespace=w.NS)
    hold(reply.data, created_by=w.U, image_count=0, layer_count=0, layers_size_in_bytes=0, lifecycle_state="AVAILABLE")
    hold(reply.data, readme=None, time_last_pushed=None, billable_size_in_gbs=0, system_tags={})
    is_ocid("containerrepo", reply.data["id"])
    w.made["RP"] = reply.data["id"]


def push(w: Walk) -> None:
    vulnerable = package_layer("Django", "3.2")
    for name, tag in (("D", "1.0"), ("D2", "2.0"), ("D3", "3.0")):
        w.made[name] = w.stage.push(REPOSITORY, tag, vulnerable, text_layer("app/version", tag))
    reply = w.stage.oci("artifacts", "container", "repository", "get", "--repository-id", w.RP)
    hold(reply.data, image_count=3, layer_count=4)
    is_time(reply.data["time-last-pushed"])


def repositories(w: Walk) -> None:
    reply = w.stage.oci("artifacts", "container", "repository", "list", "--compartment-id", w.C, "--all")
    hold(reply.data, repository_count=1, image_count=3, layer_count=4, remaining_items_count=0)
    (one,) = reply.data["items"]
    hold(one, id=w.RP, display_name=REPOSITORY, compartment_id=w.C, image_count=3, is_public=False, namespace=w.NS)
    hold(one, lifecycle_state="AVAILABLE", layers_size_in_bytes=reply.data["layers-size-in-bytes"])
    true(one["layers-size-in-bytes"] > 0, "its layers have no size")


def recipe(w: Walk) -> None:
    words = ("--compartment-id", w.C, "--display-name", "r", "--image-count", "4")
    settings = ("--scan-settings", '{"scanLevel":"STANDARD"}')
    reply = w.stage.oci("vulnerability-scanning", "container", "scan", "recipe", "create", *words, *settings)
    hold(reply.data, display_name="r", compartment_id=w.C, image_count=4, scan_settings={"scan-level": "STANDARD"})
    hold(reply.data, lifecycle_state="ACTIVE", freeform_tags={}, defined_tags={})
    is_time(reply.data["time-created"])
    true(reply.whole.get("opc-work-request-id"), "there is no work request")
    w.made |= {"R": reply.data["id"], "RE": reply.whole["etag"]}


def target(w: Walk) -> None:
    registry = json.dumps({"type": "OCIR", "compartmentId": w.C, "repositories": [REPOSITORY]})
    words = ("--compartment-id", w.C, "--container-scan-recipe-id", w.R, "--display-name", "t")
    scan = ("vulnerability-scanning", "container", "scan", "target", "create")
    reply = w.stage.oci(*scan, *words, "--target-registry", registry)
    hold(reply.data, display_name="t", compartment_id=w.C, container_scan_recipe_id=w.R, lifecycle_state="ACTIVE")
    hold(reply.data["target-registry"], type="OCIR", compartment_id=w.C, repositories=[REPOSITORY])
    true(reply.whole.get("opc-work-request-id"), "there is no work request")
    w.made["TG"] = reply.data["id"]


def images(w: Walk) -> None:
    words = ("--compartment-id", w.C, "--repository-name", REPOSITORY)
    reply = w.stage.oci("artifacts", "container", "image", "list", *words)
    hold(reply.data, remaining_items_count=0)
    found = {each["version"]: each for each in reply.data["items"]}
    true(set(found) == {"1.0", "2.0", "3.0"}, f"it lists {sorted(found)}")
    for name, digest, tag in (("I", w.D, "1.0"), ("I2", w.D2, "2.0"), ("I3", w.D3, "3.0")):
        one = found[tag]
        hold(one, digest=digest, display_name=f"{REPOSITORY}:{tag}", compartment_id=w.C, repository_id=w.RP)
        hold(one, repository_name=REPOSITORY, lifecycle_state="AVAILABLE")
        is_ocid("containerimage", one["id"])
        w.made[name] = one["id"]


def results(w: Walk) -> None:
    def scanned() -> bool:
        query = {"compartmentId": w.C, "repository": REPOSITORY, "image": "1.0"}
        return bool(w.stage.server.call("GET", "/20210215/containerScanResults", **query)["items"])

    w.stage.wait_for("the first scan", scanned)
    words = ("--compartment-id", w.C, "--repository", REPOSITORY, "--image", "1.0", "--is-latest-only", "true")
    reply = w.stage.oci("vulnerability-scanning", "container", "scan", "result", "list", *words)
    (one,) = reply.data["items"]
    hold(one, repository=REPOSITORY, image="1.0", compartment_id=w.C, container_scan_target_id=w.TG)
    hold(one, highest_problem_severity="CRITICAL")
    true(one["problem-count"] >= 1, "it has no problem")
    true(one["time-started"] <= one["time-finished"], "it ended before it began")
    w.made |= {"S": one["id"], "problems": one["problem-count"]}


def result(w: Walk) -> None:
    words = ("--container-scan-result-id", w.S)
    found = w.stage.oci("vulnerability-scanning", "container", "scan", "result", "get", *words).data
    hold(found, id=w.S, repository=REPOSITORY, image="1.0", compartment_id=w.C, target_compartment_id=w.C)
    hold(found, problem_count=w.problems, highest_problem_severity="CRITICAL", container_scan_target_id=w.TG)
    true(len(found["problems"]) == w.problems, "it lists another number of problems than it counts")
    (known,) = [each for each in found["problems"] if each["name"] == KNOWN_PROBLEM]
    hold(known, severity="CRITICAL", state="OPEN")
    true(known["cve-reference"].endswith(KNOWN_PROBLEM), f"it refers to {known['cve-reference']}")
    (package,) = known["vulnerable-packages"]
    hold(package, name="django", version="3.2", cve_fix_version=FIXED_IN, type="PYTHON")
    true("Django-3.2.dist-info" in package["locations"][0], f"it is found in {package['locations']}")


def vault(w: Walk) -> None:
    words = ("--compartment-id", w.C, "--display-name", "v", "--vault-type", "DEFAULT")
    found = w.stage.oci("kms", "management", "vault", "create", *words).data
    hold(found, display_name="v", compartment_id=w.C, vault_type="DEFAULT", lifecycle_state="ACTIVE")
    hold(found, is_primary=True, time_of_deletion=None)
    is_ocid("vault", found["id"])
    extension = found["id"].split(".")[4]
    domain = f"kms.local.oci.assay.internal:{w.stage.server.oci_port}"
    hold(found, management_endpoint=f"https://{extension}-management.{domain}")
    hold(found, crypto_endpoint=f"https://{extension}-crypto.{domain}")
    again = w.stage.oci("kms", "management", "vault", "get", "--vault-id", found["id"]).data
    true(again == found, "it is another one when it is read")
    w.made |= {"V": found["id"], "MGMT": found["management-endpoint"], "CRYPTO": found["crypto-endpoint"]}


def _key(w: Walk, name: str) -> dict[str, Any]:
    words = ("--compartment-id", w.C, "--display-name", name, "--key-shape", '{"algorithm":"RSA","length":256}')
    key = ("kms", "management", "key", "create")
    found = w.stage.oci(*key, *words, "--protection-mode", "SOFTWARE", "--endpoint", w.MGMT).data
    hold(found, display_name=name, compartment_id=w.C, vault_id=w.V, protection_mode="SOFTWARE")
    hold(found, lifecycle_state="ENABLED", key_shape={"algorithm": "RSA", "curve-id": None, "length": 256})
    is_ocid("key", found["id"])
    is_ocid("keyversion", found["current-key-version"])
    return dict(found)


def key(w: Walk) -> None:
    made = _key(w, "k")
    w.made |= {"K": made["id"], "KV": made["current-key-version"]}


def key_version(w: Walk) -> None:
    words = ("--key-id", w.K, "--key-version-id", w.KV, "--endpoint", w.MGMT)
    found = w.stage.oci("kms", "management", "key-version", "get", *words).data
    hold(found, id=w.KV, key_id=w.K, vault_id=w.V, compartment_id=w.C, lifecycle_state="ENABLED", origin="INTERNAL")
    public = load_pem_public_key(found["public-key"].encode())
    true(isinstance(public, RSAPublicKey) and public.key_size == 2048, "its public key is not RSA of 2048 bits")
    w.made["public"] = public


def sign_upload(w: Walk, image: str = "I", digest: str = "D") -> None:
    words = ("--compartment-id", w.C, "--image-id", w.made[image], "--kms-key-id", w.K, "--kms-key-version-id", w.KV)
    told = ("--signing-algorithm", ALGORITHM, "--description", "UAT", "--metadata", '{"buildNumber":"123"}')
    reply = w.stage.oci("artifacts", "container", "image-signature", "sign-upload", *words, *told)
    found = reply.data
    hold(found, compartment_id=w.C, image_id=w.made[image], kms_key_id=w.K, kms_key_version_id=w.KV)
    hold(found, signing_algorithm=ALGORITHM, created_by=w.U, lifecycle_state="AVAILABLE")
    hold(found, display_name=f"{w.K[-10:]}::{w.KV[-10:]}::{ALGORITHM}::{found['id'][-10:]}")
    true(f"ID: {found['id']}" in reply.text, "the client did not say the signature's id")
    message = base64.b64decode(found["message"])
    said = json.loads(message)
    hold(said, description="UAT", imageDigest=w.made[digest], kmsKeyId=w.K, kmsKeyVersionId=w.KV, region="local")
    hold(said, metadata='{"buildNumber":"123"}', repositoryName=REPOSITORY, signingAlgorithm=ALGORITHM)
    # Errors: InvalidSignature. The key is the one that row 16 read.
    signature = base64.b64decode(found["signature"])
    w.public.verify(signature, message, padding.PSS(padding.MGF1(SHA256()), padding.PSS.AUTO), SHA256())
    w.made[f"signature of {image}"] = found


def get_verify(w: Walk) -> None:
    words = ("--compartment-id", w.C, "--repo-name", REPOSITORY, "--image-digest", w.D)
    verify = ("artifacts", "container", "image-signature", "get-verify")
    reply = w.stage.oci(*verify, *words, "--trusted-keys", w.K)
    hold(reply.data, is_signature_valid=True)
    done = w.stage.run(*verify, "--compartment-id", w.C, "--repo-name", REPOSITORY, "--image-digest", w.D2,
                       "--trusted-keys", w.K)  # fmt: skip
    true(done.returncode != 0, "an unsigned image was verified")


def signatures(w: Walk) -> None:
    words = ("--compartment-id", w.C, "--repository-name", REPOSITORY)
    reply = w.stage.oci("artifacts", "container", "image-signature", "list", *words)
    hold(reply.data, remaining_items_count=0)
    (one,) = reply.data["items"]
    made = w.made["signature of I"]
    hold(one, **{name.replace("-", "_"): made[name] for name in ("id", "image-id", "display-name", "kms-key-id")})
    hold(one, message=made["message"], signature=made["signature"], signing_algorithm=ALGORITHM)


def cluster(w: Walk) -> None:
    words = ("--compartment-id", w.C, "--name", "prod", "--vcn-id", VCN, "--kubernetes-version", "v1.30.1")
    reply = w.stage.oci("ce", "cluster", "create", *words, "--image-policy-config", w.policy())
    work = w.stage.oci("ce", "work-request", "get", "--work-request-id", reply.whole["opc-work-request-id"]).data
    hold(work, operation_type="CLUSTER_CREATE", status="SUCCEEDED", compartment_id=w.C)
    (about,) = work["resources"]
    hold(about, entity_type="cluster", action_type="CREATED")
    is_ocid("cluster", about["identifier"])
    w.made["CL"] = about["identifier"]


def cluster_update(w: Walk) -> None:
    off = json.dumps({"isPolicyEnabled": False, "keyDetails": [{"kmsKeyId": w.K}]})
    wait = ("--force", "--wait-for-state", "SUCCEEDED", "--max-wait-seconds", "60", "--wait-interval-seconds", "1")
    reply = w.stage.oci("ce", "cluster", "update", "--cluster-id", w.CL, "--image-policy-config", off, *wait)
    hold(reply.data, operation_type="CLUSTER_UPDATE", status="SUCCEEDED", compartment_id=w.C)
    (about,) = reply.data["resources"]
    hold(about, entity_type="cluster", identifier=w.CL, action_type="UPDATED")
    is_time(reply.data["time-finished"])


def cluster_get(w: Walk) -> None:
    reply = w.stage.oci("ce", "cluster", "get", "--cluster-id", w.CL)
    hold(reply.data, id=w.CL, name="prod", compartment_id=w.C, vcn_id=VCN, kubernetes_version="v1.30.1")
    hold(reply.data, lifecycle_state="ACTIVE", type="BASIC_CLUSTER")
    hold(reply.data["image-policy-config"], is_policy_enabled=False, key_details=[{"kms-key-id": w.K}])
    hold(reply.data["metadata"], created_by_user_id=w.U, updated_by_user_id=w.U)
    is_time(reply.data["metadata"]["time-created"])
    true(reply.whole.get("etag"), "there is no etag")


def application(w: Walk) -> None:
    words = ("--compartment-id", w.C, "--display-name", "app", "--subnet-ids", json.dumps([SUBNET]))
    reply = w.stage.oci("fn", "application", "create", *words, "--image-policy-config", w.policy())
    hold(reply.data, display_name="app", compartment_id=w.C, subnet_ids=[SUBNET], lifecycle_state="ACTIVE")
    hold(reply.data, shape="GENERIC_X86", config={})
    hold(reply.data["image-policy-config"], is_policy_enabled=True, key_details=[{"kms-key-id": w.K}])
    is_ocid("fnapp", reply.data["id"])
    w.made["A"] = reply.data["id"]


def _function_words(w: Walk, name: str, tag: str, digest: str) -> tuple[str, ...]:
    create = ("fn", "function", "create", "container-function")
    words = ("--application-id", w.A, "--display-name", name, "--image", w.image_name(tag))
    return (*create, *words, "--image-digest", digest, "--memory-in-mbs", "128")


def _function(w: Walk, name: str, tag: str, digest: str) -> str:
    reply = w.stage.oci(*_function_words(w, name, tag, digest))
    hold(reply.data, display_name=name, application_id=w.A, compartment_id=w.C, memory_in_mbs=128)
    hold(reply.data, lifecycle_state="ACTIVE", shape="GENERIC_X86")
    source = reply.data["source-details"]
    hold(source, source_type="CONTAINER_IMAGE", image=w.image_name(tag), image_digest=digest)
    hold(reply.data, invoke_endpoint=f"https://functions.local.oci.assay.internal:{w.stage.server.oci_port}")
    is_ocid("fnfunc", reply.data["id"])
    return str(reply.data["id"])


def function(w: Walk) -> None:
    w.made["F"] = _function(w, "fn", "1.0", w.D)
    refusal = w.stage.refused(*_function_words(w, "unsigned", "2.0", w.D2))
    true(refusal[:2] == (502, "FunctionImageVerificationFail"), f"an unsigned image gave {refusal}")


def invoke(w: Walk) -> None:
    words = ("--compartment-id", w.T, "--name", "functions", "--description", "d")
    w.stage.oci("iam", "policy", "create", *words, "--statements", json.dumps([FOR_FUNCTIONS]))
    status, code, message = w.stage.refused("fn", "function", "invoke", "--function-id", w.F, "--file", "-",
                                            "--body", "{}")  # fmt: skip
    true((status, code) == (501, "MethodNotImplemented"), f"a signed function's invocation gave {status} {code}")
    true("it does not run functions" in message, f"it says {message!r}")
    # A function whose image was signed when it was made, and is not any more.
    sign_upload(w, "I2", "D2")
    unsigned = _function(w, "no longer signed", "2.0", w.D2)
    signature = w.made["signature of I2"]["id"]
    w.stage.oci("artifacts", "container", "image-signature", "delete", "--image-signature-id", signature, "--force")
    refusal = w.stage.refused("fn", "function", "invoke", "--function-id", unsigned, "--file", "-", "--body", "{}")
    true(refusal[:2] == (502, "FunctionImageVerificationFail"), f"an unsigned one's gave {refusal}")
    true(refusal[2].startswith("Image cannot be verified or no valid signature found"), f"it says {refusal[2]!r}")


def restore(w: Walk) -> None:
    image = ("artifacts", "container", "image")
    w.stage.oci(*image, "delete", "--image-id", w.I, "--force")
    hold(w.stage.oci(*image, "get", "--image-id", w.I).data, lifecycle_state="DELETED", digest=w.D)
    found = w.stage.oci(*image, "restore", "--image-id", w.I, "--image-version", "1.0").data
    hold(found, id=w.I, lifecycle_state="AVAILABLE", version="1.0", digest=w.D, display_name=f"{REPOSITORY}:1.0")
    true([each["version"] for each in found["versions"]] == ["1.0"], f"its versions are {found['versions']}")


def key_ends(w: Walk) -> None:
    """On a key of its own: with `k` the next two rows sign and verify."""
    other = _key(w, "to end")["id"]
    named = ("--key-id", other, "--endpoint", w.MGMT)
    hold(w.stage.oci("kms", "management", "key", "disable", *named).data, id=other, lifecycle_state="DISABLED")
    at = (datetime.now(UTC) + timedelta(days=10)).replace(microsecond=0)
    when = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    found = w.stage.oci("kms", "management", "key", "schedule-deletion", *named, "--time-of-deletion", when).data
    hold(found, id=other, lifecycle_state="PENDING_DELETION")
    true(datetime.fromisoformat(found["time-of-deletion"]) == at, f"it ends at {found['time-of-deletion']}")
    status, _, _ = w.stage.refused(*_sign_words(w, other))
    true(status == 409, f"a key that ends signed, or was refused with {status}")


MESSAGE = base64.b64encode(b"what row 28 signs").decode()


def _sign_words(w: Walk, key: str) -> tuple[str, ...]:
    words = ("--key-id", key, "--message", MESSAGE, "--message-type", "RAW", "--signing-algorithm", ALGORITHM)
    return ("kms", "crypto", "signed-data", "sign", *words, "--endpoint", w.CRYPTO)


def sign(w: Walk) -> None:
    found = w.stage.oci(*_sign_words(w, w.K)).data
    hold(found, key_id=w.K, key_version_id=w.KV, signing_algorithm=ALGORITHM)
    signature = base64.b64decode(found["signature"])
    message = base64.b64decode(MESSAGE)
    w.public.verify(signature, message, padding.PSS(padding.MGF1(SHA256()), padding.PSS.AUTO), SHA256())
    w.made["SIGNED"] = found["signature"]


def verify(w: Walk) -> None:
    words = ("--key-id", w.K, "--key-version-id", w.KV, "--signing-algorithm", ALGORITHM, "--endpoint", w.CRYPTO)
    verify = ("kms", "crypto", "verified-data", "verify", *words, "--signature", w.SIGNED, "--message")
    hold(w.stage.oci(*verify, MESSAGE).data, is_signature_valid=True)
    other = base64.b64encode(b"what row 28 did not sign").decode()
    hold(w.stage.oci(*verify, other).data, is_signature_valid=False)


ROWS: tuple[tuple[str, Row], ...] = (
    ("os ns get", namespace),
    ("iam compartment create", compartment),
    ("iam policy create", policy),
    ("iam user api-key upload", api_key),
    ("iam auth-token create", auth_token),
    ("artifacts container repository create", repository),
    ("login and push with a registry client", push),
    ("artifacts container repository list --all", repositories),
    ("vulnerability-scanning container scan recipe create", recipe),
    ("vulnerability-scanning container scan target create", target),
    ("artifacts container image list", images),
    ("vulnerability-scanning container scan result list", results),
    ("vulnerability-scanning container scan result get", result),
    ("kms management vault create", vault),
    ("kms management key create", key),
    ("kms management key-version get", key_version),
    ("artifacts container image-signature sign-upload", sign_upload),
    ("artifacts container image-signature get-verify", get_verify),
    ("artifacts container image-signature list", signatures),
    ("ce cluster create", cluster),
    ("ce cluster update --wait-for-state", cluster_update),
    ("ce cluster get", cluster_get),
    ("fn application create", application),
    ("fn function create container-function", function),
    ("fn function invoke", invoke),
    ("artifacts container image delete, restore", restore),
    ("kms management key disable, schedule-deletion", key_ends),
    ("kms crypto signed-data sign", sign),
    ("kms crypto verified-data verify", verify),
)


def numbered(rows: tuple[tuple[str, Row], ...]) -> Iterator[tuple[int, str, Row]]:
    """Number, title and row."""
    for number, (title, row) in enumerate(rows, start=1):
        yield number, title, row
