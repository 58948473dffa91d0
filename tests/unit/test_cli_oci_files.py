"""The files of OCI's clients: what else stands in them stays, byte for byte; and the environment leads to us alone."""

import configparser
import json
import subprocess
from pathlib import Path

import pytest

from assay.cli import oci_files
from assay.cli.oci_files import MADE_BY, Places
from assay.errors import Refused

OTHERS = """# my profiles
[DEFAULT]
user = ocid1.user.oc1..me
key_file=~/.oci/key.pem

[ work ]
region=eu-frankfurt-1
; the end"""
VALUES = {"user": "u", "tenancy": "t", "fingerprint": "aa:bb", "key_file": "/k", "region": "local"}


def test_a_profile_is_added_and_taken_away_and_nothing_else_changes() -> None:
    made = oci_files.with_section(OTHERS, "ASSAY", oci_files.section(VALUES))
    assert made.startswith(OTHERS + "\n")
    read = configparser.ConfigParser()
    read.read_string(made)
    assert dict(read["ASSAY"]) | VALUES == dict(read["ASSAY"])
    assert oci_files.without_section(made, "ASSAY") == OTHERS + "\n"
    assert oci_files.without_section(OTHERS, "ASSAY") == OTHERS


def test_a_profile_in_the_middle_is_replaced_once() -> None:
    first = oci_files.with_section("", "ASSAY", oci_files.section({"region": "old"}))
    both = first + "[other]\nregion=x\n"
    again = oci_files.with_section(both, "ASSAY", oci_files.section(VALUES))
    assert again.count("[ASSAY]") == 1
    assert "old" not in again
    assert "[other]\nregion=x\n" in again
    assert oci_files.with_section(again, "ASSAY", oci_files.section(VALUES)) == again


def test_a_profile_that_somebody_else_made_is_neither_replaced_nor_removed() -> None:
    text = "[ASSAY]\nregion=mine\n"
    for change in (lambda: oci_files.with_section(text, "ASSAY", ""), lambda: oci_files.without_section(text, "ASSAY")):
        with pytest.raises(Refused, match="did not make"):
            change()


@pytest.mark.parametrize("name", ["DEFAULT", "", "a]b", "a\nb", "../x", "a b", "x" * 65])
def test_a_name_that_can_be_no_profile_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        Places(Path("/home/me/.oci"), name)


def test_a_member_of_a_profile_is_found_however_it_is_written() -> None:
    assert oci_files.value_in("user = a\nfingerprint=bb:cc \n", "fingerprint") == "bb:cc"
    assert oci_files.value_in("user = a\n", "user") == "a"
    assert oci_files.value_in("user = a\n", "fingerprint") == ""


def test_the_tool_configuration_has_all_four_names_of_the_region() -> None:
    (one,) = json.loads(oci_files.tool_configuration("local", "assay.internal:5444"))["regions"]
    # oci-api 1.4: all non-empty, the domain may carry a port.
    assert one == {
        "realmKey": "assay",
        "realmDomainComponent": "assay.internal:5444",
        "regionKey": "local",
        "regionIdentifier": "local",
    }


def sourced(text: str, before: dict[str, str], folder: Path) -> dict[str, str]:
    """What a shell has in its environment after it has sourced a file."""
    file = folder / "env"
    file.write_text(text)
    done = subprocess.run(["sh", "-c", f". '{file}'; env"], env=before, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_the_environment_overrides_what_would_lead_elsewhere(tmp_path: Path) -> None:
    places = Places(tmp_path / "it's $HOME", "ASSAY")
    before = {
        "PATH": "/usr/bin:/bin",
        "OCI_CLI_ENDPOINT": "https://elsewhere.example",
        "OCI_CLI_REGION": "us-ashburn-1",
        "OCI_CLI_AUTH": "instance_principal",
        "REQUESTS_CA_BUNDLE": "/etc/company.pem",
        "HTTPS_PROXY": "http://company.example:3128",
        "NO_PROXY": "*",
    }
    found = sourced(oci_files.environment(places, proxy="http://127.0.0.1:5444", direct="127.0.0.1"), before, tmp_path)
    assert {name for name in before if name not in found} == {"OCI_CLI_ENDPOINT", "OCI_CLI_REGION", "OCI_CLI_AUTH"}
    assert found["REQUESTS_CA_BUNDLE"] == str(places.authorities)
    assert found["OCI_CLI_CONFIG_FILE"] == f"{tmp_path}/it's $HOME/config"
    assert found["HTTPS_PROXY"] == found["https_proxy"] == "http://127.0.0.1:5444"
    assert found["NO_PROXY"] == "127.0.0.1"
    direct = oci_files.environment(places, proxy="", direct="127.0.0.1,.assay.internal")
    found = sourced(direct, before, tmp_path)
    assert "HTTPS_PROXY" not in found
    assert found["no_proxy"] == "127.0.0.1,.assay.internal"


def test_the_lines_for_hosts_name_every_service_and_both_hosts_of_each_vault() -> None:
    lines = oci_files.host_lines("10.0.0.7", ["kms.local.a.b"], "kms.local.oci.a.b", {"abc": "shop"})
    assert lines == [
        "10.0.0.7  kms.local.a.b",
        "10.0.0.7  abc-management.kms.local.oci.a.b  # vault shop",
        "10.0.0.7  abc-crypto.kms.local.oci.a.b  # vault shop",
    ]


def test_what_is_made_says_who_made_it() -> None:
    assert oci_files.section(VALUES).startswith(MADE_BY)
