"""What the command line prints."""

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.cli import show
from assay.cli.show import Output

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def fresh_consoles() -> None:
    """Each test has standard streams of its own."""
    show._people.cache_clear()
    show._errors.cache_clear()


def test_json_is_all_that_standard_output_holds(capsys: Captured) -> None:
    show.note("a remark")
    show.rows(Output.JSON, {"Name": "name"}, [{"name": "ä", "size": 1}], empty="none")
    out, err = capsys.readouterr()
    assert json.loads(out) == [{"name": "ä", "size": 1}]
    assert err == "a remark\n"


def test_an_empty_list_is_a_sentence_for_people_and_a_list_for_programs(capsys: Captured) -> None:
    show.rows(Output.TABLE, {"Name": "name"}, [], empty="There is nothing.")
    assert capsys.readouterr().out == "There is nothing.\n"
    show.rows(Output.JSON, {"Name": "name"}, [], empty="There is nothing.")
    assert json.loads(capsys.readouterr().out) == []


def test_a_table_reaches_into_members_and_shows_what_is_missing(capsys: Captured) -> None:
    columns: show.Columns = {"Name": "name", "Public": "isPublic", "Deep": "a.b", "Gone": "x.y", "Many": "many"}
    show.rows(Output.TABLE, columns, [{"name": "n", "isPublic": False, "a": {"b": 7}, "many": ["p", "q"]}], empty="")
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split() == ["Name", "Public", "Deep", "Gone", "Many"]
    assert line.split(maxsplit=4) == ["n", "no", "7", "–", "p, q"]


def test_a_long_value_stays_on_one_line_in_a_pipe(capsys: Captured) -> None:
    show.thing(Output.TABLE, {"OCID": "id"}, {"id": "x" * 300})
    assert capsys.readouterr().out.split() == ["OCID", "x" * 300]


def test_markup_and_control_characters_of_a_name_are_only_text(capsys: Captured) -> None:
    show.thing(Output.TABLE, {"Name": "name"}, {"name": "[red]a[/red]\x1b[2J\rb"})
    assert capsys.readouterr().out.strip() == "Name  [red]a[/red]�[2J�b"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (7_207_967, "7.2 MB"), (3_500_000_000_000, "3.5 TB")],
)
def test_sizes_are_in_powers_of_ten(number: int, text: str, capsys: Captured) -> None:
    show.thing(Output.TABLE, {"Size": show.size("size")}, {"size": number})
    assert capsys.readouterr().out.strip() == f"Size  {text}"


def test_a_time_is_shown_in_utc_to_the_second(capsys: Captured) -> None:
    show.thing(Output.TABLE, {"At": show.when("at"), "Never": show.when("no")}, {"at": "2026-08-01T12:00:05.123Z"})
    assert capsys.readouterr().out.split() == ["At", "2026-08-01", "12:00:05Z", "Never", "–"]


def test_an_error_goes_to_standard_error(capsys: Captured) -> None:
    show.error("It [bold]failed[/bold].")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "assay: It [bold]failed[/bold].\n")


def test_a_statement_stays_readable_in_a_command_line() -> None:
    statement = "allow any-user to read repos in tenancy where request.user.id = 'x'"
    assert show.command_line(["assay", "policy", "allow", statement]) == f'assay policy allow "{statement}"'


@given(st.lists(st.text(alphabet="ab '\"$`\\!#;\n", min_size=0), max_size=4))
def test_a_shell_reads_a_command_line_as_its_words(words: list[str]) -> None:
    assert shlex.split(show.command_line(words)) == words


def test_no_line_of_a_table_is_filled_with_blanks(capsys: Captured) -> None:
    show.thing(Output.TABLE, {"A": "a", "B": "b"}, {"a": "x", "b": "y" * 200})
    show.rows(Output.TABLE, {"A": "a"}, [{"a": "x"}, {"a": "y" * 200}], empty="")
    assert [len(line) for line in capsys.readouterr().out.splitlines()] == [4, 203, 1, 1, 200]


def test_a_long_sentence_is_folded_between_words(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    show.item("layer 1: the archive ends too early")
    assert capsys.readouterr().out == "  - layer 1: the archive\n    ends too early\n"
