"""Rounds: upkeep that goes through everything, page by page, and from where it was after an interruption."""

from collections.abc import Callable
from dataclasses import replace

from assay.registry.collection.pace import Pace
from assay.registry.records import rounds as records
from assay.registry.records.rounds import Round
from assay.storage import Store

#: Does the page behind a key: how much it found, and the last key of the page, empty when there is none.
Page = Callable[[str], tuple[int, str]]


def pages(store: Store, name: str, page: Page, *, every: int, pace: Pace) -> int:
    """Go on with a round, or begin the next one if the last ended `every` microseconds ago; how much was found.

    A page that was done is not done again in this round; one that was interrupted is. Errors: what `page` raises.
    """
    now = store.clock.now()
    with store.database.read() as connection:
        state = records.of(connection, name)
    if state is None:
        state = Round(name, "", now, None)
    elif not state.after and state.time_ended is not None:
        if now - state.time_ended < every:
            return 0
        state = replace(state, time_began=now)
    found = 0
    while pace.goes_on:
        here, after = page(state.after)
        found += here
        state = replace(state, after=after, time_ended=state.time_ended if after else store.clock.now())
        with store.database.write() as connection:
            records.put(connection, state)
        if not after:
            break
    return found
