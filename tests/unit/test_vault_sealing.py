"""Private keys at rest: what opens again, and that nothing opens that was changed or moved."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization

from assay.errors import Corrupt, Reason, Unavailable
from assay.vault import algorithms
from assay.vault.root import SealedRoot, SoftwareRoot
from assay.vault.sealing import KeyBinding, SealedKey, generate_sealed, public_key, unsealed
from assay.vault.shapes import KeyAlgorithm, KeyShape, SigningAlgorithm

P256 = KeyShape(KeyAlgorithm.ECDSA, 32)
BINDING = KeyBinding("vault-1", "key-1", "version-1", P256)
ROOT = SoftwareRoot(bytes(range(32)))


@pytest.fixture(scope="module")
def sealed() -> SealedKey:
    return generate_sealed(ROOT, BINDING)


@pytest.mark.parametrize("shape", [P256, KeyShape(KeyAlgorithm.ECDSA, 66), KeyShape(KeyAlgorithm.RSA, 256)], ids=str)
def test_an_unsealed_key_signs_what_its_public_half_verifies(shape: KeyShape) -> None:
    binding = replace(BINDING, shape=shape)
    sealed = generate_sealed(ROOT, binding)
    algorithm = next(each for each in SigningAlgorithm if each.fits(shape))
    with unsealed(ROOT, binding, sealed) as key:
        made = algorithms.sign(key, algorithm, b"message")
    assert algorithms.verify(public_key(binding, sealed), algorithm, b"message", made)


def test_no_stored_byte_shows_the_private_key(sealed: SealedKey) -> None:
    with unsealed(ROOT, BINDING, sealed) as key:
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        scalar = key.private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
    kept = b"|".join((sealed.wrapped_data_key, sealed.sealed, sealed.public_pem.encode(), sealed.proof))
    assert scalar in der
    assert scalar not in kept
    assert der not in kept


def test_a_sealed_key_prints_nothing_of_its_bytes(sealed: SealedKey) -> None:
    assert repr(sealed.sealed) not in repr(sealed)
    assert repr(sealed.wrapped_data_key) not in repr(sealed)
    assert repr(ROOT) == "SoftwareRoot(***)"


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


@pytest.mark.parametrize("column", ["wrapped_data_key", "sealed"])
@pytest.mark.parametrize("position", [0, 11, 12, -17, -1])
def test_one_changed_bit_opens_nothing(sealed: SealedKey, column: str, position: int) -> None:
    content: bytes = getattr(sealed, column)
    changed = replace(sealed, **{column: flipped(content, position % len(content))})
    with pytest.raises(Corrupt), unsealed(ROOT, BINDING, changed):
        pytest.fail("a changed key was opened")


@pytest.mark.parametrize("column", ["wrapped_data_key", "sealed"])
@pytest.mark.parametrize("size", [0, 5, 12, 20])
def test_bytes_cut_short_open_nothing(sealed: SealedKey, column: str, size: int) -> None:
    cut = replace(sealed, **{column: getattr(sealed, column)[:size]})
    with pytest.raises(Corrupt), unsealed(ROOT, BINDING, cut):
        pytest.fail("a cut key was opened")


MOVES = [
    replace(BINDING, vault="vault-2"),
    replace(BINDING, key="key-2"),
    replace(BINDING, key_version="version-2"),
    replace(BINDING, shape=KeyShape(KeyAlgorithm.ECDSA, 48)),
    replace(BINDING, format_version=2),
    # the same letters, cut elsewhere: lengths are part of what is authenticated
    replace(BINDING, vault="vault-1key", key="-1"),
]


@pytest.mark.parametrize("elsewhere", MOVES, ids=str)
def test_a_key_moved_to_another_row_is_corrupt_there(sealed: SealedKey, elsewhere: KeyBinding) -> None:
    with pytest.raises(Corrupt), unsealed(ROOT, elsewhere, sealed):
        pytest.fail("a moved key was opened")
    with pytest.raises(Corrupt, match="does not belong to it"):
        public_key(elsewhere, sealed)


def test_halves_of_two_rows_put_together_are_corrupt(sealed: SealedKey) -> None:
    other = generate_sealed(ROOT, BINDING)
    for mixed in (
        replace(sealed, sealed=other.sealed),
        replace(sealed, wrapped_data_key=other.wrapped_data_key),
        # the whole public half of another key, with its own valid proof, beside this private half
        replace(sealed, public_pem=other.public_pem, proof=other.proof),
    ):
        with pytest.raises(Corrupt), unsealed(ROOT, BINDING, mixed):
            pytest.fail("a mixed row was opened")


def test_a_public_half_without_its_own_proof_is_corrupt(sealed: SealedKey) -> None:
    other = generate_sealed(ROOT, BINDING)
    for changed in (
        replace(sealed, public_pem=other.public_pem),
        replace(sealed, proof=other.proof),
        replace(sealed, proof=b""),
        replace(sealed, public_pem="no key"),
    ):
        with pytest.raises(Corrupt):
            public_key(BINDING, changed)


def test_another_root_key_opens_nothing(sealed: SealedKey) -> None:
    with pytest.raises(Corrupt), unsealed(SoftwareRoot(bytes(32)), BINDING, sealed):
        pytest.fail("opened under another root key")


def test_a_sealed_vault_still_shows_its_public_keys_and_says_why_it_signs_nothing(sealed: SealedKey) -> None:
    root = SealedRoot("the root key file is missing.")
    assert public_key(BINDING, sealed)
    with pytest.raises(Unavailable, match="the root key file is missing") as fault, unsealed(root, BINDING, sealed):
        pytest.fail("opened without a root key")
    assert fault.value.reason is Reason.SEALED
    with pytest.raises(Unavailable, match="sealed"):
        generate_sealed(root, BINDING)
