"""The first page: the steps to the first verdict while they are not done, then what needs attention today."""

from dataclasses import dataclass, replace

from assay.advisories import feeds
from assay.console import decisions, keys, repositories, scope, words
from assay.console.chart import Standing
from assay.console.replies import Page, Reply
from assay.console.repositories import Figure, RepositoryRow, namespace_of
from assay.console.visit import Visit
from assay.registry import repositories as registry
from assay.registry.model import Order, RepositoryFilter

WORST_SHOWN = 6
DENIALS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Step:
    """A step to the first verdict. `next` is the first that is not done."""

    title: str
    words: str
    done: bool
    next: bool = False
    code: tuple[str, ...] = ()
    href: str = ""
    act: str = ""


def show(visit: Visit) -> Reply:
    """The page."""
    visit.only()
    order = Order(by_time=False, descending=False)
    page = registry.listed(visit.store, visit.actor, RepositoryFilter(), order, limit=repositories.RISK_SORTED_MAX)
    rows = repositories.rows_of(visit, page.items, dict(scope.compartments_of(visit)))
    worst = sorted(rows, key=lambda row: row.weight, reverse=True)
    denials = decisions.latest(visit, allowed=False, rows=DENIALS_SHOWN)
    steps = _steps(visit, rows)
    return Page(
        "overview.html",
        {
            "steps": steps if not all(step.done for step in steps) else (),
            "figures": _figures(visit, rows),
            "worst": worst[:WORST_SHOWN],
            "denials": denials,
        },
    )


def _steps(visit: Visit, rows: tuple[RepositoryRow, ...]) -> tuple[Step, ...]:
    with visit.store.database.read() as connection:
        states = feeds.state(connection, visit.now)
    advisories = sum(state.advisories for state in states)
    loaded = any(state.revision for state in states)
    host = visit.app.settings.registry_host
    name = f"{host}/{namespace_of(visit)}/hello:1"
    first = next((row for row in rows if not row.scanner), None)
    watched = any(row.scanner for row in rows)
    lacking = [each.statement for each in repositories.permissions_of_scanning(visit) if not each.granted]
    scanned = (watched and not lacking) or any(row.scan.counts for row in rows)
    steps = (
        Step("Make this server yours", "Your password is one that only you know.", done=True),
        Step(
            "Load advisories",
            f"{words.plural(advisories, 'advisory', 'advisories')} are known."
            if loaded
            else "They are being read in the background; every page works meanwhile.",
            done=loaded,
            href="/feeds",
            act="Feeds",
        ),
        Step(
            "Push an image",
            "Sign in with an auth token, then push; the repository is made on the way.",
            done=any(row.images for row in rows),
            code=(f"podman login {host} -u {namespace_of(visit)}/{visit.name}", f"podman push {name}"),
            href="/me",
            act="Create an auth token",
        ),
        Step(
            "Turn on its scanner",
            "The scanning service lacks a statement; add it with one click."
            if watched and lacking
            else "The four most recently pushed images are scanned at once, then each push.",
            done=scanned,
            code=tuple(lacking) if watched else (),
            href=f"/r/{(first or rows[0]).name}/-/scanner" if rows else "",
            act="Add an image scanner" if not watched else "Add the statement",
        ),
    )
    first_open = next((step for step in steps if not step.done), None)
    return tuple(replace(step, next=step is first_open) for step in steps)


def _figures(visit: Visit, rows: tuple[RepositoryRow, ...]) -> tuple[Figure, ...]:
    critical = sum(bool(row.scan.counts and row.scan.counts[0]) for row in rows)
    waiting = sum(row.verdict is Standing.NONE and row.scan.kind == "whole" for row in rows)
    enabled = sum(cluster.policy.enabled for cluster in scope.clusters_of(visit))
    return (
        Figure("Repositories", len(rows), "", "/r"),
        Figure("Latest images with a Critical", critical, "", "/r?risk=critical"),
        Figure("Waiting for a verdict", waiting),
        Figure("Keys", len(keys.all_keys(visit)), "", "/vaults"),
        Figure("Clusters that verify", enabled, "", "/c"),
    )
