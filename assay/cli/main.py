"""The command `assay`: an image's way from push to admission."""

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from assay.cli import (
    access,
    account,
    api_keys,
    audit,
    clusters,
    emergency,
    feeds,
    functions,
    images,
    oci_setup,
    openapi,
    people,
    policies,
    quotas,
    registry,
    repositories,
    retention,
    scanners,
    scans,
    serve,
    session,
    show,
    signing,
    vaults,
)
from assay.errors import AssayError

INTERRUPTED = 130

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)

_GROUPS = (
    ("An image's way", "repository", repositories.app),
    ("An image's way", "image", images.app),
    ("An image's way", "retention", retention.app),
    ("An image's way", "quota", quotas.app),
    ("An image's way", "scanner", scanners.app),
    ("An image's way", "scan", scans.app),
    ("An image's way", "verdict", scans.verdicts),
    ("An image's way", "signature", signing.signatures),
    ("An image's way", "cluster", clusters.app),
    ("An image's way", "decision", clusters.decisions),
    ("An image's way", "application", functions.applications),
    ("An image's way", "function", functions.app),
    ("Keys, people and policies", "vault", vaults.app),
    ("Keys, people and policies", "key", vaults.keys),
    ("Keys, people and policies", "user", people.users),
    ("Keys, people and policies", "group", people.groups),
    ("Keys, people and policies", "token", people.tokens),
    ("Keys, people and policies", "policy", policies.app),
    ("Keys, people and policies", "compartment", policies.compartments),
    ("Keys, people and policies", "iam", access.app),
    ("Keys, people and policies", "dynamic-group", access.dynamic_groups),
    ("Keys, people and policies", "network-source", access.network_sources),
    ("The installation", "feed", feeds.app),
    ("The installation", "job", feeds.jobs),
    ("The installation", "audit", audit.app),
    ("The installation", "registry", registry.app),
)
for panel, name, commands in _GROUPS:
    app.add_typer(commands, name=name, rich_help_panel=panel)
people.users.add_typer(api_keys.app, name="api-key")

app.command(rich_help_panel="Signing in")(account.login)
app.command(rich_help_panel="Signing in")(account.logout)
app.command(rich_help_panel="Signing in")(account.whoami)
app.command(rich_help_panel="Signing in")(account.password)
app.command(rich_help_panel="Signing in")(oci_setup.oci_setup)
app.command(rich_help_panel="An image's way")(signing.sign)
app.command(rich_help_panel="An image's way")(signing.verify)
app.command(rich_help_panel="The installation")(serve.serve)
app.command(rich_help_panel="The installation")(openapi.openapi)
app.command(rich_help_panel="The installation")(emergency.reset_administrator)


@app.callback()
def options(
    profile: Annotated[
        Path | None,
        typer.Option(
            envvar="ASSAY_PROFILE", help="The file that holds the session; ~/.config/assay/profile.json else."
        ),
    ] = None,
) -> None:
    """An image's way from push to admission."""
    session.PROFILE_FILE.set(profile)


def run() -> None:
    """Entry point. Exit status: 0 done, 1 refused or failed, 2 wrong usage; an error of ours becomes a sentence."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a sign gets another, not a crash.
            stream.reconfigure(errors="replace")
    try:
        app()
    except AssayError as fault:
        show.error(str(fault))
        raise SystemExit(1) from None
    except BrokenPipeError:
        # The reader has seen enough (`| head`). What is still buffered must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    run()
