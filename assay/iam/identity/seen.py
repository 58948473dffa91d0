"""What lists show to whoever may only `inspect`: that there is something. What people wrote about it needs `read`.

Source: oci-api 4.5; the reference of policies, "verbs": inspect is without "user-specified metadata".
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection

from assay.iam.actor import Actor
from assay.iam.authorization import Target, permitted
from assay.storage import Store

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def as_seen(
    store: Store,
    connection: Connection,
    actor: Actor,
    operation: str,
    items: Iterable[T],
    target_of: Callable[[T], Target],
    **unread: Any,
) -> tuple[T, ...]:
    """The items, of which the actor sees the tags, and the members named in `unread`, where they may read them.

    `operation` is the one that reads a single item; `unread` are the values that stand instead where it isn't allowed.
    """
    now = store.clock.now()
    read: dict[str, Any] = {}

    def seen(item: T) -> T:
        if permitted(connection, actor, operation, target_of(item), now=now, read=read):
            return item
        return replace(item, freeform_tags={}, defined_tags={}, **unread)

    return tuple(map(seen, items))
