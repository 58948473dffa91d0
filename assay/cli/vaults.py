"""Vaults and master encryption keys."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from assay.cli import names, show
from assay.cli.options import Compartment, KeyText, Out, Place, group
from assay.cli.session import Session, signed_in
from assay.cli.show import Output

app = group("Vaults.")
keys = group("Master encryption keys, which never leave their vault.")

VaultText = Annotated[str, typer.Argument(metavar="VAULT", help="A vault's name or OCID.")]


class Shape(StrEnum):
    """The shapes of keys that can sign, as people name them."""

    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    ECDSA_P256 = "ecdsa-p256"
    ECDSA_P384 = "ecdsa-p384"
    ECDSA_P521 = "ecdsa-p521"

    @property
    def wire(self) -> dict[str, Any]:
        """The API's keyShape: lengths in bytes."""
        family, _, size = self.value.partition("-")
        if family == "rsa":
            return {"algorithm": "RSA", "length": int(size) // 8}
        bits = int(size.removeprefix("p"))
        return {"algorithm": "ECDSA", "length": -(-bits // 8), "curveId": f"NIST_P{bits}"}


def shape_of(key: dict[str, Any]) -> str:
    """A key's shape as people name it."""
    shape = key["keyShape"]
    if shape["curveId"]:
        return f"ECDSA P-{shape['curveId'].removeprefix('NIST_P')}"
    return f"{shape['algorithm']} {shape['length'] * 8}"


Version = Annotated[str, typer.Option("--version", help="A key version's OCID (assay key versions KEY).")]

_VAULTS: show.Columns = {
    "Vault": "displayName",
    "State": "lifecycleState",
    "Created": show.when("timeCreated"),
    "Deleted on": show.when("timeOfDeletion"),
}
_KEYS: show.Columns = {
    "Key": "displayName",
    "Vault": "vaultName",
    "Shape": shape_of,
    "State": "lifecycleState",
    "Created": show.when("timeCreated"),
    "Deleted on": show.when("timeOfDeletion"),
}
_VERSIONS: show.Columns = {
    "Version": "id",
    "Current": "isCurrent",
    "State": "lifecycleState",
    "Created": show.when("timeCreated"),
    "Deleted on": show.when("timeOfDeletion"),
}
_KEY: show.Columns = {
    "Key": "displayName",
    "Shape": shape_of,
    "State": "lifecycleState",
    "Protection": "protectionMode",
    "Current version": "currentKeyVersion",
    "Created": show.when("timeCreated"),
    "Deleted on": show.when("timeOfDeletion"),
    "OCID": "id",
}


@app.command("create")
def create_vault(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    compartment: Compartment = "",
    output: Out = Output.TABLE,
) -> None:
    """Create a vault."""
    session = signed_in()
    body = {"compartmentId": session.compartment(compartment), "displayName": name, "vaultType": "DEFAULT"}
    made = session.server.post(names.VAULTS, body).body
    show.said(output, f"Created the vault {made['displayName']}.", made)


@app.command("list")
def list_vaults(compartment: Place = "", output: Out = Output.TABLE) -> None:
    """List vaults."""
    found = names.living(signed_in().everywhere(names.VAULTS, compartment))
    show.rows(output, _VAULTS, found, empty="There is no vault. Create one: assay vault create NAME")


@app.command("show")
def show_vault(vault: VaultText, output: Out = Output.TABLE) -> None:
    """Show a vault."""
    show.thing(output, {**_VAULTS, "Endpoint": "managementEndpoint", "OCID": "id"}, names.vault(signed_in(), vault))


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    vault: Annotated[str, typer.Option("--vault", help="A vault's name or OCID.")],
    shape: Annotated[Shape, typer.Option(help="Algorithm and size.")] = Shape.ECDSA_P256,
    compartment: Compartment = "",
    output: Out = Output.TABLE,
) -> None:
    """Create a key that can sign."""
    session = signed_in()
    of = names.vault(session, vault)
    body = {"compartmentId": session.compartment(compartment), "displayName": name, "keyShape": shape.wire}
    made = session.server.post(f"{names.endpoint(of)}{names.KEYS}", body).body
    show.said(output, f"Created the key {made['displayName']} ({shape_of(made)}) in {of['displayName']}.", made)


@keys.command("list")
def list_keys(
    vault: Annotated[str, typer.Option("--vault", help="Only keys of this vault (name or OCID).")] = "",
    compartment: Place = "",
    output: Out = Output.TABLE,
) -> None:
    """List keys."""
    session = signed_in()
    vaults = [names.vault(session, vault)] if vault else names.living(session.everywhere(names.VAULTS, ""))
    found = [
        {**key, "vaultName": one["displayName"]}
        for one in vaults
        for key in names.living(names.keys_of(session, one, compartment))
    ]
    show.rows(output, _KEYS, found, empty="There is no key. Create one: assay key create NAME --vault VAULT")


@keys.command("show")
def show_key(key: KeyText, output: Out = Output.TABLE) -> None:
    """Show a key."""
    show.thing(output, _KEY, names.key(signed_in(), key))


@keys.command()
def enable(key: KeyText, output: Out = Output.TABLE) -> None:
    """Let a key sign again, and its signatures count again."""
    changed = _act(signed_in(), key, "enable")
    show.said(output, f"{changed['displayName']} is enabled.", changed)


@keys.command()
def disable(key: KeyText, output: Out = Output.TABLE) -> None:
    """Stop a key: it signs no more, and clusters deny at once what only it has signed."""
    changed = _act(signed_in(), key, "disable")
    show.said(output, f"{changed['displayName']} is disabled; what only it has signed is denied from now on.", changed)


@keys.command()
def rotate(key: KeyText, output: Out = Output.TABLE) -> None:
    """Make a new version of a key, which signs from now on; signatures by older versions still count."""
    session = signed_in()
    found = names.key(session, key)
    made = session.server.post(f"{names.KEYS}/{found['id']}/keyVersions").body
    show.said(output, f"{found['displayName']} has a new version, {made['id']}.", made)


@keys.command("versions")
def list_versions(key: KeyText, output: Out = Output.TABLE) -> None:
    """List a key's versions, the newest first."""
    session = signed_in()
    found = names.key(session, key)
    versions = session.server.everything(f"{names.KEYS}/{found['id']}/keyVersions")
    rows = [{**each, "isCurrent": each["id"] == found["currentKeyVersion"]} for each in versions]
    show.rows(output, _VERSIONS, rows, empty="The key has no version.")


@keys.command("schedule-deletion")
def schedule_deletion(
    key: KeyText,
    version: Version = "",
    on: Annotated[
        str, typer.Option(help="A time such as 2027-01-31T12:00:00Z, 7 to 30 days ahead; the latest if left out.")
    ] = "",
    output: Out = Output.TABLE,
) -> None:
    """Have a key, or one older version of it, destroyed later; from now on what only it has signed is denied."""
    changed, name = _act_on(signed_in(), key, version, "scheduleDeletion", {"timeOfDeletion": on} if on else {})
    day = changed["timeOfDeletion"][:10]
    of = f"{changed['keyId']} --version {changed['id']}" if version else changed["id"]
    show.said(output, f"{name} will be destroyed on {day}. To keep it: assay key cancel-deletion {of}", changed)


@keys.command("cancel-deletion")
def cancel_deletion(key: KeyText, version: Version = "", output: Out = Output.TABLE) -> None:
    """Keep a key, or a version of it, that was to be destroyed."""
    changed, name = _act_on(signed_in(), key, version, "cancelDeletion")
    show.said(output, f"{name} stays; its state is {changed['lifecycleState']}.", changed)


@keys.command("export-public")
def export_public(
    key: KeyText,
    version: Annotated[str, typer.Option(help="A key version's OCID; the current one if left out.")] = "",
    output: Out = Output.TABLE,
) -> None:
    """Print the public half as PEM, such as cosign verify --key reads."""
    session = signed_in()
    found = names.key(session, key)
    path = f"{names.KEYS}/{found['id']}/keyVersions/{version or found['currentKeyVersion']}"
    read = session.server.get(path).body
    show.document(output, read["publicKey"], read)


def _act(session: Session, key: str, act: str) -> dict[str, Any]:
    return _act_on(session, key, "", act)[0]


def _act_on(
    session: Session, key: str, version: str, act: str, body: dict[str, Any] | None = None
) -> tuple[dict[str, Any], str]:
    """Act on a key, or on a version of it if one is named: what it is now, and its name for people."""
    found = names.key(session, key)
    path, name = f"{names.KEYS}/{found['id']}", found["displayName"]
    if version:
        path, name = f"{path}/keyVersions/{version}", f"The version {version} of {name}"
    return dict(session.server.post(f"{path}/actions/{act}", body).body), name
