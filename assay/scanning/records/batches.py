"""Long lists of ids in pieces that a statement can take."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

#: Values in one IN list. Far below what either database allows; large enough that a statement's cost does not show.
VALUES_MAX = 1_000

T = TypeVar("T")


def batches(values: Iterable[T], size: int = VALUES_MAX) -> Iterator[list[T]]:
    """`values` in their order, in lists of at most `size`."""
    remaining = iter(values)
    while piece := list(islice(remaining, size)):
        yield piece
