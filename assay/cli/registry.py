"""The registry's upkeep by hand: for the operator, on the server's machine, beside a running server or without one.

What opens an installation is imported where it is needed: most commands start without it.
"""

from typing import Annotated, Any

import msgspec
import typer

from assay.cli import show
from assay.cli.options import Out, group
from assay.cli.progress import told
from assay.cli.serve import Config, DataFolder
from assay.cli.show import Output
from assay.errors import Corrupt
from assay.settings import read

app = group("The registry's stored contents: collected, read again, checked. Use the settings that assay serve has.")

_DAMAGES: show.Columns = {"Digest": "digest", "Is a": "kind", "Found": "says", "Since": "since"}
_FINDINGS: show.Columns = {"Repository": "place", "Of": "subject", "Found": "says", "Repaired": "is_repaired"}


@app.command("purge")
def purge(config: Config = None, data_folder: DataFolder = None, output: Out = Output.TABLE) -> None:
    """Let go for good of deleted images that can be restored no more, and of blobs that no manifest came to name."""
    from assay.app import open_contents

    with open_contents(read(config, data_folder=data_folder)) as turns, told("Purging"):
        gone = _members(turns.purge(at_once=True))
    text = "Gone: images {images}, manifests {manifests}, repositories {repositories}, blobs {blobs} ({blob_bytes} B)."
    show.said(output, text.format(**gone), gone)


@app.command("collect")
def collect(config: Config = None, data_folder: DataFolder = None, output: Out = Output.TABLE) -> None:
    """Remove blobs that no repository has held for the grace, and begin the grace of bytes that no row names."""
    from assay.app import open_contents

    with open_contents(read(config, data_folder=data_folder)) as turns, told("Collecting"):
        gone = _members(turns.sweep(at_once=True))
    text = "Gone: blobs {blobs} (bytes: {blob_bytes}), staged files {staged}. Blobs found without a row: {strays}."
    show.said(output, text.format(**gone), gone)


@app.command("scrub")
def scrub(config: Config = None, data_folder: DataFolder = None, output: Out = Output.TABLE) -> None:
    """Read everything stored and hash it again. Ends with 1 where something is damaged."""
    from assay.app import open_contents

    with open_contents(read(config, data_folder=data_folder)) as turns, told("Reading"):
        done = _members(turns.scrub(at_once=True))
        damaged = len(turns.damages())
    text = "Read: blobs {blobs}, manifests {manifests} (bytes: {content_bytes}). Damaged: {damaged}, mended: {mended}."
    show.said(output, text.format(**done), done)
    if damaged:
        raise Corrupt(f"{damaged} blobs or manifests are damaged.", advice="See them: assay registry damage")


@app.command("damage")
def damage(config: Config = None, data_folder: DataFolder = None, output: Out = Output.TABLE) -> None:
    """List what is known to be damaged. Pushing the same bytes again mends it, and so does a copy put back."""
    from assay.app import open_contents
    from assay.clock import rfc3339

    with open_contents(read(config, data_folder=data_folder)) as turns:
        found = [
            {"digest": str(each.digest), "kind": each.kind, "says": each.says, "since": rfc3339(each.time_created)}
            for each in turns.damages()
        ]
    show.rows(output, _DAMAGES, found, empty="Nothing is known to be damaged.")


@app.command("fsck")
def fsck(
    config: Config = None,
    data_folder: DataFolder = None,
    repair: Annotated[bool, typer.Option("--repair", help="Correct the counts of repositories.")] = False,
    output: Out = Output.TABLE,
) -> None:
    """Check that rows and blobs agree. Ends with 1 where something does not, or did not before its repair."""
    from assay.app import open_contents

    with open_contents(read(config, data_folder=data_folder)) as turns, told("Checking"):
        found = [_members(each) for each in turns.fsck(repairs=repair)]
    show.rows(output, _FINDINGS, found, empty="Rows and blobs agree.")
    if found:
        raise Corrupt(f"{len(found)} things do not agree.", advice="See docs/registry.md for what each means.")


def _members(value: object) -> dict[str, Any]:
    return dict(msgspec.to_builtins(value))
