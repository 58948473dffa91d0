"""Trusted keys and image verification policies, which clusters and applications have alike."""

from typing import Annotated, Any

import typer

from assay.cli import names
from assay.cli.session import Session
from assay.errors import Reason, Refused

Keys = Annotated[
    list[str] | None,
    typer.Option("--key", "-k", help="A trusted key (name, VAULT/NAME or OCID); up to five, one option each."),
]
NoKeys = Annotated[bool, typer.Option("--no-keys", help="Trust no key.")]
Enable = Annotated[bool, typer.Option("--enable", help="Deny from now on what no trusted key has signed.")]
Switch = Annotated[bool | None, typer.Option("--enable/--disable", help="Whether unsigned images are denied.")]


def policy_body(session: Session, keys: list[str] | None, *, enable: bool) -> dict[str, Any]:
    """The API's imagePolicyConfig for keys as people name them. Errors: Refused for a key that is not there."""
    return {
        "isPolicyEnabled": enable,
        "keyDetails": [{"kmsKeyId": names.key(session, each)["id"]} for each in keys or ()],
    }


def changed_policy(
    session: Session, resource: dict[str, Any], keys: list[str] | None, *, no_keys: bool, enable: bool | None
) -> dict[str, Any] | None:
    """The policy of a cluster or application with what is given changed; None when nothing is given."""
    if keys and no_keys:
        raise typer.BadParameter("--key and --no-keys exclude one another")
    if not keys and not no_keys and enable is None:
        return None
    present = resource["imagePolicyConfig"]
    wanted = policy_body(session, keys, enable=present["isPolicyEnabled"] if enable is None else enable)
    return wanted if keys or no_keys else {**wanted, "keyDetails": present["keyDetails"]}


def state_of_policy(resource: dict[str, Any]) -> str:
    """Whether the policy of a cluster or application is enabled, for people."""
    return "enabled" if resource["imagePolicyConfig"]["isPolicyEnabled"] else "off"


def count_of_keys(resource: dict[str, Any]) -> int:
    """How many keys a cluster or application trusts."""
    return len(resource["imagePolicyConfig"]["keyDetails"])


def with_policy_keys(session: Session, resource: dict[str, Any]) -> dict[str, Any]:
    """A cluster or application with the names of its trusted keys."""
    keys = [each["kmsKeyId"] for each in resource["imagePolicyConfig"]["keyDetails"]]
    known = key_names(session, keys)
    return {**resource, "keyNames": [known[key] for key in keys]}


def key_names(session: Session, keys: list[str]) -> dict[str, str]:
    """The names of keys by OCID; a key that the user may not read goes by its OCID."""
    known: dict[str, str] = {}
    for key in dict.fromkeys(keys):
        try:
            known[key] = session.server.get(f"{names.KEYS}/{key}").body["displayName"]
        except Refused as refusal:
            if refusal.reason is not Reason.NOT_FOUND:
                raise
            known[key] = key
    return known
