"""The operator's way back in when the administrator's password is lost. It works on the database, without a server."""

from typing import Annotated

import typer

from assay.cli import show
from assay.cli.options import Out
from assay.cli.serve import Config, DataFolder
from assay.cli.show import Output
from assay.settings import read


def reset_administrator(
    config: Config = None,
    data_folder: DataFolder = None,
    user: Annotated[str, typer.Option(help="Which administrator; needed when there are several.")] = "",
    tenancy: Annotated[str, typer.Option(help="Its namespace; needed when there are several tenancies.")] = "",
    output: Out = Output.TABLE,
) -> None:
    """For the operator on the server's machine: give an administrator a one-time password, and end their sessions.

    Use the settings that `assay serve` has. The password is printed to a terminal only; else it is left in a file.
    """
    from assay.app import open_records
    from assay.cli.one_time import RESET_SECRET_FILE, hand_over
    from assay.iam.credentials import passwords

    settings = read(config, data_folder=data_folder)
    with open_records(settings) as store:
        found, made = passwords.reset_administrator(store, namespace=tenancy, user=user)
    path = hand_over(settings, found.name, made.password, RESET_SECRET_FILE, may_print=output is Output.TABLE)
    if path is None:
        show.note(f"{found.name} must change it at the first sign-in; their sessions have ended.")
        return
    show.said(
        output,
        f"{found.name} has a one-time password, in {path} (delete the file). Their sessions have ended.",
        {"user": found.name, "file": str(path)},
    )
