"""Retention policies: list, make, change, try out, and carry out."""

from typing import Annotated, Any

import typer

from assay.cli import names, show
from assay.cli.options import Compartment, Out, Place, RepositoryName, group
from assay.cli.session import Session, only, signed_in
from assay.cli.show import Output

app = group("What goes from repositories by itself.")

POLICIES = "/20260901/retentionPolicies"

PolicyName = Annotated[str, typer.Argument(metavar="POLICY", help="A retention policy's name or OCID.")]
KeepLast = Annotated[
    list[str] | None,
    typer.Option(metavar="COUNT[:TAGS]", help="Keep the last pushed; the others go. TAGS: patterns, such as v*,rc-*."),
]
KeepTags = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[DAYS:]TAGS", help="Keep images with these tags; for DAYS since their last push, or for good."
    ),
]
RemoveUntagged = Annotated[int | None, typer.Option(metavar="DAYS", help="Remove what has had no tag for so long.")]
RemoveNotPulled = Annotated[
    list[str] | None, typer.Option(metavar="DAYS[:TAGS]", help="Remove what nobody has pulled or pushed for so long.")
]
RemoveOld = Annotated[
    list[str] | None, typer.Option(metavar="DAYS[:TAGS]", help="Remove what was last pushed so long ago.")
]


def _said(rule: dict[str, Any]) -> str:
    tags = " or ".join(rule["tags"])
    some = f" of those tagged {tags}" if tags else ""
    days = f"{rule['days']} days"
    return {
        "KEEP_LAST": f"keep the {rule['count']} pushed last{some}",
        "KEEP_TAGS": f"keep {tags}" + (f" for {days}" if rule["days"] else ""),
        "REMOVE_UNTAGGED": f"remove what is untagged for {days}",
        "REMOVE_NOT_PULLED": f"remove what is not pulled for {days}{some}",
        "REMOVE_OLD": f"remove what was pushed {days} ago{some}",
    }.get(rule["kind"], str(rule["kind"]))


_LIST: show.Columns = {
    "Policy": "displayName",
    "Repositories": "repositories",
    "In force": "isEnabled",
    "Rules": lambda policy: "; ".join(map(_said, policy["rules"])),
}
_ONE: show.Columns = {**_LIST, "Changed": show.when("timeUpdated"), "Compartment": "compartmentId", "OCID": "id"}
_GOING: show.Columns = {
    "Tags": lambda image: ", ".join(image["versions"]),
    "Digest": show.short("imageDigest"),
    "Pushed": show.when("timeLastPushed"),
    "Pulled": show.when("timeLastPulled"),
    "With": lambda image: len(image.get("alsoRemovedDigests", ())),
    "Why": lambda image: "; ".join(each["reason"] for each in image["reasons"]),
}
_GONE: show.Columns = {heading: column for heading, column in _GOING.items() if heading != "With"}


@app.command("list")
def list_(compartment: Place = "", output: Out = Output.TABLE) -> None:
    """List retention policies."""
    session = signed_in()
    found = session.server.everything(POLICIES, **(session.within(compartment) if compartment else {}))
    show.rows(output, _LIST, found, empty="There is no retention policy: nothing goes by itself.")


@app.command("show")
def show_(policy: PolicyName, output: Out = Output.TABLE) -> None:
    """Show a retention policy."""
    show.thing(output, _ONE, _policy(signed_in(), policy))


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is to be called.")],
    repositories: Annotated[str, typer.Option(help="Repositories it is for; * stands for any text.")] = "*",
    keep_last: KeepLast = None,
    keep_tags: KeepTags = None,
    remove_untagged: RemoveUntagged = None,
    remove_not_pulled: RemoveNotPulled = None,
    remove_old: RemoveOld = None,
    enable: Annotated[bool, typer.Option("--enable", help="Put it in force at once.")] = False,
    compartment: Compartment = "",
    output: Out = Output.TABLE,
) -> None:
    """Make a policy for a compartment and all below it; not in force until you have seen what it does."""
    session = signed_in()
    body = {
        "compartmentId": session.compartment(compartment),
        "displayName": name,
        "repositories": repositories,
        "isEnabled": enable,
        "rules": _rules(keep_last, keep_tags, remove_untagged, remove_not_pulled, remove_old),
    }
    made = session.server.post(POLICIES, body).body
    command = show.command_line(["assay", "retention", "preview", "REPOSITORY", "--policy", name])
    hint = "It is in force." if enable else f"See what would go: {command}"
    show.said(output, f"Made {name}. {hint}", made)


@app.command("set")
def set_(
    policy: PolicyName,
    enable: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it is in force.")] = None,
    repositories: Annotated[str, typer.Option(help="Repositories it is for.")] = "",
    keep_last: KeepLast = None,
    keep_tags: KeepTags = None,
    remove_untagged: RemoveUntagged = None,
    remove_not_pulled: RemoveNotPulled = None,
    remove_old: RemoveOld = None,
    output: Out = Output.TABLE,
) -> None:
    """Put a policy in force or out of it, or change it. Rules that are given replace all that it has."""
    session = signed_in()
    found = _policy(session, policy)
    rules = _rules(keep_last, keep_tags, remove_untagged, remove_not_pulled, remove_old)
    body = {
        "displayName": found["displayName"],
        "repositories": repositories or found["repositories"],
        "isEnabled": found["isEnabled"] if enable is None else enable,
        "rules": rules or found["rules"],
    }
    changed = session.server.put(f"{POLICIES}/{found['id']}", body).body
    state = "in force" if changed["isEnabled"] else "not in force"
    show.said(output, f"{changed['displayName']} is {state}: {'; '.join(map(_said, changed['rules']))}.", changed)


@app.command()
def delete(policy: PolicyName, output: Out = Output.TABLE) -> None:
    """Delete a policy."""
    session = signed_in()
    found = _policy(session, policy)
    session.server.delete(f"{POLICIES}/{found['id']}")
    show.said(output, f"Deleted {found['displayName']}.", found)


@app.command()
def preview(
    repository: RepositoryName,
    policy: Annotated[str, typer.Option(help="As if this policy, by name or OCID, were in force too.")] = "",
    output: Out = Output.TABLE,
) -> None:
    """List what would go from a repository now, and why. Nothing is changed."""
    session = signed_in()
    found = names.repository(session, repository)
    asked = {"retentionPolicyId": _policy(session, policy)["id"]} if policy else {}
    path = f"/20260901/repositories/{found['id']}/retention"
    going = session.server.everything(path, **asked)
    name = found["displayName"]
    empty = ""
    if not going:
        reply = session.server.get(path, **asked).body
        empty = _nothing(reply, f"Nothing would go from {name}.", name, beside=policy)
    show.rows(output, _GOING, going, empty=empty)


@app.command()
def run(repository: RepositoryName, output: Out = Output.TABLE) -> None:
    """Remove what goes from a repository by the policies in force now, instead of waiting for the schedule."""
    session = signed_in()
    found = names.repository(session, repository)
    gone: list[dict[str, Any]] = []
    reply: dict[str, Any] = {"isFinished": False}
    while not reply["isFinished"]:
        reply = session.server.post(f"/20260901/repositories/{found['id']}/actions/applyRetention", {}).body
        gone += reply["items"]
    name = found["displayName"]
    show.rows(output, _GONE, gone, empty=_nothing(reply, f"Nothing goes from {name}.", name))


def _nothing(reply: dict[str, Any], nothing: str, repository: str, *, beside: str = "") -> str:
    """Why nothing goes: `nothing`, unless no policy, in force or `beside` those, could let something go."""
    if reply["policyCount"]:
        return nothing
    nor = f", nor {beside}," if beside else ""
    return f"No retention policy in force{nor} reaches {repository}: nothing goes. See: assay retention list"


def _policy(session: Session, text: str) -> dict[str, Any]:
    """The policy of a name or an OCID. Errors: Refused."""
    if names.is_ocid(text, "retentionpolicy"):
        return dict(session.server.get(f"{POLICIES}/{text}").body)
    found = [each for each in session.server.everything(POLICIES) if each["displayName"] == text]
    policy = only(found, "retention policy", text, listing="retention list")
    return dict(session.server.get(f"{POLICIES}/{policy['id']}").body)


def _rules(
    keep_last: list[str] | None,
    keep_tags: list[str] | None,
    remove_untagged: int | None,
    remove_not_pulled: list[str] | None,
    remove_old: list[str] | None,
) -> list[dict[str, Any]]:
    found = [_numbered("KEEP_LAST", "count", each) for each in keep_last or ()]
    for each in keep_tags or ():
        days, mark, tags = each.rpartition(":")
        found.append({"kind": "KEEP_TAGS", "tags": tags.split(","), **({"days": _number(days)} if mark else {})})
    if remove_untagged is not None:
        found.append({"kind": "REMOVE_UNTAGGED", "days": remove_untagged})
    found += [_numbered("REMOVE_NOT_PULLED", "days", each) for each in remove_not_pulled or ()]
    return found + [_numbered("REMOVE_OLD", "days", each) for each in remove_old or ()]


def _numbered(kind: str, member: str, text: str) -> dict[str, Any]:
    number, mark, tags = text.partition(":")
    return {"kind": kind, member: _number(number), "tags": tags.split(",") if mark else []}


def _number(text: str) -> int:
    if not text.isdecimal():
        raise typer.BadParameter(f"{text[:40]!r} is not a whole number")
    return int(text)
