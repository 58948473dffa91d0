"""The OCI SDK's own models, of today and of 2.160.0, each in a virtual environment apart from the tests'."""

import fcntl
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from places import PARTS, PROJECT

OLD = "2.160.0"
INSTALL_SECONDS, READ_SECONDS = 600, 120
#: Client (`functions.FunctionsManagementClient`), response type, body.
Case = tuple[str, str, Any]


def python_of(version: str = "") -> Path:
    """The Python that has the SDK of that version, or the newest; skips the test loudly where it cannot be had."""
    parts = PROJECT / ".parts"
    parts.mkdir(exist_ok=True)
    command = [PARTS / "oci-sdk.sh", parts / f"oci-sdk-{version}", version]
    if not version:
        command = [PARTS / "oci-cli.sh", os.environ.get("ASSAY_OCI_CLI") or parts / "oci-cli"]
    with (parts / ".oci.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several test processes one installs
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode:
        pytest.skip(f"SKIPPED FOR WANT OF A PART: no oci SDK {version}: {done.stderr.strip()[-300:]}")
    return Path(done.stdout.strip()).parent / "python"


def empty_fields(python: Path, cases: list[Case]) -> set[str]:
    """The dotted names of the fields that the SDK's models know and that it read as empty or as a word it has not."""
    asked = [{"client": client, "model": model, "body": body} for client, model, body in cases]
    done = subprocess.run(
        [python, PARTS / "sdk_reads.py"], input=json.dumps(asked), capture_output=True, text=True, timeout=READ_SECONDS
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {name for names in json.loads(done.stdout) for name in names}


def requirements(python: Path, clients: dict[str, str]) -> dict[str, dict[str, dict[str, bool]]]:
    """What requests must hold by the SDK's own sources, by `METHOD path`; `clients` are base paths by client."""
    done = subprocess.run(
        [python, PARTS / "sdk_requires.py"],
        input=json.dumps(clients),
        capture_output=True,
        text=True,
        timeout=READ_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))
