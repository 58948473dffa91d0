"""What could not be found out of an image. It is no problem and is counted nowhere, but never reported clean.

There are two doubts, and a scan of an image that holds either is partial and says why. Whether a known vulnerability
affects one of its packages: that is stored as a match is (`records/matches.py`). And whether anything does, where no
advisory of any feed speaks of the package's ecosystem, or of the distribution's release: that follows from the
advisories as of a revision, and is not stored.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from assay.advisories import vulnerabilities
from assay.inventory import is_of_unknown_release
from assay.scanning.records import components, matches

#: Packages named among a scan's reasons, and vulnerabilities named for each.
PACKAGES_NAMED_MAX = 10
VULNERABILITIES_NAMED_MAX = 3


def chains_in_doubt(connection: Connection, chains: Collection[int], rev: int) -> set[int]:
    """Those of these chains that hold a component of which something is in doubt as of `rev`."""
    paths = components.sets_of_chains(connection, chains)
    bodies = components.set_bodies(connection, {each for path in paths.values() for each in path})
    held = sorted({component for body in bodies.values() for component in body})
    doubted = {component for component, _ in matches.doubts(connection, held, rev)}
    for unknown in _uncovered(connection, held, rev).values():
        doubted.update(unknown)
    if not doubted:
        return set()
    sets = {each for each, body in bodies.items() if not doubted.isdisjoint(body)}
    return {chain for chain, path in paths.items() if not sets.isdisjoint(path)}


def reasons(connection: Connection, chain: int, rev: int) -> tuple[str, ...]:
    """Why a scan as of `rev` is not whole: ecosystems without advisories, and packages in doubt, by name.

    Of packages only some are named; the rest is counted.
    """
    held = components.components_of(connection, chain)
    said = [
        _no_advisories(each, len(of_it))
        for each, of_it in sorted(_uncovered(connection, held, rev).items())
        if not is_of_unknown_release(each)  # what could be read of the image says this already
    ]
    by_component: dict[int, list[int]] = {}
    for component, vulnerability in matches.doubts(connection, held, rev):
        by_component.setdefault(component, []).append(vulnerability)
    known = sorted((each, number) for number, each in components.known_components(connection, by_component).items())
    shown = known[:PACKAGES_NAMED_MAX]
    named = {each for _, number in shown for each in by_component[number]}
    names = vulnerabilities.vulnerability_names(connection, named)
    said += [
        f"whether {each.name} {each.version} ({each.ecosystem}) is affected by "
        f"{_listed(sorted(names[one] for one in by_component[number]))} could not be found out: "
        "no advisory gives versions that it can be compared with"
        for each, number in shown
    ]
    if len(known) > len(shown):
        said.append(f"the same goes for {len(known) - len(shown):,} more of its packages")
    return tuple(said)


def _uncovered(connection: Connection, held: Collection[int], rev: int) -> dict[str, list[int]]:
    """Ecosystem → those of these components that are of it, for the ecosystems that no advisory speaks of."""
    found = components.by_ecosystem(connection, held)
    return {each: found[each] for each in vulnerabilities.uncovered(connection, found, rev)}


def _no_advisories(ecosystem: str, packages: int) -> str:
    """The reason, with what to do; the ecosystem as people call it: `Alpine:v3.12` is Alpine 3.12."""
    family, _, release = ecosystem.partition(":")
    name = f"{family} {release.removeprefix('v').replace(':', ' ')}".strip()
    held = f"{packages:,} packages of it" if packages > 1 else "one package of it"
    advice = f"have a feed read that has them (setting feed_ecosystems, with {family})"
    if release:
        advice += ", or build on a release that advisories are published for"
    return f"no advisories for {name} are known here, so that nothing can be said of the {held}; {advice}"


def _listed(names: list[str]) -> str:
    shown, more = names[:VULNERABILITIES_NAMED_MAX], len(names) - VULNERABILITIES_NAMED_MAX
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
