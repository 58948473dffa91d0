"""`assay oci-setup`: the stock clients of OCI are made to talk to the installation that one is signed in to."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from assay.cli import names, oci_files, private_files, show
from assay.cli.api_keys import pair
from assay.cli.oci_files import Places
from assay.cli.options import Out
from assay.cli.people import USERS
from assay.cli.session import Session, signed_in
from assay.cli.show import Output
from assay.errors import Reason, Refused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

FILE_BYTES_MAX = 1 << 20
#: A comment cannot move a terminal's cursor, nor begin a new line in a file of hosts.
_SHOWN_LENGTH_MAX = 60


@dataclass(frozen=True, slots=True)
class _Key:
    """The key pair that signs: where the private half lies, and the public one."""

    file: Path
    public_pem: str


def oci_setup(
    profile: Annotated[str, typer.Option(help="The profile of the OCI clients' configuration to make.")] = "ASSAY",
    folder: Annotated[Path | None, typer.Option(help="The folder of that configuration; ~/.oci else.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="Sign with this private key (RSA, PEM) instead of making one; it stays there.")
    ] = None,
    hosts: Annotated[
        bool, typer.Option("--hosts", help="The names are resolved (see the lines it prints), so use no proxy.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Undo it: the profile, its files, the API key.")] = False,
    output: Out = Output.TABLE,
) -> None:
    """Let the stock oci client and SDKs talk to this installation, without --endpoint."""
    session = signed_in()
    places = Places((folder or Path.home() / ".oci").expanduser().absolute(), profile)
    present = oci_files.section_of(_text(places.config), profile) or ""
    if remove:
        _remove(session, places, present)
        show.said(output, f"Removed the profile {profile}.", {"profile": profile})
        return
    # A profile of somebody else's is refused before anything is changed anywhere.
    oci_files.with_section(_text(places.config), profile, "")
    told = session.server.get("/20260901/ociClient").body
    if not told["certificateAuthorities"]:
        raise Refused("The server has no certificate for OCI's clients.", advice="Look at its log: is its vault open?")
    who = session.server.get("/20260901/sessions/current").body
    key = _given(key_file) if key_file else _own(places)
    fingerprint = _upload(session, who["userId"], key)
    values = {
        "user": who["userId"],
        "tenancy": session.profile.tenancy,
        "fingerprint": fingerprint,
        "key_file": str(key.file),
        "region": told["region"],
    }
    _write(session, places, told, values, hosts=hosts)
    vaults = {} if not hosts else _vaults(session)
    lines = oci_files.host_lines(_host(told), told["serviceHosts"], told["vaultZone"], vaults) if hosts else []
    made = {**values, "profile": profile, "environment": str(places.environment), "hosts": lines}
    _tell(output, places, told, made, lines)


def _tell(output: Output, places: Places, told: dict[str, Any], made: dict[str, Any], lines: list[str]) -> None:
    if lines:
        show.note("The client must find these names. For /etc/hosts (each new vault needs its own two lines):")
        for line in lines:
            show.note(f"  {line}")
    else:
        show.note(
            f"The client reaches all names through {told['address']}, which leads to this installation alone:\n"
            "in a shell with these settings other programs reach nothing else by https either."
        )
    text = f"Wrote the profile {places.profile}. To use it:  . {places.environment}\nThen, for example:  oci os ns get"
    show.said(output, text, made)


def _write(session: Session, places: Places, told: dict[str, Any], values: dict[str, str], *, hosts: bool) -> None:
    private_files.write(places.authorities, told["certificateAuthorities"])
    private_files.write(places.tools, oci_files.tool_configuration(told["region"], told["realmDomain"]))
    direct = urlsplit(session.profile.server).hostname or ""
    zone = f".{str(told['realmDomain']).partition(':')[0]}"
    text = oci_files.environment(
        places,
        proxy="" if hosts else f"http://{told['address']}",
        direct=f"{direct},{zone}" if hosts else direct,
    )
    private_files.write(places.environment, text)
    config = oci_files.with_section(_text(places.config), places.profile, oci_files.section(values))
    _replace(places.config, config)


def _remove(session: Session, places: Places, present: str) -> None:
    rest = oci_files.without_section(_text(places.config), places.profile)
    user, fingerprint = (oci_files.value_in(present, name) for name in ("user", "fingerprint"))
    if fingerprint:
        try:
            session.server.delete(f"{USERS}/{user}/apiKeys/{fingerprint}")
        except Refused as refusal:
            if refusal.reason is not Reason.NOT_FOUND:
                raise
            show.note("assay: the API key was not there any more, or belongs to another installation.")
    if present:
        _replace(places.config, rest)
    for path in (places.environment, places.tools, places.authorities, places.key):
        path.unlink(missing_ok=True)
    if places.own.is_dir() and not any(places.own.iterdir()):
        places.own.rmdir()


def _given(path: Path) -> _Key:
    """A private key that the user has. Errors: Refused."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = path.expanduser().absolute()
    try:
        key = load_pem_private_key(path.read_bytes()[:FILE_BYTES_MAX], password=None)
    except (OSError, ValueError, TypeError) as fault:
        raise Refused(f"{path} holds no private key in PEM form that can be read without a passphrase.") from fault
    if not isinstance(key, RSAPrivateKey):
        raise Refused(f"{path} is no RSA key.", advice="OCI's requests are signed with RSA keys.")
    return _Key(path, _public_pem(key))


def _own(places: Places) -> _Key:
    """The key of this profile, made when it is not there; nobody but its owner can read it."""
    if places.key.exists():
        return _given(places.key)
    private, public = pair()
    private_files.write(places.key, f"{private}{oci_files.KEY_LABEL}\n")
    return _Key(places.key, public)


def _public_pem(key: "RSAPrivateKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _upload(session: Session, user: str, key: _Key) -> str:
    """The fingerprint under which the server knows the key; it is uploaded unless it is there and still holds."""
    path = f"{USERS}/{user}/apiKeys"
    known = [each for each in session.server.everything(path) if each["keyValue"].strip() == key.public_pem.strip()]
    for each in known:
        if each["lifecycleState"] == "ACTIVE":
            return str(each["fingerprint"])
        session.server.delete(f"{path}/{each['fingerprint']}")
    return str(session.server.post(path, {"key": key.public_pem}).body["fingerprint"])


def _vaults(session: Session) -> dict[str, str]:
    """The names of the vaults that the user may see, by extension, which is part of their hosts."""
    found = names.living(session.everywhere(names.VAULTS, ""))
    return {str(each["id"]).split(".")[4]: _plain(each["displayName"]) for each in found}


def _plain(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:_SHOWN_LENGTH_MAX]


def _host(told: dict[str, Any]) -> str:
    return str(told["address"]).rpartition(":")[0]


def _text(path: Path) -> str:
    """A file's text; empty for one that is not there. Errors: Refused."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as fault:
        raise Refused(f"{path} cannot be read: {fault}.") from fault


def _replace(path: Path, text: str) -> None:
    """Write a file at once, so that nobody ever finds half of it; behind a link it is what the link points to."""
    path = path.resolve()
    path.parent.mkdir(mode=private_files.FOLDER_MODE, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    Path(name).replace(path)
