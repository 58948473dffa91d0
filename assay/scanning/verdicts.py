"""Verdicts: what a reviewer says of a scan, accepted or refused, and why. The latest one of an image is what counts."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from assay.errors import Refused
from assay.events import VerdictRecorded
from assay.iam import Act, Actor, Target, authorize, perform
from assay.scanning import results
from assay.scanning.model import REASON_LENGTH_MAX, Verdict
from assay.scanning.records import verdicts as records
from assay.storage import Store

RECORD = "RecordScanVerdict"
LIST = "ListScanVerdicts"
VERDICTS_SHOWN_MAX = 100


def record(
    store: Store, actor: Actor, scan: str, *, accepted: bool, reason: str, retry_token: str | None = None
) -> Verdict:
    """Record a verdict on a scan. Verdicts are never changed: whoever changes their mind records another.

    Errors: Refused (NOT_FOUND, MALFORMED without a reason or with one that is too long).
    """
    if not reason.strip():
        raise Refused("A verdict needs a reason.", advice="Say in a few words why the scan is accepted or refused.")
    if len(reason) > REASON_LENGTH_MAX:
        raise Refused(f"The reason is longer than {REASON_LENGTH_MAX} characters.", advice="Say it shorter.")

    def locate(connection: Connection) -> Target:
        row = results.readable(store, connection, actor, scan, RECORD)
        return results.target_of(row, scan)

    def change(act: Act) -> Verdict:
        row = results.readable(store, act.connection, actor, scan, RECORD)
        verdict = records.add(
            act.connection,
            ocid=store.site.new_ocid("containerscanverdict").text,
            actor=actor,
            scan=results.scan_of(store, act.connection, row),
            accepted=accepted,
            reason=reason.strip(),
            now=act.now,
        )
        act.announce(
            VerdictRecorded(
                tenancy=verdict.tenancy,
                repository=verdict.repository,
                image=verdict.image,
                scan=scan,
                accepted=accepted,
            )
        )
        return verdict

    return perform(
        store,
        actor,
        RECORD,
        locate=locate,
        change=change,
        replay=Verdict,
        retry_token=retry_token,
        request=(scan, accepted, reason),
    )


def listed(store: Store, actor: Actor, image: str) -> tuple[Verdict, ...]:
    """The verdicts on an image's scans, the newest first, at most 100. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = records.of_image(connection, actor.tenancy, image, VERDICTS_SHOWN_MAX)
        for compartment in sorted({verdict.compartment for verdict in found} or {actor.tenancy}):
            authorize(connection, actor, LIST, Target(compartment), now=store.clock.now())
        return found


def verdict_of(connection: Connection, image: str) -> Verdict | None:
    """The verdict that counts for an image (by its OCID): the newest. For rooms that have decided who may know it."""
    return next(iter(records.of_image(connection, None, image, 1)), None)


def verdicts_of(connection: Connection, images: Collection[str]) -> Mapping[str, Verdict]:
    """Image (OCID) → the verdict that counts for it, for those that have one; as `verdict_of`, for many at once."""
    return {verdict.image: verdict for verdict in records.newest_of_each(connection, images)}
