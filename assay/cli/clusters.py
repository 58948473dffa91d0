"""Clusters: their image verification policy, how they say who they are, and what was decided."""

from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import names, private_files, show
from assay.cli.options import ClusterText, Compartment, Description, Out, Place, group
from assay.cli.scanners import command_to_allow
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

app = group("Clusters that ask before they run an image.")
decisions = group("What admission answered.")

DAY_SECONDS = 86_400
DECISIONS_SHOWN = 50
KUBECONFIG_PATH = "/etc/kubernetes/assay/kubeconfig"

Folder = Annotated[
    Path | None,
    typer.Option(help="Write the API server's two files here, for their owner only, and print nothing secret."),
]

_LIST: show.Columns = {
    "Cluster": "name",
    "Policy": state_of_policy,
    "Keys": count_of_keys,
    "State": "lifecycleState",
    "Created": show.when("metadata.timeCreated"),
}
_ONE: show.Columns = {
    "Cluster": "name",
    "Policy": state_of_policy,
    "Trusted keys": "keyNames",
    "Policy version": "policyVersion",
    "State": "lifecycleState",
    "Created": show.when("metadata.timeCreated"),
    "OCID": "id",
}
_CREDENTIALS: show.Columns = {
    "Kind": "kind",
    "Description": "description",
    "Created": show.when("timeCreated"),
    "Expires": show.when("timeExpires"),
    "OCID": "id",
}
_DECISIONS: show.Columns = {
    "Number": "number",
    "Date": show.when("timeCreated"),
    "Answer": lambda decision: "allowed" if decision["isAllowed"] else "denied",
    "Namespace": "namespace",
    "Kind": "kind",
    "Name": "name",
    "Images": lambda decision: list(dict.fromkeys(each["reference"] for each in decision["images"])),
}
_DECISION: show.Columns = {
    **_DECISIONS,
    "Operation": "operation",
    "By": "username",
    "Message": "message",
    "Page": "url",
}
_IMAGES: show.Columns = {
    "Where": "where",
    "Image": "reference",
    "Answer": lambda image: "allowed" if image["isAllowed"] else "denied",
    "Digest": "digest",
    "Because": "because",
}


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    key: Keys = None,
    enable: Enable = False,
    compartment: Compartment = "",
    output: Out = Output.TABLE,
) -> None:
    """Record a cluster, with its image verification policy."""
    session = signed_in()
    body = {
        "compartmentId": session.compartment(compartment),
        "name": name,
        # The API wants them said; Assay keeps the record of a cluster, and does not run it.
        "vcnId": "",
        "kubernetesVersion": "",
        "imagePolicyConfig": policy_body(session, key, enable=enable),
    }
    made = session.server.post(names.CLUSTERS, body).body
    statement = f"allow any-user to read repos in tenancy where request.user.id = '{made['id']}'"
    show.note(
        "The cluster sees no repository until a statement lets it. To let it read all of them:\n"
        f"  {command_to_allow([statement])}"
    )
    token, manifests = (show.command_line(["assay", "cluster", each, name]) for each in ("token", "manifests"))
    show.said(output, f"Created the cluster {name}. Next: {token}; {manifests}", made)


@app.command("list")
def list_(compartment: Place = "", output: Out = Output.TABLE) -> None:
    """List clusters."""
    found = names.living(signed_in().everywhere(names.CLUSTERS, compartment))
    show.rows(output, _LIST, found, empty="There is no cluster. Create one: assay cluster create NAME")


@app.command("show")
def show_(cluster: ClusterText, output: Out = Output.TABLE) -> None:
    """Show a cluster and its policy."""
    session = signed_in()
    show.thing(output, _ONE, with_policy_keys(session, names.cluster(session, cluster)))


@app.command()
def policy(
    cluster: ClusterText,
    key: Keys = None,
    no_keys: NoKeys = False,
    enable: Switch = None,
    output: Out = Output.TABLE,
) -> None:
    """Set a cluster's image verification policy: the keys given replace those before. Alone: show it."""
    session = signed_in()
    found = names.cluster(session, cluster)
    wanted = changed_policy(session, found, key, no_keys=no_keys, enable=enable)
    if wanted is not None:
        found = session.server.put(f"{names.CLUSTERS}/{found['id']}", {"imagePolicyConfig": wanted}).body
        if wanted["isPolicyEnabled"] and not wanted["keyDetails"]:
            show.note("The policy is enabled and trusts no key: every image is denied.")
    show.thing(output, _ONE, with_policy_keys(session, found))


@app.command()
def delete(cluster: ClusterText, output: Out = Output.TABLE) -> None:
    """Delete a cluster: its credentials open nothing any more, so it is denied everything."""
    session = signed_in()
    found = names.cluster(session, cluster)
    session.server.delete(f"{names.CLUSTERS}/{found['id']}")
    show.said(output, f"Deleted the cluster {found['name']}.", found)


@app.command()
def token(
    cluster: ClusterText,
    description: Description = "",
    days: Annotated[int | None, typer.Option(help="How long it lasts.", min=1)] = None,
    folder: Folder = None,
    output: Out = Output.TABLE,
) -> None:
    """Make a bearer token, in the kubeconfig by which API servers present it. It is shown once."""
    session = signed_in()
    found = names.cluster(session, cluster)
    body: dict[str, Any] = {"description": description}
    if days is not None:
        body["lifetimeInSeconds"] = days * DAY_SECONDS
    made = session.server.post(f"{_own(found)}/tokens", body).body
    _hand_over(made, folder, output)


@app.command()
def credentials(cluster: ClusterText, output: Out = Output.TABLE) -> None:
    """List a cluster's tokens and client certificates, without their secrets."""
    session = signed_in()
    own = _own(names.cluster(session, cluster))
    found = [
        {**each, "kind": kind}
        for kind in ("token", "certificate")
        for each in session.server.everything(f"{own}/{kind}s")
    ]
    show.rows(output, _CREDENTIALS, found, empty="It has none: its API servers cannot say who they are.")


@app.command()
def revoke(
    cluster: ClusterText,
    credential: Annotated[str, typer.Argument(metavar="OCID", help="See: assay cluster credentials.")],
    output: Out = Output.TABLE,
) -> None:
    """Delete a token or client certificate of a cluster; it opens nothing from now on."""
    session = signed_in()
    found = names.cluster(session, cluster)
    kind = "certificates" if names.is_ocid(credential, "clustercertificate") else "tokens"
    session.server.delete(f"{_own(found)}/{kind}/{credential}")
    show.said(output, f"{found['name']} is no longer let in by it.", {"id": credential, "clusterId": found["id"]})


@app.command()
def certificate(
    cluster: ClusterText,
    description: Description = "",
    folder: Folder = None,
    output: Out = Output.TABLE,
) -> None:
    """Make a client certificate, in the kubeconfig by which API servers present it. Its private key is shown once."""
    session = signed_in()
    path = f"{_own(names.cluster(session, cluster))}/certificates"
    _hand_over(session.server.post(path, {"description": description}).body, folder, output)


@app.command()
def manifests(
    cluster: ClusterText,
    exempt: Annotated[
        list[str] | None, typer.Option(help="A namespace that is not asked about, such as kube-system; repeatable.")
    ] = None,
    output: Out = Output.TABLE,
) -> None:
    """Print the webhook configurations, ready for: kubectl apply -f -"""
    session = signed_in()
    found = names.cluster(session, cluster)
    text = session.server.get(f"{_own(found)}/webhookManifests", exemptNamespaces=",".join(exempt or [])).body
    show.document(output, text, {"clusterId": found["id"], "manifests": text})


@app.command("decisions")
def list_decisions(
    cluster: ClusterText,
    allowed: Annotated[bool | None, typer.Option("--allowed/--denied", help="Only these.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1)] = DECISIONS_SHOWN,
    output: Out = Output.TABLE,
) -> None:
    """List what admission answered to a cluster, the newest first."""
    session = signed_in()
    path = f"{_own(names.cluster(session, cluster))}/decisions"
    found = session.server.everything(path, rows_max=limit, isAllowed="" if allowed is None else allowed)
    show.rows(output, _DECISIONS, found, empty="No decision yet.")


@decisions.command("show")
def show_decision(
    number: Annotated[str, typer.Argument(help="A decision's number, as each denial names it.")],
    output: Out = Output.TABLE,
) -> None:
    """Show a decision, with the reason for each image."""
    found = signed_in().server.get(f"/20260901/decisions/{number}").body
    if output is Output.JSON:
        show.as_json(found)
        return
    show.thing(output, _DECISION, found)
    show.line("")
    show.rows(output, _IMAGES, found["images"], empty="It names no image.")


def _hand_over(made: dict[str, Any], folder: Path | None, output: Output) -> None:
    """Print a new credential's kubeconfig, or write the files of the API server that are there for it."""
    if folder is None:
        show.note(f"Save this as {KUBECONFIG_PATH} on the API servers; it is shown only now.")
        show.document(output, made["kubeconfig"], made)
        return
    files = {"kubeconfig": made["kubeconfig"], "admission.yaml": made["admissionConfiguration"]}
    for name, text in files.items():
        private_files.write(folder / name, text)
    show.said(
        output,
        f"Wrote kubeconfig and admission.yaml to {folder}. Copy both to {KUBECONFIG_PATH.rpartition('/')[0]} on the\n"
        "API servers, and start them with --admission-control-config-file=…/admission.yaml",
        {"id": made["id"], "files": [str(folder / name) for name in files]},
    )


def _own(cluster: dict[str, Any]) -> str:
    return f"/20260901/clusters/{cluster['id']}"
