"""Quotas: how much may lie in the tenancy, in a compartment with all below it, or in a repository.

Counted are the bytes of the blobs that each repository holds, in each one that holds them: a mount counts like a push.
What was deleted counts until it is purged. The sums are made anew in the transaction in which they grow, under the lock
of the quotas concerned, so they are exact whoever else pushes. What Assay itself writes beside an image, such as its
signatures, is never refused.

The quota of a compartment is set by who manages repositories in the one above it, that of a repository by who does so
where it lies: nobody can raise the limit of a whole compartment that is theirs.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from assay.errors import Reason, Refused, not_found
from assay.iam import Act, Actor, Target, authorize, perform
from assay.iam.identity import compartments
from assay.registry import access
from assay.registry.model import LifecycleState, Repository
from assay.registry.records import quotas as records
from assay.registry.records import repositories as repository_records
from assay.registry.records.quotas import StoredQuota
from assay.registry.rules.model import Extent, Limits, Quota
from assay.storage import Store

REPOSITORIES_MAX = 10_000
_ADVICE = "Delete images, whose bytes count until they are purged, or ask who manages this quota for a larger one."


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a quota holds, in words too; `set_in` is the compartment in which one must be allowed to set it."""

    ocid: str
    extent: Extent
    words: str
    compartment: str
    set_in: str


@dataclass(frozen=True, slots=True)
class Room:
    """How many bytes more there is room for: as many as the tightest quota leaves."""

    place: _Place
    used: int
    limit: int
    #: The largest blob that the repository has: it may come again and take no room.
    held_max: int = 0

    @property
    def left(self) -> int:
        """Never below 0, also where the quota was set to less than there is."""
        return max(0, self.limit - self.used)

    def require(self, size: int) -> None:
        """Errors: Refused (QUOTA_EXCEEDED) when so many bytes more do not fit."""
        if size > self.left:
            raise Refused(
                f"{self.place.words} has a quota of {self.limit:,} bytes, of which {self.used:,} are used:"
                f" {size:,} bytes more do not fit.",
                advice=_ADVICE,
                reason=Reason.QUOTA_EXCEEDED,
            )


def get(store: Store, actor: Actor, place: str) -> Quota:
    """The quota of a place (OCID), without limits if it has none, and what it is held against.

    Errors: Refused (NOT_FOUND).
    """
    with store.database.read() as connection:
        found = _place(connection, actor, place)
        authorize(connection, actor, "GetContainerQuota", Target(found.compartment, place), now=store.clock.now())
        return _quota(connection, actor, found)


def of_repository(store: Store, actor: Actor, repository: str) -> tuple[Quota, ...]:
    """The quotas that hold in a repository (by OCID), from the tenancy's down to its own.

    Errors: Refused (NOT_FOUND).
    """
    with store.database.read() as connection:
        found = access.known(connection, actor, repository)
        authorize(connection, actor, "GetContainerQuota", access.target_of(found), now=store.clock.now())
        limited = records.places(connection, actor.tenancy)
        places = [each for each in _above(connection, found) if each in limited]
        return tuple(_quota(connection, actor, _place(connection, actor, each)) for each in places)


def set_limits(store: Store, actor: Actor, place: str, limits: Limits, *, if_match: str | None = None) -> Quota:
    """Set the quota of a place. It may be below what is used: then nothing more fits.

    Errors: Refused (NOT_FOUND, ETAG_MISMATCH, MALFORMED for a number of repositories in a repository).
    """

    def change(act: Act) -> Quota:
        found = _place(act.connection, actor, place)
        if found.extent is Extent.REPOSITORY and limits.repositories_max is not None:
            raise Refused("A repository holds no repositories.", advice="Limit its bytes.")
        records.set_limits(act.connection, actor.tenancy, found.compartment, place, limits, act.now)
        return _quota(act.connection, actor, found)

    locate = _locate(actor, place)
    return perform(store, actor, "UpdateContainerQuota", locate=locate, change=change, if_match=if_match)


def remove(store: Store, actor: Actor, place: str, *, if_match: str | None = None) -> None:
    """Let there be no quota of a place. Errors: Refused (NOT_FOUND, ETAG_MISMATCH)."""

    def change(act: Act) -> None:
        if not records.remove(act.connection, place):
            raise not_found()

    perform(store, actor, "DeleteContainerQuota", locate=_locate(actor, place), change=change, if_match=if_match)


def forget(connection: Connection, repository: str) -> None:
    """Let a repository that is deleted have no quota; what it holds counts elsewhere until it is purged."""
    records.remove(connection, repository)


def room(store: Store, actor: Actor, repository_name: str) -> Room | None:
    """How much room there is in a repository now; None where no quota holds, or there is no such repository."""
    with store.database.read() as connection:
        if not records.places(connection, actor.tenancy):
            return None
        repository = repository_records.by_name(connection, actor.tenancy, repository_name)
        if repository is None:
            return None
        tightest = min(_rooms(connection, actor, repository, lock=False), key=lambda each: each.left, default=None)
        return replace(tightest, held_max=records.largest_blob(connection, repository.ocid)) if tightest else None


def require_incoming(room: Room | None, size: int) -> None:
    """That an upload of so many bytes may yet be held, by being small enough, or a blob that the repository has.

    Only a look ahead, so that nobody sends in vain what cannot fit. Errors: Refused (QUOTA_EXCEEDED).
    """
    if room is not None and size > room.held_max:
        room.require(size)


def require_bytes(connection: Connection, actor: Actor, before: Repository) -> None:
    """That what a repository has gained fits. `before`: as it was when its row was locked in this transaction.

    Errors: Refused (QUOTA_EXCEEDED).
    """
    for each in _rooms(connection, actor, before, lock=True):
        grown = records.used_by(connection, before.ocid).stored_bytes - before.stored_bytes
        # What was set to less than there is lets nothing come, but refuses nothing that is there.
        if grown > 0:
            Room(each.place, each.used - grown, each.limit).require(grown)


def require_repositories(connection: Connection, actor: Actor, made: Repository) -> None:
    """That there is room for a repository that was made just now. Errors: Refused (LIMIT_EXCEEDED, QUOTA_EXCEEDED)."""
    if repository_records.counted(connection, made.tenancy) > REPOSITORIES_MAX:
        raise Refused(
            f"The tenancy has {REPOSITORIES_MAX} repositories, which is the most that it may have.",
            advice="Delete some that are not needed.",
            reason=Reason.LIMIT_EXCEEDED,
        )
    for stored, place in _limiting(connection, actor, made, lock=True):
        _require_count(connection, actor, stored, place)


def moved(connection: Connection, actor: Actor, before: Repository, after: Repository) -> Repository:
    """Let the quota of a repository that was moved follow it; the repository.

    Errors: Refused (QUOTA_EXCEEDED) where it doesn't fit.
    """
    records.move(connection, after.ocid, after.compartment)
    already = set(_above(connection, before))
    for stored, place in _limiting(connection, actor, after, lock=True, beside=already):
        _require_count(connection, actor, stored, place)
        if stored.limits.bytes_max is not None:
            used = _used(connection, actor, place).stored_bytes
            Room(place, used - after.stored_bytes, stored.limits.bytes_max).require(after.stored_bytes)
    return after


def _require_count(connection: Connection, actor: Actor, stored: StoredQuota, place: _Place) -> None:
    limit = stored.limits.repositories_max
    if limit is not None and (count := _used(connection, actor, place).repositories) > limit:
        raise Refused(
            f"{place.words} has a quota of {limit} repositories, and {count - 1} are there.",
            advice="Delete a repository, or ask who manages this quota for a larger one.",
            reason=Reason.QUOTA_EXCEEDED,
        )


def _rooms(connection: Connection, actor: Actor, repository: Repository, *, lock: bool) -> Iterator[Room]:
    for stored, place in _limiting(connection, actor, repository, lock=lock):
        if stored.limits.bytes_max is not None:
            yield Room(place, _used(connection, actor, place).stored_bytes, stored.limits.bytes_max)


def _limiting(
    connection: Connection, actor: Actor, repository: Repository, *, lock: bool, beside: Collection[str] = ()
) -> Iterator[tuple[StoredQuota, _Place]]:
    """The quotas that hold in a repository, but for those of the places `beside`."""
    limited = records.places(connection, actor.tenancy)
    places = [each for each in _above(connection, repository) if each in limited and each not in beside]
    if places:
        for stored in records.of_places(connection, actor.tenancy, places, lock=lock):
            yield stored, _place(connection, actor, stored.place)


def _above(connection: Connection, repository: Repository) -> tuple[str, ...]:
    """The places whose quotas hold in a repository, from the tenancy down."""
    return (*compartments.path_of(connection, repository.tenancy, repository.compartment), repository.ocid)


def _place(connection: Connection, actor: Actor, ocid: str) -> _Place:
    """The place with that OCID in the actor's tenancy. Errors: Refused as if denied."""
    if ocid == actor.tenancy:
        return _Place(ocid, Extent.TENANCY, "The tenancy", ocid, ocid)
    repository = repository_records.by_ocid(connection, actor.tenancy, ocid)
    if repository is not None and repository.lifecycle_state is LifecycleState.AVAILABLE:
        here = repository.compartment
        return _Place(ocid, Extent.REPOSITORY, f"The repository {repository.name}", here, here)
    found = compartments.with_all_below(connection, actor, ocid)[0]
    return _Place(ocid, Extent.COMPARTMENT, f"The compartment {found.name}", ocid, found.path[-2])


def _used(connection: Connection, actor: Actor, place: _Place) -> records.Used:
    if place.extent is Extent.REPOSITORY:
        return records.used_by(connection, place.ocid)
    if place.extent is Extent.TENANCY:
        return records.used_in(connection, actor.tenancy)
    below = compartments.with_all_below(connection, actor, place.ocid)
    return records.used_in(connection, actor.tenancy, [each.ocid for each in below])


def _quota(connection: Connection, actor: Actor, place: _Place) -> Quota:
    stored = next(iter(records.of_places(connection, actor.tenancy, [place.ocid])), None)
    used = _used(connection, actor, place)
    return Quota(
        place=place.ocid,
        extent=place.extent,
        limits=stored.limits if stored else Limits(),
        bytes_used=used.stored_bytes,
        repositories_used=used.repositories,
        etag=stored.etag if stored else "",
    )


def _locate(actor: Actor, place: str) -> Callable[[Connection], Target]:
    def locate(connection: Connection) -> Target:
        found = _place(connection, actor, place)
        present = _quota(connection, actor, found)
        return Target(found.set_in, place, etag=present.etag or None, before=present.limits)

    return locate
