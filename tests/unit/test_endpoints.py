"""The names of OCI's services: as the stock clients make them (oci-api 1.1, 1.4, 3.1), and no others."""

import pytest

from assay.endpoints import Endpoints
from assay.errors import Refused
from assay.settings import read

HERE = Endpoints("local", "assay.internal", "10.0.0.7:5444")


def test_every_service_has_the_host_that_its_client_makes() -> None:
    # The host templates of oci-api 1.1, with this region and realm.
    assert set(HERE.services) == {
        "artifacts.local.oci.assay.internal",
        "vss-cp-api.local.oci.assay.internal",
        "functions.local.oci.assay.internal",
        "containerengine.local.oci.assay.internal",
        "identity.local.oci.assay.internal",
        "kms.local.assay.internal",
        "objectstorage.local.assay.internal",
        "iaas.local.assay.internal",
    }
    assert HERE.vault_hosts("abcdefgh") == (
        "abcdefgh-management.kms.local.oci.assay.internal",
        "abcdefgh-crypto.kms.local.oci.assay.internal",
    )


def test_the_certificate_covers_every_name_and_the_address() -> None:
    names = HERE.certificate_names
    assert names == (
        "*.local.oci.assay.internal",
        "*.local.assay.internal",
        "*.kms.local.oci.assay.internal",
        "*.kms.local.assay.internal",
        "10.0.0.7",
    )
    for host in (*HERE.services, *HERE.vault_hosts("abcdefgh")):
        # RFC 6125: a wildcard stands for one whole label.
        assert f"*.{host.partition('.')[2]}" in names
        assert HERE.holds(host)


@pytest.mark.parametrize(
    "name",
    [
        "example.com",
        "assay.internal",
        "local.oci.assay.internal",
        ".local.oci.assay.internal",
        "a.b.local.oci.assay.internal",
        "a.local.oci.assay.internal.example.com",
        "a_b.local.oci.assay.internal",
        "-a.local.oci.assay.internal",
        "a.local.oci.assay.internal.",
        "127.0.0.1",
        "",
    ],
)
def test_no_other_name_is_held_to_be_ours(name: str) -> None:
    assert not HERE.holds(name)
    assert not HERE.admits(name, 443)
    assert HERE.port_of(name) is None


def test_a_tunnel_leads_to_the_ports_that_clients_use_and_no_other() -> None:
    name = "Artifacts.Local.oci.assay.internal"
    assert [HERE.admits(name, port) for port in (443, 5444, 22, 5080)] == [True, True, False, False]


def test_the_realm_s_domain_carries_the_port_unless_it_is_the_usual_one() -> None:
    assert HERE.realm_domain == "assay.internal:5444"
    assert Endpoints("local", "assay.internal", "oci.example:443").realm_domain == "assay.internal"


def test_an_address_in_a_model_has_the_port_that_was_asked() -> None:
    assert HERE.port_of("kms.local.assay.internal:5444") == ":5444"
    assert HERE.port_of("kms.local.assay.internal") == ""
    assert HERE.port_of("kms.local.assay.internal:x") is None
    assert HERE.port_of("127.0.0.1:5080") is None


@pytest.mark.parametrize("domain", ["Assay.internal", "assay.internal:5444", "a..b", "", "a/b", "*.a", "a" * 200])
def test_a_domain_that_is_none_is_refused(domain: str) -> None:
    with pytest.raises(Refused, match="oci_domain"):
        Endpoints("local", domain, "127.0.0.1:5444")


@pytest.mark.parametrize("address", ["", "host", "host:", "host:port", "http://host:1", "a b:1"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(Refused, match="oci_address"):
        Endpoints("local", "assay.internal", address)


def test_the_settings_give_the_address_at_which_the_port_listens() -> None:
    assert read(environment={}).endpoints("local").address == "127.0.0.1:5444"
    six = read(environment={"ASSAY_OCI_HOST": "::1", "ASSAY_OCI_PORT": "444"}).endpoints("local")
    assert (six.address, six.certificate_names[-1]) == ("[::1]:444", "[::1]")
    there = read(environment={"ASSAY_OCI_ADDRESS": "oci.example:444", "ASSAY_OCI_DOMAIN": "cloud.example"})
    assert there.endpoints("local").realm_domain == "cloud.example:444"


def test_settings_that_make_no_names_are_refused_at_once() -> None:
    for wrong in ({"ASSAY_OCI_DOMAIN": "Cloud Example"}, {"ASSAY_OCI_ADDRESS": "oci.example"}):
        with pytest.raises(Refused):
            read(environment=wrong)
