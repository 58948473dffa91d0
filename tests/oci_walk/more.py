"""Eight of the commands that oci-api 5 says were also run, after its 29, and the login of oci-api 4.1."""

import base64
import json

from oci_walk.rows import ALGORITHM, REPOSITORY, Row, Walk, is_ocid, is_time
from oci_walk.stage import hold, true
from scripts.demo_image import text_layer

README = {"content": "# The application", "format": "TEXT_MARKDOWN"}


def lookup(w: Walk) -> None:
    words = ("--image-uri", f"{w.NS}/{REPOSITORY}:1.0")
    found = w.stage.oci("artifacts", "container", "image", "lookup", *words).data
    hold(found, id=w.I, digest=w.D, version="1.0", repository_id=w.RP, lifecycle_state="AVAILABLE", created_by=w.U)
    digests = [each["digest"] for each in found["layers"]]
    true(len(digests) == 2 and digests == sorted(digests), f"its layers are {digests}")
    true(sum(each["size-in-bytes"] for each in found["layers"]) == found["layers-size-in-bytes"], "sizes don't add up")


def remove_version(w: Walk) -> None:
    words = ("--image-id", w.I3, "--image-version", "3.0")
    found = w.stage.oci("artifacts", "container", "image", "remove-version", *words).data
    hold(found, id=w.I3, digest=w.D3, version=None, versions=[], lifecycle_state="AVAILABLE")
    # oci-api 2.1: the last version that it had stands before the digest.
    hold(found, display_name=f"{REPOSITORY}:3.0@{w.D3}")


def configuration(w: Walk) -> None:
    words = ("--compartment-id", w.T, "--is-repository-created-on-first-push")
    container = ("artifacts", "container", "configuration")
    for value in ("false", "true"):
        found = w.stage.oci(*container, "update", *words, value).data
        hold(found, is_repository_created_on_first_push=value == "true", namespace=w.NS)
        again = w.stage.oci(*container, "get", "--compartment-id", w.T).data
        true(again == found, "it is another one when it is read")


def readme(w: Walk) -> None:
    words = ("--repository-id", w.RP, "--readme", json.dumps(README), "--force")
    reply = w.stage.oci("artifacts", "container", "repository", "update", *words)
    hold(reply.data, id=w.RP, readme=README, is_immutable=True, display_name=REPOSITORY)
    true(reply.whole.get("etag"), "there is no etag")


def upload_signature(w: Walk) -> None:
    """A signature made by the two commands that `sign-upload` joins, over an image of its own."""
    said = {
        "description": "",
        "imageDigest": w.D3,
        "kmsKeyId": w.K,
        "kmsKeyVersionId": w.KV,
        "metadata": "",
        "region": "local",
        "repositoryName": REPOSITORY,
        "signingAlgorithm": ALGORITHM,
    }
    message = base64.b64encode(json.dumps(said, separators=(",", ":")).encode()).decode()
    crypto = ("kms", "crypto", "signed-data", "sign", "--key-id", w.K, "--endpoint", w.CRYPTO)
    made = w.stage.oci(*crypto, "--message", message, "--signing-algorithm", ALGORITHM).data["signature"]
    keys = ("--kms-key-id", w.K, "--kms-key-version-id", w.KV, "--signing-algorithm", ALGORITHM)
    create = ("artifacts", "container", "image-signature", "create", "--compartment-id", w.C, "--image-id", w.I3)
    found = w.stage.oci(*create, *keys, "--message", message, "--signature", made).data
    hold(found, image_id=w.I3, kms_key_id=w.K, message=message, signature=made, lifecycle_state="AVAILABLE")
    is_ocid("containerimagesignature", found["id"])
    # The same signature on another image is no signature of it.
    other = ("artifacts", "container", "image-signature", "create", "--compartment-id", w.C, "--image-id", w.I2)
    status, code, _ = w.stage.refused(*other, *keys, "--message", message, "--signature", made)
    true(status == 400, f"another image's signature was refused with {status} {code}")


def new_version(w: Walk) -> None:
    words = ("--key-id", w.K, "--endpoint", w.MGMT)
    found = w.stage.oci("kms", "management", "key-version", "create", *words).data
    hold(found, key_id=w.K, vault_id=w.V, compartment_id=w.C, lifecycle_state="ENABLED", origin="INTERNAL")
    true(found["id"] != w.KV, "it is the version that was there")
    is_time(found["time-created"])
    current = w.stage.oci("kms", "management", "key", "get", *words).data["current-key-version"]
    true(current == found["id"], "it is not the current one")


def member(w: Walk) -> None:
    words = ("--name", "builders", "--description", "d")
    group = w.stage.oci("iam", "group", "create", *words).data
    hold(group, name="builders", description="d", compartment_id=w.T, lifecycle_state="ACTIVE")
    found = w.stage.oci("iam", "group", "add-user", "--user-id", w.U, "--group-id", group["id"]).data
    hold(found, user_id=w.U, group_id=group["id"], compartment_id=w.T, lifecycle_state="ACTIVE")
    users = w.stage.oci("iam", "group", "list-users", "--group-id", group["id"]).data
    true([each["id"] for each in users] == [w.U], f"its users are {users}")


def recipe_with_etag(w: Walk) -> None:
    recipe = ("vulnerability-scanning", "container", "scan", "recipe")
    words = (*recipe, "update", "--container-scan-recipe-id", w.R, "--image-count", "2", "--force")
    reply = w.stage.oci(*words, "--if-match", w.RE)
    true(reply.whole.get("opc-work-request-id"), "there is no work request")
    hold(w.stage.oci(*recipe, "get", "--container-scan-recipe-id", w.R).data, image_count=2, display_name="r")
    status, code, _ = w.stage.refused(*words, "--if-match", w.RE)
    true((status, code) == (412, "NoEtagMatch"), f"an old etag gave {status} {code}")


def login_without_auth_token(w: Walk) -> None:
    """A token by a signed request, which is then the password of BEARER_TOKEN."""
    target = f"{w.stage.server.url}/20180419/docker/token"
    token = w.stage.oci("raw-request", "--http-method", "GET", "--target-uri", target).data["token"]
    layer = text_layer("app/version", "signed")
    digest = w.stage.push(REPOSITORY, "signed", layer, user="BEARER_TOKEN", password=token)
    words = ("--image-uri", f"{w.NS}/{REPOSITORY}:signed")
    hold(w.stage.oci("artifacts", "container", "image", "lookup", *words).data, digest=digest, created_by=w.U)


ROWS: tuple[tuple[str, Row], ...] = (
    ("artifacts container image lookup", lookup),
    ("artifacts container image remove-version", remove_version),
    ("artifacts container configuration update", configuration),
    ("artifacts container repository update --readme", readme),
    ("artifacts container image-signature create", upload_signature),
    ("kms management key-version create", new_version),
    ("iam group add-user", member),
    ("vulnerability-scanning container scan recipe update --if-match", recipe_with_etag),
    ("raw-request of a registry token", login_without_auth_token),
)
