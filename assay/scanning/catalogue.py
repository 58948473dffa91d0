"""What an image holds, ready to be kept: disjoint sets of components, bottom first, and where they lie.

An index is one image: a level of its path is the union of what its platforms have at that level, less what lies below.
So a component that two platforms share is there once, a problem is counted once whatever the number of platforms, and
"the sum along one path" needs no exception. Places keep their platform.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from assay.errors import Corrupt, Refused
from assay.inventory import Component, Composition, Occurrence, shortened
from assay.registry.model import AbsentPlatform, PlatformManifest
from assay.scanning.risk import ScanState

#: A path has at most so many sets; what lies higher is merged into the last. Sharing is in the lower ones.
DEPTH_MAX = 8
REASON_LENGTH_MAX = 2_000
#: Of one image. It is written in one transaction, which others wait for; real images have some thousands.
COMPONENTS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class LayerContent:
    """The components of one layer of one platform, each with the file that says so."""

    platform_number: int
    platform: str
    position: int
    layer: str
    places: tuple[tuple[Component, str], ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What an image holds. `levels` are disjoint; there is at least one, and only it may be empty.

    `reason`: why it is not whole, one reason a line.
    """

    levels: tuple[frozenset[Component], ...]
    layers: tuple[LayerContent, ...]
    state: ScanState
    reason: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.levels) <= DEPTH_MAX:
            raise Refused(f"An inventory cannot have {len(self.levels)} levels.")
        if sum(map(len, self.levels)) != len(frozenset().union(*self.levels)):
            raise Refused("The levels of an inventory share a component.")


def catalogue(
    platforms: Sequence[PlatformManifest],
    compose: Callable[[PlatformManifest], Composition],
    *,
    absent: Sequence[AbsentPlatform] = (),
) -> Catalogue:
    """The catalogue of an image from its platforms; `compose` reads one.

    What cannot be read, or is absent, makes the catalogue partial, with the reason; failed, if nothing could be read.
    Errors: Unavailable, when reading may succeed another time.
    """
    read: list[tuple[str, Composition]] = []
    reasons = [_of_platform(str(each.platform or ""), each.why) for each in absent]
    for platform in platforms:
        name = str(platform.platform or "")
        try:
            composition = compose(platform)
        except (Refused, Corrupt) as fault:
            reasons.append(_of_platform(name, fault.message))
            continue
        read.append((name, composition))
        reasons.extend(_of_platform(name, reason) for reason in composition.reasons)
    if not platforms and not absent:
        reasons.append("The image has no platform that can run.")
    levels = path_of([composition.levels for _, composition in read])
    held = sum(map(len, levels))
    if held > COMPONENTS_MAX:
        reasons.append(f"it holds {held:,} components, of which {COMPONENTS_MAX:,} are matched")
        levels = _bounded(levels)
    kept = frozenset().union(*levels)
    state = ScanState.FAILED if not read else ScanState.PARTIAL if reasons else ScanState.COMPLETE
    return Catalogue(
        levels=levels,
        layers=tuple(
            layer
            for number, (name, composition) in enumerate(read)
            for layer in _layers(number, name, composition.occurrences, kept)
        ),
        state=state,
        reason=_told(reasons),
    )


def unreadable(reason: str) -> Catalogue:
    """The catalogue of an image of which nothing could be read."""
    return Catalogue((frozenset(),), (), ScanState.FAILED, shortened(reason, REASON_LENGTH_MAX))


def path_of(platforms: Iterable[Sequence[frozenset[Component]]]) -> tuple[frozenset[Component], ...]:
    """The disjoint levels of an image, from the levels of each of its platforms, bottom first."""
    seen: set[Component] = set()
    levels: list[frozenset[Component]] = []
    for side_by_side in zip_longest(*platforms, fillvalue=frozenset()):
        fresh = frozenset().union(*side_by_side) - seen
        if fresh:
            seen |= fresh
            levels.append(fresh)
    lower, upper = levels[: DEPTH_MAX - 1], levels[DEPTH_MAX - 1 :]
    if upper:
        lower.append(frozenset().union(*upper))
    return tuple(lower) or (frozenset(),)


def _bounded(levels: Sequence[frozenset[Component]]) -> tuple[frozenset[Component], ...]:
    """The first COMPONENTS_MAX components, from the bottom up."""
    bounded: list[frozenset[Component]] = []
    room = COMPONENTS_MAX
    for level in levels:
        if room:
            bounded.append(frozenset(sorted(level)[:room]))
            room -= len(bounded[-1])
    return tuple(bounded)


def _layers(
    number: int, platform: str, occurrences: Iterable[Occurrence], kept: frozenset[Component]
) -> Iterable[LayerContent]:
    """Layers with what lies in them. What a distribution's package owns is the distribution's to answer for."""
    places: dict[tuple[int, str], list[tuple[Component, str]]] = {}
    for each in occurrences:
        if not each.owner and each.component in kept:
            places.setdefault((each.layer, each.layer_digest.text), []).append((each.component, each.path))
    for (position, layer), found in sorted(places.items()):
        yield LayerContent(number, platform, position, layer, tuple(found))


def _told(reasons: Sequence[str]) -> str:
    """As many reasons, one a line, as there is room for; the rest is counted."""
    told: list[str] = []
    room = REASON_LENGTH_MAX - len("\nand 1,000,000 more reasons")
    for reason in reasons:
        if told and len(reason) >= room:
            break
        told.append(shortened(reason, room))
        room -= len(told[-1]) + 1
    left = len(reasons) - len(told)
    return "\n".join([*told, f"and {left:,} more reason{'' if left == 1 else 's'}"] if left else told)


def _of_platform(name: str, reason: str) -> str:
    return f"{name}: {reason}" if name else reason
