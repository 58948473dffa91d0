"""What `assay audit` says without a server: where an export may be sent, what a check needs, what a list shows."""

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from assay.cli import audit
from assay.errors import Refused


def run(*arguments: str) -> str:
    ended = CliRunner().invoke(audit.app, arguments)
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    assert ended.exit_code == 0, ended.output
    return ended.output


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("port", ["0", "00000", "65536", "70000", "9" * 30, "9" * 5000])
def test_an_export_goes_to_no_port_that_there_is_not(kind: str, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connected(*_given: object) -> None:
        pytest.fail("a connection was made")

    monkeypatch.setattr(audit, "_connected", connected)
    with pytest.raises(Refused, match="is no port") as refusal:
        run("export", "--to", f"{kind}://127.0.0.1:{port}")
    assert "1 to 65535" in (refusal.value.advice or "")


def test_a_file_without_an_entry_is_refused_and_not_said_to_hold(tmp_path) -> None:
    empty = tmp_path / "audit.jsonl"
    empty.touch()
    for more in ((), ("--position", "3", "--seal", "a" * 64)):
        with pytest.raises(Refused, match="nothing was checked"):
            run("check", str(empty), *more)


def test_a_list_shows_the_position_by_which_an_entry_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {
        "position": 4711, "timeCreated": "2026-01-31T12:00:05.000000Z", "principalName": "admin", "outcome": "done",
        "operation": "CreateKey", "times": 1, "resourceId": "ocid1.key.x", "address": "192.0.2.7", "reason": None,
    }  # fmt: skip
    server = SimpleNamespace(everything=lambda *_path, **_query: [entry])
    monkeypatch.setattr(audit, "signed_in", lambda: SimpleNamespace(server=server))
    monkeypatch.setenv("COLUMNS", "300")
    head, *lines = run("list").splitlines()
    assert head.lower().split()[:2] == ["position", "date"]
    assert any(line.split()[0] == "4711" for line in lines)
