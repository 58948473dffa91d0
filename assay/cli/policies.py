"""IAM policies and compartments."""

from typing import Annotated

import typer

from assay.cli import names, show
from assay.cli.options import Compartment, Description, Out, Place, group
from assay.cli.scanners import command_to_allow
from assay.cli.session import COMPARTMENTS, signed_in
from assay.cli.show import Output

app = group("IAM policies: who may do what, as statements.")
compartments = group("Compartments.")

POLICIES = "/20160918/policies"
#: Exit status of `check-missing` when a statement is missing.
MISSING = 1

PolicyText = Annotated[str, typer.Argument(metavar="POLICY", help="A policy's name or OCID.")]

_LIST: show.Columns = {"Policy": "name", "Statements": lambda policy: "\n".join(policy["statements"])}
_ONE: show.Columns = {**_LIST, "Description": "description", "Created": show.when("timeCreated"), "OCID": "id"}
_MISSING: show.Columns = {"Service": "service", "Lacks": lambda each: "\n".join(each["statements"])}
_COMPARTMENTS: show.Columns = {
    "Compartment": "name",
    "Description": "description",
    "State": "lifecycleState",
    "OCID": "id",
}


@app.command("list")
def list_(compartment: Place = "", output: Out = Output.TABLE) -> None:
    """List policies with their statements."""
    found = names.living(signed_in().everywhere(POLICIES, compartment))
    show.rows(output, _LIST, found, empty="There is no policy.")


@app.command("show")
def show_(policy: PolicyText, output: Out = Output.TABLE) -> None:
    """Show a policy."""
    show.thing(output, _ONE, names.named(signed_in(), POLICIES, "policy", policy))


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    statement: Annotated[list[str], typer.Option("--statement", "-s", help="A statement; one option each.")],
    description: Description = "",
    compartment: Compartment = "",
    output: Out = Output.TABLE,
) -> None:
    """Create a policy; a fault in a statement is pointed at, and nothing is created."""
    session = signed_in()
    body = {
        "compartmentId": session.compartment(compartment),
        "name": name,
        "description": description,
        "statements": statement,
    }
    show.said(output, f"Created the policy {name}; it is in force.", session.server.post(POLICIES, body).body)


@app.command()
def allow(
    statements: Annotated[list[str], typer.Argument(metavar="STATEMENT...", help="Statements, each in quotes.")],
    policy: Annotated[str, typer.Option(help="The policy of the root compartment that they are added to.")] = "",
    output: Out = Output.TABLE,
) -> None:
    """Add statements to a policy of the root compartment, which is made if it is not there."""
    body = {"statements": statements, **({"policyName": policy} if policy else {})}
    changed = signed_in().server.post("/20260901/policyStatements", body).body
    show.said(output, f"In force, in the policy {changed['name']}:\n  " + "\n  ".join(statements), changed)


@app.command()
def delete(policy: PolicyText, output: Out = Output.TABLE) -> None:
    """Delete a policy; its statements hold no longer."""
    session = signed_in()
    found = names.named(session, POLICIES, "policy", policy)
    session.server.delete(f"{POLICIES}/{found['id']}")
    show.said(output, f"Deleted the policy {found['name']}.", found)


@app.command("check-missing")
def check_missing(output: Out = Output.TABLE) -> None:
    """Show the statements that Assay's own services lack; exit status 1 when one is missing."""
    found = signed_in().server.everything("/20260901/missingStatements")
    show.rows(output, _MISSING, found, empty="Every service has the statements that it needs.")
    for each in found:
        show.note(f"Add what {each['service']} lacks with:\n  {command_to_allow(each['statements'])}")
    if found:
        raise typer.Exit(MISSING)


@compartments.command("create")
def create_compartment(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    description: Description = "",
    compartment: Compartment = "",
    output: Out = Output.TABLE,
) -> None:
    """Create a compartment, in the root compartment or in another."""
    session = signed_in()
    body = {"compartmentId": session.compartment(compartment), "name": name, "description": description}
    show.said(output, f"Created the compartment {name}.", session.server.post(COMPARTMENTS, body).body)


@compartments.command("list")
def list_compartments(output: Out = Output.TABLE) -> None:
    """List all compartments below the root."""
    session = signed_in()
    found = session.server.everything(COMPARTMENTS, **session.within(""))
    show.rows(output, _COMPARTMENTS, names.living(found), empty="There is only the root compartment.")


@compartments.command("move")
def move_compartment(
    compartment: Annotated[str, typer.Argument(metavar="COMPARTMENT", help="A compartment's name or OCID.")],
    to: Annotated[str, typer.Option("--to", help="The new parent: a compartment's name or OCID, or root.")],
    output: Out = Output.TABLE,
) -> None:
    """Put a compartment, with all that lies in it, into another parent: other policies reach it then."""
    session = signed_in()
    ocid = session.compartment(compartment)
    body = {"targetCompartmentId": session.compartment(to)}
    session.server.post(f"{COMPARTMENTS}/{ocid}/actions/moveCompartment", body)
    show.said(output, f"Moved the compartment {compartment} into {to}.", {"id": ocid})


@compartments.command("recover")
def recover_compartment(
    compartment: Annotated[str, typer.Argument(metavar="COMPARTMENT", help="The OCID of a deleted compartment.")],
    output: Out = Output.TABLE,
) -> None:
    """Bring a deleted compartment back."""
    found = signed_in().server.post(f"{COMPARTMENTS}/{compartment}/actions/recoverCompartment").body
    show.said(output, f"The compartment {found['name']} is back.", found)


@compartments.command("delete")
def delete_compartment(
    compartment: Annotated[str, typer.Argument(metavar="COMPARTMENT", help="A compartment's name or OCID.")],
    output: Out = Output.TABLE,
) -> None:
    """Delete an empty compartment."""
    session = signed_in()
    ocid = session.compartment(compartment)
    session.server.delete(f"{COMPARTMENTS}/{ocid}")
    show.said(output, f"Deleted the compartment {compartment}.", {"id": ocid})
