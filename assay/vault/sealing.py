"""Private keys at rest: sealed under a data key of their own, which the root key wraps. Pure but for randomness.

    PKCS#8 DER ──AES-256-GCM, data key──▶ sealed key        data key ──root key──▶ wrapped data key

Both layers are bound to the same associated data: format version, vault, key, key version and algorithm, each with its
length in front, so that no row can stand in for another. The public half is kept in clear with a proof of possession:
a signature by the key itself over that associated data and the SubjectPublicKeyInfo.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assay.errors import Corrupt
from assay.vault import algorithms
from assay.vault.algorithms import PrivateKey, PublicKey
from assay.vault.shapes import KeyShape, artifact_algorithm

FORMAT_VERSION = 1
DATA_KEY_BYTES = 32
NONCE_BYTES = 12
_PROOF_PREFIX = b"assay proof of possession\x00"


class RootKey(Protocol):
    """What wraps data keys. Neither method ever shows the root key; both raise Unavailable (SEALED) without one."""

    def wrap(self, data_key: bytes, associated: bytes) -> bytes:
        """`data_key` encrypted, and authenticated together with `associated`."""
        ...

    def unwrap(self, wrapped: bytes, associated: bytes) -> bytes:
        """The data key again. Errors: Corrupt when `wrapped` or `associated` is not what was wrapped."""
        ...


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """To which row a key's bytes belong: the associated data of both layers and of the proof."""

    vault: str
    key: str
    key_version: str
    shape: KeyShape
    format_version: int = FORMAT_VERSION

    def associated(self) -> bytes:
        """The fields, each behind its length in four bytes."""
        parts = (str(self.format_version), self.vault, self.key, self.key_version, str(self.shape))
        return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


@dataclass(frozen=True, slots=True)
class SealedKey:
    """What a key version's row holds of its key. Nothing in it is a secret without the root key."""

    wrapped_data_key: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    public_pem: str
    proof: bytes = field(repr=False)


def generate_sealed(root: RootKey, binding: KeyBinding) -> SealedKey:
    """A fresh key of the binding's shape, sealed; the private half does not outlive this call.

    Errors: Unavailable (SEALED).
    """
    return seal(root, binding, algorithms.generate(binding.shape))


def seal(root: RootKey, binding: KeyBinding, key: PrivateKey) -> SealedKey:
    """A private key as its row keeps it. Errors: Unavailable (SEALED)."""
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    associated = binding.associated()
    data_key, nonce = os.urandom(DATA_KEY_BYTES), os.urandom(NONCE_BYTES)
    return SealedKey(
        wrapped_data_key=root.wrap(data_key, associated),
        sealed=nonce + AESGCM(data_key).encrypt(nonce, der, associated),
        public_pem=algorithms.pem(key.public_key()),
        proof=algorithms.sign(key, artifact_algorithm(binding.shape), _proven(binding, key.public_key())),
    )


@contextmanager
def unsealed(root: RootKey, binding: KeyBinding, key: SealedKey) -> Iterator[PrivateKey]:
    """The private key, for the length of a `with` block.

    Errors: Unavailable (SEALED); Corrupt when the row was tampered with, swapped with another, or its public half is
    not the half of this private key.
    """
    associated = binding.associated()
    data_key = root.unwrap(key.wrapped_data_key, associated)
    try:
        der = AESGCM(data_key).decrypt(key.sealed[:NONCE_BYTES], key.sealed[NONCE_BYTES:], associated)
    except (InvalidTag, ValueError) as fault:
        raise _tampered(binding) from fault
    # The DER was authenticated just now: RSA's slow consistency check would add nothing.
    private = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(private, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise _tampered(binding)
    if algorithms.pem(private.public_key()) != key.public_pem:
        raise _tampered(binding)
    yield private


def public_key(binding: KeyBinding, key: SealedKey) -> PublicKey:
    """The public half, its proof checked. Errors: Corrupt when it isn't the key that was made for this row."""
    public = algorithms.load_public_pem(key.public_pem)
    algorithm = artifact_algorithm(binding.shape)
    if algorithms.shape_of(public) != binding.shape or not algorithms.verify(
        public, algorithm, _proven(binding, public), key.proof
    ):
        raise _tampered(binding)
    return public


def _proven(binding: KeyBinding, public: PublicKey) -> bytes:
    return _PROOF_PREFIX + binding.associated() + algorithms.spki(public)


def _tampered(binding: KeyBinding) -> Corrupt:
    return Corrupt(
        f"What is stored for the key version {binding.key_version} does not belong to it.",
        advice="The vault's rows were changed outside Assay: restore them from a backup, or make a new key version.",
    )
