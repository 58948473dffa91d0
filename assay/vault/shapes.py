"""Words of a vault: key shapes, signing algorithms, states, and which of them go together. Pure.

Sources: the KMS API's KeyShape, SignDataDetails and lifecycle states; the choice of hashes per curve follows what
cosign, podman and the stock OCI clients verify (SHA-256 with every key, and each curve's own hash).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from assay.clock import DAY, Instant
from assay.errors import Reason, Refused

RAW_MESSAGE_BYTES_MAX = 4096
DELETION_DAYS_MIN = 7
DELETION_DAYS_MAX = 30


class KeyAlgorithm(StrEnum):
    """The families of master encryption keys that can sign."""

    RSA = "RSA"
    ECDSA = "ECDSA"


class Curve(StrEnum):
    """Curves of ECDSA keys."""

    NIST_P256 = "NIST_P256"
    NIST_P384 = "NIST_P384"
    NIST_P521 = "NIST_P521"


_RSA_LENGTHS = (256, 384, 512)
_CURVE_LENGTHS = {Curve.NIST_P256: 32, Curve.NIST_P384: 48, Curve.NIST_P521: 66}
_CURVE_HASHES = {Curve.NIST_P256: "sha256", Curve.NIST_P384: "sha384", Curve.NIST_P521: "sha512"}


@dataclass(frozen=True, slots=True)
class KeyShape:
    """Algorithm, `length` in bytes as on the wire (RSA 256, 384, 512; ECDSA 32, 48, 66) and the curve of an ECDSA key.

    The curve may be left out: it follows from the length.
    """

    algorithm: KeyAlgorithm
    length: int
    curve: Curve | None = None

    def __post_init__(self) -> None:
        if self.algorithm is KeyAlgorithm.RSA:
            if self.length not in _RSA_LENGTHS or self.curve is not None:
                raise _no_shape(f"RSA with {self.length} bytes" + (f" and curve {self.curve}" if self.curve else ""))
            return
        curve = self.curve or next((c for c, length in _CURVE_LENGTHS.items() if length == self.length), None)
        if curve is None or _CURVE_LENGTHS[curve] != self.length:
            raise _no_shape(f"ECDSA with {self.length} bytes" + (f" and curve {self.curve}" if self.curve else ""))
        object.__setattr__(self, "curve", curve)

    def __str__(self) -> str:
        return f"RSA {self.length * 8}" if self.curve is None else f"ECDSA {self.curve.value.replace('NIST_P', 'P-')}"

    @classmethod
    def parse(cls, algorithm: str, length: int, curve: str | None = None) -> Self:
        """The shape that a request names; Refused when there is no such shape (AES keys cannot sign)."""
        if algorithm not in tuple(KeyAlgorithm) or (curve is not None and curve not in tuple(Curve)):
            raise _no_shape(f"{algorithm[:20]} {curve or ''}".strip())
        return cls(KeyAlgorithm(algorithm), length, Curve(curve) if curve else None)


def _no_shape(what: str) -> Refused:
    return Refused(
        f"There is no asymmetric key shape {what!r}.",
        advice="Use RSA with a length of 256, 384 or 512 bytes, or ECDSA with NIST_P256, NIST_P384 or NIST_P521.",
    )


class Padding(StrEnum):
    """How a signature is formed from a hash."""

    PSS = "PSS"
    PKCS1_V1_5 = "PKCS1_V1_5"
    ECDSA = "ECDSA"


class SigningAlgorithm(StrEnum):
    """The signing algorithms of the KMS API."""

    SHA_224_RSA_PKCS_PSS = "SHA_224_RSA_PKCS_PSS"
    SHA_256_RSA_PKCS_PSS = "SHA_256_RSA_PKCS_PSS"
    SHA_384_RSA_PKCS_PSS = "SHA_384_RSA_PKCS_PSS"
    SHA_512_RSA_PKCS_PSS = "SHA_512_RSA_PKCS_PSS"
    SHA_224_RSA_PKCS1_V1_5 = "SHA_224_RSA_PKCS1_V1_5"
    SHA_256_RSA_PKCS1_V1_5 = "SHA_256_RSA_PKCS1_V1_5"
    SHA_384_RSA_PKCS1_V1_5 = "SHA_384_RSA_PKCS1_V1_5"
    SHA_512_RSA_PKCS1_V1_5 = "SHA_512_RSA_PKCS1_V1_5"
    ECDSA_SHA_256 = "ECDSA_SHA_256"
    ECDSA_SHA_384 = "ECDSA_SHA_384"
    ECDSA_SHA_512 = "ECDSA_SHA_512"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The algorithm of that name, in any case of letters; Refused when there is none."""
        try:
            return cls(text.upper())
        except ValueError as fault:
            raise Refused(
                f"{text[:40]!r} is not a signing algorithm.", advice=f"Use one of {', '.join(cls)}."
            ) from fault

    @property
    def padding(self) -> Padding:
        """How the signature is formed."""
        if self.value.startswith("ECDSA"):
            return Padding.ECDSA
        return Padding.PSS if self.value.endswith("PSS") else Padding.PKCS1_V1_5

    @property
    def hash_name(self) -> str:
        """`sha224`, `sha256`, `sha384` or `sha512`."""
        return "sha" + next(part for part in self.value.split("_") if part.isdigit() and len(part) == 3)

    def fits(self, shape: KeyShape) -> bool:
        """Whether a key of this shape may make and verify such signatures.

        An RSA key takes every RSA algorithm. A curve takes SHA-256, which every client verifies, and its own hash.
        """
        if shape.curve is None:
            return self.padding is not Padding.ECDSA
        return self.padding is Padding.ECDSA and self.hash_name in ("sha256", _CURVE_HASHES[shape.curve])

    def is_of_artifacts(self, shape: KeyShape) -> bool:
        """Whether signers of cosign artifacts use this with such a key: cosign 3 signs with a curve's own hash."""
        if shape.curve is None:
            return self is SigningAlgorithm.SHA_256_RSA_PKCS1_V1_5
        return self.fits(shape)


def require_fit(algorithm: SigningAlgorithm, shape: KeyShape) -> None:
    """Refused unless the algorithm goes with the key's shape."""
    if not algorithm.fits(shape):
        fitting = ", ".join(each for each in SigningAlgorithm if each.fits(shape))
        raise Refused(f"The key is {shape}; it cannot be used with {algorithm}.", advice=f"Use one of {fitting}.")


def artifact_algorithm(shape: KeyShape) -> SigningAlgorithm:
    """The algorithm that every reader of cosign artifacts verifies: SHA-256, for RSA with PKCS#1 v1.5."""
    return SigningAlgorithm.SHA_256_RSA_PKCS1_V1_5 if shape.curve is None else SigningAlgorithm.ECDSA_SHA_256


def default_algorithm(shape: KeyShape) -> SigningAlgorithm:
    """The algorithm of a native signature when none is named: PSS for RSA, as OCI's registry has it; SHA-256."""
    return SigningAlgorithm.SHA_256_RSA_PKCS_PSS if shape.curve is None else SigningAlgorithm.ECDSA_SHA_256


class MessageType(StrEnum):
    """What a message to sign or verify is: the bytes themselves, or their hash."""

    RAW = "RAW"
    DIGEST = "DIGEST"


class RootKind(StrEnum):
    """Where the root key, under which all data keys are wrapped, comes from."""

    FILE = "file"
    PASSPHRASE = "passphrase"  # noqa: S105 - the name of a kind, not a passphrase


class ProtectionMode(StrEnum):
    """How a key is protected. Software-sealed keys alone are made here; HSM needs a PKCS#11 token."""

    HSM = "HSM"
    SOFTWARE = "SOFTWARE"


class VaultType(StrEnum):
    """Kinds of vaults that can be asked for; both are kept the same way."""

    DEFAULT = "DEFAULT"
    VIRTUAL_PRIVATE = "VIRTUAL_PRIVATE"


class VaultState(StrEnum):
    """States of a vault. OCI's passing states (CREATING, …) are never seen: an act is one transaction."""

    ACTIVE = "ACTIVE"
    PENDING_DELETION = "PENDING_DELETION"
    DELETED = "DELETED"


class KeyState(StrEnum):
    """States of a key and of a key version; only an ENABLED version of an ENABLED key signs, and is trusted."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    PENDING_DELETION = "PENDING_DELETION"
    DELETED = "DELETED"


_KEY_MOVES = {
    KeyState.ENABLED: {KeyState.DISABLED, KeyState.PENDING_DELETION},
    KeyState.DISABLED: {KeyState.ENABLED, KeyState.PENDING_DELETION},
    KeyState.PENDING_DELETION: {KeyState.ENABLED, KeyState.DISABLED, KeyState.DELETED},
    KeyState.DELETED: set(),
}
_VAULT_MOVES = {
    VaultState.ACTIVE: {VaultState.PENDING_DELETION},
    VaultState.PENDING_DELETION: {VaultState.ACTIVE, VaultState.DELETED},
    VaultState.DELETED: set(),
}


def require_key_move(what: str, old: KeyState, new: KeyState) -> None:
    """Refused (WRONG_STATE) unless a key or key version, named by `what`, may go from the old to the new state."""
    if new not in _KEY_MOVES[old]:
        raise _wrong_move(what, old, new)


def require_vault_move(what: str, old: VaultState, new: VaultState) -> None:
    """Refused (WRONG_STATE) unless a vault may go from the old to the new state."""
    if new not in _VAULT_MOVES[old]:
        raise _wrong_move(what, old, new)


def _wrong_move(what: str, old: str, new: str) -> Refused:
    return Refused(
        f"The {what} is {old}; it cannot become {new}.",
        advice="Look at its lifecycle state first.",
        reason=Reason.WRONG_STATE,
    )


def deletion_time(now: Instant, wanted: Instant | None) -> Instant:
    """When something scheduled for deletion is destroyed: 7 to 30 days ahead, 30 when no time is wanted."""
    if wanted is None:
        return Instant(now + DELETION_DAYS_MAX * DAY)
    if not now + DELETION_DAYS_MIN * DAY <= wanted <= now + DELETION_DAYS_MAX * DAY:
        raise Refused(
            "The time of deletion is outside the allowed window.",
            advice=f"Choose a time {DELETION_DAYS_MIN} to {DELETION_DAYS_MAX} days from now.",
        )
    return wanted
