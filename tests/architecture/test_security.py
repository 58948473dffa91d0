"""Claims of docs/security.md that the code's own shape holds, and that every test named there exists."""

import ast
import re
from pathlib import Path

from assay.settings import Settings

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "assay"
#: Modules that ask other hosts, and calls by which a socket would.
CLIENTS = {"httpx", "requests", "urllib3", "aiohttp", "smtplib", "ftplib", "urllib.request", "http.client"}
CONNECTING = ("create_connection", "open_connection", "sock_connect")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, node.module.partition(".")[0]} | {
                f"{node.module}.{name.name}" for name in node.names
            }
    return found


def test_of_the_server_only_feeds_and_the_object_store_ask_other_hosts() -> None:
    server = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "cli"]
    asking = {str(path.relative_to(PACKAGE)) for path in server if imports_of(path) & CLIENTS}
    assert asking == {"advisories/feed.py", "storage/blobs/s3_bucket.py"}
    connecting = {path for path in server if any(word in path.read_text() for word in CONNECTING)}
    assert connecting == set()


def test_nothing_runs_a_shell_or_reads_pickles_or_evaluates_text() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert not imports_of(path) & {"pickle", "marshal", "shelve"}, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "os.system", "os.popen", "yaml.load"), f"{path}:{node.lineno}"
                shells = [word for word in node.keywords if word.arg == "shell"]
                assert not shells, f"{path}:{node.lineno}"


def test_every_test_that_the_security_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/.]+\.py)(?:::(\w+))?`", (PROJECT / "docs" / "security.md").read_text())
    assert len(named) > 40
    for path, name in named:
        text = (PROJECT / path).read_text()
        assert not name or re.search(rf"def {name}\b", text), f"{path}::{name}"


def test_the_security_page_goes_through_all_ten() -> None:
    text = (PROJECT / "docs" / "security.md").read_text()
    assert re.findall(r"^### API(\d+):2023", text, re.MULTILINE) == [str(number) for number in range(1, 11)]


def test_without_a_configuration_it_listens_on_loopback_alone_and_bounds_requests() -> None:
    settings = Settings()
    assert {settings.host, settings.admission_host, settings.oci_host} == {"127.0.0.1"}
    assert settings.api_requests_per_second_address == 1000
    assert settings.api_requests_per_second_user == 500
