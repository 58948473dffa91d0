"""Who may make keys, use them and sign: statements decide, and what is denied is kept in the audit."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from registry_pieces import Room
from registry_server import Account, account_of, colleague_of
from signing_pieces import HOST, P256, ROOT, Desk
from sqlalchemy import select

from assay.errors import Reason, Refused
from assay.signing import signatures, upload, verify
from assay.signing.resources import SignatureFilter, UploadDetails
from assay.storage import Store, metadata
from assay.vault import Custody, Message, crypto, keys, vaults
from assay.vault.resources import KeyDetails, VaultDetails
from assay.vault.shapes import KeyAlgorithm, KeyShape, SigningAlgorithm

SIGN_IMAGES = "allow group {0} to manage repos in tenancy"
USE_KEYS = "allow group {0} to use keys in tenancy"
MESSAGE = Message(b"message", SigningAlgorithm.ECDSA_SHA_256)


@pytest.fixture
def administrator(store: Store) -> Account:
    return account_of(store, "acme")


@pytest.fixture
def desk(store: Store, administrator: Account, tmp_path: Path) -> Desk:
    return Desk.of(Room.on(store, tmp_path / "blobs"), administrator.actor, administrator.namespace)


def colleague(desk: Desk, administrator: Account, name: str, *statements: str) -> Desk:
    """The same desk, as a colleague with these statements (`{0}` is their group)."""
    account = colleague_of(administrator, desk.store, name, *(each.format(name) for each in statements))
    return replace(desk, actor=account.actor)


def denied(desk: Desk) -> list[str]:
    """The operations that audit says were denied."""
    rows = metadata.tables["audit"]
    with desk.store.database.read() as connection:
        found = connection.execute(select(rows.c.operation).where(rows.c.outcome == "denied").order_by(rows.c.id))
        return list(found.scalars())


def test_signing_needs_both_the_repository_and_the_key(desk: Desk, administrator: Account) -> None:
    image, digest = desk.push()
    key = desk.key()
    for name, statements in (("nobody", ()), ("pushers", (SIGN_IMAGES,)), ("keyholders", (USE_KEYS,))):
        with pytest.raises(Refused) as refusal:
            colleague(desk, administrator, name, *statements).sign(image, key)
        assert refusal.value.reason is Reason.NOT_FOUND
    assert denied(desk) == ["CreateContainerImageSignature"] * 3
    signer = colleague(desk, administrator, "signers", SIGN_IMAGES, USE_KEYS)
    assert signer.sign(image, key).created_by == signer.actor.principal.ocid
    assert desk.trust(digest, key).is_trusted


def test_a_statement_may_let_somebody_use_one_key_alone(desk: Desk, administrator: Account) -> None:
    image, _ = desk.push()
    key, other = desk.key(), desk.key(name="other")
    only = f"allow group {{0}} to use keys in tenancy where target.key.id = '{key.ocid}'"
    signer = colleague(desk, administrator, "signers", SIGN_IMAGES, only)
    assert signer.sign(image, key).signature
    with pytest.raises(Refused):
        signer.sign(image, other)
    assert crypto.sign(desk.store, signer.actor, key.ocid, MESSAGE, custody=Custody(ROOT)).signature
    with pytest.raises(Refused):
        crypto.sign(desk.store, signer.actor, other.ocid, MESSAGE, custody=Custody(ROOT))
    assert denied(desk) == ["CreateContainerImageSignature", "Sign"]


def test_a_statement_may_let_somebody_sign_in_one_repository_alone(desk: Desk, administrator: Account) -> None:
    image, _ = desk.push()
    other, _ = desk.push(repository="team/other")
    key = desk.key()
    only = "allow group {0} to manage repos in tenancy where target.repo.name = 'team/app'"
    signer = colleague(desk, administrator, "signers", only, USE_KEYS)
    made = signer.sign(image, key)
    theirs = desk.sign(other, key)
    with pytest.raises(Refused):
        signer.sign(other, key)
    seen = signatures.list_signatures(desk.store, signer.actor, SignatureFilter(key=key.ocid)).items
    assert [each.ocid for each in seen] == [made.ocid]
    with pytest.raises(Refused):
        signatures.delete_signature(desk.store, signer.actor, theirs.ocid)
    with pytest.raises(Refused):
        verify.verify_image(desk.store, signer.actor, other)
    assert verify.verify_image(desk.store, signer.actor, image)[0].verified


def test_an_upload_needs_no_key_but_adds_nothing_without_one(desk: Desk, administrator: Account) -> None:
    """The signature was made by somebody who may use the key; whoever brings it gets it kept, not multiplied."""
    image, digest = desk.push()
    key = desk.key(KeyShape(KeyAlgorithm.RSA, 256))
    algorithm = SigningAlgorithm.SHA_256_RSA_PKCS_PSS
    document = {
        "description": "",
        "imageDigest": digest.text,
        "kmsKeyId": key.ocid,
        "kmsKeyVersionId": key.current_version,
        "metadata": "",
        "region": "local",
        "repositoryName": "team/app",
        "signingAlgorithm": algorithm.value,
    }
    message = json.dumps(document, separators=(",", ":")).encode()
    made = crypto.sign(desk.store, desk.actor, key.ocid, Message(message, algorithm), custody=Custody(ROOT))
    details = UploadDetails(
        desk.actor.tenancy, image, key.ocid, key.current_version, algorithm, message, made.signature
    )
    bringer = colleague(desk, administrator, "bringers", SIGN_IMAGES)
    upload.upload_signature(desk.store, bringer.actor, details, custody=Custody(ROOT), registry_host=HOST)
    rows = metadata.tables["signature_envelope"]
    with desk.store.database.read() as connection:
        assert [row.form for row in connection.execute(select(rows))] == ["native"]
    assert desk.trust(digest, key).is_trusted


def test_making_a_key_needs_the_key_and_the_vault(desk: Desk, administrator: Account) -> None:
    details = KeyDetails(desk.vault.ocid, desk.actor.tenancy, "theirs", P256)
    for name, statement in (
        ("vaulters", "allow group {0} to use vaults in tenancy"),
        ("keymakers", "allow group {0} to manage keys in tenancy"),
    ):
        with pytest.raises(Refused) as refusal:
            keys.create_key(desk.store, colleague(desk, administrator, name, statement).actor, details, root=ROOT)
        assert refusal.value.reason is Reason.NOT_FOUND
    assert denied(desk) == ["CreateKey", "CreateKey"]
    both = ("allow group {0} to use vaults in tenancy", "allow group {0} to manage keys in tenancy")
    made = keys.create_key(desk.store, colleague(desk, administrator, "both", *both).actor, details, root=ROOT)
    assert made.display_name == "theirs"


def test_whoever_may_only_use_a_key_neither_stops_nor_rotates_it(desk: Desk, administrator: Account) -> None:
    key = desk.key()
    user = colleague(desk, administrator, "users", USE_KEYS).actor
    assert keys.get_key(desk.store, user, key.ocid) == key
    for act in (
        lambda: keys.disable_key(desk.store, user, key.ocid),
        lambda: keys.create_key_version(desk.store, user, key.ocid, root=ROOT),
        lambda: vaults.create_vault(desk.store, user, VaultDetails(desk.actor.tenancy, "theirs")),
        lambda: vaults.get_vault(desk.store, user, desk.vault.ocid),
    ):
        with pytest.raises(Refused) as refusal:
            act()
        assert refusal.value.reason is Reason.NOT_FOUND
    assert denied(desk) == ["DisableKey", "CreateKeyVersion", "CreateVault"]
