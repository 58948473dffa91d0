"""Pages of one repository that say what stays in it: retention, quotas and deleted images; and its settings."""

from collections.abc import Iterator
from dataclasses import dataclass

from assay.clock import Instant
from assay.console import words
from assay.console.replies import Elsewhere, Page
from assay.console.visit import Visit
from assay.errors import Refused
from assay.registry import images, removals, repositories
from assay.registry.model import ImageFilter, LifecycleState, Readme, ReadmeFormat, Repository
from assay.registry.repositories import RepositoryChanges
from assay.registry.rules import quotas, retention, sweep
from assay.registry.rules.model import Extent, Going, Quota, RetentionPolicy, Rule, RuleKind

SHOWN_MAX = 50


@dataclass(frozen=True, slots=True)
class QuotaRow:
    """A quota that holds here. `share` is what is used of it in percent, 100 where it is full or more."""

    words: str
    used: str
    limit: str
    share: int


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A policy of which the repository may be among those it is for."""

    name: str
    repositories: str
    is_enabled: bool
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GoingRow:
    """An image that would go."""

    digest: str
    tags: tuple[str, ...]
    pushed: Instant
    along: int
    grounds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeletedRow:
    """A deleted image; `until` is when it can be restored no more."""

    ocid: str
    words: str
    tag: str
    deleted: Instant
    until: Instant


def show(visit: Visit) -> Page:
    """What goes from a repository by itself, what may lie in it, and what was deleted."""
    visit.only()
    repository = repositories.by_name(visit.store, visit.actor, visit.names["name"])
    would = sweep.preview(visit.store, visit.actor, repository.ocid, limit=SHOWN_MAX)
    return Page(
        "keeping.html",
        {
            "repository": repository,
            "quotas": tuple(_rows_of(quotas.of_repository(visit.store, visit.actor, repository.ocid))),
            "policies": tuple(map(_policy_row, retention.reaching(visit.store, visit.actor, repository))),
            "going": tuple(_going_row(each, len(along)) for each, along in would.items),
            "said": f"{words.plural(would.going, 'image')} would go, {words.number(would.staying)} would stay.",
            "more": bool(would.next_page),
            "deleted": tuple(_deleted(visit, repository)),
            "crumbs": _crumbs(repository),
        },
    )


def change(visit: Visit) -> Elsewhere:
    """Remove what goes, or restore a deleted image."""
    repository = repositories.by_name(visit.store, visit.actor, visit.names["name"])
    act = visit.sent("do")
    if act == "apply":
        visit.app.pulls.count()
        applied = sweep.apply(visit.store, visit.actor, repository.ocid)
        return visit.back(done="retention-applied" if applied.is_finished else "retention-goes-on")
    if act == "restore":
        window = visit.app.settings.restore_window
        version = visit.sent("version").strip()
        removals.restore(visit.store, visit.actor, visit.sent("image"), version=version, window=window)
        return visit.back(done="image-restored")
    raise Refused("The form names no act.", advice="Load the page again.")


def show_settings(visit: Visit) -> Page:
    """Who may pull, whether tags may move, and what the repository says of itself."""
    repository = repositories.by_name(visit.store, visit.actor, visit.names["name"])
    return Page("repository_settings.html", {"repository": repository, "crumbs": _crumbs(repository)})


def change_settings(visit: Visit) -> Elsewhere:
    """Save them, unless somebody else has changed the repository since the form was shown."""
    repository = repositories.by_name(visit.store, visit.actor, visit.names["name"])
    content = visit.sent("readme").replace("\r\n", "\n")
    kept = repository.readme
    format_ = kept.format if kept else ReadmeFormat.TEXT_MARKDOWN
    changes = RepositoryChanges(
        is_public="public" in visit.chosen("is"),
        is_immutable="immutable" in visit.chosen("is"),
        readme=Readme(content, format_) if content or kept else None,
    )
    repositories.change(visit.store, visit.actor, repository.ocid, changes, if_match=visit.sent("etag"))
    return visit.back(f"/r/{repository.name}", "repository-saved")


def _crumbs(repository: Repository) -> tuple[tuple[str, str], ...]:
    return (("/r", "Repositories"), (f"/r/{repository.name}", repository.name))


def _rows_of(found: tuple[Quota, ...]) -> Iterator[QuotaRow]:
    of = {Extent.TENANCY: "Tenancy", Extent.COMPARTMENT: "Compartment", Extent.REPOSITORY: "This repository"}
    for quota in found:
        limits = quota.limits
        if limits.bytes_max is not None:
            used = words.size(quota.bytes_used)
            share = _share(quota.bytes_used, limits.bytes_max)
            yield QuotaRow(f"{of[quota.extent]}: stored", used, words.size(limits.bytes_max), share)
        if limits.repositories_max is not None:
            share = _share(quota.repositories_used, limits.repositories_max)
            used, limit = words.number(quota.repositories_used), words.number(limits.repositories_max)
            yield QuotaRow(f"{of[quota.extent]}: repositories", used, limit, share)


def _share(used: int, limit: int) -> int:
    return min(100, used * 100 // limit) if limit else 100


def _policy_row(policy: RetentionPolicy) -> PolicyRow:
    said = policy.details
    return PolicyRow(said.display_name, said.repositories, said.is_enabled, tuple(map(_said, said.rules)))


def _said(rule: Rule) -> str:
    tags = " or ".join(rule.tags)
    some = f" of those tagged {tags}" if tags else ""
    days = words.plural(rule.days or 0, "day")
    said = {
        RuleKind.KEEP_LAST: f"Keep the {rule.count} pushed last{some}",
        RuleKind.KEEP_TAGS: f"Keep {tags}" + (f" for {days} since the last push" if rule.days else ""),
        RuleKind.REMOVE_UNTAGGED: f"Remove what has had no tag for {days}",
        RuleKind.REMOVE_NOT_PULLED: f"Remove what was not pulled for {days}{some}",
        RuleKind.REMOVE_OLD: f"Remove what was last pushed {days} ago{some}",
    }
    return said[rule.kind]


def _going_row(going: Going, along: int) -> GoingRow:
    image = going.image
    return GoingRow(image.digest.text, image.tags, image.pushed, along, tuple(each.says for each in going.grounds))


def _deleted(visit: Visit, repository: Repository) -> Iterator[DeletedRow]:
    """Images that can be restored, the latest created first."""
    narrow = ImageFilter(repository=repository.ocid, lifecycle_state=LifecycleState.DELETED)
    for image in images.listed(visit.store, visit.actor, narrow, limit=SHOWN_MAX).items:
        until = Instant((image.time_deleted or 0) + visit.app.settings.restore_window)
        if visit.now <= until and image.time_deleted is not None:
            yield DeletedRow(image.ocid, words.short(image.digest), image.last_version, image.time_deleted, until)
