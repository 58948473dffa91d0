"""A server for the browser's tests: registry, console and admission as `assay serve` starts them.

Its settings come from the environment, as those of the real server do. The one-time password of the first administrator
is left in the file named by the first argument.
"""

import asyncio
import sys
from pathlib import Path

from assay import settings
from assay.app import open_app
from assay.console import routes
from assay.http import server


def main(password_file: Path) -> None:
    read = settings.read()
    app = open_app(read)
    if app.first_start is not None:
        password_file.write_text(app.first_start.secret.reveal())
    app.start()
    try:
        with (
            server.listening(read.host, read.port) as main_port,
            server.listening(read.admission_host, read.admission_port) as admission_port,
        ):
            servers = {server.main_server(app, routes(app)): main_port, server.admission_server(app): admission_port}
            asyncio.run(server.serve(servers))
    finally:
        app.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
