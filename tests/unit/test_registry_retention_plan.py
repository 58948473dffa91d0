"""What goes by retention rules, and why: by hand for each kind, and as laws over random images."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.clock import DAY, HOUR, Instant
from assay.errors import Refused
from assay.oci import Digest
from assay.registry.rules.model import Candidate, PolicyDetails, RetentionPolicy, Rule, RuleKind
from assay.registry.rules.plan import plan

NOW = Instant(1_000 * DAY)


def image(
    name: str, *tags: str, pushed: float = 0, pulled: float | None = None, untagged: float | None = None
) -> Candidate:
    """An image whose times are given as days ago."""

    def at(days: float) -> Instant:
        return Instant(NOW - int(days * DAY))

    return Candidate(
        image=name,
        digest=Digest.of(name.encode()),
        tags=tags,
        pushed=at(pushed),
        pulled=None if pulled is None else at(pulled),
        untagged=None if untagged is None else at(untagged),
    )


def policy(*rules: Rule, ocid: str = "p", compartment: str = "root", repositories: str = "*") -> RetentionPolicy:
    details = PolicyDetails("policy", rules, repositories, is_enabled=True)
    return RetentionPolicy(ocid, "root", compartment, details, NOW, NOW, "etag")


def going(images: list[Candidate], *rules: Rule) -> dict[str, list[str]]:
    """Names of what goes, with the grounds."""
    return {each.image.image: [ground.says for ground in each.grounds] for each in plan([policy(*rules)], images, NOW)}


KEEP_2 = Rule(RuleKind.KEEP_LAST, count=2)


def test_the_last_pushed_are_kept_and_the_rest_goes_the_oldest_first() -> None:
    images = [image("b", "2", pushed=2), image("d", pushed=4), image("a", "1", pushed=1), image("c", "3", pushed=3)]
    assert going(images, KEEP_2) == {
        "d": ["not among the 2 pushed last"],
        "c": ["not among the 2 pushed last"],
    }
    assert list(going(images, KEEP_2)) == ["d", "c"]


def test_a_rule_for_some_tags_counts_those_and_leaves_all_others_alone() -> None:
    images = [image("r1", "v1", pushed=9), image("r2", "v2", pushed=8), image("r3", "v3", pushed=7)]
    others = [image("n", "nightly", pushed=99), image("u", pushed=99)]
    assert going([*images, *others], Rule(RuleKind.KEEP_LAST, count=2, tags=("v*",))) == {
        "r1": ["not among the 2 pushed last of those tagged v*"]
    }


def test_an_image_with_a_tag_that_the_rule_does_not_speak_of_stays_and_one_fitting_tag_keeps_it() -> None:
    old = image("old", "dev-1", "stable", pushed=90)
    assert going([old], Rule(RuleKind.REMOVE_OLD, days=30, tags=("dev-*",))) == {}
    assert going([old], Rule(RuleKind.KEEP_TAGS, days=30, tags=("dev-*",))) == {}
    assert going([old], Rule(RuleKind.REMOVE_OLD, days=30, tags=("dev-*", "stable"))) == {"old": ["pushed 90 days ago"]}
    kept = Rule(RuleKind.KEEP_TAGS, tags=("stable",))
    assert going([old], Rule(RuleKind.REMOVE_OLD, days=30), kept) == {}


def test_tags_are_kept_by_pattern_for_so_many_days_since_the_push_and_then_go() -> None:
    rule = Rule(RuleKind.KEEP_TAGS, days=30, tags=("pr-*",))
    images = [image("young", "pr-1", pushed=29.9), image("over", "pr-2", pushed=30), image("main", "main", pushed=400)]
    assert going(images, rule) == {"over": ["pushed 30 days ago, and its tags are kept for 30"]}


def test_an_image_without_a_tag_goes_so_many_days_after_it_lost_it_or_was_pushed() -> None:
    rule = Rule(RuleKind.REMOVE_UNTAGGED, days=7)
    images = [
        image("never tagged", pushed=7),
        image("tagged", "v1", pushed=700),
        image("lost it just now", pushed=700, untagged=0),
        image("lost it long ago", pushed=700, untagged=8),
        image("pushed again since", pushed=2, untagged=8),
    ]
    assert going(images, rule) == {
        "never tagged": ["without a tag for 7 days"],
        "lost it long ago": ["without a tag for 8 days"],
    }


def test_what_is_not_pulled_goes_so_many_days_after_its_last_pull_or_else_its_last_push() -> None:
    rule = Rule(RuleKind.REMOVE_NOT_PULLED, days=90)
    images = [
        image("pulled", "a", pushed=400, pulled=89),
        image("forgotten", "b", pushed=400, pulled=91),
        image("never pulled", "c", pushed=95),
        image("new", "d", pushed=3),
        image("pushed again", "e", pushed=3, pulled=200),
    ]
    assert going(images, rule) == {
        "forgotten": ["not pulled for 91 days"],
        "never pulled": ["not pulled for 95 days"],
    }


def test_what_any_keeping_rule_of_any_policy_keeps_stays_and_every_ground_is_told() -> None:
    images = [image(f"{n}", f"v{n}", pushed=n) for n in range(1, 6)]
    first = policy(Rule(RuleKind.REMOVE_OLD, days=2), Rule(RuleKind.REMOVE_NOT_PULLED, days=4), ocid="first")
    second = policy(KEEP_2, Rule(RuleKind.KEEP_TAGS, tags=("v5",)), ocid="second")
    found = plan([first, second], images, NOW)
    assert [(each.image.image, [(ground.policy, ground.rule.value) for ground in each.grounds]) for each in found] == [
        ("4", [("first", "REMOVE_OLD"), ("first", "REMOVE_NOT_PULLED"), ("second", "KEEP_LAST")]),
        ("3", [("first", "REMOVE_OLD"), ("second", "KEEP_LAST")]),
    ]


def test_a_policy_reaches_its_compartment_all_below_and_names_that_fit() -> None:
    some = policy(KEEP_2, compartment="team", repositories="team/*")
    assert some.reaches("team/app/web", ("root", "team", "below"))
    assert not some.reaches("team", ("root", "team"))
    assert not some.reaches("team/app", ("root", "other"))
    assert policy(KEEP_2, repositories="team/app").reaches("team/app", ("root",))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (RuleKind.KEEP_LAST, {}),
        (RuleKind.KEEP_LAST, {"count": 0}),
        (RuleKind.KEEP_LAST, {"count": 1, "days": 1}),
        (RuleKind.KEEP_TAGS, {"days": 3}),
        (RuleKind.KEEP_TAGS, {"tags": ("v?",)}),
        (RuleKind.KEEP_TAGS, {"tags": ("[v]*",)}),
        (RuleKind.REMOVE_UNTAGGED, {}),
        (RuleKind.REMOVE_UNTAGGED, {"days": 1, "tags": ("v*",)}),
        (RuleKind.REMOVE_OLD, {"days": 0}),
        (RuleKind.REMOVE_OLD, {"days": 3651}),
        (RuleKind.REMOVE_NOT_PULLED, {"days": 3, "count": 3}),
        (RuleKind.REMOVE_OLD, {"days": 3, "tags": ("v*",) * 21}),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(kind: RuleKind, said: dict[str, object]) -> None:
    with pytest.raises(Refused):
        Rule(kind, **said)  # type: ignore[arg-type]


def test_a_policy_that_makes_no_sense_is_refused() -> None:
    for said in (("", (KEEP_2,)), ("p", ()), ("p", (KEEP_2,) * 21), ("p", (KEEP_2,), "Team/*"), ("p", (KEEP_2,), "")):
        with pytest.raises(Refused):
            PolicyDetails(*said)  # type: ignore[arg-type]


_TAGS = ("v1", "v2", "dev-1", "dev-2", "latest")
_PATTERNS = st.sampled_from([(), ("v*",), ("dev-*",), ("latest", "v1")])
_RULES = st.one_of(
    st.builds(lambda n, tags: Rule(RuleKind.KEEP_LAST, count=n, tags=tags), st.integers(1, 6), _PATTERNS),
    st.builds(
        lambda tags, n: Rule(RuleKind.KEEP_TAGS, days=n, tags=tags or ("v1",)), _PATTERNS, st.none() | st.integers(1, 9)
    ),
    st.builds(lambda n: Rule(RuleKind.REMOVE_UNTAGGED, days=n), st.integers(0, 9)),
    st.builds(lambda n, tags: Rule(RuleKind.REMOVE_NOT_PULLED, days=n, tags=tags), st.integers(1, 9), _PATTERNS),
    st.builds(lambda n, tags: Rule(RuleKind.REMOVE_OLD, days=n, tags=tags), st.integers(1, 9), _PATTERNS),
)


@st.composite
def _images(draw: st.DrawFn) -> list[Candidate]:
    seeded = random.Random(draw(st.integers(0, 2**32)))
    return [
        Candidate(
            image=f"i{n}",
            digest=Digest.of(str(n).encode()),
            tags=tuple(tag for tag in _TAGS if seeded.random() < 0.3),
            pushed=Instant(NOW - seeded.randrange(10 * DAY // HOUR) * HOUR),
            pulled=Instant(NOW - seeded.randrange(10 * DAY // HOUR) * HOUR) if seeded.random() < 0.5 else None,
            untagged=Instant(NOW - seeded.randrange(10 * DAY // HOUR) * HOUR) if seeded.random() < 0.5 else None,
        )
        for n in range(draw(st.integers(0, 12)))
    ]


def names(policies: list[RetentionPolicy], images: list[Candidate]) -> set[str]:
    return {each.image.image for each in plan(policies, images, NOW)}


@settings(max_examples=200)
@given(_images(), st.lists(_RULES, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_order_never_matters_and_removing_what_goes_leaves_nothing_to_go_but_by_count(
    images: list[Candidate], rules: list[Rule], shuffled: random.Random
) -> None:
    gone = names([policy(*rules)], images)
    mixed, reordered = list(images), list(rules)
    shuffled.shuffle(mixed)
    shuffled.shuffle(reordered)
    assert names([policy(rule, ocid=str(n)) for n, rule in enumerate(reordered)], mixed) == gone
    # Whatever goes was never among the counted ones that a rule kept, so a second run finds the same ones kept.
    assert names([policy(*rules)], [each for each in images if each.image not in gone]) == set()


@settings(max_examples=200)
@given(_images(), st.lists(_RULES, min_size=1, max_size=4), _RULES)
def test_a_further_keeping_rule_protects_whatever_it_keeps(
    images: list[Candidate], rules: list[Rule], further: Rule
) -> None:
    keeps_all = Rule(RuleKind.KEEP_TAGS, tags=("*",))
    tagged = {each.image for each in images if each.tags}
    assert not names([policy(*rules, further, keeps_all)], images) & tagged
    count = Rule(RuleKind.KEEP_LAST, count=3)
    last = sorted(images, key=lambda each: (each.pushed, each.image), reverse=True)[:3]
    assert not names([policy(*rules, count)], images) & {each.image for each in last}
