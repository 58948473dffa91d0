"""Applications and functions: definitions that name an image, kept on its digest. Nothing here runs them."""

from typing import Annotated, Any

import typer

from assay.cli import names, show
from assay.cli.options import Compartment, Out, Place, group
from assay.cli.scans import risk
from assay.cli.session import signed_in
from assay.cli.show import Output
from assay.cli.trust import (
    Enable,
    Keys,
    NoKeys,
    Switch,
    changed_policy,
    count_of_keys,
    policy_body,
    state_of_policy,
    with_policy_keys,
)

app = group("Functions, kept on the digests of their images. Assay doesn't run them.")
applications = group("Applications that hold functions.")

ApplicationText = Annotated[str, typer.Argument(metavar="APPLICATION", help="An application's name or OCID.")]
FunctionText = Annotated[str, typer.Argument(metavar="FUNCTION", help="APPLICATION/FUNCTION, or an OCID.")]
InApplication = Annotated[str, typer.Option("--application", "-a", help="The application's name or OCID.")]
FunctionImage = Annotated[str, typer.Option("--image", "-i", help="An image of this registry, by tag or digest.")]

_APPLICATIONS: show.Columns = {
    "Application": "displayName",
    "Image policy": state_of_policy,
    "Keys": count_of_keys,
    "Created": show.when("timeCreated"),
    "OCID": "id",
}
_FUNCTIONS: show.Columns = {
    "Function": "displayName",
    "Image": "image",
    "Digest": show.short("imageDigest"),
    "Updated": show.when("timeUpdated"),
}


def _scan(function: dict[str, Any]) -> str | None:
    status = function["watch"]["scanStatus"]
    scan = status and status["latestScan"]
    return f"{risk(scan)}, {scan['problemCount']} problems ({scan['timeFinished'][:10]})" if scan else None


_FUNCTION: show.Columns = {
    "Function": "displayName",
    "Image": "image",
    "Digest": "imageDigest",
    "Repository": "watch.repositoryName",
    "Has an image scanner": "watch.isScanned",
    "Latest scan of this digest": _scan,
    "Newer push": "watch.newerDigest",
    "Updated": show.when("timeUpdated"),
    "OCID": "id",
}


@applications.command("create")
def create_application(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    key: Keys = None,
    enable: Enable = False,
    compartment: Compartment = "",
    output: Out = Output.TABLE,
) -> None:
    """Create an application."""
    session = signed_in()
    body = {
        "compartmentId": session.compartment(compartment),
        "displayName": name,
        "subnetIds": [],
        "imagePolicyConfig": policy_body(session, key, enable=enable),
    }
    made = session.server.post(names.APPLICATIONS, body).body
    show.said(output, f"Created the application {name}.", made)


@applications.command("list")
def list_applications(compartment: Place = "", output: Out = Output.TABLE) -> None:
    """List applications."""
    found = names.living(signed_in().everywhere(names.APPLICATIONS, compartment))
    show.rows(output, _APPLICATIONS, found, empty="There is no application. Create one: assay application create NAME")


@applications.command("show")
def show_application(application: ApplicationText, output: Out = Output.TABLE) -> None:
    """Show an application."""
    session = signed_in()
    found = names.application(session, application)
    show.thing(output, {**_APPLICATIONS, "Trusted keys": "keyNames"}, with_policy_keys(session, found))


@applications.command("policy")
def set_policy(
    application: ApplicationText,
    key: Keys = None,
    no_keys: NoKeys = False,
    enable: Switch = None,
    output: Out = Output.TABLE,
) -> None:
    """Set an application's image verification policy: the keys given replace those before. Alone: show it."""
    session = signed_in()
    found = names.application(session, application)
    wanted = changed_policy(session, found, key, no_keys=no_keys, enable=enable)
    if wanted is not None:
        found = session.server.put(f"{names.APPLICATIONS}/{found['id']}", {"imagePolicyConfig": wanted}).body
    show.thing(output, {**_APPLICATIONS, "Trusted keys": "keyNames"}, with_policy_keys(session, found))


@applications.command("delete")
def delete_application(application: ApplicationText, output: Out = Output.TABLE) -> None:
    """Delete an application that has no functions."""
    session = signed_in()
    found = names.application(session, application)
    session.server.delete(f"{names.APPLICATIONS}/{found['id']}")
    show.said(output, f"Deleted the application {found['displayName']}.", found)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    application: InApplication,
    image: FunctionImage,
    output: Out = Output.TABLE,
) -> None:
    """Create a function on the digest that its image has now."""
    session = signed_in()
    body = {
        "applicationId": names.application(session, application)["id"],
        "displayName": name,
        "image": names.full_reference(session, image),
        "memoryInMBs": 128,
    }
    made = session.server.post(names.FUNCTIONS, body).body
    show.said(output, f"Created the function {name} on {made['imageDigest']}.", made)


@app.command("list")
def list_(application: InApplication, output: Out = Output.TABLE) -> None:
    """List the functions of an application."""
    session = signed_in()
    of = names.application(session, application)["id"]
    found = names.living(session.server.everything(names.FUNCTIONS, applicationId=of))
    show.rows(output, _FUNCTIONS, found, empty="It has no function.")


@app.command("show")
def show_(function: FunctionText, output: Out = Output.TABLE) -> None:
    """Show a function: its image, the latest scan of its digest, and whether a newer push is there."""
    session = signed_in()
    found = names.function(session, function)
    found["watch"] = session.server.get(f"/20260901/functions/{found['id']}/watch").body
    show.thing(output, _FUNCTION, found)
    if found["watch"]["newerDigest"] and output is Output.TABLE:
        show.note("A newer image is there; the function stays on its digest until: assay function update")


@app.command()
def update(
    function: FunctionText,
    image: Annotated[str, typer.Option("--image", "-i", help="An image; the same name as before if left out.")] = "",
    output: Out = Output.TABLE,
) -> None:
    """Put a function on the digest that its image has now, or on another image."""
    session = signed_in()
    found = names.function(session, function)
    text = names.full_reference(session, image) if image else found["image"]
    changed = session.server.put(f"{names.FUNCTIONS}/{found['id']}", {"image": text}).body
    show.said(output, f"{changed['displayName']} is on {changed['imageDigest']}.", changed)


@app.command()
def delete(function: FunctionText, output: Out = Output.TABLE) -> None:
    """Delete a function; its image stays."""
    session = signed_in()
    found = names.function(session, function)
    session.server.delete(f"{names.FUNCTIONS}/{found['id']}")
    show.said(output, f"Deleted the function {found['displayName']}.", found)
