"""API keys: the public keys that verify the requests of the oci client. Private keys stay where they are made."""

from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import private_files, show
from assay.cli.options import Out, group
from assay.cli.people import DAY_SECONDS, USERS, OfUser, owner
from assay.cli.session import Session, signed_in
from assay.cli.show import Output
from assay.errors import AssayError, Refused

app = group("API keys: what the oci client signs its requests with.")

BITS = 2048
PUBLIC_KEY_BYTES_MAX = 16 * 1024

Days = Annotated[int | None, typer.Option(help="How long it lasts.", min=1)]

_KEYS: show.Columns = {
    "Fingerprint": "fingerprint",
    "State": "lifecycleState",
    "Created": show.when("timeCreated"),
    "Expires": show.when("timeExpires"),
}


@app.command("upload")
def upload_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A public RSA key in PEM form.")],
    days: Days = None,
    user: OfUser = "",
    output: Out = Output.TABLE,
) -> None:
    """Let requests in that are signed with a key. Only its public half is sent."""
    session = signed_in()
    made = _upload(session, owner(session, user)["id"], _public_key(file), days)
    show.said(output, _profile(session, made, "the file of the private key"), made)


@app.command("generate")
def generate_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes, for its owner only.")],
    days: Days = None,
    user: OfUser = "",
    output: Out = Output.TABLE,
) -> None:
    """Make a key pair here, keep the private key in FILE, and upload the public one."""
    session = signed_in()
    whose = owner(session, user)["id"]
    if file.exists():
        raise Refused(f"{file} is there already.", advice="Name another file, or upload its public key.")
    private, public = pair()
    private_files.write(file, private)
    try:
        made = _upload(session, whose, public, days)
    except AssayError:
        file.unlink()
        raise
    show.note(f"The private key is in {file}, readable by its owner only. It was sent nowhere.")
    show.said(output, _profile(session, made, str(file.resolve())), {**made, "keyFile": str(file.resolve())})


@app.command("list")
def list_keys(user: OfUser = "", output: Out = Output.TABLE) -> None:
    """List a user's API keys."""
    session = signed_in()
    found = session.server.everything(f"{USERS}/{owner(session, user)['id']}/apiKeys")
    show.rows(output, _KEYS, found, empty="There is no API key.")


@app.command("delete")
def delete_key(
    fingerprint: Annotated[str, typer.Argument(metavar="FINGERPRINT", help="An API key's fingerprint.")],
    user: OfUser = "",
    output: Out = Output.TABLE,
) -> None:
    """Delete an API key; what is signed with it is refused from now on."""
    session = signed_in()
    session.server.delete(f"{USERS}/{owner(session, user)['id']}/apiKeys/{fingerprint}")
    show.said(output, "Deleted the API key.", {"fingerprint": fingerprint})


def _upload(session: Session, user: str, pem: str, days: int | None) -> dict[str, Any]:
    body: dict[str, Any] = {"key": pem}
    if days is not None:
        body["lifetimeInSeconds"] = days * DAY_SECONDS
    return dict(session.server.post(f"{USERS}/{user}/apiKeys", body).body)


def _public_key(file: Path) -> str:
    """What stands in a file, unless it is too long or a private key: that is not sent anywhere. Errors: Refused."""
    try:
        with file.open("rb") as opened:
            content = opened.read(PUBLIC_KEY_BYTES_MAX + 1)
    except OSError as fault:
        raise Refused(f"{file} cannot be read: {fault.strerror}.") from fault
    if b"PRIVATE KEY" in content:
        raise Refused(
            f"{file} holds a private key; it was not sent.",
            advice=f"Write its public key: openssl rsa -in {file} -pubout -out PUBLIC.pem",
        )
    if len(content) > PUBLIC_KEY_BYTES_MAX:
        raise Refused(f"{file} is too long for a public key.", advice="Name a file in PEM form.")
    return content.decode(errors="replace")


def pair() -> tuple[str, str]:
    """A fresh RSA key pair: private and public key in PEM form."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = generate_private_key(65537, BITS)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.decode(), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _profile(session: Session, key: dict[str, Any], key_file: str) -> str:
    """The lines of ~/.oci/config that use a key (oci-api 1.6)."""
    return (
        f"user={key['userId']}\ntenancy={session.profile.tenancy}\n"
        f"fingerprint={key['fingerprint']}\nkey_file={key_file}"
    )
