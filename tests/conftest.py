"""Fixtures for every kind of test: stores on both databases, shared reference data, real parts."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from places import NOON, PARTS, PROJECT, free_port
from s3_server import S3Server, s3_server

from assay.clock import SetClock, Site
from assay.secret import Secret
from assay.storage import Database, Store, migrations

# Timings never decide: a busy machine is no counterexample.
settings.register_profile("assay", deadline=None)
settings.load_profile("assay")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared reference data; skips loudly where it isn't."""
    folder = Path(os.environ.get("ASSAY_SHARED", PROJECT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"SKIPPED FOR WANT OF DATA: no shared reference data at {folder} (set ASSAY_SHARED)")
    return folder


@pytest.fixture
def clock() -> SetClock:
    """A clock at NOON that the test moves."""
    return SetClock(NOON)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database file with the present schema."""
    path = tmp_path_factory.mktemp("template") / "assay.db"
    database = Database(f"sqlite:///{path}")
    migrations.upgrade(database)
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL on loopback; gives `postgresql://assay@127.0.0.1:PORT`. Stopped by its process id."""
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("SKIPPED FOR WANT OF A PART: no PostgreSQL (run tests/parts/install.sh)")
    port = free_port()
    folder = Path(f"/tmp/assay-pg-{port}")  # short: a socket path has at most 107 bytes
    started = subprocess.run(
        [PARTS / "postgres.sh", folder, str(port)], check=True, capture_output=True, text=True, timeout=60
    )
    process = int(started.stdout.strip())
    yield f"postgresql://assay@127.0.0.1:{port}"
    os.kill(process, signal.SIGINT)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a PostgreSQL database with the present schema, to be copied."""
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE assay_template")
    database = Database(f"{postgres_server}/assay_template")
    migrations.upgrade(database)
    database.close()
    return "assay_template"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A fresh database with the present schema, on each of the two databases."""
    if request.param == "sqlite":
        path = tmp_path / "assay.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        database = Database(f"sqlite:///{path}")
        yield database
        database.close()
        return
    server = request.getfixturevalue("postgres_server")
    template = request.getfixturevalue("postgres_template")
    name = f"t{time.monotonic_ns()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    database = Database(f"{server}/{name}")
    yield database
    database.close()
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(database: Database, clock: SetClock) -> Store:
    """A store on the test's database and clock."""
    return Store(database, clock, Site("oc1", "local"), Secret("page key of the tests"))


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server on loopback, with a bucket for all tests; each uses a prefix of its own."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server
