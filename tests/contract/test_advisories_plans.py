"""What a small change of a feed costs does not depend on how much is known: no statement looks at a whole table."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event, func, select

from assay.advisories.records import graph
from assay.advisories.records.tables import OPEN, advisory, feed, member, vulnerability
from assay.storage import Store

#: So many that a database has a reason to use its indexes.
ROWS = 5_000


@contextmanager
def statements(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """What is executed in the block, with the (first) parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, _context: object, many: bool) -> None:
        seen.append((statement, parameters[0] if many else parameters))

    event.listen(connection, "before_cursor_execute", note)
    yield seen
    event.remove(connection, "before_cursor_execute", note)


def plan(connection: Connection, statement: str, parameters: Any) -> str:
    how = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(str(row) for row in connection.exec_driver_sql(how + statement, parameters))


def test_memberships_end_by_their_key(store: Store) -> None:
    with store.database.write() as connection:
        settings = {"source": "", "ecosystems": [], "refresh_seconds": 60, "enabled": True, "next_run": 0}
        connection.execute(
            feed.insert().values(id=1, name="f", **settings, last_error="", etags={}, taken_source="", advisories=0)
        )
        numbers = range(1, ROWS + 1)
        connection.execute(advisory.insert(), [{"id": each, "name": f"A-{each}", "feed_id": 1} for each in numbers])
        connection.execute(vulnerability.insert(), [{"id": each, "name": f"V-{each}"} for each in numbers])
        rows = [{"vulnerability_id": each, "advisory_id": each, "from_rev": 1, "until_rev": OPEN} for each in numbers]
        connection.execute(member.insert(), rows)
        connection.exec_driver_sql("ANALYZE")
        with statements(connection) as seen:
            graph.change_members(connection, [], [("V-2", 2), ("V-4", 4)], {"V-2": 2, "V-4": 4}, 2)
        assert len(seen) == 2
        for statement, parameters in seen:
            found = plan(connection, statement, parameters)
            assert "SCAN MEMBER" not in found.upper(), found
            assert "SEQ SCAN" not in found.upper(), found
        ended = connection.execute(select(func.count()).where(member.c.until_rev == 2)).scalar_one()
        assert ended == 2
