"""Signing and verifying with master encryption keys.

A private key is unsealed for the length of one call and never leaves this room. What may be signed with a *gated* key
is asked of the `UsageGate` that the application hands in; without one no key is gated.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from logging import getLogger
from typing import Protocol, Self

from sqlalchemy import Connection

from assay.clock import Instant
from assay.errors import Corrupt, Reason, Refused, not_found
from assay.iam import Act, Actor, Target, authorize, perform
from assay.storage import Store
from assay.vault import algorithms, keys
from assay.vault.algorithms import PublicKey
from assay.vault.records import keys as records
from assay.vault.records.keys import Material
from assay.vault.resources import Key
from assay.vault.sealing import RootKey, public_key, unsealed
from assay.vault.shapes import KeyState, MessageType, SigningAlgorithm, VaultState, require_fit

MESSAGES_AT_ONCE_MAX = 4096

log = getLogger(__name__)


class UsageGate(Protocol):
    """Whether a key may sign a message, beyond what policies say: the review gate is a property of the key."""

    def require(self, connection: Connection, key: Key, message: bytes, kind: MessageType) -> None:
        """Pass in silence, or raise Refused with the reason."""
        ...


@dataclass(frozen=True, slots=True)
class Custody:
    """What signing needs besides the rows: the root key, and the gate for keys that have one."""

    root: RootKey
    gate: UsageGate | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes to be signed by an algorithm: at most 4096 as they are, or their hash."""

    content: bytes
    algorithm: SigningAlgorithm
    kind: MessageType = MessageType.RAW

    def __post_init__(self) -> None:
        algorithms.require_message(self.algorithm, self.content, self.kind)

    @classmethod
    def hashed(cls, content: bytes, algorithm: SigningAlgorithm) -> Self:
        """The message of bytes of any length, as their hash."""
        return cls(hashlib.new(algorithm.hash_name, content).digest(), algorithm, MessageType.DIGEST)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as the KMS API gives it; ECDSA in ASN.1 DER."""

    key: str
    key_version: str
    algorithm: SigningAlgorithm
    signature: bytes


class Holder(StrEnum):
    """What can put a key version out of use: its own state, that of its key, or of its vault."""

    VAULT = "vault"
    KEY = "key"
    VERSION = "version"


@dataclass(frozen=True, slots=True)
class Distrust:
    """Why a key version neither signs nor is trusted now: whose state it is, and when that ends in destruction.

    `time_of_deletion` is known for keys and versions that are to be deleted.
    """

    holder: Holder
    key_name: str
    state: VaultState | KeyState
    time_of_deletion: Instant | None = None

    def __str__(self) -> str:
        name = f"the key {self.key_name!r}"
        return f"{name if self.holder is Holder.KEY else f'the {self.holder} of {name}'} is {self.state}"


@dataclass(frozen=True, slots=True)
class Verifier:
    """The public half of one key version, and why it is not trusted now (None when it is)."""

    key: Key
    key_version: str
    public: PublicKey
    distrust: Distrust | None = None

    def verifies(self, message: Message, signature: bytes) -> bool:
        """Whether the signature is this version's over the message, whatever the version's state."""
        return algorithms.verify(self.public, message.algorithm, message.content, signature, message.kind)

    def spki(self) -> bytes:
        """The DER of the SubjectPublicKeyInfo."""
        return algorithms.spki(self.public)


@dataclass(frozen=True, slots=True)
class Signer:
    """A key version that may sign now; made by `signer`, good for one act."""

    material: Material

    @property
    def key(self) -> Key:
        """The key."""
        return self.material.key

    @property
    def key_version(self) -> str:
        """The OCID of the version that signs."""
        return self.material.version.ocid

    @property
    def public_key_der(self) -> bytes:
        """The DER of the SubjectPublicKeyInfo, its proof checked. Errors: Corrupt."""
        return algorithms.spki(public_key(self.material.binding, self.material.sealed))


def signer(connection: Connection, actor: Actor, key: str, key_version: str = "", *, now: int) -> Signer:
    """The version of a key (the current one when none is named) that `actor` may sign with.

    Errors: Refused (NOT_FOUND when missing or not permitted; WRONG_STATE when version, key or vault are not in use).
    """
    found = records.get_key(connection, actor.tenancy, key)
    authorize(connection, actor, "Sign", keys.target_of(found), now=now)
    version = key_version or found.current_version
    material = records.material(connection, actor.tenancy, version)
    if material is None or material.key.ocid != key:
        raise not_found()
    if why := _unusable(material):
        raise Refused(f"Nothing can be signed: {why}.", advice="Use a key that is enabled.", reason=Reason.WRONG_STATE)
    return Signer(material)


def make_signatures(
    connection: Connection, custody: Custody, using: Signer, messages: Sequence[Message]
) -> tuple[bytes, ...]:
    """The signatures of messages, in order, from one unsealing of the key.

    Errors: Refused (an algorithm that doesn't fit the key, what the gate refuses), Unavailable (SEALED), Corrupt.
    """
    if len(messages) > MESSAGES_AT_ONCE_MAX:
        raise Refused(f"At most {MESSAGES_AT_ONCE_MAX} messages are signed at once.", reason=Reason.LIMIT_EXCEEDED)
    require_gate(connection, custody, using, messages)
    with unsealed(custody.root, using.material.binding, using.material.sealed) as private:
        return tuple(algorithms.sign(private, each.algorithm, each.content, each.kind) for each in messages)


def require_gate(connection: Connection, custody: Custody, using: Signer, messages: Sequence[Message]) -> None:
    """Refused unless every message's algorithm fits the key, and the key's gate lets it pass."""
    for message in messages:
        require_fit(message.algorithm, using.key.shape)
        if custody.gate is not None:
            custody.gate.require(connection, using.key, message.content, message.kind)


def sign(
    store: Store, actor: Actor, key: str, message: Message, *, custody: Custody, key_version: str = ""
) -> Signature:
    """Sign one message with a key, by its current version unless another is named.

    Errors: Refused (NOT_FOUND, WRONG_STATE, an algorithm that doesn't fit), Unavailable (SEALED).
    """

    def locate(connection: Connection) -> Target:
        return keys.target_of(records.get_key(connection, actor.tenancy, key))

    def change(act: Act) -> Signature:
        using = signer(act.connection, actor, key, key_version, now=act.now)
        made = make_signatures(act.connection, custody, using, (message,))
        return Signature(key, using.key_version, message.algorithm, made[0])

    return perform(store, actor, "Sign", locate=locate, change=change)


def verify(store: Store, actor: Actor, key: str, key_version: str, message: Message, signature: bytes) -> bool:
    """Whether the signature is that version's over the message.

    Errors: Refused (NOT_FOUND; WRONG_STATE when version, key or vault are not in use: then nothing is verified).
    """
    with store.database.read() as connection:
        found = records.get_key(connection, actor.tenancy, key)
        authorize(connection, actor, "Verify", keys.target_of(found), now=store.clock.now())
        using = verifier(connection, actor.tenancy, key_version)
    if using is None or using.key.ocid != key:
        raise not_found()
    if using.distrust is not None:
        raise Refused(
            f"Nothing can be verified: {using.distrust}.",
            advice="Enable the key, or cancel its deletion.",
            reason=Reason.WRONG_STATE,
        )
    require_fit(message.algorithm, using.key.shape)
    return using.verifies(message, signature)


def verifier(connection: Connection, tenancy: str, key_version: str) -> Verifier | None:
    """The public half of a version of one of a tenancy's keys, with its standing; None when there is no such version.

    For rooms that decide on trust: asks no permission. Errors: Corrupt (the row was tampered with).
    """
    material = records.material(connection, tenancy, key_version)
    return _verifier(material) if material else None


def version_number(connection: Connection, key_version: str) -> int:
    """The place of a version among those of its key, from 1, oldest first, as pages count them; 0 if it is not there.

    For rooms that explain a denial: asks no permission.
    """
    return records.version_number(connection, key_version)


def verifiers(connection: Connection, tenancy: str, trusted_keys: Sequence[str]) -> tuple[Verifier, ...]:
    """All versions of some of a tenancy's keys, each with its standing, but for rows that were tampered with."""
    return tuple(_sound(records.materials_of(connection, tenancy, tuple(trusted_keys))))


def latest_verifiers(connection: Connection, tenancy: str, *, rows_max: int) -> tuple[Verifier, ...]:
    """The newest versions of a tenancy's keys, as `verifiers`."""
    return tuple(_sound(records.latest_materials(connection, tenancy, rows_max=rows_max)))


def _sound(materials: Iterable[Material]) -> Iterator[Verifier]:
    for material in materials:
        try:
            yield _verifier(material)
        except Corrupt as fault:
            log.error("vault: %s", fault)  # noqa: TRY400 - the message says it all


def _verifier(material: Material) -> Verifier:
    public = public_key(material.binding, material.sealed)
    return Verifier(material.key, material.version.ocid, public, _unusable(material))


def _unusable(material: Material) -> Distrust | None:
    """Why a version neither signs nor is trusted, or None."""
    key, version = material.key, material.version
    if material.vault_state is not VaultState.ACTIVE:
        return Distrust(Holder.VAULT, key.display_name, material.vault_state)
    if key.state is not KeyState.ENABLED:
        return Distrust(Holder.KEY, key.display_name, key.state, key.time_of_deletion)
    if version.state is not KeyState.ENABLED:
        return Distrust(Holder.VERSION, key.display_name, version.state, version.time_of_deletion)
    return None
