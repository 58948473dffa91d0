"""The decisions: recording them, and the verbs that show them.

One act of a user may reach the two hooks several times (server-side apply, retries, reinvocation), and a controller may
try again every few seconds: what belongs together and comes out the same within a minute is one decision. Its number
follows from what was decided, so that every call gives the user the same address.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import Connection

from assay.admission.clusters import readable_cluster, target_of
from assay.admission.model import Cluster, DecidedImage, Decision
from assay.admission.records import clusters, decisions
from assay.admission.reviews import Review
from assay.clock import DAY, MINUTE, Instant
from assay.errors import Unavailable, not_found
from assay.iam import Act, Actor, Target, perform
from assay.storage import Store, pages
from assay.storage.pages import Page

#: Calls with the same outcome in one such span are one decision.
MERGED = MINUTE
#: As long as scans are kept, so that a decision can be explained by the scan it followed.
KEPT = 400 * DAY
PURGED_ROWS_MAX = 1_000

#: Crockford's base 32: no letter that is taken for a digit.
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
NUMBER_LENGTH = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be recorded: the answer, and each image that was decided on."""

    allowed: bool
    images: tuple[DecidedImage, ...]


def fingerprint(cluster: Cluster, review: Review, outcome: Outcome, now: Instant) -> str:
    """The hash (hex) of all that makes two calls one decision."""
    parts = (
        cluster.ocid,
        cluster.policy_version,
        review.namespace,
        review.kind,
        review.name,
        review.operation,
        review.object_uid,
        review.resource_version,
        outcome.allowed,
        [(image.where, image.digest or image.text, image.because) for image in outcome.images],
        now // MERGED,
    )
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def numbers(print_: str) -> Iterator[str]:
    """The numbers that a decision may take: the first that is free is its own. They show 50 bits of the hash each."""
    bits = int(print_, 16)
    while bits:
        digits = []
        for _ in range(NUMBER_LENGTH):
            bits, digit = divmod(bits, len(_DIGITS))
            digits.append(_DIGITS[digit])
        yield "".join(digits)


def known(connection: Connection, print_: str) -> str | None:
    """The number of the decision with this fingerprint, if it is recorded."""
    for number in numbers(print_):
        found = decisions.fingerprint_of(connection, number)
        if found is None or found == print_:
            return number if found else None
    return None


def record(
    store: Store,
    actor: Actor,
    cluster: Cluster,
    review: Review,
    outcome: Outcome,
    message: Callable[[str], str],
    *,
    still_wanted: Callable[[], bool],
) -> str:
    """Keep a decision, unless it is kept already; its number. `message` makes the text that names it by its number.

    Errors: Unavailable, also when the answer is no longer waited for: then nothing is recorded that nobody was told.
    """
    print_ = fingerprint(cluster, review, outcome, store.clock.now())
    with store.database.read() as connection:
        number = known(connection, print_)
    if number is not None:
        return number

    def locate(connection: Connection) -> Target:
        # `before` is left out: the policy that was decided by is in the decision, by its version.
        return replace(target_of(clusters.get_cluster(connection, actor.tenancy, cluster.ocid)), before=None)

    def change(act: Act) -> Decision:
        for number in numbers(print_):
            if not still_wanted():
                raise Unavailable("The answer was due before the decision could be recorded.")
            made = Decision(
                number=number,
                tenancy=cluster.tenancy,
                compartment=cluster.compartment,
                cluster=cluster.ocid,
                policy_version=cluster.policy_version,
                namespace=review.namespace,
                kind=review.kind,
                name=review.name,
                operation=review.operation,
                username=review.username,
                allowed=outcome.allowed,
                images=outcome.images,
                message=message(number),
                time_created=act.now,
            )
            if decisions.insert_decision(act.connection, made, print_) or (
                decisions.fingerprint_of(act.connection, number) == print_
            ):
                return made
        raise Unavailable("No number is free for the decision.")

    return perform(store, actor, "AdmitWorkload", locate=locate, change=change).number


def get_decision(store: Store, actor: Actor, number: str) -> Decision:
    """The decision of that number. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = decisions.get_decision(connection, actor.tenancy, number)
        if found is None:
            raise not_found()
        readable_cluster(store, connection, actor, found.cluster, "ListAdmissionDecisions")
        return found


def list_decisions(
    store: Store,
    actor: Actor,
    cluster: str,
    *,
    allowed: bool | None = None,
    limit: int | None = None,
    page: str = "",
) -> Page[Decision]:
    """A page of a cluster's decisions, newest first. Errors: Refused (NOT_FOUND, PAGE_TOKEN)."""
    asked = ("decisions", actor.tenancy, cluster, allowed)
    rows = pages.page_rows(limit)
    with store.database.read() as connection:
        readable_cluster(store, connection, actor, cluster, "ListAdmissionDecisions")
        before = None
        if page:
            at, number = pages.decode_page(store.page_key, asked, page)
            before = (int(at or 0), str(number))
        found = decisions.decisions(connection, cluster, allowed=allowed, before=before, rows_max=rows + 1)
    shown = found[:rows]
    if len(found) <= rows:
        return Page(shown)
    return Page(shown, pages.encode_page(store.page_key, asked, (shown[-1].time_created, shown[-1].number)))


def purge_decisions(store: Store) -> int:
    """Delete a batch of decisions that are older than they are kept; how many there were. For the schedule."""
    with store.database.write() as connection:
        return decisions.delete_decisions(connection, Instant(store.clock.now() - KEPT), PURGED_ROWS_MAX)
