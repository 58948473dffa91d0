"""Public keys that people upload to sign requests with: which are taken, and by what they are known. Pure rules.

Source: oci-api 1.2 (fingerprint), RFC 7468 (PEM), the Identity service's documentation (RSA of at least 2048 bits).
"""

import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from assay.errors import Refused

PEM_LENGTH_MAX = 16 * 1024
BITS_MIN = 2048
BITS_MAX = 8192
#: A larger exponent would make each verification slow.
EXPONENT_MAX = (1 << 32) - 1

_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key as it is kept: PEM in one form whatever was sent, and its fingerprint."""

    pem: str
    fingerprint: str


def read(text: str) -> SigningKey:
    """The key in what somebody sent; lines around the PEM block (a comment, a label) are left out.

    Errors: Refused for a private key (which is never repeated), another kind of key, a weak one, what is no PEM.
    """
    if "PRIVATE KEY" in text:
        raise Refused(
            "This is a private key. It was not kept, but it has left its owner's machine.",
            advice="Send the public key alone, and make a new pair if anybody may have seen this one.",
        )
    blocks = list(_BLOCK.finditer(text)) if len(text) <= PEM_LENGTH_MAX else []
    if len(blocks) != 1 or blocks[0][1] not in ("PUBLIC KEY", "RSA PUBLIC KEY"):
        raise Refused(
            "This is not one public key in PEM form.",
            advice="Send the whole file, from '-----BEGIN PUBLIC KEY-----' to '-----END PUBLIC KEY-----'.",
        )
    try:
        key = load_pem_public_key(blocks[0][0].encode())
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise Refused(
            "The public key does not read.", advice="Write it again: openssl rsa -in KEY.pem -pubout."
        ) from fault
    if not isinstance(key, RSAPublicKey):
        raise Refused("The public key is not of the kind RSA.", advice="Requests are signed with RSA keys.")
    return _kept(key)


def loaded(pem: str) -> RSAPublicKey:
    """A key that is kept, ready to verify with."""
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey):
        raise TypeError("a signing key is of the kind RSA")
    return key


def _kept(key: RSAPublicKey) -> SigningKey:
    if not BITS_MIN <= key.key_size <= BITS_MAX or not 2 < key.public_numbers().e <= EXPONENT_MAX:
        raise Refused(
            f"The public key has {key.key_size} bits, or an exponent that is out of range.",
            advice=f"Make one of {BITS_MIN} to {BITS_MAX} bits: openssl genrsa -out KEY.pem {BITS_MIN}.",
        )
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    # MD5 names the key as the clients do; it protects nothing: the signature is verified with the key itself.
    fingerprint = hashlib.md5(der, usedforsecurity=False).hexdigest()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return SigningKey(pem, ":".join(re.findall("..", fingerprint)))
