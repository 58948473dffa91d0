"""The worked commands of oci-api 5 with the stock clients: what `make oci-walk` plays, a test for each row.

The tests of this file run in order and build on one another.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from oci_walk import more, rows
from oci_walk.rows import Row, Walk
from oci_walk.stage import SDK_BEFORE, Missing, Stage, client_program, container_client, sdk_before

pytestmark = pytest.mark.real

IN_ORDER = {
    **{f"{number:02} {title}": row for number, title, row in rows.numbered(rows.ROWS)},
    **{f"also {number:02} {title}": row for number, title, row in rows.numbered(more.ROWS)},
}


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        container_client()
        return client_program()
    except Missing as fault:
        pytest.skip(f"SKIPPED FOR WANT OF A PART: {fault}")


@pytest.fixture(scope="module")
def walk(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with Stage(tmp_path_factory.mktemp("walk"), program) as stage:
        yield Walk(stage)


def test_the_rows_are_all_there_are() -> None:
    assert (len(rows.ROWS), len(more.ROWS)) == (29, 9)


@pytest.mark.parametrize("row", IN_ORDER.values(), ids=IN_ORDER)
def test_the_stock_command_line_gets_what_it_asks_for(walk: Walk, row: Row) -> None:
    row(walk)


@pytest.mark.parametrize("version", ["today's", SDK_BEFORE])
def test_the_sdk_gets_what_it_asks_for(version: str, program: Path, tmp_path: Path) -> None:
    try:
        python = sdk_before() if version == SDK_BEFORE else program.parent / "python"
    except Missing as fault:
        pytest.skip(f"SKIPPED FOR WANT OF A PART: {fault}")
    with Stage(tmp_path / "sdk", program) as stage:
        said = stage.sdk(python)
    assert said.endswith("29 of 29 rows\n"), said
    assert version == "today's" or SDK_BEFORE in said
