"""Signing and verifying images."""

from typing import Annotated, Any

import typer

from assay.cli import names, show
from assay.cli.options import Description, ImageText, Out, group
from assay.cli.scans import risk, verdicts_of
from assay.cli.session import Session, signed_in
from assay.cli.show import Output
from assay.cli.trust import key_names
from assay.errors import Reason, Refused

signatures = group("Image signatures.")

_SIGNATURES = "/20160918/container/imageSignatures"
#: What exit status `verify` has when no signature verifies.
NOT_VERIFIED = 1


def _on(record: dict[str, Any]) -> str:
    return f"{record['repositoryName']}@{record['imageDigest'][:19]}"


_LIST: show.Columns = {
    "Image": _on,
    "Key": "keyName",
    "Algorithm": "signingAlgorithm",
    "Signed": show.when("timeCreated"),
    "Signature": "id",
}
_OUTCOMES: show.Columns = {
    "Verified": "isVerified",
    "Of": show.short("subject"),
    "Form": "form",
    "Key": "keyName",
    "Algorithm": "signingAlgorithm",
    "Signed": show.when("timeCreated"),
    "Because": "because",
}


def sign(
    image: ImageText,
    key: Annotated[str, typer.Option("--key", "-k", help="A key's name, VAULT/NAME, or OCID.")],
    description: Description = "",
    output: Out = Output.TABLE,
) -> None:
    """Sign an image with a master encryption key: for Assay, and so that an unmodified cosign verifies it."""
    session = signed_in()
    found = names.image(session, image)
    by = names.key(session, key)
    _remind(session, found)
    tag = "" if names.is_ocid(image, "containerimage") else names.image_name(session, image).tag
    body = {"kmsKeyId": by["id"], "tag": tag, "description": description}
    made = session.server.post(f"/20260901/images/{found['id']}/actions/sign", body).body
    for warning in made["warnings"]:
        show.note(f"WARNING: {warning}")
    show.said(output, f"Signed {found['repositoryName']}@{made['imageDigest']} with {by['displayName']}.", made)


def verify(image: ImageText, output: Out = Output.TABLE) -> None:
    """Verify the signatures on an image; exit status 1 when none of them holds."""
    session = signed_in()
    found = names.image(session, image)
    outcomes = _with_key_names(session, session.server.everything(f"/20260901/images/{found['id']}/verification"))
    show.rows(output, _OUTCOMES, outcomes, empty=f"{found['displayName']} has no signature.")
    if not any(each["isVerified"] for each in outcomes):
        raise typer.Exit(NOT_VERIFIED)


@signatures.command("list")
def list_(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Only signatures on this image.")] = "",
    output: Out = Output.TABLE,
) -> None:
    """List signatures, the newest first."""
    session = signed_in()
    image_id = names.image(session, image)["id"] if image else ""
    found = session.server.everything(_SIGNATURES, **session.within(""), imageId=image_id)
    found = [each for each in found if each["lifecycleState"] != "DELETED"]
    show.rows(output, _LIST, _with_key_names(session, found), empty="There is no signature.")


@signatures.command()
def delete(
    signature: Annotated[str, typer.Argument(metavar="SIGNATURE", help="A signature's OCID.")],
    output: Out = Output.TABLE,
) -> None:
    """Delete a signature; clusters deny at once what it alone vouched for."""
    session = signed_in()
    found = session.server.get(f"{_SIGNATURES}/{signature}").body
    session.server.delete(f"{_SIGNATURES}/{signature}")
    show.said(output, f"Deleted the signature on {_on(found)}.", found)


def _remind(session: Session, image: dict[str, Any]) -> None:
    """Say what the latest scan found and what a reviewer said, as far as the user may know it."""
    try:
        scans = names.scans_of(session, image["id"], rows_max=1)
        said = verdicts_of(session, image)
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return
    if scans:
        show.note(f"Latest scan: {risk(scans[0])}, {scans[0]['problemCount']} problems.")
    if said:
        word = "accepted" if said[0]["isAccepted"] else "refused"
        show.note(f"Verdict: {word} by {said[0]['reviewer']}: {said[0]['reason']}")
    else:
        show.note("No reviewer has recorded a verdict.")


def _with_key_names(session: Session, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = key_names(session, [each["kmsKeyId"] for each in rows if each["kmsKeyId"]])
    return [{**each, "keyName": known.get(each["kmsKeyId"])} for each in rows]
