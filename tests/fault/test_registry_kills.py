"""kill -9 at the n-th operation of every act, n = 1, 2, 3 … until it ends: a real process that really dies.

Another process opens the data: rows and files agree, what was acknowledged pulls, and the act is done again.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fault_points import Kind
from registry_acts import ACTS

from assay.storage import Database

HERE = Path(__file__).parent
IS_FULL = os.environ.get("ASSAY_TEST_SIZE") == "full"
STRIDES = {Kind.FILES: 1, Kind.ROWS: 1} if IS_FULL else {Kind.FILES: 71, Kind.ROWS: 301}
#: Verbs are the same on PostgreSQL, where each point takes three times as long: there some of them are tried.
POSTGRES_STRIDES = {Kind.FILES: 7, Kind.ROWS: 7} if IS_FULL else STRIDES
#: At small size one process does them all.
GROUPS = [[name] for name in ACTS] if IS_FULL else [list(ACTS)]
KILLED = -9


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", STRIDES)
@pytest.mark.parametrize("acts", GROUPS, ids=lambda acts: acts[0] if IS_FULL else "all")
def test_whenever_a_process_is_killed_the_next_one_finds_all_in_order(
    database: Database, tmp_path: Path, acts: list[str], kind: Kind
) -> None:
    command = [
        sys.executable,
        HERE / "registry_killing.py",
        tmp_path / "acts",
        database.url,
        kind,
        (STRIDES if database.is_sqlite else POSTGRES_STRIDES)[kind],
        *acts,
    ]
    (tmp_path / "acts").mkdir()
    ended = subprocess.run(
        list(map(str, command)),
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(HERE.parent), *sys.path))},
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert ended.returncode == 0, ended.stderr
    tries = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [each for each in tries if each["looked"] != 0] == [], ended.stderr
    for act in acts:
        *killed, last = [each["ended"] for each in tries if each["act"] == act]
        assert (set(killed), last) == ({KILLED} if killed else set(), 0), ended.stderr
    # Some acts touch no file.
    assert kind is Kind.FILES or any(each["ended"] == KILLED for each in tries)
