"""Statements on rounds: how far a piece of upkeep that goes through everything has come."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from assay.clock import Instant
from assay.registry.records.tables import upkeep_round
from assay.storage import insert


@dataclass(frozen=True, slots=True)
class Round:
    """`after` is the last key that was done, empty between rounds; `time_ended` is of the last whole round."""

    name: str
    after: str
    time_began: Instant
    time_ended: Instant | None


def of(connection: Connection, name: str) -> Round | None:
    """How far it has come; None when it never began."""
    row = connection.execute(select(upkeep_round).where(upkeep_round.c.name == name)).one_or_none()
    return Round(row.name, row.after, row.time_began, row.time_ended) if row is not None else None


def put(connection: Connection, state: Round) -> None:
    """Write down how far it has come."""
    said = {"after": state.after, "time_began": state.time_began, "time_ended": state.time_ended}
    connection.execute(
        insert(connection, upkeep_round)
        .values(name=state.name, **said)
        .on_conflict_do_update(index_elements=[upkeep_round.c.name], set_=said)
    )
