"""Statements on images."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, alias, and_, exists, func, or_, select, tuple_, update

from assay.clock import Instant
from assay.oci import Digest
from assay.registry.model import Image, ImageFilter, LifecycleState, Order, Pulls, Version
from assay.registry.records import tags
from assay.registry.records.blobs import in_runs
from assay.registry.records.repositories import behind, sort
from assay.registry.records.tables import image, repository, tag


def add(connection: Connection, **values: Any) -> None:
    """Insert an image with these columns."""
    connection.execute(image.insert().values(**values))


def by_ocid(connection: Connection, tenancy: str, ocid: str) -> Image | None:
    """The image with that OCID, deleted ones included."""
    return _one(connection, _selected().where(image.c.ocid == ocid, image.c.tenancy == tenancy))


def available(connection: Connection, repository_ocid: str, digest: Digest) -> Image | None:
    """The available image of a digest in a repository."""
    query = _selected().where(
        image.c.repository == repository_ocid,
        image.c.digest == digest.text,
        image.c.lifecycle_state == LifecycleState.AVAILABLE,
    )
    return _one(connection, query)


def standing(connection: Connection, repository_ocid: str, digest: Digest) -> str | None:
    """The OCID of the available image of a digest in a repository: an image with ten thousand tags costs no more."""
    here = (image.c.repository == repository_ocid, image.c.digest == digest.text)
    query = select(image.c.ocid).where(*here, image.c.lifecycle_state == LifecycleState.AVAILABLE)
    return connection.execute(query).scalar_one_or_none()


def stands(connection: Connection, tenancy: str, ocid: str) -> bool:
    """Whether there is an available image with that OCID."""
    query = select(image.c.lifecycle_state).where(image.c.ocid == ocid, image.c.tenancy == tenancy)
    return connection.execute(query).scalar_one_or_none() == LifecycleState.AVAILABLE


def untagged_of(connection: Connection, repository_ocid: str, digests: Collection[Digest]) -> tuple[Image, ...]:
    """The available images among `digests` that no tag has ever named, each once."""
    is_tagged = exists().where(tag.c.repository == image.c.repository, tag.c.digest == image.c.digest)
    query = _selected().where(
        image.c.repository == repository_ocid,
        image.c.lifecycle_state == LifecycleState.AVAILABLE,
        image.c.last_version == "",
        ~is_tagged,
    )
    runs = in_runs({digest.text for digest in digests})
    return tuple(each for run in runs for each in _all(connection, query.where(image.c.digest.in_(run))))


def change(connection: Connection, ocid: str, **values: Any) -> None:
    """Set columns of an image."""
    connection.execute(update(image).where(image.c.ocid == ocid).values(**values))


def change_all(connection: Connection, repository_ocid: str, **values: Any) -> None:
    """Set columns of every available image of a repository."""
    connection.execute(
        update(image)
        .where(image.c.repository == repository_ocid, image.c.lifecycle_state == LifecycleState.AVAILABLE)
        .values(**values)
    )


def remember_version(connection: Connection, repository_ocid: str, digest: Digest, version: str, now: Instant) -> None:
    """Keep the tag that an image has lost, for its display name, and when."""
    connection.execute(
        update(image)
        .where(
            image.c.repository == repository_ocid,
            image.c.digest == digest.text,
            image.c.lifecycle_state == LifecycleState.AVAILABLE,
        )
        .values(last_version=version, time_untagged=now)
    )


def add_pulls(connection: Connection, pulls: Mapping[tuple[str, Digest], Pulls]) -> None:
    """Add to the pull counts of available images, by (repository, digest); others are no images and are left out."""
    for (repository_ocid, digest), pulled in sorted(pulls.items()):
        connection.execute(
            update(image)
            .where(
                image.c.repository == repository_ocid,
                image.c.digest == digest.text,
                image.c.lifecycle_state == LifecycleState.AVAILABLE,
            )
            .values(pull_count=image.c.pull_count + pulled.count, time_last_pulled=pulled.last)
        )


def listed(
    connection: Connection,
    tenancy: str,
    narrow: ImageFilter,
    order: Order,
    after: Sequence[Any] | None,
    *,
    rows_max: int,
) -> tuple[Image, ...]:
    """Images by display name or time of creation, then OCID, behind the sort key `after`."""
    first = image.c.time_created if order.by_time else _display_name()
    query = _selected().where(*_conditions(connection, tenancy, narrow))
    if after is not None:
        query = query.where(behind(first, image.c.ocid, after, descending=order.descending))
    return _all(connection, sort(query, first, image.c.ocid, descending=order.descending).limit(rows_max))


def latest(connection: Connection, repository_ocid: str, *, rows_max: int) -> tuple[Image, ...]:
    """The available images of a repository that were pushed last, the latest first."""
    query = _selected().where(
        image.c.repository == repository_ocid, image.c.lifecycle_state == LifecycleState.AVAILABLE
    )
    return _all(connection, query.order_by(image.c.time_last_pushed.desc(), image.c.ocid.desc()).limit(rows_max))


def latest_of_each(connection: Connection, repositories: Collection[str]) -> tuple[Image, ...]:
    """Of each of these repositories the available image that was pushed last, as far as there is one."""
    rank = func.row_number().over(
        partition_by=image.c.repository, order_by=(image.c.time_last_pushed.desc(), image.c.ocid.desc())
    )
    ranked = (
        select(image.c.ocid, rank.label("rank"))
        .where(image.c.repository.in_(repositories), image.c.lifecycle_state == LifecycleState.AVAILABLE)
        .subquery()
    )
    return _all(connection, _selected().join(ranked, ranked.c.ocid == image.c.ocid).where(ranked.c.rank == 1))


def counted(
    connection: Connection, tenancy: str, narrow: ImageFilter, order: Order, after: Sequence[Any] | None = None
) -> int:
    """How many images `narrow` leaves; those behind the sort key `after`, if one is given."""
    query = select(func.count()).select_from(image).join(repository, repository.c.ocid == image.c.repository)
    if after is not None:
        first = image.c.time_created if order.by_time else _display_name()
        query = query.where(behind(first, image.c.ocid, after, descending=order.descending))
    return connection.execute(query.where(*_conditions(connection, tenancy, narrow))).scalar_one()


def _display_name() -> ColumnElement[str]:
    """`Image.display_name` as an expression. The latest tag of a digest is the last entry in an index of its own."""
    latest = (
        select(tag.c.name)
        .where(
            tag.c.repository == image.c.repository,
            tag.c.digest == image.c.digest,
            image.c.lifecycle_state == LifecycleState.AVAILABLE,
        )
        .order_by(tag.c.time_moved.desc(), tag.c.name.desc())
        .limit(1)
        .correlate(image)
        .scalar_subquery()
    )
    return repository.c.name + ":" + func.coalesce(latest, _last_version() + "@" + image.c.digest)


def _last_version() -> ColumnElement[str]:
    return func.coalesce(func.nullif(image.c.last_version, ""), "unknown")


def _is_named(tenancy: str, display_name: str) -> ColumnElement[bool]:
    """Whether an image has a display name: found from its parts, by index."""
    name, _, version = display_name.partition(":")
    is_there = repository.c.name == name
    last, _, digest = version.partition("@")
    here = (image.c.repository, image.c.digest)
    if digest:
        tagged = exists(select(1).where(tag.c.repository == here[0], tag.c.digest == here[1]))
        has_none = or_(image.c.lifecycle_state != LifecycleState.AVAILABLE, ~tagged)
        return and_(is_there, image.c.digest == digest, _last_version() == last, has_none)
    later = alias(tag)
    is_later = tuple_(later.c.time_moved, later.c.name) > tuple_(tag.c.time_moved, tag.c.name)
    same = and_(later.c.repository == tag.c.repository, later.c.digest == tag.c.digest)
    latest = select(tag.c.repository, tag.c.digest).where(
        tag.c.tenancy == tenancy, tag.c.name == version, ~exists(select(1).where(same, is_later))
    )
    return and_(is_there, image.c.lifecycle_state == LifecycleState.AVAILABLE, tuple_(*here).in_(latest))


def _selected() -> Select[Any]:
    return select(image, repository.c.name.label("repository_name")).join(
        repository, repository.c.ocid == image.c.repository
    )


def _conditions(connection: Connection, tenancy: str, narrow: ImageFilter) -> list[ColumnElement[bool]]:
    # Where a repository is named its images are found by it, not among all of the tenancy.
    is_named = bool(narrow.repository_name) and "*" not in narrow.repository_name
    is_of_one = bool(narrow.repository or narrow.display_name or is_named)
    place = repository if is_of_one else image
    found = [place.c.tenancy == tenancy, image.c.lifecycle_state == narrow.lifecycle_state]
    if narrow.compartments:
        found.append(place.c.compartment.in_(narrow.compartments))
    if narrow.repository:
        found.append(image.c.repository == narrow.repository)
    if narrow.repository_name:
        found.append(_matches(connection, repository.c.name, narrow.repository_name))
    if narrow.display_name:
        found.append(_is_named(tenancy, narrow.display_name))
    if narrow.ocid:
        found.append(image.c.ocid == narrow.ocid)
    if narrow.digest is not None:
        found.append(image.c.digest == narrow.digest.text)
    tagged = and_(tag.c.repository == image.c.repository, tag.c.digest == image.c.digest)
    if narrow.version and "*" not in narrow.version:
        named = select(tag.c.repository, tag.c.digest).where(tag.c.tenancy == tenancy, tag.c.name == narrow.version)
        found.append(tuple_(image.c.repository, image.c.digest).in_(named))
    elif narrow.version:
        found.append(exists(select(1).where(tagged, _matches(connection, tag.c.name, narrow.version))))
    if narrow.is_versioned is not None:
        has_tag = exists(select(1).where(tagged))
        found.append(has_tag if narrow.is_versioned else ~has_tag)
    return found


def _matches(connection: Connection, column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    """Whether a column fits `pattern`, in which `*` stands for any text; letters count as they are written."""
    if "*" not in pattern:
        return column == pattern
    if connection.dialect.name == "sqlite":
        # LIKE takes letters of either case as equal there; GLOB does not, and its own wildcards are set in brackets.
        glob = "".join(f"[{sign}]" if sign in "?[" else sign for sign in pattern)
        return column.op("GLOB", is_comparison=True)(glob)
    like = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
    return column.like(like, escape="\\")


def _one(connection: Connection, query: Select[Any]) -> Image | None:
    found = _all(connection, query)
    return found[0] if found else None


def _all(connection: Connection, query: Select[Any]) -> tuple[Image, ...]:
    rows = connection.execute(query).all()
    available = {
        (row.repository, Digest(row.digest)) for row in rows if row.lifecycle_state == LifecycleState.AVAILABLE
    }
    named = tags.versions_in(connection, available)
    return tuple(_image(row, named.get((row.repository, Digest(row.digest)), ())) for row in rows)


def _image(row: Row[Any], versions: tuple[Version, ...]) -> Image:
    if row.lifecycle_state != LifecycleState.AVAILABLE:
        versions = ()
    return Image(
        ocid=row.ocid,
        tenancy=row.tenancy,
        compartment=row.compartment,
        repository=row.repository,
        repository_name=row.repository_name,
        digest=Digest(row.digest),
        lifecycle_state=LifecycleState(row.lifecycle_state),
        created_by=row.created_by,
        time_created=row.time_created,
        time_updated=row.time_updated,
        time_last_pushed=row.time_last_pushed,
        time_deleted=row.time_deleted,
        versions=versions,
        last_version=row.last_version,
        manifest_bytes=row.manifest_bytes,
        layers_bytes=row.layers_bytes,
        pull_count=row.pull_count,
        time_last_pulled=row.time_last_pulled,
        freeform_tags=row.freeform_tags,
        defined_tags=row.defined_tags,
        etag=row.etag,
    )
