"""Statements on tags and their history."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, delete, func, select

from assay.clock import Instant
from assay.oci import Digest
from assay.registry.model import Repository, TagMove, Version
from assay.registry.records.blobs import in_runs
from assay.registry.records.tables import tag, tag_move
from assay.storage import insert


def digest_of(connection: Connection, repository: str, name: str) -> Digest | None:
    """What a tag names."""
    found = connection.execute(
        select(tag.c.digest).where(tag.c.repository == repository, tag.c.name == name)
    ).scalar_one_or_none()
    return Digest(found) if found is not None else None


def last_named(connection: Connection, repository: str, name: str) -> Digest | None:
    """What a tag names, or named when it was there last."""
    query = select(tag_move.c.digest).where(
        tag_move.c.repository == repository, tag_move.c.tag == name, tag_move.c.digest.is_not(None)
    )
    found = connection.execute(query.order_by(tag_move.c.id.desc()).limit(1)).scalar_one_or_none()
    return Digest(found) if found is not None else None


def removed_at(connection: Connection, repository: str, stem: str, at: Instant) -> dict[str, Digest]:
    """Tags that begin with `stem` and were removed at an instant, with what they named."""
    query = select(tag_move.c.tag).where(
        tag_move.c.repository == repository,
        tag_move.c.tag >= stem,
        tag_move.c.tag < f"{stem}~",
        tag_move.c.time_created == at,
        tag_move.c.digest.is_(None),
    )
    names = connection.execute(query.distinct()).scalars().all()
    found = {name: last_named(connection, repository, name) for name in names}
    return {name: digest for name, digest in found.items() if digest is not None}


def move(
    connection: Connection, repository: Repository, name: str, digest: Digest, *, moved_by: str, now: Instant
) -> None:
    """Let a tag name `digest` from now on, and note it in its history."""
    values = {"digest": digest.text, "moved_by": moved_by, "time_moved": now}
    connection.execute(
        insert(connection, tag)
        .values(
            repository=repository.ocid,
            name=name,
            tenancy=repository.tenancy,
            compartment=repository.compartment,
            **values,
        )
        .on_conflict_do_update(index_elements=[tag.c.repository, tag.c.name], set_=values)
    )
    _note(connection, repository, name, digest, moved_by, now)


def remove(connection: Connection, repository: Repository, name: str, *, moved_by: str, now: Instant) -> bool:
    """Remove a tag, and note it in its history; whether there was one."""
    removed = connection.execute(delete(tag).where(tag.c.repository == repository.ocid, tag.c.name == name))
    if removed.rowcount == 1:
        _note(connection, repository, name, None, moved_by, now)
    return removed.rowcount == 1


def remove_naming(
    connection: Connection, repository: Repository, digest: Digest, *, moved_by: str, now: Instant
) -> tuple[str, ...]:
    """Remove every tag that names a digest, and note it in their histories; their names, the one moved last at the end.

    Thousands of them cost little more than one.
    """
    here = (tag.c.repository == repository.ocid, tag.c.digest == digest.text)
    gone = connection.execute(delete(tag).where(*here).returning(tag.c.name, tag.c.time_moved)).all()
    names = tuple(row.name for row in sorted(gone, key=lambda row: (row.time_moved, row.name)))
    if names:
        moves = [_moved(repository, name, None, moved_by, now) for name in names]
        connection.execute(tag_move.insert(), moves)
    return names


def names(connection: Connection, repository: str, after: str, *, rows_max: int) -> tuple[str, ...]:
    """Tags in order of their bytes, behind `after`."""
    page = (
        select(tag.c.name)
        .where(tag.c.repository == repository, tag.c.name > after)
        .order_by(tag.c.name)
        .limit(rows_max)
        .subquery()
    )
    # As one text, since ten thousand rows cost more than all the rest; no tag has a comma in it.
    found = connection.execute(select(func.aggregate_strings(page.c.name, ","))).scalar_one()
    return tuple(sorted(found.split(","))) if found else ()


def versions_in(
    connection: Connection, images: Collection[tuple[str, Digest]]
) -> dict[tuple[str, Digest], tuple[Version, ...]]:
    """The tags that name each of these (repository, digest), the latest first."""
    found: dict[tuple[str, Digest], list[Version]] = {}
    for run in in_runs({digest.text for _, digest in images}):
        rows = connection.execute(
            select(tag)
            .where(tag.c.repository.in_({repository for repository, _ in images}), tag.c.digest.in_(run))
            .order_by(tag.c.time_moved.desc(), tag.c.name.desc())
        )
        for row in rows:
            key = (row.repository, Digest(row.digest))
            found.setdefault(key, []).append(Version(row.name, row.moved_by, row.time_moved))
    return {key: tuple(named) for key, named in found.items()}


def history(connection: Connection, repository: str, name: str, *, rows_max: int) -> tuple[TagMove, ...]:
    """The latest moves of a tag, newest first."""
    query = (
        select(tag_move)
        .where(tag_move.c.repository == repository, tag_move.c.tag == name)
        .order_by(tag_move.c.id.desc())
        .limit(rows_max)
    )
    return tuple(
        TagMove(row.tag, Digest(row.digest) if row.digest else None, row.time_created, row.moved_by)
        for row in connection.execute(query)
    )


def _note(
    connection: Connection, repository: Repository, name: str, digest: Digest | None, moved_by: str, now: Instant
) -> None:
    connection.execute(tag_move.insert(), _moved(repository, name, digest, moved_by, now))


def _moved(repository: Repository, name: str, digest: Digest | None, moved_by: str, now: Instant) -> dict[str, Any]:
    return {
        "tenancy": repository.tenancy,
        "compartment": repository.compartment,
        "repository": repository.ocid,
        "tag": name,
        "digest": digest.text if digest else None,
        "moved_by": moved_by,
        "time_created": now,
    }
