"""Vaults, keys and crypto as verbs, on both databases."""

import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select, update

from assay.clock import DAY, Instant, SetClock
from assay.errors import Corrupt, Reason, Refused, Unavailable
from assay.events import KeyStateChanged, decode
from assay.iam import Actor, Principal, PrincipalKind
from assay.storage import Store, metadata
from assay.vault import Custody, Message, crypto, deletion, keys, resources, vaults
from assay.vault.resources import Key, KeyDetails, KeyVersion, Listing, SortBy, Vault, VaultDetails
from assay.vault.root import SealedRoot, SoftwareRoot
from assay.vault.shapes import (
    KeyAlgorithm,
    KeyShape,
    KeyState,
    MessageType,
    ProtectionMode,
    SigningAlgorithm,
    VaultState,
)

ROOT = SoftwareRoot(bytes(range(32)))
CUSTODY = Custody(ROOT)
TENANCY = "ocid1.tenancy.oc1..aaaaaaaa" + "b" * 52
OTHER_TENANCY = "ocid1.tenancy.oc1..aaaaaaaa" + "c" * 52
ACTOR = Actor(Principal(PrincipalKind.INSTALLATION, "tests"), TENANCY)
STRANGER = replace(ACTOR, tenancy=OTHER_TENANCY)
P256 = KeyShape(KeyAlgorithm.ECDSA, 32)
MESSAGE = Message(b"message", SigningAlgorithm.ECDSA_SHA_256)


@pytest.fixture
def vault(store: Store) -> Vault:
    return vaults.create_vault(store, ACTOR, VaultDetails(TENANCY, "signing keys"))


def key_details(vault: Vault, **changes: Any) -> KeyDetails:
    return KeyDetails(vault.ocid, **{"compartment": TENANCY, "display_name": "release", "shape": P256} | changes)


@pytest.fixture
def key(store: Store, vault: Vault) -> Key:
    return keys.create_key(store, ACTOR, key_details(vault), root=ROOT)


def facts(store: Store) -> list[KeyStateChanged]:
    outbox = metadata.tables["outbox"]
    with store.database.read() as connection:
        rows = connection.execute(select(outbox.c.topic, outbox.c.payload).order_by(outbox.c.id))
        found = [decode(row.topic, row.payload) for row in rows]
    return [fact for fact in found if isinstance(fact, KeyStateChanged)]


def audited(store: Store) -> list[tuple[str, str]]:
    audit = metadata.tables["audit"]
    with store.database.read() as connection:
        return [
            tuple(row) for row in connection.execute(select(audit.c.operation, audit.c.outcome).order_by(audit.c.id))
        ]


def test_ocids_have_the_shapes_that_the_stock_client_wants(store: Store, vault: Vault, key: Key) -> None:
    extension = vault.extension
    assert re.fullmatch(rf"ocid1\.vault\.oc1\.local\.{extension}\.[a-z0-9]{{60}}", vault.ocid)
    # the regular expression in the client's sign-upload and get-verify
    found = re.fullmatch(r"ocid1\.key\.([\w-]+)\.([\w-]+)\.([\w-]+)\.([\w]){60}", key.ocid)
    assert found is not None
    assert found.group(1, 2, 3) == ("oc1", "local", extension)
    assert re.fullmatch(rf"ocid1\.keyversion\.oc1\.local\.{extension}\.\w+\.[a-z0-9]{{60}}", key.current_version)
    assert re.fullmatch(r"[a-z][a-z0-9]+", extension)  # it is a host label


@pytest.mark.parametrize("length", [32, 66])
def test_a_key_signs_and_its_current_version_verifies(store: Store, vault: Vault, length: int) -> None:
    key = keys.create_key(store, ACTOR, key_details(vault, shape=KeyShape(KeyAlgorithm.ECDSA, length)), root=ROOT)
    made = crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY)
    assert (made.key, made.key_version) == (key.ocid, key.current_version)
    assert crypto.verify(store, ACTOR, key.ocid, made.key_version, MESSAGE, made.signature)
    other = replace(MESSAGE, content=b"another message")
    assert not crypto.verify(store, ACTOR, key.ocid, made.key_version, other, made.signature)


def test_what_verbs_give_back_survives_json_so_that_a_retry_can_be_answered(store: Store, vault: Vault) -> None:
    key = keys.create_key(store, ACTOR, key_details(vault), root=ROOT)
    version = keys.get_key_version(store, ACTOR, key.ocid, key.current_version)
    for value in (vault, key, version):
        assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value


def test_the_same_retry_token_gives_the_first_key_again(store: Store, vault: Vault) -> None:
    first = keys.create_key(store, ACTOR, key_details(vault), root=ROOT, retry_token="t" * 30)
    again = keys.create_key(store, ACTOR, key_details(vault), root=ROOT, retry_token="t" * 30)
    assert again == first
    with pytest.raises(Refused) as refusal:
        keys.create_key(store, ACTOR, key_details(vault, display_name="x"), root=ROOT, retry_token="t" * 30)
    assert refusal.value.reason is Reason.RETRY_TOKEN_REUSED


def test_no_row_of_any_table_shows_a_private_key(store: Store, key: Key) -> None:
    crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY)
    with store.database.read() as connection:
        material = crypto.signer(connection, ACTOR, key.ocid, now=store.clock.now()).material
        with crypto.unsealed(ROOT, material.binding, material.sealed) as private:
            scalar = private.private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
        for table in metadata.tables.values():
            for row in connection.execute(select(table)):
                text = repr(tuple(row))
                assert repr(scalar)[2:-1] not in text
                assert scalar.hex() not in text


def test_a_rotated_key_signs_with_the_new_version_and_verifies_with_both(store: Store, key: Key) -> None:
    old = crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY)
    version = keys.create_key_version(store, ACTOR, key.ocid, root=ROOT)
    new = crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY)
    assert new.key_version == version.ocid == keys.get_key(store, ACTOR, key.ocid).current_version
    assert new.key_version != old.key_version
    for made in (old, new):
        assert crypto.verify(store, ACTOR, key.ocid, made.key_version, MESSAGE, made.signature)
    assert not crypto.verify(store, ACTOR, key.ocid, new.key_version, MESSAGE, old.signature)
    named = crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY, key_version=old.key_version)
    assert named.key_version == old.key_version


def assert_unusable(store: Store, key: Key, signature: bytes, why: str) -> None:
    """Neither signing nor verifying works, for the right reason, and trust is gone."""
    for act in (
        lambda: crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY),
        lambda: crypto.verify(store, ACTOR, key.ocid, key.current_version, MESSAGE, signature),
    ):
        with pytest.raises(Refused, match=why) as refusal:
            act()
        assert refusal.value.reason is Reason.WRONG_STATE
    with store.database.read() as connection:
        verifier = crypto.verifier(connection, TENANCY, key.current_version)
    assert verifier is not None
    assert why in str(verifier.distrust)


def test_a_disabled_key_neither_signs_nor_verifies_until_it_is_enabled(store: Store, key: Key) -> None:
    made = crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY)
    assert keys.disable_key(store, ACTOR, key.ocid).state is KeyState.DISABLED
    assert_unusable(store, key, made.signature, "'release' is DISABLED")
    assert keys.enable_key(store, ACTOR, key.ocid).state is KeyState.ENABLED
    assert crypto.verify(store, ACTOR, key.ocid, key.current_version, MESSAGE, made.signature)
    assert [(fact.key, fact.state) for fact in facts(store)] == [(key.ocid, "DISABLED"), (key.ocid, "ENABLED")]


@pytest.mark.parametrize("state", [KeyState.ENABLED, KeyState.DISABLED])
def test_a_cancelled_deletion_returns_to_the_state_before(store: Store, key: Key, state: KeyState) -> None:
    if state is KeyState.DISABLED:
        keys.disable_key(store, ACTOR, key.ocid)
    pending = deletion.schedule_key_deletion(store, ACTOR, key.ocid)
    assert pending.state is KeyState.PENDING_DELETION
    assert pending.time_of_deletion == store.clock.now() + 30 * DAY
    assert_unusable(store, key, b"", "is PENDING_DELETION")
    back = deletion.cancel_key_deletion(store, ACTOR, key.ocid)
    assert (back.state, back.time_of_deletion) == (state, None)
    assert facts(store)[-1].state == state


def test_a_key_is_destroyed_when_its_time_comes_and_not_before(store: Store, clock: SetClock, key: Key) -> None:
    deletion.schedule_key_deletion(store, ACTOR, key.ocid, time_of_deletion=Instant(clock.now() + 7 * DAY))
    clock.advance(7 * DAY - 1)
    assert deletion.destroy_due(store) == 0
    clock.advance(1)
    assert deletion.destroy_due(store) == 1
    assert deletion.destroy_due(store) == 0
    assert keys.get_key(store, ACTOR, key.ocid).state is KeyState.DELETED
    version = keys.get_key_version(store, ACTOR, key.ocid, key.current_version)
    assert version.state is KeyState.DELETED
    assert version.public_pem.startswith("-----BEGIN PUBLIC KEY-----")
    rows = metadata.tables["key_version"]
    with store.database.read() as connection:
        assert [tuple(row) for row in connection.execute(select(rows.c.sealed, rows.c.wrapped_data_key))] == [
            (b"", b"")
        ]
    assert_unusable(store, key, b"", "is DELETED")
    for act in (keys.enable_key, deletion.cancel_key_deletion, deletion.schedule_key_deletion):
        with pytest.raises(Refused) as refusal:
            act(store, ACTOR, key.ocid)
        assert refusal.value.reason is Reason.WRONG_STATE
    assert ("DestroyKey", "done") in audited(store)


def test_a_version_is_deleted_alone_and_the_others_go_on(store: Store, clock: SetClock, key: Key) -> None:
    old = crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY)
    new = keys.create_key_version(store, ACTOR, key.ocid, root=ROOT)
    made = crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY)
    pending = deletion.schedule_key_version_deletion(store, ACTOR, key.ocid, old.key_version)
    assert pending.state is KeyState.PENDING_DELETION
    with pytest.raises(Refused, match="the version of the key 'release' is PENDING_DELETION"):
        crypto.verify(store, ACTOR, key.ocid, old.key_version, MESSAGE, old.signature)
    assert crypto.verify(store, ACTOR, key.ocid, new.ocid, MESSAGE, made.signature)
    assert deletion.cancel_key_version_deletion(store, ACTOR, key.ocid, old.key_version).state is KeyState.ENABLED
    assert crypto.verify(store, ACTOR, key.ocid, old.key_version, MESSAGE, old.signature)
    deletion.schedule_key_version_deletion(store, ACTOR, key.ocid, old.key_version)
    clock.advance(30 * DAY)
    assert deletion.destroy_due(store) == 1
    assert keys.get_key_version(store, ACTOR, key.ocid, old.key_version).state is KeyState.DELETED
    assert keys.get_key(store, ACTOR, key.ocid).state is KeyState.ENABLED
    assert [(fact.key_version, fact.state) for fact in facts(store)] == [
        (old.key_version, state) for state in ("PENDING_DELETION", "ENABLED", "PENDING_DELETION", "DELETED")
    ]


def test_the_current_version_cannot_be_deleted_alone(store: Store, key: Key) -> None:
    with pytest.raises(Refused, match="current version") as refusal:
        deletion.schedule_key_version_deletion(store, ACTOR, key.ocid, key.current_version)
    assert refusal.value.reason is Reason.WRONG_STATE


def test_a_vault_pending_deletion_takes_its_keys_out_of_use_and_back(store: Store, vault: Vault, key: Key) -> None:
    made = crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY)
    assert vaults.schedule_vault_deletion(store, ACTOR, vault.ocid).state is VaultState.PENDING_DELETION
    assert_unusable(store, key, made.signature, "the vault of the key 'release' is PENDING_DELETION")
    with pytest.raises(Refused, match="The vault 'signing keys' is PENDING_DELETION"):
        keys.create_key(store, ACTOR, key_details(vault), root=ROOT)
    with pytest.raises(Refused, match="PENDING_DELETION"):
        keys.create_key_version(store, ACTOR, key.ocid, root=ROOT)
    assert vaults.cancel_vault_deletion(store, ACTOR, vault.ocid).state is VaultState.ACTIVE
    assert crypto.verify(store, ACTOR, key.ocid, key.current_version, MESSAGE, made.signature)
    assert [fact.state for fact in facts(store)] == ["PENDING_DELETION", "ENABLED"]


def test_a_deleted_vault_takes_all_its_keys_with_it(store: Store, clock: SetClock, vault: Vault, key: Key) -> None:
    vaults.schedule_vault_deletion(store, ACTOR, vault.ocid)
    clock.advance(30 * DAY)
    deletion.destroy_due(store)
    assert vaults.get_vault(store, ACTOR, vault.ocid).state is VaultState.DELETED
    assert keys.get_key(store, ACTOR, key.ocid).state is KeyState.DELETED


def test_a_deletion_that_was_cancelled_in_time_destroys_nothing(store: Store, clock: SetClock, key: Key) -> None:
    deletion.schedule_key_deletion(store, ACTOR, key.ocid)
    deletion.cancel_key_deletion(store, ACTOR, key.ocid)
    clock.advance(40 * DAY)
    assert deletion.destroy_due(store) == 0
    assert crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY).signature


def test_a_key_that_is_not_enabled_is_not_rotated(store: Store, key: Key) -> None:
    keys.disable_key(store, ACTOR, key.ocid)
    with pytest.raises(Refused, match="cannot be rotated"):
        keys.create_key_version(store, ACTOR, key.ocid, root=ROOT)


def test_a_stale_etag_changes_nothing(store: Store, key: Key) -> None:
    keys.disable_key(store, ACTOR, key.ocid, if_match=key.etag)
    with pytest.raises(Refused) as refusal:
        keys.enable_key(store, ACTOR, key.ocid, if_match=key.etag)
    assert refusal.value.reason is Reason.ETAG_MISMATCH
    assert keys.get_key(store, ACTOR, key.ocid).state is KeyState.DISABLED


def test_another_tenancy_learns_nothing(store: Store, vault: Vault, key: Key) -> None:
    """What is another tenancy's and what does not exist get the same answer, to the letter."""
    missing = missing_ocid(store, "key")
    acts: list[tuple[Any, Any]] = [
        (lambda: vaults.get_vault(store, STRANGER, vault.ocid), lambda: vaults.get_vault(store, STRANGER, missing)),
        (lambda: keys.get_key(store, STRANGER, key.ocid), lambda: keys.get_key(store, STRANGER, missing)),
        (
            lambda: crypto.sign(store, STRANGER, key.ocid, MESSAGE, custody=CUSTODY),
            lambda: crypto.sign(store, STRANGER, missing, MESSAGE, custody=CUSTODY),
        ),
        (
            lambda: keys.create_key(store, STRANGER, key_details(vault, compartment=OTHER_TENANCY), root=ROOT),
            lambda: keys.create_key(
                store, STRANGER, replace(key_details(vault, compartment=OTHER_TENANCY), vault=missing), root=ROOT
            ),
        ),
        (lambda: keys.disable_key(store, STRANGER, key.ocid), lambda: keys.disable_key(store, STRANGER, missing)),
        (
            lambda: keys.create_key_version(store, STRANGER, key.ocid, root=ROOT),
            lambda: keys.create_key_version(store, STRANGER, missing, root=ROOT),
        ),
        (
            lambda: deletion.schedule_key_deletion(store, STRANGER, key.ocid),
            lambda: deletion.schedule_key_deletion(store, STRANGER, missing),
        ),
    ]
    for theirs, nobodys in acts:
        answers = []
        for act in (theirs, nobodys):
            with pytest.raises(Refused) as refusal:
                act()
            answers.append((refusal.value.reason, str(refusal.value)))
        assert answers[0] == answers[1]
        assert answers[0][0] is Reason.NOT_FOUND
    with store.database.read() as connection:
        assert crypto.verifier(connection, OTHER_TENANCY, key.current_version) is None
        assert crypto.verifiers(connection, OTHER_TENANCY, [key.ocid]) == ()
    assert vaults.list_vaults(store, STRANGER, OTHER_TENANCY).items == ()


def missing_ocid(store: Store, kind: str) -> str:
    return store.site.new_ocid(kind, extension="x").text


def test_a_version_of_another_key_is_not_found(store: Store, vault: Vault, key: Key) -> None:
    other = keys.create_key(store, ACTOR, key_details(vault), root=ROOT)
    with pytest.raises(Refused) as refusal:
        crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY, key_version=other.current_version)
    assert refusal.value.reason is Reason.NOT_FOUND
    with pytest.raises(Refused):
        crypto.verify(store, ACTOR, key.ocid, other.current_version, MESSAGE, b"x")
    with pytest.raises(Refused):
        keys.get_key_version(store, ACTOR, key.ocid, other.current_version)


@pytest.mark.parametrize("algorithm", [SigningAlgorithm.SHA_256_RSA_PKCS_PSS, SigningAlgorithm.ECDSA_SHA_384])
def test_an_algorithm_of_another_kind_of_key_is_refused(store: Store, key: Key, algorithm: SigningAlgorithm) -> None:
    message = Message(b"message", algorithm)
    with pytest.raises(Refused, match="cannot be used with"):
        crypto.sign(store, ACTOR, key.ocid, message, custody=CUSTODY)
    with pytest.raises(Refused, match="cannot be used with"):
        crypto.verify(store, ACTOR, key.ocid, key.current_version, message, b"signature")


def test_a_sealed_vault_lists_and_verifies_but_makes_and_signs_nothing(store: Store, vault: Vault, key: Key) -> None:
    made = crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY)
    sealed = SealedRoot("the root key file is missing.")
    for act in (
        lambda: crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=Custody(sealed)),
        lambda: keys.create_key(store, ACTOR, key_details(vault), root=sealed),
        lambda: keys.create_key_version(store, ACTOR, key.ocid, root=sealed),
    ):
        with pytest.raises(Unavailable) as fault:
            act()
        assert fault.value.reason is Reason.SEALED
    assert crypto.verify(store, ACTOR, key.ocid, key.current_version, MESSAGE, made.signature)
    assert keys.list_keys(store, ACTOR, TENANCY, vault.ocid).items == (key,)


def test_rows_swapped_in_the_database_are_corrupt(store: Store, vault: Vault, key: Key) -> None:
    other = keys.create_key(store, ACTOR, key_details(vault), root=ROOT)
    rows = metadata.tables["key_version"]
    with store.database.write() as connection:
        taken = connection.execute(select(rows).where(rows.c.ocid == other.current_version)).one()
        forged = {
            name: getattr(taken, name)
            for name in ("wrapped_data_key", "sealed", "public_pem", "proof", "format_version")
        }
        connection.execute(update(rows).where(rows.c.ocid == key.current_version).values(**forged))
    with pytest.raises(Corrupt):
        crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY)
    with pytest.raises(Corrupt), store.database.read() as connection:
        crypto.verifier(connection, TENANCY, key.current_version)


class NothingRaw:
    """A gate that lets digests pass and nothing else."""

    def require(self, connection: Connection, key: Key, message: bytes, kind: MessageType) -> None:
        if kind is not MessageType.DIGEST:
            raise Refused(f"The key {key.display_name!r} signs reviewed images only.", reason=Reason.NOT_ALLOWED)


def test_a_gate_refuses_what_a_gated_key_may_not_sign(store: Store, key: Key) -> None:
    gated = Custody(ROOT, NothingRaw())
    with pytest.raises(Refused, match="reviewed images only"):
        crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=gated)
    digest = Message(bytes(32), SigningAlgorithm.ECDSA_SHA_256, MessageType.DIGEST)
    assert crypto.sign(store, ACTOR, key.ocid, digest, custody=gated).signature


def test_a_key_that_would_need_a_token_is_refused_not_pretended(vault: Vault) -> None:
    with pytest.raises(Refused, match="HSM"):
        key_details(vault, protection_mode=ProtectionMode.HSM)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_a_display_name_says_something(name: str) -> None:
    with pytest.raises(Refused, match="display name"):
        VaultDetails(TENANCY, name)


def test_lists_page_in_both_orders_and_refuse_a_token_of_another_list(
    store: Store, clock: SetClock, vault: Vault
) -> None:
    made = []
    for name in ("b", "a", "c", "a"):
        made.append(keys.create_key(store, ACTOR, key_details(vault, display_name=name), root=ROOT))
        clock.advance(1)

    def pages(listing: Listing) -> list[list[str]]:
        found, token = [], ""
        while True:
            page = keys.list_keys(store, ACTOR, TENANCY, vault.ocid, replace(listing, page=token))
            found.append([key.display_name for key in page.items])
            if not (token := page.next_page):
                return found

    assert pages(Listing(limit=3)) == [["a", "c", "a"], ["b"]]
    assert pages(Listing(limit=2, descending=False)) == [["b", "a"], ["c", "a"]]
    assert pages(Listing(SortBy.DISPLAYNAME, descending=False, limit=1)) == [["a"], ["a"], ["b"], ["c"]]
    token = keys.list_keys(store, ACTOR, TENANCY, vault.ocid, Listing(limit=1)).next_page
    with pytest.raises(Refused) as refusal:
        vaults.list_vaults(store, ACTOR, TENANCY, Listing(limit=1, page=token))
    assert refusal.value.reason is Reason.PAGE_TOKEN
    with pytest.raises(Refused):
        keys.list_keys(store, ACTOR, TENANCY, vault.ocid, Listing(limit=1, page=token, descending=False))


def test_versions_are_listed_newest_first(store: Store, clock: SetClock, key: Key) -> None:
    clock.advance(1)
    new = keys.create_key_version(store, ACTOR, key.ocid, root=ROOT)
    listed: tuple[KeyVersion, ...] = keys.list_key_versions(store, ACTOR, key.ocid).items
    assert [version.ocid for version in listed] == [new.ocid, key.current_version]


def test_a_door_finds_a_vault_by_its_extension(store: Store, vault: Vault) -> None:
    assert vaults.find_by_extension(store, vault.extension) == vault
    assert vaults.find_by_extension(store, "nosuchvault00") is None


def test_every_act_leaves_an_audit_row_and_none_shows_a_key(store: Store, vault: Vault, key: Key) -> None:
    crypto.sign(store, ACTOR, key.ocid, MESSAGE, custody=CUSTODY)
    keys.disable_key(store, ACTOR, key.ocid)
    assert audited(store) == [(name, "done") for name in ("CreateVault", "CreateKey", "Sign", "DisableKey")]


def test_resources_are_the_only_thing_that_verbs_return() -> None:
    """The values that reach audit and retry answers have no field for sealed bytes."""
    for kind in (resources.Vault, resources.Key, resources.KeyVersion):
        assert not {"sealed", "wrapped_data_key", "proof"} & set(kind.__slots__)
