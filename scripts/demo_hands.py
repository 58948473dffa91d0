"""The hands of the demonstration: the `assay` command and the registry client, as people would use them."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from scripts.demo_server import BIN, Server
from scripts.demo_told import Failed, Told

COMMAND_SECONDS = 600


class Hands:
    """Runs commands, prints them, and fails when one ends otherwise than expected."""

    def __init__(self, server: Server, told: Told) -> None:
        self.server = server
        self.told = told
        self.profile = server.folder / "profile.json"
        self.login_file = server.folder / "docker" / "config.json"
        self.namespace = ""

    def assay(self, *words: str, typed: str = "", expect: int = 0, quiet: bool = False) -> Any:
        """`assay …`: its JSON. With `typed` on standard input."""
        return json.loads(self._run_assay(words, typed, expect, quiet=quiet).stdout)

    def assay_refuses(self, *words: str, because: str) -> None:
        """`assay …` must exit with 1 and say `because`."""
        said = " ".join(self._run_assay(words, "", 1, quiet=False).stderr.split())
        if because not in said:
            raise Failed(f"expected the refusal {because!r}, but it said: {said}")
        self.told.refused(said.removeprefix("assay: "))

    def image(self, repository: str, tag: str) -> str:
        """An image's full name."""
        return f"{self.server.registry}/{self.namespace}/{repository}:{tag}"

    def log_in(self, login: str, token: str) -> None:
        """Have the registry client keep a credential."""
        self.login_file.parent.mkdir(mode=0o700, exist_ok=True)
        words = ["skopeo", "login", "--tls-verify=false", f"--authfile={self.login_file}", f"--username={login}"]
        self._run([*words, "--password-stdin", self.server.registry], token, 0)

    def push(self, layout: Path, image: str) -> None:
        """Push an image from a layout on disk, by skopeo."""
        words = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"--dest-authfile={self.login_file}"]
        self._run([*words, f"oci:{layout}:latest", f"docker://{image}"], "", 0)

    def push_without_credential(self, layout: Path, image: str) -> str:
        """The client's words when nobody is logged in."""
        words = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--dest-no-creds"]
        return self._run([*words, f"oci:{layout}:latest", f"docker://{image}"], "", 1).stderr

    def cosign(self, public_key: Path, image: str, *, expect_refusal: bool = False) -> str:
        """`cosign verify` with a public key alone: what it says."""
        words = ["cosign", "verify", "--key", str(public_key), "--insecure-ignore-tlog", "--allow-http-registry", image]
        ended = self._run(words, "", None)
        if (ended.returncode != 0) is not expect_refusal:
            raise Failed(f"cosign ended with {ended.returncode}: {ended.stderr}")
        return ended.stderr

    def _run_assay(
        self, words: tuple[str, ...], typed: str, expect: int, *, quiet: bool
    ) -> subprocess.CompletedProcess[str]:
        if not quiet:
            self.told.command(["assay", *words])
        options = [f"--profile={self.profile}", *words, "--output=json"]
        return self._ended([str(BIN / "assay"), *options], typed, expect)

    def _run(self, words: list[str], typed: str, expect: int | None) -> subprocess.CompletedProcess[str]:
        self.told.command([word.replace(str(self.server.folder), ".demo") for word in words])
        return self._ended(words, typed, expect)

    def _ended(self, words: list[str], typed: str, expect: int | None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DOCKER_CONFIG": str(self.login_file.parent)}
        ended = subprocess.run(
            words, input=typed, capture_output=True, text=True, timeout=COMMAND_SECONDS, env=environment, check=False
        )
        if expect is not None and ended.returncode != expect:
            raise Failed(
                f"{' '.join(words)}\nended with {ended.returncode}, not {expect}:\n{ended.stdout}{ended.stderr}"
            )
        return ended
