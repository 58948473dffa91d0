"""What stands around every page: the rail, the feed pill, who is signed in, and what has just been done."""

from dataclasses import dataclass
from logging import getLogger
from typing import Any

from assay.advisories import feeds
from assay.console.visit import Visit, form_token
from assay.console.words import duration
from assay.errors import AssayError, Reason
from assay.iam import Target, permitted

log = getLogger(__name__)

#: Groups of the rail: address, words, and the operation that a reader must be allowed to see the entry.
RAIL = (
    ("", (("/", "Overview", ""),)),
    ("Images", (("/r", "Repositories", ""), ("/functions", "Functions", "ListApplications"))),
    ("Risk", (("/feeds", "Feeds", "ListFeeds"),)),
    (
        "Trust",
        (
            ("/vaults", "Vaults and keys", "ListVaults"),
            ("/c", "Clusters", "ListClusters"),
            ("/d", "Decisions", "ListClusters"),
        ),
    ),
    (
        "Administration",
        (
            ("/iam", "People and access", "ListPolicies"),
            ("/audit", "Audit", "ListAuditEvents"),
            ("/jobs", "Jobs", "ListFeeds"),
        ),
    ),
)

#: `?done=` → what has just been done. Only these words are ever shown.
TOLD = {
    "password-changed": "Your password is changed.",
    "scanner-added": "The scanner is on. The latest images are being scanned; reload for their results.",
    "scanner-lacks": "The scanner is added. It begins when its service has the statements below.",
    "scanner-removed": "The scanner is off. Its results stay.",
    "retention-applied": "What had to go is gone. It can be restored below.",
    "retention-goes-on": "The first are gone, and more have to go: remove them too, or leave it to the schedule.",
    "image-restored": "The image is back.",
    "repository-saved": "The settings are saved.",
    "statement-added": "The statement is in force.",
    "verdict-recorded": "The verdict is recorded.",
    "signed": "The image is signed.",
    "signature-deleted": "The signature is deleted. It is trusted no more.",
    "vault-made": "The vault is there. Create a key in it.",
    "key-made": "The key is there. Clusters can trust it.",
    "key-disabled": "The key is disabled. It signs no more, and nothing it signed is trusted.",
    "key-enabled": "The key is enabled.",
    "version-to-be-deleted": "The version will be destroyed. What only it has signed is no longer trusted.",
    "version-kept": "The version stays, and what it signed is trusted again.",
    "key-rotated": "The key has a new version, which signs from now on.",
    "credential-deleted": "The token is deleted. It opens nothing any more.",
    "cluster-made": "The cluster is there. Set its policy, then install its webhook.",
    "policy-saved": "The policy is in force.",
    "application-made": "The application is there.",
    "function-made": "The function is there, pinned to its digest.",
    "function-pinned": "The function is pinned to what its image names now.",
    "function-deleted": "The function is deleted.",
    "policy-made": "The policy is in force.",
    "compartment-made": "The compartment is there.",
    "compartment-moved": "The compartment lies elsewhere; other policies reach it.",
    "made": "It is there.",
    "gone": "It is gone.",
    "policy-changed": "The statements are in force.",
    "policy-deleted": "The policy is deleted.",
    "group-made": "The group is there.",
    "member-added": "They belong to the group from their next request on.",
    "member-removed": "They belong to the group no more.",
    "token-deleted": "The token is deleted. It lets nobody in any more.",
    "api-key-uploaded": "The key is there. What is signed with it is taken from now on.",
    "api-key-deleted": "The key is deleted. What is signed with it is refused from now on.",
    "user-blocked": "The user is let in no more.",
    "user-unblocked": "The user is let in again.",
    "refresh-asked": "The feeds are being read now; reload to see what they brought.",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the rail."""

    href: str
    words: str


@dataclass(frozen=True, slots=True)
class Pill:
    """How old the advisories are, in the header of every page."""

    kind: str
    words: str
    revision: int = 0
    age: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """All that stands around a page."""

    name: str
    feed: Pill | None
    rail: tuple[tuple[str, tuple[Entry, ...]], ...]


def around(visit: Visit, rail: str, request_id: str) -> dict[str, Any]:
    """The values that every template is given. Errors: as of the rooms, when a supply fails."""
    return _common(visit, rail, request_id, _frame(visit) if visit.name else Frame("", None, ()))


def around_error(visit: Visit, rail: str, request_id: str) -> dict[str, Any]:
    """The same for a page that says an error: what cannot be read now is left out."""
    try:
        frame = _frame(visit)
    except AssayError:
        log.warning("The frame of an error page could not be read (request %s)", request_id)
        frame = Frame(visit.name, None, (("", (Entry("/", "Overview"), Entry("/r", "Repositories"))),))
    return _common(visit, rail, request_id, frame) | {"told": ""}


def of_error(fault: AssayError, status: int, path: str, request_id: str) -> dict[str, Any]:
    """What an error page says. What is missing and what is not theirs look the same."""
    is_missing = status == 404
    return {
        "heading": "Not found" if is_missing else "That did not work",
        "kind": "missing" if is_missing else "error",
        "message": fault.message,
        "advice": fault.advice if fault.reason is not Reason.NOT_FOUND else "",
        "path": path,
        "request_id": request_id,
        "crumbs": (),
        "fault": None,
    }


def pill_of(states: tuple[feeds.FeedState, ...], now: int) -> Pill:
    """One pill for all feeds: the oldest success decides."""
    if not states:
        return Pill("warn", "No feed")
    successes = [state.last_success for state in states]
    revision = max(state.revision for state in states)
    if None in successes:
        failed = any(state.last_error for state in states)
        return Pill("bad" if failed else "info", "Feeds failed" if failed else "Feeds are loading")
    oldest = min(success for success in successes if success is not None)
    stale = any(state.stale for state in states)
    return Pill("warn" if stale else "ok", "Stale:" if stale else "Feeds", revision, f"{duration(now - oldest)} old")


def _frame(visit: Visit) -> Frame:
    here = Target(compartment=visit.actor.tenancy)
    with visit.store.database.read() as connection:
        allowed = {
            operation: not operation or permitted(connection, visit.actor, operation, here, now=visit.now)
            for _, entries in RAIL
            for _, _, operation in entries
        }
        states = feeds.state(connection, visit.now)
    rail = tuple(
        (group, tuple(Entry(href, words) for href, words, operation in entries if allowed[operation]))
        for group, entries in RAIL
    )
    return Frame(visit.name, pill_of(states, visit.now), tuple(part for part in rail if part[1]))


def _common(visit: Visit, rail: str, request_id: str, frame: Frame) -> dict[str, Any]:
    return {
        "visit": visit,
        "now": visit.now,
        "theme": visit.theme,
        "token": form_token(visit.session),
        "host": visit.host,
        "here": rail,
        "frame": frame,
        "crumbs": (),
        "told": TOLD.get(visit.asked("done"), ""),
        "fault": visit.fault,
        "request_id": request_id,
    }
