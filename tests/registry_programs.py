"""Client programs of the registry, run in a home of their own."""

import os
import subprocess
from pathlib import Path

from registry_server import Server


class Client:
    """Runs a program in a home of its own, where somebody is logged in to the registry."""

    def __init__(self, program: Path, server: Server, home: Path) -> None:
        self.program = program
        self.server = server
        self.home = home
        self.host = f"127.0.0.1:{server.port}"
        home.mkdir(exist_ok=True)

    def run(self, *words: str, given: str = "", check: bool = True) -> str:
        """Its standard output. Without `check` also of a run that fails, with its standard error."""
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], "DOCKER_CONFIG": str(self.home)}
        done = subprocess.run(
            [self.program, *words],
            env=environment,
            cwd=self.home,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode == 0) == check, f"{self.program.name} {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout if check else done.stdout + done.stderr

    def name(self, rest: str) -> str:
        return f"{self.host}/{self.server.account.namespace}/{rest}"
