"""What is in an image: components (what a match depends on, and nothing else) and where they were seen."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from assay.errors import Refused
from assay.oci import Digest

NAME_LENGTH_MAX = 255
VERSION_LENGTH_MAX = 255

PYPI = "PyPI"
NPM = "npm"

#: Distributions whose advisories name the source package (OSV schema, "affected[].package").
_NAMED_BY_SOURCE = ("Debian", "Ubuntu", "Alpine")


def is_of_unknown_release(ecosystem: str) -> bool:
    """Whether an ecosystem is a distribution's without its release; an image with such packages says so by itself."""
    return ecosystem in _NAMED_BY_SOURCE


def is_word(text: str, length_max: int) -> bool:
    """Whether `text` may be a name or a version: not empty, not too long, one word, nothing invisible.

    What reaches pages, terminals and CSV cells from foreign images passes here: control and format characters
    (Unicode categories C*) and any white space or separator (Z*) are refused.
    """
    if not 0 < len(text) <= length_max:
        return False
    if text.isascii():
        return text.isprintable() and " " not in text
    return not any(unicodedata.category(character)[0] in "CZ" for character in text)


def normal_pypi_name(name: str) -> str:
    """The name under which the Python package index knows `name` (PEP 503, "Normalized Names")."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """What a match depends on.

    `ecosystem` is spelled as in OSV, with its release (`Debian:12`, `Ubuntu:22.04:LTS`, `Alpine:v3.20`, `PyPI`, `npm`);
    a distribution whose release isn't known stands without one. `name` is in the ecosystem's normal form. `source` and
    `source_version` are those of the source package (name and version where there is no such thing), `architecture`
    and `modularity` are empty where the ecosystem has none. Refused: a name or version that is no word.
    """

    ecosystem: str
    name: str
    version: str
    architecture: str = ""
    source: str = ""
    source_version: str = ""
    modularity: str = ""

    def __post_init__(self) -> None:
        if not self.source:
            object.__setattr__(self, "source", self.name)
        if not self.source_version:
            object.__setattr__(self, "source_version", self.version)
        sound = is_word(self.name, NAME_LENGTH_MAX) and is_word(self.version, VERSION_LENGTH_MAX)
        if not self.ecosystem or not sound:
            raise Refused(f"{self.name[:80]!r} {self.version[:80]!r} is no component of {self.ecosystem[:80]!r}.")

    @property
    def package(self) -> str:
        """The name that advisories of the ecosystem use: the source package for distributions."""
        return self.source if self.ecosystem.partition(":")[0] in _NAMED_BY_SOURCE else self.name


class Evidence(StrEnum):
    """What says that a component is there."""

    INSTALLED = "installed"
    LOCK_FILE = "lock-file"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A component at a place in an image.

    `path` is the file that says so, without a leading slash; `layer` counts from 0 at the bottom and `layer_digest` is
    that layer's blob. `spelled` is the name as the file spells it. `owner` is the distribution package that put the
    file there, or empty: what has an owner is patched by the distribution and answered for by its advisories.
    """

    component: Component
    path: str
    layer: int
    layer_digest: Digest
    spelled: str
    evidence: Evidence = Evidence.INSTALLED
    owner: str = ""
