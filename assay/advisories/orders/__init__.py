"""Version orders: which version of a package is the greater one, by ecosystem. Pure.

Each order is one function `key(version) -> bytes | None`: keys compare as versions do, and None means that the text is
no version of this ecosystem. Whoever gets None must not conclude "not affected": only an exact list can speak then.
"""

import re
from collections.abc import Callable

from assay.advisories.orders import alpine, debian, pep440, semver

Order = Callable[[str], bytes | None]

_ORDERS: dict[str, Order] = {
    "Debian": debian.key,
    "Ubuntu": debian.key,
    "Alpine": alpine.key,
    "PyPI": pep440.key,
    "npm": semver.key,
}


def order_of(ecosystem: str) -> Order | None:
    """The order of an OSV ecosystem, with or without release (`Debian:12`, `PyPI`).

    None for ecosystems whose advisories are stored but cannot be matched by range yet.
    """
    return _ORDERS.get(ecosystem.partition(":")[0])


def comparable(ecosystem: str, version: str) -> bool:
    """Whether ranges can be decided for this version: the ecosystem has an order and the version has a place in it."""
    order = order_of(ecosystem)
    return order is not None and order(version) is not None


def normal_name(ecosystem: str, name: str) -> str:
    """The form of a package name under which it is stored and sought (PyPI: PEP 503; elsewhere as it is)."""
    if ecosystem.partition(":")[0] == "PyPI":
        return re.sub(r"[-_.]+", "-", name).lower()
    return name
