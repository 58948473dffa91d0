"""The command `assay`."""

import typer

from assay.cli import show
from assay.cli.serve import serve
from assay.errors import AssayError

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)


def run() -> None:
    """Entry point: an error of ours becomes a sentence and exit status 1."""
    try:
        app()
    except AssayError as fault:
        show.error(str(fault))
        raise SystemExit(1) from None


@app.callback()
def _assay() -> None:
    """Assay takes a container image from pushed to allowed to run."""


app.command()(serve)


if __name__ == "__main__":
    run()
