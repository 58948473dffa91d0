"""`make demo`, as it is run: the whole story once, and how it ends when it is interrupted or cannot go on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import PROJECT, free_port

from scripts.demo_image import debian_layer, python_layer
from scripts.demo_told import Told

pytestmark = pytest.mark.real

STEPS = 15
#: A feed that is never there: the tests use what the project carries.
NO_FEED = "/nonexistent/feed"


@pytest.fixture(scope="module")
def mirrors(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips loudly where the packages of the demo's image cannot be had."""
    folder = tmp_path_factory.mktemp("mirrors")
    try:
        debian_layer(folder)
        python_layer(folder)
    except (subprocess.CalledProcessError, FileNotFoundError) as fault:
        pytest.skip(f"SKIPPED FOR WANT OF A PACKAGE MIRROR: {getattr(fault, 'stderr', fault)}")


def demo(folder: Path, *words: str, feed: str = NO_FEED) -> list[str]:
    ports = ["--port", str(free_port()), "--admission-port", str(free_port()), "--oci-port", str(free_port())]
    return [sys.executable, "-m", "scripts.demo", "--folder", str(folder), "--feed", feed, *ports, *words]


def check_summary(said: str) -> None:
    """The last step tells what was left out for want of a client, and claims nothing of it."""
    summary = said.partition(f"{STEPS}. Done")[2]
    if shutil.which("cosign"):
        assert "every step held" in summary
        assert "LEFT OUT" not in said
    else:
        assert "every step held" not in summary
        assert "every other step held" in summary
        assert "'Verify with an unmodified cosign': there is no cosign on this machine" in summary


def runs_below(folder: Path) -> list[int]:
    """Processes whose environment names this folder: the demonstration's server and its children."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"ASSAY_DATA_FOLDER={folder}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.usefixtures("mirrors")
def test_the_demo_plays_its_whole_story_and_leaves_no_server_behind(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    ended = subprocess.run(demo(folder, "--once"), cwd=PROJECT, capture_output=True, text=True, timeout=550)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{STEPS}. Done" in ended.stdout
    check_summary(ended.stdout)
    for text in (
        "the project's own small set",
        "blobs opened while scanning anew: 0",
        "admitted over TLS, pinned to",
        "not signed",
        "registry docker.io is not on the list",
        "signed only by test, which production does not trust",
        "signed by release, disabled",
    ):
        assert text in ended.stdout
    assert runs_below(folder) == []


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("ASSAY_TEST_SIZE") != "full", reason="the story again; runs in make test-all")
@pytest.mark.usefixtures("mirrors")
def test_the_demo_moves_to_another_feed_when_that_can_be_reached(tmp_path: Path) -> None:
    reachable = PROJECT / "assay" / "advisories" / "carried" / "later"
    words = demo(tmp_path / "demo", "--once", feed=str(reachable))
    ended = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=550)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"the public feed can be reached: {reachable}" in ended.stdout
    assert "blobs opened while scanning anew: 0" in ended.stdout
    check_summary(ended.stdout)


@pytest.mark.usefixtures("mirrors")
def test_an_interrupt_ends_the_demo_and_its_server(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    process = subprocess.Popen(
        demo(folder), cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Sign in, and change" in line:
            break
    assert runs_below(folder) != [], said
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said + rest
    assert "interrupted" in rest
    deadline = time.monotonic() + 30
    while runs_below(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert runs_below(folder) == []


def test_the_summary_names_each_step_that_was_left_out_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told()
    told.step("Push")
    told.summary()
    assert "every step held; " in capsys.readouterr().out
    told.step("Verify")
    told.skip("there is no verifier")
    told.summary()
    said = capsys.readouterr().out
    assert "LEFT OUT: there is no verifier" in said
    assert "every other step held; " in said
    assert "step 2, 'Verify': there is no verifier" in said


def test_the_demo_fails_loudly_when_a_client_is_missing(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    ended = subprocess.run(
        demo(tmp_path / "demo", "--once"), cwd=PROJECT, capture_output=True, text=True, timeout=120, env=environment
    )
    assert ended.returncode == 1
    assert "DEMO FAILED" in ended.stdout
    assert "not installed: skopeo" in ended.stdout


def test_the_demo_empties_no_folder_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    ended = subprocess.run(demo(tmp_path, "--once"), cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "no earlier demonstration made it" in ended.stdout
    assert (tmp_path / "precious").read_text() == "kept"
