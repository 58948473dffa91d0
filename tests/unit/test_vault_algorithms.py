"""Signatures of all six key types, checked by OpenSSL's own program as well as by ourselves."""

import hashlib
import subprocess
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils

from assay.errors import Refused
from assay.vault import algorithms
from assay.vault.algorithms import PrivateKey
from assay.vault.shapes import KeyAlgorithm, KeyShape, MessageType, Padding, SigningAlgorithm

SHAPES = [KeyShape(KeyAlgorithm.RSA, n) for n in (256, 384, 512)] + [
    KeyShape(KeyAlgorithm.ECDSA, n) for n in (32, 48, 66)
]
PAIRS = [(shape, algorithm) for shape in SHAPES for algorithm in SigningAlgorithm if algorithm.fits(shape)]
MESSAGE = b"what is signed"


@cache
def key_of(shape: KeyShape) -> PrivateKey:
    return algorithms.generate(shape)


def openssl_accepts(
    folder: Path, key: PrivateKey, algorithm: SigningAlgorithm, message: bytes, signature: bytes
) -> bool:
    """What `openssl dgst -verify` says."""
    (folder / "public.pem").write_text(algorithms.pem(key.public_key()))
    (folder / "signature").write_bytes(signature)
    (folder / "message").write_bytes(message)
    options: list[str] = []
    if algorithm.padding is Padding.PSS:
        options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
    command = ["openssl", "dgst", f"-{algorithm.hash_name}", *options, "-verify", "public.pem"]
    command += ["-signature", "signature", "message"]
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.strip() in ("Verified OK", "Verification failure"), done
    return done.stdout.strip() == "Verified OK"


@pytest.mark.parametrize(("shape", "algorithm"), PAIRS, ids=str)
def test_openssl_verifies_every_algorithm_on_every_key_type(
    shape: KeyShape, algorithm: SigningAlgorithm, tmp_path: Path
) -> None:
    signature = algorithms.sign(key_of(shape), algorithm, MESSAGE)
    assert openssl_accepts(tmp_path, key_of(shape), algorithm, MESSAGE, signature)
    assert not openssl_accepts(tmp_path, key_of(shape), algorithm, MESSAGE + b".", signature)


@pytest.mark.parametrize(("shape", "algorithm"), PAIRS, ids=str)
def test_a_signature_verifies_raw_and_as_digest_and_for_no_other_message(
    shape: KeyShape, algorithm: SigningAlgorithm
) -> None:
    key = key_of(shape)
    digest = hashlib.new(algorithm.hash_name, MESSAGE).digest()
    made = algorithms.sign(key, algorithm, digest, MessageType.DIGEST)
    assert algorithms.verify(key.public_key(), algorithm, MESSAGE, made)
    assert algorithms.verify(key.public_key(), algorithm, digest, made, MessageType.DIGEST)
    assert not algorithms.verify(key.public_key(), algorithm, MESSAGE + b".", made)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384"])
def test_a_signature_that_openssl_made_verifies(algorithm: str, tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", tmp_path / "k"], check=True
    )
    (tmp_path / "m").write_bytes(MESSAGE)
    subprocess.run(
        ["openssl", "dgst", f"-{algorithm}", "-sign", "k", "-out", "s", "m"], check=True, cwd=tmp_path, timeout=30
    )
    public = subprocess.run(["openssl", "ec", "-in", "k", "-pubout"], check=True, cwd=tmp_path, capture_output=True)
    name = SigningAlgorithm.parse(f"ECDSA_SHA_{algorithm[3:]}")
    signature = (tmp_path / "s").read_bytes()
    assert algorithms.verify(algorithms.load_public_pem(public.stdout.decode()), name, MESSAGE, signature)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_shape_of_a_key_is_read_from_its_public_half(shape: KeyShape) -> None:
    again = algorithms.load_public_pem(algorithms.pem(key_of(shape).public_key()))
    assert algorithms.shape_of(again) == shape


def test_a_signature_of_one_algorithm_is_none_of_another() -> None:
    """Algorithm confusion: PSS where PKCS#1 is recorded, RSA where ECDSA is, another hash of the same family."""
    rsa_key, ec_key = key_of(SHAPES[0]), key_of(SHAPES[3])
    for key, own in ((rsa_key, SigningAlgorithm.SHA_256_RSA_PKCS1_V1_5), (ec_key, SigningAlgorithm.ECDSA_SHA_256)):
        made = algorithms.sign(key, own, MESSAGE)
        accepted = {each for each in SigningAlgorithm if algorithms.verify(key.public_key(), each, MESSAGE, made)}
        assert accepted == {own}


def test_a_curve_does_not_verify_with_a_hash_that_is_neither_sha256_nor_its_own() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    digest = hashlib.sha512(MESSAGE).digest()
    made = algorithms.sign(key, SigningAlgorithm.ECDSA_SHA_512, digest, MessageType.DIGEST)
    assert not algorithms.verify(key.public_key(), SigningAlgorithm.ECDSA_SHA_512, MESSAGE, made)


ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # FIPS 186-4, D.1.2.3


def forgeries() -> list[tuple[str, bytes]]:
    made = algorithms.sign(key_of(SHAPES[3]), SigningAlgorithm.ECDSA_SHA_256, MESSAGE)
    r, s = utils.decode_dss_signature(made)
    return [
        ("nothing", b""),
        ("all-zero r and s", utils.encode_dss_signature(0, 0)),
        ("zero s", utils.encode_dss_signature(r, 0)),
        ("r and s at the order", utils.encode_dss_signature(ORDER_OF_P256, ORDER_OF_P256)),
        ("s beyond the order", utils.encode_dss_signature(r, s + ORDER_OF_P256)),
        ("raw r and s instead of DER", r.to_bytes(32, "big") + s.to_bytes(32, "big")),
        ("bytes behind the DER", made + b"\x00"),
        ("a longer spelling of the length", b"\x30\x81" + made[1:]),
        ("one flipped bit", made[:-1] + bytes([made[-1] ^ 1])),
        ("cut short", made[:-1]),
        ("a megabyte", b"\x30" * (1 << 20)),
    ]


@pytest.mark.parametrize(("what", "signature"), forgeries(), ids=[what for what, _ in forgeries()])
def test_no_odd_spelling_of_an_ecdsa_signature_verifies(what: str, signature: bytes) -> None:
    public = key_of(SHAPES[3]).public_key()
    assert not algorithms.verify(public, SigningAlgorithm.ECDSA_SHA_256, MESSAGE, signature)


def test_the_twin_with_the_other_s_verifies_as_it_does_for_every_signer() -> None:
    """Half of all ordinary signatures have a high s: refusing them would refuse cosign's."""
    key = key_of(SHAPES[3])
    r, s = utils.decode_dss_signature(algorithms.sign(key, SigningAlgorithm.ECDSA_SHA_256, MESSAGE))
    twin = utils.encode_dss_signature(r, ORDER_OF_P256 - s)
    assert algorithms.verify(key.public_key(), SigningAlgorithm.ECDSA_SHA_256, MESSAGE, twin)


def test_a_raw_message_has_at_most_4096_bytes() -> None:
    algorithms.require_message(SigningAlgorithm.ECDSA_SHA_256, bytes(4096), MessageType.RAW)
    with pytest.raises(Refused, match="4097 bytes"):
        algorithms.require_message(SigningAlgorithm.ECDSA_SHA_256, bytes(4097), MessageType.RAW)


@pytest.mark.parametrize("size", [0, 31, 33, 48])
def test_a_digest_has_the_length_of_the_hash(size: int) -> None:
    with pytest.raises(Refused, match="takes 32"):
        algorithms.require_message(SigningAlgorithm.ECDSA_SHA_256, bytes(size), MessageType.DIGEST)
