"""What could not be found out of an image: whether a known vulnerability affects one of its packages.

A doubt is stored as a match is (`records/matches.py`). It is no problem and is counted nowhere, but a scan of an image
that holds one is partial and says why: doubt is never reported clean.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from assay.advisories import vulnerabilities
from assay.scanning.records import components, matches

#: Packages named among a scan's reasons, and vulnerabilities named for each.
PACKAGES_NAMED_MAX = 10
VULNERABILITIES_NAMED_MAX = 3


def chains_in_doubt(connection: Connection, chains: Collection[int], rev: int) -> set[int]:
    """Those of these chains that hold a component of which something is in doubt as of `rev`."""
    paths = components.sets_of_chains(connection, chains)
    bodies = components.set_bodies(connection, {each for path in paths.values() for each in path})
    held = {component for body in bodies.values() for component in body}
    doubted = {component for component, _ in matches.doubts(connection, sorted(held), rev)}
    if not doubted:
        return set()
    sets = {each for each, body in bodies.items() if not doubted.isdisjoint(body)}
    return {chain for chain, path in paths.items() if not sets.isdisjoint(path)}


def reasons(connection: Connection, chain: int, rev: int) -> tuple[str, ...]:
    """Why a scan as of `rev` is not whole, a reason for each package in doubt, by name; the rest is counted."""
    by_component: dict[int, list[int]] = {}
    for component, vulnerability in matches.doubts(connection, components.components_of(connection, chain), rev):
        by_component.setdefault(component, []).append(vulnerability)
    known = sorted((each, number) for number, each in components.known_components(connection, by_component).items())
    shown = known[:PACKAGES_NAMED_MAX]
    named = {each for _, number in shown for each in by_component[number]}
    names = vulnerabilities.vulnerability_names(connection, named)
    said = [
        f"whether {each.name} {each.version} ({each.ecosystem}) is affected by "
        f"{_listed(sorted(names[one] for one in by_component[number]))} could not be found out: "
        "no advisory gives versions that it can be compared with"
        for each, number in shown
    ]
    if len(known) > len(shown):
        said.append(f"the same goes for {len(known) - len(shown):,} more of its packages")
    return tuple(said)


def _listed(names: list[str]) -> str:
    shown, more = names[:VULNERABILITIES_NAMED_MAX], len(names) - VULNERABILITIES_NAMED_MAX
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
