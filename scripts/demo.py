"""`make demo`: start Assay on loopback and walk one real image from push to admission; then leave it running.

python -m scripts.demo [--once] [--folder FOLDER] [--port PORT] [--admission-port PORT] [--oci-port PORT]
    [--feed ADDRESS]
"""

import argparse
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

from scripts import demo_image
from scripts.demo_server import PUBLIC_FEED, Server, free_port, need
from scripts.demo_story import USER, Story
from scripts.demo_told import Failed, Told

FOLDER = Path(__file__).parent.parent / ".demo"
PORT, ADMISSION_PORT, OCI_PORT = 5080, 5443, 5444
INTERRUPTED = 130


def main() -> int:
    """Exit status: 0 done, 1 a step did not hold, 130 interrupted during the story."""
    asked = _arguments()
    told = Told()
    ports = (asked.port, asked.admission_port, asked.oci_port)
    server = Server(asked.folder.resolve(), *map(free_port, ports))
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell has us ignore interrupts
        signal.signal(number, _interrupt)
    try:
        story = _play(server, told, asked.feed)
        told.step("Done")
        told.summary()
        if not asked.once:
            _leave_running(server, story)
    except (Failed, subprocess.CalledProcessError) as fault:
        said = f"{fault}\n{fault.stderr}" if isinstance(fault, subprocess.CalledProcessError) else str(fault)
        print(f"\nDEMO FAILED in step {told.step_number}: {said}\n\nThe server said last:\n{server.last_words()}")
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted")
        return INTERRUPTED
    finally:
        server.stop()
    return 0


def _play(server: Server, told: Told, feed: str) -> Story:
    need("skopeo", "dpkg-deb", "apt-get")
    _empty(server.folder)
    told.step("Start Assay with its embedded default, and build a small real image")
    told.remark(
        f"For the image: {', '.join(demo_image.PYTHON_PACKAGES)} by pip, {', '.join(demo_image.DEBIAN_PACKAGES)} by"
        " apt-get download."
    )
    with ThreadPoolExecutor(1) as builder:
        building = builder.submit(_build, server.folder / "images")
        server.carry("first")
        server.start()
        told.came(f"Assay answers at {server.url} (SQLite and a folder, all of it in {server.folder})")
        told.remark("Advisories at first: the small set of records that the project carries, in its first state.")
        layouts = building.result()
    told.came(f"built two images, {' and '.join(f'cart {tag}' for tag in layouts)}, that share their lower layers")
    story = Story(server, told, layouts, feed)
    story.play()
    return story


def _empty(folder: Path) -> None:
    """A fresh folder. Errors: Failed for one that holds anything but an earlier demonstration."""
    mark = folder / "made-by-make-demo"
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise Failed(f"{folder} is not empty, and no earlier demonstration made it")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    mark.touch()


def _build(folder: Path) -> dict[str, Path]:
    """Two builds of one application on one base, as OCI layouts by tag."""
    layers = [demo_image.debian_layer(folder), demo_image.python_layer(folder)]
    layouts = {tag: folder / f"cart-{tag}" for tag in ("1.0", "2.0")}
    for tag, layout in layouts.items():
        demo_image.write_layout(layout, [*layers, demo_image.text_layer("app/version", tag)])
    return layouts


def _leave_running(server: Server, story: Story) -> None:
    """Say where to go on, and wait for an interrupt, which ends the server in order."""
    print(
        f"\n    Console    {server.url}\n    Sign in    {USER}\n    Password   {story.password}\n\n"
        f"    On the command line:  .venv/bin/assay login {server.url} --user {USER}\n"
        f"    What the server says: {server.folder}/serve.log\n\n"
        "    Assay goes on running until you press Ctrl-C.",
        flush=True,
    )
    try:
        status = server.wait()
    except KeyboardInterrupt:
        print("\nStopping Assay …", flush=True)
        server.stop()
        print("Stopped. The next make demo begins anew.")
        return
    raise Failed(f"the server ended by itself, with {status}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Walk one image from push to admission.")
    parser.add_argument("--once", action="store_true", help="end after the story")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where everything is kept; emptied at first")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--admission-port", type=int, default=ADMISSION_PORT)
    parser.add_argument("--oci-port", type=int, default=OCI_PORT)
    parser.add_argument("--feed", default=PUBLIC_FEED, help="the public feed's address")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
