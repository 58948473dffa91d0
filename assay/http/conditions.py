"""Conditional requests (RFC 9110, section 13), whose entity tags are digests. Pure."""

import re

from assay.registry.model import ANYTHING, Condition

_ENTITY_TAG = re.compile(r'(W/)?"([!#-~]*)"')
_ANY = "*"


def is_changed(if_none_match: str, digest: str) -> bool:
    """Whether a reader who named what they have is to be sent `digest`; False for the answer 304 (section 13.1.2).

    The comparison is weak, as the section says: `W/"…"` is as good as `"…"`.
    """
    return not _names(if_none_match, digest, is_weak_enough=True)


def is_as_wanted(if_match: str, digest: str) -> bool:
    """Whether a reader's `If-Match` lets them have `digest`; False for the answer 412 (section 13.1.1, strong)."""
    return not if_match.strip() or _names(if_match, digest, is_weak_enough=False)


def condition_of(if_match: str, if_none_match: str) -> Condition:
    """What a tag must name for a change of it to be made. A header in which no entity tag is found holds for none."""
    if not if_match and not if_none_match:
        return ANYTHING
    wanted = _digests(if_match, is_weak_enough=False) if if_match.strip() else None
    return Condition(wanted, _digests(if_none_match, is_weak_enough=True))


def _names(header: str, digest: str, *, is_weak_enough: bool) -> bool:
    return not _digests(header, is_weak_enough=is_weak_enough).isdisjoint({digest, _ANY})


def _digests(header: str, *, is_weak_enough: bool) -> frozenset[str]:
    if header.strip() == _ANY:
        return frozenset({_ANY})
    return frozenset(tag for weak, tag in _ENTITY_TAG.findall(header) if is_weak_enough or not weak)
