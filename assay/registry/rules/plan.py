"""What goes, and on what grounds: a pure function of rules, images and the time.

An image goes when at least one rule lets it go and no rule keeps it, whatever policies they stand in. So the order of
rules and policies never matters, a further keeping rule can only protect, and what no rule speaks of stays. Of an image
with several tags a rule for some tags lets it go only if it speaks of all of them; one fitting tag suffices to keep it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from assay.clock import DAY, Instant
from assay.registry.rules.model import Candidate, Going, Ground, RetentionPolicy, Rule, RuleKind, days_since


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What one rule says: OCIDs of images that it keeps, and those that it lets go, with the ground in words."""

    kept: frozenset[str]
    let_go: Mapping[str, str]


def plan(policies: Sequence[RetentionPolicy], images: Sequence[Candidate], now: Instant) -> tuple[Going, ...]:
    """The images that go by the rules of these policies, which all reach them; the one pushed longest ago first."""
    kept: set[str] = set()
    grounds: dict[str, list[Ground]] = {}
    for policy in policies:
        for rule in policy.details.rules:
            found = _JUDGES[rule.kind](rule, images, now)
            kept |= found.kept
            for image, says in found.let_go.items():
                grounds.setdefault(image, []).append(Ground(policy.ocid, rule.kind, says))
    going = (each for each in images if each.image in grounds and each.image not in kept)
    ordered = sorted(going, key=lambda each: (each.pushed, each.image))
    return tuple(Going(each, tuple(grounds[each.image])) for each in ordered)


def _speaks_of(rule: Rule, image: Candidate) -> bool:
    return not rule.tags or any(map(rule.fits, image.tags))


def _speaks_of_all(rule: Rule, image: Candidate) -> bool:
    return not rule.tags or (bool(image.tags) and all(map(rule.fits, image.tags)))


def _keep_last(rule: Rule, images: Sequence[Candidate], now: Instant) -> _Judgement:  # noqa: ARG001 - as its fellows
    count = rule.count or 0
    spoken_of = [each for each in images if _speaks_of(rule, each)]
    latest_first = sorted(spoken_of, key=lambda each: (each.pushed, each.image), reverse=True)
    which = f" of those tagged {' or '.join(rule.tags)}" if rule.tags else ""
    says = f"not among the {count} pushed last{which}"
    return _Judgement(
        frozenset(each.image for each in latest_first[:count]),
        {each.image: says for each in latest_first[count:] if _speaks_of_all(rule, each)},
    )


def _keep_tags(rule: Rule, images: Sequence[Candidate], now: Instant) -> _Judgement:
    spoken_of = [each for each in images if _speaks_of(rule, each)]
    over = {each.image for each in spoken_of if rule.days is not None and now - each.pushed >= rule.days * DAY}
    return _Judgement(
        frozenset(each.image for each in spoken_of if each.image not in over),
        {
            each.image: f"pushed {days_since(each.pushed, now)} days ago, and its tags are kept for {rule.days}"
            for each in spoken_of
            if each.image in over and _speaks_of_all(rule, each)
        },
    )


def _remove_untagged(rule: Rule, images: Sequence[Candidate], now: Instant) -> _Judgement:
    since = {each.image: max(each.pushed, each.untagged or each.pushed) for each in images if not each.tags}
    return _removing(rule, since, now, "without a tag for {} days")


def _remove_not_pulled(rule: Rule, images: Sequence[Candidate], now: Instant) -> _Judgement:
    since = {each.image: max(each.pushed, each.pulled or each.pushed) for each in images if _speaks_of_all(rule, each)}
    return _removing(rule, since, now, "not pulled for {} days")


def _remove_old(rule: Rule, images: Sequence[Candidate], now: Instant) -> _Judgement:
    since = {each.image: each.pushed for each in images if _speaks_of_all(rule, each)}
    return _removing(rule, since, now, "pushed {} days ago")


def _removing(rule: Rule, since: Mapping[str, Instant], now: Instant, says: str) -> _Judgement:
    over = {image: at for image, at in since.items() if now - at >= (rule.days or 0) * DAY}
    return _Judgement(frozenset(), {image: says.format(days_since(at, now)) for image, at in over.items()})


_JUDGES: Mapping[RuleKind, Callable[[Rule, Sequence[Candidate], Instant], _Judgement]] = {
    RuleKind.KEEP_LAST: _keep_last,
    RuleKind.KEEP_TAGS: _keep_tags,
    RuleKind.REMOVE_UNTAGGED: _remove_untagged,
    RuleKind.REMOVE_NOT_PULLED: _remove_not_pulled,
    RuleKind.REMOVE_OLD: _remove_old,
}
