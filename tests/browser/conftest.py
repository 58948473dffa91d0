"""A started server and a browser for the console's tests. Both are real; what cannot be had is a loud skip."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from places import PROJECT, free_port
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CARRIED = PROJECT / "assay" / "advisories" / "carried"
SCREENSHOTS = PROJECT / "build" / "console"
START_SECONDS = 60


@dataclass
class Installation:
    """A running server: where it is, its one-time password, the folder of its feed, and what the tests learn of it."""

    url: str
    admission: str
    password: str
    feed: Path
    login: tuple[str, str] = ("", "")
    pages: dict[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.login[0].partition("/")[0]

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A fresh server on loopback with the carried advisories as its feed; stopped by its process id."""
    folder = tmp_path_factory.mktemp("console")
    feed = folder / "feed"
    shutil.copytree(CARRIED / "first", feed)
    port, admission = free_port(), free_port()
    environment = os.environ | {
        "ASSAY_DATA_FOLDER": str(folder / "data"),
        "ASSAY_ROOT_KEY_FILE": str(folder / "keys" / "root.key"),
        "ASSAY_PORT": str(port),
        "ASSAY_ADMISSION_PORT": str(admission),
        "ASSAY_OCI_PORT": str(free_port()),
        "ASSAY_FEED_ADDRESS": str(feed),
    }
    password = folder / "password"
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "serve_console.py"), str(password)],
            env=environment,
            cwd=PROJECT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(server, f"{url}/sign-in", folder / "log")
        yield Installation(url, f"https://127.0.0.1:{admission}", password.read_text(), feed)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def _wait_for(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, f"the server ended:\n{log.read_text()[-3000:]}"
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not answer:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"SKIPPED FOR WANT OF A PART: no {CHROMIUM} (apt-get install chromium libatomic1)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """One person's browser: what it is told in one test it still knows in the next."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    yield context
    context.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console said: policy violations, script errors, missing files."""
    return []


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Iterator[Page]:
    """A page that must not make the browser complain."""
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert complaints == []


@pytest.fixture
def photograph():
    """Keep a picture of the whole page under a name, for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def keep(page: Page, name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    return keep
