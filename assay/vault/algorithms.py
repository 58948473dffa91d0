"""Making and checking signatures with key objects: the one place that maps algorithm names to cryptography. Pure.

Sources: PKCS #1 v2.2 (RFC 8017) for PSS and v1.5; FIPS 186-5 for ECDSA, signatures in ASN.1 DER. PSS salts have the
length of the hash when made, any length when checked. ECDSA signatures with a high `s` are accepted: half of all
signatures by ordinary signers have one, and nothing here uses a signature as an identifier.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from assay.errors import Corrupt, Reason, Refused
from assay.vault.shapes import (
    RAW_MESSAGE_BYTES_MAX,
    Curve,
    KeyAlgorithm,
    KeyShape,
    MessageType,
    Padding,
    SigningAlgorithm,
)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

RSA_EXPONENT = 65537
SIGNATURE_BYTES_MAX = 1024

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_CURVES: dict[Curve, ec.EllipticCurve] = {
    Curve.NIST_P256: ec.SECP256R1(),
    Curve.NIST_P384: ec.SECP384R1(),
    Curve.NIST_P521: ec.SECP521R1(),
}


def generate(shape: KeyShape) -> PrivateKey:
    """A fresh private key of the shape (RSA 4096 takes about a second)."""
    if shape.curve is None:
        return rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=shape.length * 8)
    return ec.generate_private_key(_CURVES[shape.curve])


def shape_of(key: PublicKey) -> KeyShape:
    """The shape of a public key; Refused when it is none that Assay uses."""
    if isinstance(key, rsa.RSAPublicKey):
        return KeyShape(KeyAlgorithm.RSA, key.key_size // 8)
    curve = next((name for name, each in _CURVES.items() if each.name == key.curve.name), None)
    if curve is None:
        raise Refused(f"Keys on the curve {key.curve.name} are not used here.", reason=Reason.UNSUPPORTED)
    return KeyShape(KeyAlgorithm.ECDSA, 66 if curve is Curve.NIST_P521 else key.key_size // 8, curve)


def pem(key: PublicKey) -> str:
    """A public key as `-----BEGIN PUBLIC KEY-----` text (SubjectPublicKeyInfo)."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def spki(key: PublicKey) -> bytes:
    """A public key as the DER of its SubjectPublicKeyInfo."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_public_pem(text: str) -> PublicKey:
    """The key of a stored PEM text; Corrupt when it holds no key of a usable kind."""
    try:
        key = serialization.load_pem_public_key(text.encode())
    except (ValueError, TypeError) as fault:
        raise Corrupt("A stored public key cannot be read.", advice="Restore the vault's rows.") from fault
    if not isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        raise Corrupt("A stored public key is neither RSA nor ECDSA.", advice="Restore the vault's rows.")
    return key


def sign(key: PrivateKey, algorithm: SigningAlgorithm, message: bytes, kind: MessageType = MessageType.RAW) -> bytes:
    """The signature of a message, or of its hash for DIGEST; the caller has checked that key and algorithm fit."""
    digest, hashing = _hashed(algorithm, message, kind)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(digest, _rsa_padding(algorithm, making=True), Prehashed(hashing))
    return key.sign(digest, ec.ECDSA(Prehashed(hashing)))


def verify(
    key: PublicKey,
    algorithm: SigningAlgorithm,
    message: bytes,
    signature: bytes,
    kind: MessageType = MessageType.RAW,
) -> bool:
    """Whether the signature is the key's over the message; False also when key and algorithm don't fit."""
    if not algorithm.fits(shape_of(key)) or len(signature) > SIGNATURE_BYTES_MAX:
        return False
    digest, hashing = _hashed(algorithm, message, kind)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, _rsa_padding(algorithm, making=False), Prehashed(hashing))
        else:
            key.verify(signature, digest, ec.ECDSA(Prehashed(hashing)))
    except InvalidSignature:
        return False
    return True


def require_message(algorithm: SigningAlgorithm, message: bytes, kind: MessageType) -> None:
    """Refused unless a RAW message has at most 4096 bytes, or a DIGEST the length of the algorithm's hash."""
    if kind is MessageType.RAW and len(message) > RAW_MESSAGE_BYTES_MAX:
        raise Refused(
            f"The message has {len(message)} bytes; at most {RAW_MESSAGE_BYTES_MAX} are signed as they are.",
            advice=f"Send its {algorithm.hash_name} hash with the message type DIGEST.",
        )
    size = _HASHES[algorithm.hash_name].digest_size
    if kind is MessageType.DIGEST and len(message) != size:
        raise Refused(
            f"The digest has {len(message)} bytes; {algorithm} takes {size}.",
            advice=f"Hash the message with {algorithm.hash_name}.",
        )


def _hashed(algorithm: SigningAlgorithm, message: bytes, kind: MessageType) -> tuple[bytes, hashes.HashAlgorithm]:
    hashing = _HASHES[algorithm.hash_name]
    if kind is MessageType.DIGEST:
        require_message(algorithm, message, kind)
        return message, hashing
    hasher = hashes.Hash(hashing)
    hasher.update(message)
    return hasher.finalize(), hashing


def _rsa_padding(algorithm: SigningAlgorithm, *, making: bool) -> padding.AsymmetricPadding:
    if algorithm.padding is Padding.PKCS1_V1_5:
        return padding.PKCS1v15()
    hashing = _HASHES[algorithm.hash_name]
    return padding.PSS(padding.MGF1(hashing), padding.PSS.DIGEST_LENGTH if making else padding.PSS.AUTO)
