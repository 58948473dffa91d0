"""A scan of one image: its inventory, and its problems as of the published revision, in one short transaction.

Everything is computed before the lock is taken; under the lock nothing is evaluated. When a revision was published in
between, it is computed again. When a revision is being prepared, the inventory notes itself as late, and is caught up
before that revision is published.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from assay.advisories import revisions, vulnerabilities
from assay.clock import Instant
from assay.errors import Unavailable
from assay.events import ImageScanned
from assay.inventory import Component
from assay.scanning import places, progress
from assay.scanning.catalogue import Catalogue
from assay.scanning.counting import ZERO, Vector, highest, own_totals, ratings_by_component, summed
from assay.scanning.decide import DOUBT, Decision
from assay.scanning.doubts import chains_in_doubt
from assay.scanning.evaluation import decisions_for
from assay.scanning.places import Place
from assay.scanning.records import components, inventories, matches, requests, scans, totals
from assay.scanning.records.components import ChainRow, identity_of, set_digest, subject_of
from assay.scanning.records.inventories import Inventory, LayerPlaces
from assay.scanning.records.matches import MatchRow
from assay.scanning.records.requests import Request
from assay.scanning.risk import ScanState, state_of
from assay.storage import Store, outbox

#: Publications in a row that may come between computing and writing before the scan is put off.
ATTEMPTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Draft:
    """A scan as computed as of `rev`. `unknown`: components that were not known then, with their matches.

    `totals` are the own totals of the path's levels, bottom first. `in_doubt`: whether anything is in
    doubt of any of its components, known or not.
    """

    rev: int
    levels: tuple[Mapping[bytes, Component], ...]
    unknown: Mapping[bytes, Component]
    decisions: Mapping[int, Mapping[bytes, Decision]]
    totals: tuple[Vector, ...]
    in_doubt: bool


def record(store: Store, request: Request, found: Catalogue) -> bool:
    """Keep what an image holds, and its scan; whether that scan is new. Idempotent by (image, inventory, revision).

    Errors: Unavailable (the database, or revisions published faster than one scan is computed).
    """
    for _ in range(ATTEMPTS_MAX):
        with store.database.read() as connection:
            draft = drafted(connection, found)
        with store.database.write() as connection:
            store.database.publication_lock(connection, shared=True)
            if revisions.published_revision(connection) == draft.rev:
                return _write(store, connection, request, found, draft)
    raise Unavailable("Feed revisions are published faster than the image can be scanned.", advice="Try again later.")


def record_again(store: Store, request: Request, inventory: Inventory) -> bool:
    """A new scan of an image whose inventory is known: no blob, no composition; whether the scan is new."""
    for _ in range(ATTEMPTS_MAX):
        with store.database.read() as connection:
            rev = revisions.published_revision(connection)
            counted = totals.of_inventories(connection, [inventory.id], rev).get(inventory.id, ZERO)
            in_doubt = inventory.chain in chains_in_doubt(connection, [inventory.chain or 0], rev)
        with store.database.write() as connection:
            store.database.publication_lock(connection, shared=True)
            if revisions.published_revision(connection) == rev:
                return _scan(store, connection, request, inventory, rev, counted, in_doubt=in_doubt)
    raise Unavailable("Feed revisions are published faster than the image can be scanned.", advice="Try again later.")


def drafted(connection: Connection, found: Catalogue) -> Draft:
    """What is to be written for a catalogue as of the published revision. Reads only."""
    rev = revisions.published_revision(connection)
    levels = tuple({identity_of(each): each for each in level} for level in found.levels)
    everything = {identity: each for level in levels for identity, each in level.items()}
    known = components.ids_of(connection, list(everything))
    unknown = {identity: each for identity, each in everything.items() if identity not in known}
    decisions = decisions_for(connection, {identity: subject_of(each) for identity, each in unknown.items()}, rev)
    stored = ratings_by_component(matches.ratings(connection, list(known.values()), rev))
    ratings = {identity: stored.get(component, {}) for identity, component in known.items()}
    for vulnerability, decided in decisions.items():
        for identity, decision in decided.items():
            ratings.setdefault(identity, {})[vulnerability] = decision.number
    uncovered = vulnerabilities.uncovered(connection, {each.ecosystem for each in everything.values()}, rev)
    in_doubt = bool(uncovered) or any(DOUBT in each.values() for each in ratings.values())
    return Draft(rev, levels, unknown, decisions, own_totals(highest(level, ratings) for level in levels), in_doubt)


def _write(store: Store, connection: Connection, request: Request, found: Catalogue, draft: Draft) -> bool:
    if not requests.stands(connection, request.image):
        return False  # the scanner was removed, the image deleted, or another worker was quicker
    present = inventories.of_image(connection, request.image)
    if found.state is ScanState.FAILED:
        if present is not None and present.chain is not None:
            # What was found before stands: a failure never takes the place of a result.
            _done(connection, request, store.clock.now(), found.state, found.reason)
            return False
        failed = present
        if failed is None or failed.reason != found.reason:
            if failed is not None:
                inventories.close(connection, failed.id, draft.rev)
            failed = _open(store, connection, request, found, None, draft.rev)
        return _scan(store, connection, request, failed, draft.rev, ZERO)
    ids = _components(connection, draft)
    chain = _chain(connection, draft, ids)
    if present is None or (present.chain, present.state, present.reason) != (chain, found.state, found.reason):
        if present is not None:
            inventories.close(connection, present.id, draft.rev)
        present = _open(store, connection, request, found, chain, draft.rev)
        inventories.add_places(connection, present.id, _places(found, ids))
    return _scan(store, connection, request, present, draft.rev, summed(draft.totals), in_doubt=draft.in_doubt)


def _scan(
    store: Store,
    connection: Connection,
    request: Request,
    inventory: Inventory,
    rev: int,
    vector: Vector,
    *,
    in_doubt: bool = False,
) -> bool:
    if not requests.stands(connection, request.image):
        return False
    now = store.clock.now()
    _done(connection, request, now, inventory.state, inventory.reason)
    inventories.take_up(connection, inventory, target=request.target, compartment=request.compartment)
    preparing = revisions.preparing_revision(connection)
    if preparing is not None:
        inventories.note_late(connection, preparing, inventory.id)
    state = state_of(inventory.state, in_doubt=in_doubt)
    is_new = scans.add(connection, inventory.id, rev, cause=request.cause, state=state, vector=vector, now=now)
    if is_new:
        fact = ImageScanned(
            tenancy=request.tenancy,
            repository=request.repository,
            images=(request.image,),
            revision=rev,
            cause=request.cause,
        )
        outbox.announce(connection, fact, now)
    return is_new


def _done(connection: Connection, request: Request, now: Instant, state: ScanState, reason: str) -> None:
    progress.image_done(connection, request.image, now, until=request.time_created, state=state, reason=reason)


def _open(
    store: Store, connection: Connection, request: Request, found: Catalogue, chain: int | None, rev: int
) -> Inventory:
    return inventories.add(
        connection,
        tenancy=request.tenancy,
        compartment=request.compartment,
        target=request.target,
        repository=request.repository,
        image=request.image,
        chain=chain,
        state=found.state,
        reason=found.reason,
        rev=rev,
        now=store.clock.now(),
    )


def _components(connection: Connection, draft: Draft) -> dict[bytes, int]:
    """Ids of all components. Those that this push inserts get their matches; others had them from whoever was first."""
    added = components.add(connection, draft.unknown)
    rows = [
        MatchRow(vulnerability, added[identity], draft.rev, each.number, each.advisory, each.fix)
        for vulnerability, decided in draft.decisions.items()
        for identity, each in decided.items()
        if identity in added
    ]
    matches.add(connection, draft.rev, rows)
    return components.ids_of(connection, [identity for level in draft.levels for identity in level])


def _chain(connection: Connection, draft: Draft, ids: Mapping[bytes, int]) -> int:
    """The chain of the path, made as far as it is new; each new step gets its own total."""
    by_digest = {set_digest(level): [ids[identity] for identity in level] for level in draft.levels}
    # In the order of digests: two pushes that share sets never wait for one another crosswise.
    sets = {digest: components.add_set(connection, digest, by_digest[digest]) for digest in sorted(by_digest)}
    path: list[ChainRow] = []
    for level, total in zip(draft.levels, draft.totals, strict=True):
        step, is_new = components.add_chain(connection, path, sets[set_digest(level)])
        if is_new:
            totals.put(connection, draft.rev, {step.id: total})
        path.append(step)
    return path[-1].id


def _places(found: Catalogue, ids: Mapping[bytes, int]) -> list[LayerPlaces]:
    listed = []
    for layer in found.layers:
        digest, body = places.packed(Place(ids[identity_of(each)], path) for each, path in layer.places)
        listed.append(LayerPlaces(layer.platform_number, layer.platform, layer.position, layer.layer, digest, body))
    return listed
