"""Key shapes, algorithms, states and deletion windows, by the KMS API's tables."""

import pytest

from assay.clock import DAY, Instant
from assay.errors import Reason, Refused
from assay.vault.shapes import (
    Curve,
    KeyAlgorithm,
    KeyShape,
    KeyState,
    Padding,
    SigningAlgorithm,
    VaultState,
    artifact_algorithm,
    deletion_time,
    require_fit,
    require_key_move,
    require_vault_move,
)

NOW = Instant(1_785_585_600_000_000)


@pytest.mark.parametrize(
    ("algorithm", "length", "curve", "said"),
    [
        ("RSA", 256, None, "RSA 2048"),
        ("RSA", 384, None, "RSA 3072"),
        ("RSA", 512, None, "RSA 4096"),
        ("ECDSA", 32, "NIST_P256", "ECDSA P-256"),
        ("ECDSA", 48, "NIST_P384", "ECDSA P-384"),
        ("ECDSA", 66, "NIST_P521", "ECDSA P-521"),
    ],
)
def test_the_six_shapes_of_the_api_are_known(algorithm: str, length: int, curve: str | None, said: str) -> None:
    assert str(KeyShape.parse(algorithm, length, curve)) == said


@pytest.mark.parametrize(
    ("algorithm", "length", "curve"),
    [
        ("RSA", 128, None),  # 1024 bits
        ("RSA", 2048, None),  # bits, not bytes
        ("RSA", 256, "NIST_P256"),
        ("ECDSA", 32, "NIST_P384"),
        ("ECDSA", 65, None),
        ("ECDSA", 32, "SECP256K1"),
        ("AES", 32, None),
        ("rsa", 256, None),
        ("RSA", -256, None),
    ],
)
def test_any_other_shape_is_refused(algorithm: str, length: int, curve: str | None) -> None:
    with pytest.raises(Refused, match="no asymmetric key shape"):
        KeyShape.parse(algorithm, length, curve)


def test_the_curve_follows_from_the_length_when_it_is_not_given() -> None:
    assert KeyShape(KeyAlgorithm.ECDSA, 48).curve is Curve.NIST_P384
    assert KeyShape(KeyAlgorithm.ECDSA, 48) == KeyShape(KeyAlgorithm.ECDSA, 48, Curve.NIST_P384)


def test_there_are_the_eleven_algorithms_of_the_api() -> None:
    assert len(SigningAlgorithm) == 11


@pytest.mark.parametrize(
    ("name", "hash_name", "padding"),
    [
        ("SHA_224_RSA_PKCS_PSS", "sha224", Padding.PSS),
        ("SHA_256_RSA_PKCS_PSS", "sha256", Padding.PSS),
        ("SHA_384_RSA_PKCS1_V1_5", "sha384", Padding.PKCS1_V1_5),
        ("SHA_512_RSA_PKCS1_V1_5", "sha512", Padding.PKCS1_V1_5),
        ("ECDSA_SHA_256", "sha256", Padding.ECDSA),
        ("ECDSA_SHA_512", "sha512", Padding.ECDSA),
    ],
)
def test_an_algorithms_name_says_hash_and_padding(name: str, hash_name: str, padding: Padding) -> None:
    algorithm = SigningAlgorithm.parse(name.lower())
    assert (algorithm.hash_name, algorithm.padding) == (hash_name, padding)


def test_an_unknown_algorithm_is_refused_with_the_list_of_known_ones() -> None:
    with pytest.raises(Refused) as refusal:
        SigningAlgorithm.parse("none")
    assert "SHA_256_RSA_PKCS_PSS" in refusal.value.advice


@pytest.mark.parametrize(
    ("shape", "fitting"),
    [
        (KeyShape(KeyAlgorithm.RSA, 256), {name for name in SigningAlgorithm if "RSA" in name}),
        (KeyShape(KeyAlgorithm.ECDSA, 32), {SigningAlgorithm.ECDSA_SHA_256}),
        (KeyShape(KeyAlgorithm.ECDSA, 48), {SigningAlgorithm.ECDSA_SHA_256, SigningAlgorithm.ECDSA_SHA_384}),
        (KeyShape(KeyAlgorithm.ECDSA, 66), {SigningAlgorithm.ECDSA_SHA_256, SigningAlgorithm.ECDSA_SHA_512}),
    ],
)
def test_a_curve_takes_sha256_and_its_own_hash_and_rsa_all_rsa(shape: KeyShape, fitting: set[SigningAlgorithm]) -> None:
    assert {each for each in SigningAlgorithm if each.fits(shape)} == fitting
    assert artifact_algorithm(shape) in fitting
    for other in set(SigningAlgorithm) - fitting:
        with pytest.raises(Refused, match="cannot be used with"):
            require_fit(other, shape)


KEY_MOVES = {
    ("ENABLED", "DISABLED"),
    ("ENABLED", "PENDING_DELETION"),
    ("DISABLED", "ENABLED"),
    ("DISABLED", "PENDING_DELETION"),
    ("PENDING_DELETION", "ENABLED"),
    ("PENDING_DELETION", "DISABLED"),
    ("PENDING_DELETION", "DELETED"),
}


@pytest.mark.parametrize("old", KeyState)
@pytest.mark.parametrize("new", KeyState)
def test_a_key_moves_only_as_the_table_says_and_never_out_of_deleted(old: KeyState, new: KeyState) -> None:
    if (old.value, new.value) in KEY_MOVES:
        require_key_move("key", old, new)
        return
    with pytest.raises(Refused) as refusal:
        require_key_move("key", old, new)
    assert refusal.value.reason is Reason.WRONG_STATE


@pytest.mark.parametrize("old", VaultState)
@pytest.mark.parametrize("new", VaultState)
def test_a_vault_is_deleted_only_by_way_of_a_pending_deletion(old: VaultState, new: VaultState) -> None:
    allowed = {("ACTIVE", "PENDING_DELETION"), ("PENDING_DELETION", "ACTIVE"), ("PENDING_DELETION", "DELETED")}
    if (old.value, new.value) in allowed:
        require_vault_move("vault", old, new)
        return
    with pytest.raises(Refused, match="cannot become"):
        require_vault_move("vault", old, new)


def test_a_deletion_is_thirty_days_ahead_when_no_time_is_wanted() -> None:
    assert deletion_time(NOW, None) == NOW + 30 * DAY


@pytest.mark.parametrize("days", [7, 8, 30])
def test_a_deletion_may_be_wanted_seven_to_thirty_days_ahead(days: int) -> None:
    assert deletion_time(NOW, Instant(NOW + days * DAY)) == NOW + days * DAY


@pytest.mark.parametrize("ahead", [0, -DAY, 7 * DAY - 1, 30 * DAY + 1])
def test_a_deletion_outside_the_window_is_refused(ahead: int) -> None:
    with pytest.raises(Refused, match="outside the allowed window"):
        deletion_time(NOW, Instant(NOW + ahead))
