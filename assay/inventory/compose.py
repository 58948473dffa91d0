"""Composition: ordered layer parts -> what is in the image. Pure.

Composition, not the layer, decides the release, what is overridden or removed, and what a distribution's package owns.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assay.inventory.component import NPM, PYPI, Component, Occurrence, normal_pypi_name
from assay.inventory.distributions import Distribution, distribution
from assay.inventory.formats import PackageRecord, apk, dpkg, egg, node, osrelease, python
from assay.inventory.gather import Gathering, SeenFile
from assay.inventory.part import LayerPart
from assay.inventory.view import MergedView

#: Reasons that are given word by word.
REASONS_MAX = 50
REASON_LENGTH_MAX = 400

#: Package databases that are known but not read.
_UNREAD_DATABASES = tuple(
    f"{folder}/{name}"
    for folder in ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
    for name in ("rpmdb.sqlite", "Packages.db", "Packages")
)
_SYSTEM_FORMATS = (dpkg.NAME, apk.NAME)
_PLACES_OF = {dpkg.NAME: (dpkg.DATABASE,), apk.NAME: apk.DATABASES}


@dataclass(frozen=True, slots=True)
class Composition:
    """What is in an image of one platform.

    `ecosystem` is the distribution's as OSV spells it (`Debian:12`), empty where there is none that advisories are
    known for; `system` is its name for people. `components` and `levels` hold what a match counts: everything but
    what only a distribution's package put there, as that is answered for by the distribution's own advisories.
    `levels` gives for each layer, bottom first, the components that belong to it: disjoint, a component that is in two
    layers belongs to the lower one. `occurrences` are all places, sorted, with `owner` set where a distribution's
    package owns the file. `reasons` say what couldn't be read; the composition is complete when there are none.
    """

    ecosystem: str
    system: str
    components: frozenset[Component]
    levels: tuple[frozenset[Component], ...]
    occurrences: tuple[Occurrence, ...]
    reasons: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether all of the image was read and understood; if not, nothing follows from what isn't in it."""
        return not self.reasons


def compose(parts: Sequence[LayerPart]) -> Composition:
    """What is in the image whose layers, bottom first, say `parts`."""
    gathering = Gathering(parts)
    system = _system(gathering.seen)
    owners = _owners(gathering) if system.ecosystem else {}
    occurrences = [occurrence for file in gathering.seen for occurrence in _occurrences(file, parts, system, owners)]
    occurrences.sort(key=_order)
    home: dict[Component, int] = {}
    for occurrence in occurrences:
        if not occurrence.owner:
            home[occurrence.component] = min(occurrence.layer, home.get(occurrence.component, len(parts)))
    unread = [*_unread(parts, gathering), *_misunderstood(parts, gathering, system, occurrences)]
    reasons = [shortened(reason, REASON_LENGTH_MAX) for reason in unread]
    if len(reasons) > REASONS_MAX:
        reasons[REASONS_MAX:] = [f"and {len(reasons) - REASONS_MAX:,} more"]
    return Composition(
        system.ecosystem,
        system.name,
        frozenset(home),
        tuple(frozenset(component for component, at in home.items() if at == layer) for layer in range(len(parts))),
        tuple(occurrences),
        tuple(reasons),
    )


def _order(seen: Occurrence) -> tuple[str, str, str, str, str, int]:
    component = seen.component
    return (component.ecosystem, component.name, component.version, component.architecture, seen.path, seen.layer)


def shortened(text: str, length_max: int) -> str:
    """The text, or what of its words has room before an ellipsis; a word that fills half of the room is cut."""
    if len(text) <= length_max:
        return text
    cut = text[: length_max - 1]
    words = cut if text[length_max - 1] == " " else cut.rpartition(" ")[0]
    return (words if len(words) > length_max // 2 else cut).rstrip(" ,;:") + "…"


def layer_name(layer: int, part: LayerPart) -> str:
    """A layer as reasons name it, counted from 1 as people do."""
    return f"layer {layer + 1} ({part.digest.encoded[:12]})"


def _system(seen: Sequence[SeenFile]) -> Distribution:
    releases = {file.path: dict(file.parsed.release) for file in seen if file.format == osrelease.NAME}
    return distribution(next((releases[path] for path in osrelease.PLACES if path in releases), {}))


def _owners(gathering: Gathering) -> Mapping[str, tuple[str, int]]:
    """The owner of each file that a distribution's installed package put there, and the layer that says so."""
    installed = {
        record.name for file in gathering.seen if file.format in _SYSTEM_FORMATS for record in file.parsed.packages
    }
    view = gathering.view
    return {
        view.resolve(path, view.top, last=False) or path: (owner, file.layer)
        for file in gathering.seen
        for owner, paths in file.parsed.owned
        if owner in installed
        for path in paths
    }


def _occurrences(
    file: SeenFile, parts: Sequence[LayerPart], system: Distribution, owners: Mapping[str, tuple[str, int]]
) -> Iterator[Occurrence]:
    below = [(layer, frozenset(parsed.packages)) for layer, parsed in file.below]
    for record in file.parsed.packages:
        component = _component(file.format, record, system)
        # A database is one file: an upper layer that installs one package lists those of the lower layers again.
        layer = next((layer for layer, records in below if record in records), file.layer)
        owner, owned_in = owners.get(file.path, ("", layer))
        # What an upper layer put in the place of a package's file is no longer that package's.
        owner = owner if layer <= owned_in and file.format not in _SYSTEM_FORMATS else ""
        yield Occurrence(component, file.path, layer, parts[layer].digest, record.name, owner=owner)


def _component(format_name: str, record: PackageRecord, system: Distribution) -> Component:
    if format_name in (python.NAME, egg.NAME):
        return Component(PYPI, normal_pypi_name(record.name), record.version)
    if format_name == node.NAME:
        return Component(NPM, record.name, record.version)
    ecosystem = system.ecosystem_of(format_name)
    return Component(ecosystem, record.name, record.version, record.architecture, record.source, record.source_version)


def _unread(parts: Sequence[LayerPart], gathering: Gathering) -> Iterator[str]:
    """What the reader of each layer couldn't read, as far as the image shows it."""
    view = gathering.view
    for layer, part in enumerate(parts):
        for problem in part.problems:
            path = view.place(layer, problem.path) if problem.path else ""
            if not path:
                yield f"{layer_name(layer, part)}: {problem.text}"
            elif view.is_visible(layer, path, view.top):
                yield f"{layer_name(layer, part)}: {path}: {problem.text}"
    for file in gathering.seen:
        for remark in file.parsed.remarks:
            yield f"{layer_name(file.layer, parts[file.layer])}: {file.path}: {remark}"
    for layer, paths in gathering.asked.items():
        for path, name in paths.items():
            yield f"{layer_name(layer, parts[layer])}: {path}, to which {name} leads, hasn't been read"


def _misunderstood(
    parts: Sequence[LayerPart], gathering: Gathering, system: Distribution, occurrences: Sequence[Occurrence]
) -> Iterator[str]:
    """What was read, but from which nothing can be concluded."""
    view = gathering.view
    if system.reason:
        yield system.reason
    for place in _UNREAD_DATABASES:
        real = view.resolve(place, view.top, last=True)
        if real and view.holder(real, view.top):
            yield f"{place} is a package database of a kind that isn't read"
    found = {file.format for file in gathering.seen if file.format in _SYSTEM_FORMATS and file.parsed.packages}
    for format_name in _SYSTEM_FORMATS:
        if format_name not in found and (format_name == system.database or _layers_with(format_name, parts)):
            yield _missing_database(parts, view, format_name)
    for format_name in sorted(found - {system.database}):
        if not system.reason:
            yield f"it isn't known of which release the packages in its {format_name} database are"
    # An image without a single file is another matter: all of it is known, and nothing is in it.
    if not (system.name or occurrences) and any(part.written for part in parts):
        yield "no package information was found in it: no distribution that is known, and no package"


def _missing_database(parts: Sequence[LayerPart], view: MergedView, format_name: str) -> str:
    unknown = "it isn't known which packages of its distribution are installed"
    for place in _PLACES_OF[format_name]:
        real = view.resolve(place, view.top, last=True)
        if real and view.holder(real, view.top):
            return f"{unknown}: {place} lists none that can be read"
    holders = _layers_with(format_name, parts)
    if holders:
        named = layer_name(holders[-1], parts[holders[-1]])
        return f"{unknown}: an upper layer removes or replaces the package database of {named}"
    return f"{unknown}: there is no package database"


def _layers_with(format_name: str, parts: Sequence[LayerPart]) -> list[int]:
    """The layers that have packages in a database of this format, hidden or not."""
    return [
        layer
        for layer, part in enumerate(parts)
        if any(file.format == format_name and file.parsed.packages for file in part.files)
    ]
