"""The certificate authority: sealed at rest, renewed, rotated without a gap. Certificates are checked by OpenSSL."""

import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from sqlalchemy import select, update

from assay.admission import authority, certificates, identity
from assay.admission.certificates import Authority
from assay.admission.identity import GivenFiles
from assay.clock import DAY, Instant, SetClock, moment
from assay.errors import Corrupt, Reason, Refused, Unavailable
from assay.storage import Store, metadata
from assay.vault.root import SealedRoot, SoftwareRoot

ROOT = SoftwareRoot(bytes(range(32)))
NAMES = ("assay.example", "127.0.0.1", "::1")


def openssl_accepts(folder: Path, bundle: str, presented: str, purpose: str, at: Instant, name: str = "") -> bool:
    """Whether `openssl verify` trusts the first certificate of `presented`, given the others as they come."""
    leaf, *others = x509.load_pem_x509_certificates(presented.encode())
    (folder / "bundle.pem").write_text(bundle)
    (folder / "leaf.pem").write_text(certificates.pem(leaf))
    (folder / "others.pem").write_text("".join(map(certificates.pem, others)))
    command = ["openssl", "verify", "-CAfile", folder / "bundle.pem", "-purpose", purpose]
    command += ["-attime", str(int(moment(at).timestamp())), "-x509_strict"]
    command += ["-untrusted", folder / "others.pem"] if others else []
    command += ["-verify_hostname", name] if name else []
    return subprocess.run([*command, folder / "leaf.pem"], capture_output=True, timeout=20).returncode == 0


def test_the_first_start_makes_one_authority_and_later_ones_open_it(store: Store) -> None:
    made = authority.open_authority(store, ROOT)
    opened = authority.open_authority(store, ROOT)
    assert opened.certificate == made.certificate
    assert opened.key.private_numbers() == made.key.private_numbers()
    assert authority.trusted_bundle(store) == certificates.pem(made.certificate)


def test_openssl_accepts_a_server_certificate_for_its_names_alone(store: Store, tmp_path: Path) -> None:
    held = identity.server_identity(store, ROOT, NAMES)
    now = store.clock.now()
    assert openssl_accepts(tmp_path, held.trusted_by, held.certificate, "sslserver", now, "assay.example")
    assert not openssl_accepts(tmp_path, held.trusted_by, held.certificate, "sslserver", now, "other.example")
    assert not openssl_accepts(tmp_path, held.trusted_by, held.certificate, "sslclient", now)
    names = held.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_openssl_accepts_a_client_certificate_as_a_client_only(store: Store, tmp_path: Path) -> None:
    issuer = authority.open_authority(store, ROOT)
    cluster = "ocid1.cluster.oc1.local.aaaaaaaa" + "c" * 52
    now = store.clock.now()
    issued = certificates.issue_client(issuer, cluster, now)
    bundle = authority.trusted_bundle(store)
    assert openssl_accepts(tmp_path, bundle, issued.certificate, "sslclient", now)
    assert not openssl_accepts(tmp_path, bundle, issued.certificate, "sslserver", now)
    assert issued.fingerprint == certificates.fingerprint_of_der(
        x509.load_pem_x509_certificate(issued.certificate.encode()).public_bytes(serialization.Encoding.DER)
    )


def test_the_private_key_is_in_the_database_only_sealed_and_bound_to_its_certificate(store: Store) -> None:
    made = authority.open_authority(store, ROOT)
    rows = metadata.tables["certificate_authority"]
    with store.database.read() as connection:
        row = connection.execute(select(rows)).one()
    scalar = made.key.private_numbers().private_value.to_bytes(32, "big")
    assert scalar not in bytes(row.sealed_key)
    other = certificates.make_authority("other", store.clock.now())
    with store.database.write() as connection:
        connection.execute(update(rows).values(certificate=certificates.pem(other.certificate)))
    with pytest.raises(Corrupt):
        authority.open_authority(store, ROOT)


def test_a_sealed_vault_can_issue_nothing_and_says_so(store: Store) -> None:
    authority.open_authority(store, ROOT)
    with pytest.raises(Unavailable, match="sealed") as refusal:
        authority.open_authority(store, SealedRoot("no passphrase was given."))
    assert refusal.value.reason is Reason.SEALED


def test_case_54_after_a_rotation_the_server_is_accepted_by_old_and_new_bundles(store: Store, tmp_path: Path) -> None:
    first = authority.open_authority(store, ROOT)
    old_client = certificates.issue_client(first, "ocid1.cluster.oc1.local." + "c" * 60, store.clock.now())
    old_bundle = authority.trusted_bundle(store)
    second = authority.rotate_authority(store, ROOT)
    assert second.certificate != first.certificate
    bundle = authority.trusted_bundle(store)
    assert bundle == certificates.pem(second.certificate) + old_bundle
    held = identity.server_identity(store, ROOT, NAMES)
    now = store.clock.now()
    new_bundle = certificates.pem(second.certificate)
    for trusted in (old_bundle, new_bundle, bundle):
        assert openssl_accepts(tmp_path, trusted, held.certificate, "sslserver", now, "assay.example")
    assert openssl_accepts(tmp_path, held.client_authorities, old_client.certificate, "sslclient", now)
    stranger = certificates.make_authority("stranger", now)
    assert not openssl_accepts(tmp_path, certificates.pem(stranger.certificate), held.certificate, "sslserver", now)


def test_an_authority_is_followed_by_a_new_one_in_the_last_third_of_its_life(store: Store, clock: SetClock) -> None:
    first = authority.open_authority(store, ROOT)
    clock.advance(certificates.AUTHORITY_DAYS * 2 // 3 * DAY - DAY)
    assert authority.open_authority(store, ROOT).certificate == first.certificate
    clock.advance(3 * DAY)
    second = authority.open_authority(store, ROOT)
    assert second.certificate != first.certificate
    clock.advance(certificates.AUTHORITY_DAYS // 3 * DAY)
    assert authority.trusted_bundle(store) == certificates.pem(second.certificate)


def test_a_server_certificate_is_due_when_a_third_of_its_ninety_days_is_left(store: Store) -> None:
    held = identity.server_identity(store, ROOT, NAMES)
    now = store.clock.now()
    assert not held.is_due(Instant(now + 59 * DAY))
    assert held.is_due(Instant(now + 61 * DAY))
    assert (held.valid_until - now) // DAY == 90


def write(folder: Path, chain: str, key: str) -> GivenFiles:
    given = GivenFiles(folder / "given.crt", folder / "given.key")
    given.certificate.write_text(chain)
    given.key.write_text(key)
    return given


def pem_of(key: Authority) -> str:
    return key.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def test_an_authority_that_is_given_issues_in_place_of_ours(store: Store, tmp_path: Path) -> None:
    company = certificates.make_authority("company", store.clock.now())
    given = write(tmp_path, certificates.pem(company.certificate), pem_of(company))
    held = identity.server_identity(store, ROOT, NAMES, given)
    assert held.trusted_by == certificates.pem(company.certificate)
    assert openssl_accepts(tmp_path, held.trusted_by, held.certificate, "sslserver", store.clock.now(), "assay.example")
    assert identity.issuer(store, ROOT, given).certificate == company.certificate


def test_a_server_certificate_that_is_given_is_presented_and_clients_come_from_ours(
    store: Store, tmp_path: Path
) -> None:
    company = certificates.make_authority("company", store.clock.now())
    issued = certificates.issue_server(company, NAMES, store.clock.now())
    whole = issued.certificate + certificates.pem(company.certificate)
    given = write(tmp_path, whole, issued.private_key.reveal())
    ours = authority.open_authority(store, ROOT)
    held = identity.server_identity(store, SealedRoot("sealed."), NAMES, given)
    assert held.certificate == whole
    assert held.trusted_by == certificates.pem(company.certificate)
    assert held.client_authorities == certificates.pem(ours.certificate)
    assert identity.issuer(store, ROOT, given).certificate == ours.certificate


def test_a_given_certificate_is_due_as_soon_as_its_file_is_replaced(store: Store, tmp_path: Path) -> None:
    company = certificates.make_authority("company", store.clock.now())
    issued = certificates.issue_server(company, NAMES, store.clock.now())
    whole = issued.certificate + certificates.pem(company.certificate)
    given = write(tmp_path, whole, issued.private_key.reveal())
    held = identity.server_identity(store, ROOT, NAMES, given)
    assert not held.is_due(store.clock.now())
    os.utime(given.certificate, ns=(1, 1))
    assert held.is_due(store.clock.now())
    given.certificate.unlink()
    assert not held.is_due(store.clock.now())


def test_files_that_do_not_fit_are_refused_with_what_is_wrong(store: Store, tmp_path: Path) -> None:
    company = certificates.make_authority("company", store.clock.now())
    issued = certificates.issue_server(company, NAMES, store.clock.now())
    for chain, key, why in (
        (issued.certificate, issued.private_key.reveal(), "does not hold the chain"),
        (issued.certificate, pem_of(company), "not the key of the certificate"),
        ("nothing", pem_of(company), "holds no certificate"),
        (issued.certificate, "nothing", "holds no unencrypted private key"),
    ):
        with pytest.raises(Refused, match=why):
            identity.server_identity(store, ROOT, NAMES, write(tmp_path, chain, key))
    with pytest.raises(Refused, match="cannot be read"):
        identity.server_identity(store, ROOT, NAMES, GivenFiles(tmp_path / "none", tmp_path / "none"))


def test_a_name_that_is_none_is_refused(store: Store) -> None:
    for names in ((), ("bücher.example",), tuple(f"h{n}.example" for n in range(33))):
        with pytest.raises(Refused):
            identity.server_identity(store, ROOT, names)


def test_a_replica_started_before_a_rotation_is_accepted_by_who_got_the_bundle_after_it(
    store: Store, tmp_path: Path
) -> None:
    first = identity.server_identity(store, ROOT, NAMES)
    authority.rotate_authority(store, ROOT)
    second = identity.server_identity(store, ROOT, NAMES)
    now = store.clock.now()
    for held in (first, second):
        assert openssl_accepts(tmp_path, second.trusted_by, held.certificate, "sslserver", now, "assay.example")
