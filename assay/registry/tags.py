"""Tags of a repository: listed, their history, removed; and what an immutable repository means for them.

In an immutable repository a tag never moves, not even by way of its removal: what named one digest names that one for
good. So whoever pulled a tag once gets the same bytes from it for ever, or nothing. The tags that cosign keeps
(`sha256-….sig`, `.att`, `.sbom`) are exempt: they collect signatures, and may only gain layers while they stand.
"""

from sqlalchemy import Connection

from assay.errors import Reason, Refused
from assay.events import TagMoved
from assay.iam import Act, Actor, perform
from assay.oci import Digest
from assay.registry import access, pulls
from assay.registry.manifests import is_companion_tag
from assay.registry.model import ANYTHING, Condition, Repository, TagMove
from assay.registry.records import images as image_records
from assay.registry.records import tags as records
from assay.storage import Store

TAGS_PAGE_MAX = 10_000
HISTORY_MAX = 1_000


def listed(
    store: Store, actor: Actor, repository_name: str, *, after: str = "", rows_max: int = TAGS_PAGE_MAX
) -> tuple[tuple[str, ...], bool]:
    """Tags behind `after` in order of their bytes, and whether there are more. Errors: Refused (NOT_FOUND)."""
    rows_max = min(rows_max, TAGS_PAGE_MAX)
    with store.database.read() as connection:
        repository = access.readable(connection, actor, repository_name, "ListTags", now=store.clock.now())
        found = records.names(connection, repository.ocid, after, rows_max=rows_max + 1)
    return found[:rows_max], len(found) > rows_max


def history(store: Store, actor: Actor, repository_name: str, tag: str) -> tuple[TagMove, ...]:
    """The moves of a tag, newest first, also of one that was removed. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        repository = access.readable(connection, actor, repository_name, "ListTags", now=store.clock.now())
        return records.history(connection, repository.ocid, tag, rows_max=HISTORY_MAX)


def remove(store: Store, actor: Actor, repository_name: str, tag: str, *, condition: Condition = ANYTHING) -> None:
    """Remove a tag, if its condition holds; what it named stays.

    Errors: Refused (NOT_FOUND, MANIFEST_UNKNOWN, ETAG_MISMATCH).
    """

    def change(act: Act) -> None:
        repository = access.held(act.connection, actor, repository_name)
        condition.require(tag, records.digest_of(act.connection, repository.ocid, tag))
        untag(act, repository, tag)

    perform(
        store,
        actor,
        "RemoveContainerVersion",
        locate=lambda connection: access.target_of(access.named(connection, actor, repository_name)),
        change=change,
    )


def untag(act: Act, repository: Repository, tag: str) -> None:
    """Remove a tag within an act; its image remembers it. Errors: Refused (MANIFEST_UNKNOWN)."""
    named = records.digest_of(act.connection, repository.ocid, tag)
    if named is None:
        raise pulls.unknown(tag)
    image_records.remember_version(act.connection, repository.ocid, named, tag, act.now)
    records.remove(act.connection, repository, tag, moved_by=access.name_of(act.actor), now=act.now)
    act.announce(TagMoved(tenancy=repository.tenancy, repository=repository.ocid, tag=tag, digest=""))


def untag_all(act: Act, repository: Repository, digest: Digest) -> None:
    """Remove every tag that names a digest, within an act; its image remembers the one that was moved last."""
    who = access.name_of(act.actor)
    gone = records.remove_naming(act.connection, repository, digest, moved_by=who, now=act.now)
    if gone:
        image_records.remember_version(act.connection, repository.ocid, digest, gone[-1], act.now)
    facts = [TagMoved(tenancy=repository.tenancy, repository=repository.ocid, tag=tag, digest="") for tag in gone]
    act.announce_all(facts)


def check_immutable(connection: Connection, repository: Repository, tag: str, digest: Digest) -> None:
    """That a tag, other than a companion's, may name a digest. Errors: Refused (EXISTS)."""
    if not repository.is_immutable or is_companion_tag(tag):
        return
    before = records.digest_of(connection, repository.ocid, tag)
    named = before or records.last_named(connection, repository.ocid, tag)
    if named is None or named == digest:
        return
    raise Refused(
        f"The repository is immutable, and its tag {tag} {'names' if before else 'named'} {named} already.",
        advice="Use another tag.",
        reason=Reason.EXISTS,
    )
