"""Verbs on image signatures: found, listed, their tags changed, deleted."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection

from assay.errors import Reason, Refused, not_found
from assay.events import SignatureDeleted
from assay.iam import Act, Actor, Target, authorize, perform, permitted
from assay.iam.identity import seen
from assay.signing.records import signatures as records
from assay.signing.resources import ImageSignature, SignatureFilter, SignatureState
from assay.storage import Store
from assay.storage.pages import PAGE_ROWS_MAX, Page, decode_page, encode_page, page_rows

EVERY_SIGNATURE = SignatureFilter()
#: A page ends, shorter than asked, when so many rows were looked at; its token goes on from there.
LOOKED_AT_MAX = 10_000
_LIST = "ListContainerImageSignatures"


def get_signature(store: Store, actor: Actor, signature: str) -> ImageSignature:
    """One image signature by OCID, deleted ones included. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = records.get(connection, actor.tenancy, signature)
        authorize(connection, actor, "GetContainerImageSignature", target_of(found), now=store.clock.now())
        return found


def list_signatures(
    store: Store,
    actor: Actor,
    narrow: SignatureFilter = EVERY_SIGNATURE,
    *,
    limit: int | None = None,
    page: str = "",
) -> Page[ImageSignature]:
    """A page of the available signatures that the actor may see.

    Without a limit the signatures of one image or digest come in one page: the stock client's `get-verify` gives up
    after a page without a trusted key (oci-api 3.2). Errors: Refused (NOT_FOUND, PAGE_TOKEN, MALFORMED).
    """
    of_one = bool(narrow.image or narrow.digest)
    wanted = PAGE_ROWS_MAX if limit is None and of_one else page_rows(limit)
    asked = (_LIST, actor.tenancy, narrow)
    after = decode_page(store.page_key, asked, page) if page else None
    with store.database.read() as connection:
        places = narrow.compartments or (actor.tenancy,)
        shown, last = _visible(store, connection, actor, narrow, after, wanted)
        if not shown and not any(
            permitted(connection, actor, _LIST, Target(compartment=place), now=store.clock.now()) for place in places
        ):
            raise not_found()
        told = seen.as_seen(store, connection, actor, "GetContainerImageSignature", shown, target_of)
    return Page(told, encode_page(store.page_key, asked, last) if last else "")


def remaining(store: Store, actor: Actor, narrow: SignatureFilter, next_page: str) -> int | None:
    """How many signatures come behind a page of `list_signatures` (by its token); None for more than 1,000."""
    if not next_page:
        return 0
    after = decode_page(store.page_key, (_LIST, actor.tenancy, narrow), next_page)
    with store.database.read() as connection:
        shown, more = _visible(store, connection, actor, narrow, after, PAGE_ROWS_MAX)
    return None if more else len(shown)


def change_tags(
    store: Store,
    actor: Actor,
    signature: str,
    *,
    freeform_tags: Mapping[str, str] | None = None,
    defined_tags: Mapping[str, Mapping[str, Any]] | None = None,
    if_match: str | None = None,
) -> ImageSignature:
    """Set free-form or defined tags; None leaves them. Errors: Refused (NOT_FOUND, ETAG_MISMATCH)."""

    def change(act: Act) -> ImageSignature:
        given = {"freeform_tags": freeform_tags, "defined_tags": defined_tags}
        values = {name: value for name, value in given.items() if value is not None}
        records.change(act.connection, signature, act.now, **values)
        return records.get(act.connection, actor.tenancy, signature)

    return perform(
        store,
        actor,
        "UpdateContainerImageSignature",
        locate=lambda connection: target_of(records.get(connection, actor.tenancy, signature, lock=True)),
        change=change,
        if_match=if_match,
    )


def keys_on(connection: Connection, images: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Image (OCID) → the keys (OCIDs) that signed it, whether or not that still verifies; for lists of many images.

    For those who have decided already that the images may be told. Images that nobody signed are left out.
    """
    found: dict[str, frozenset[str]] = {}
    for image, key in records.keys_on(connection, images):
        found[image] = found.get(image, frozenset()) | {key}
    return found


def delete_signature(store: Store, actor: Actor, signature: str, *, if_match: str | None = None) -> ImageSignature:
    """Delete an image signature: from now on it is trusted no more, and its artifacts are taken out.

    Errors: Refused (NOT_FOUND, ETAG_MISMATCH, WRONG_STATE when it is deleted already).
    """

    def change(act: Act) -> ImageSignature:
        found = records.get(act.connection, actor.tenancy, signature)
        if found.state is not SignatureState.AVAILABLE:
            raise Refused("The signature is deleted.", advice="Sign the image again.", reason=Reason.WRONG_STATE)
        records.delete(act.connection, signature, act.now)
        fact = SignatureDeleted(
            tenancy=found.tenancy, repository=found.repository, digest=found.digest.text, signature=signature
        )
        act.announce(fact)
        return records.get(act.connection, actor.tenancy, signature)

    return perform(
        store,
        actor,
        "DeleteContainerImageSignature",
        locate=lambda connection: target_of(records.get(connection, actor.tenancy, signature, lock=True)),
        change=change,
        if_match=if_match,
    )


def target_of(record: ImageSignature) -> Target:
    """A signature as what an operation acts on: its repository's name counts in conditions."""
    return Target(
        compartment=record.compartment,
        resource=record.ocid,
        etag=record.etag,
        variables={"target.repo.name": record.repository_name},
        before=record,
    )


def _visible(
    store: Store,
    connection: Connection,
    actor: Actor,
    narrow: SignatureFilter,
    after: Any,
    wanted: int,
) -> tuple[tuple[ImageSignature, ...], tuple[str | int, str] | None]:
    """At most `wanted` rows that the actor may see, and the sort key behind which there may be more."""
    shown: list[ImageSignature] = []
    looked_at = 0
    while looked_at < LOOKED_AT_MAX:
        batch = records.listed(connection, actor.tenancy, narrow, after, rows_max=wanted + 1)
        for row in batch:
            if narrow.display_name not in ("", row.display_name):
                continue
            if not permitted(connection, actor, _LIST, target_of(row), now=store.clock.now()):
                continue
            if len(shown) == wanted:
                return tuple(shown), _key_of(shown[-1], narrow)
            shown.append(row)
        if len(batch) <= wanted:
            return tuple(shown), None
        looked_at += len(batch)
        after = _key_of(batch[-1], narrow)
    return tuple(shown), after


def _key_of(row: ImageSignature, narrow: SignatureFilter) -> tuple[str | int, str]:
    return (row.display_name if narrow.by_name else row.time_created), row.ocid
