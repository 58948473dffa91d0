"""A synthetic fleet for `benchmarks.rescan`: bases, middle layers, applications, and advisories against their packages.

Shaped as the re-scan's model was tried: images share bases and middle layers; a distribution's sources have up to
seven binaries; a quarter of the vulnerabilities stand in two databases; popular packages are in many images. Versions
are whole numbers, which Debian and PyPI order as numbers. Denser than real registries on purpose.
"""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from assay.inventory import Component

RELEASES = ("Debian:11", "Debian:12", "Debian:13", "Ubuntu:22.04:LTS")
SOURCES, BINARIES_MAX, VERSION_MAX = 500, 7, 20
WORDS = (("CRITICAL", 6), ("HIGH", 30), ("MODERATE", 34), ("LOW", 10), ("", 20))
BASE_SOURCES, BASE_LANGUAGE, MIDDLE_SOURCES, MIDDLE_LANGUAGE, APP_LANGUAGE = 60, 40, 12, 20, 60

Package = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """What an advisory says: versions from `intro` to before `fixed` (0: no fix) of its packages are affected."""

    packages: tuple[Package, ...]
    intro: int
    fixed: int
    word: str
    aliases: tuple[str, ...]
    withdrawn: bool = False

    def osv(self, name: str) -> bytes:
        """The record as a feed has it."""
        events = [{"introduced": str(self.intro)}, *([{"fixed": str(self.fixed)}] if self.fixed else [])]
        document = {
            "id": name,
            "modified": "2026-01-01T00:00:00Z",
            "published": "2026-01-01T00:00:00Z",
            "aliases": self.aliases,
            "summary": f"Versions {self.intro} to {self.fixed} of {self.packages[0][1]}",
            "affected": [
                {
                    "package": {"ecosystem": ecosystem, "name": package},
                    "ranges": [{"type": "ECOSYSTEM", "events": events}],
                    **({"ecosystem_specific": {"severity": self.word}} if self.word else {}),
                }
                for ecosystem, package in self.packages
            ],
        }
        if self.withdrawn:
            document["withdrawn"] = "2026-01-02T00:00:00Z"
        return json.dumps(document).encode()


@dataclass
class Fleet:
    """`images` images with their layers, and claims against the packages in them, all from one seed."""

    images: int
    advisories: int
    language_packages: int
    seed: int = 20260101
    claims: dict[str, Claim] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._binaries = {
            (release, source): self._random.randint(1, BINARIES_MAX)
            for release in RELEASES
            for source in range(SOURCES)
        }
        self._number = 0
        for _ in range(self.advisories):
            self._new_vulnerability()

    def paths(self) -> Iterator[tuple[frozenset[Component], ...]]:
        """The layers of each image, bottom first; equal layers are equal sets."""
        draw = self._random
        bases = [self._base() for _ in range(max(2, self.images // 50))]
        middles = []
        for _ in range(max(4, self.images // 10)):
            release, base = bases[min(int(draw.expovariate(4 / len(bases))), len(bases) - 1)]
            middles.append((base, self._middle(release)))
        for number in range(self.images):
            base, middle = middles[min(int(draw.expovariate(4 / len(middles))), len(middles) - 1)]
            app = frozenset(self._language() for _ in range(APP_LANGUAGE))
            tools = (frozenset(self._language() for _ in range(8)),) if number % 10 == 0 else ()
            yield (base, middle, app, *tools)

    def changes(self, count: int) -> dict[str, Claim]:
        """The next changes of the feed: 60 % new, 16 % other ranges, 8 % ratings, 8 % withdrawn, 8 % other aliases."""
        draw, changed = self._random, {}
        names = list(self.claims)
        for number in range(count):
            kind = number % 25
            if kind < 15:
                changed |= self._new_vulnerability(single=True)
                continue
            name = draw.choice(names)
            claim = self.claims[name]
            if kind < 19:
                claim = replace(claim, fixed=draw.randint(claim.intro + 1, VERSION_MAX + 1))
            elif kind < 21:
                claim = replace(claim, word=self._word())
            elif kind < 23:
                claim = replace(claim, withdrawn=True)
            else:
                claim = replace(claim, aliases=(f"CVE-2026-{draw.randint(10_000, 10_000 + self._number)}",))
            self.claims[name] = changed[name] = claim
        return changed

    def severe(self, component: Component, alias_classes: Mapping[str, list[Claim]]) -> dict[str, int]:
        """The flat oracle's rule for one component: severity by class."""
        found = {}
        version = int(component.source_version)
        for name, claims in alias_classes.items():
            hits = [
                each
                for each in claims
                if (component.ecosystem, component.package) in each.packages
                and each.intro <= version
                and (not each.fixed or version < each.fixed)
            ]
            if hits:
                rated = [SEVERITY[each.word] for each in hits if each.word]
                rated = rated or [SEVERITY[each.word] for each in claims if each.word]
                found[name] = max(rated, default=2)
        return found

    def _new_vulnerability(self, *, single: bool = False) -> dict[str, Claim]:
        draw = self._random
        self._number += 1
        cve = f"CVE-2026-{10_000 + self._number}"
        is_distribution = draw.random() < 0.2
        package = self._package(is_distribution=is_distribution)
        packages = (package, self._package(is_distribution=is_distribution)) if draw.random() < 0.03 else (package,)
        intro = draw.randint(0, VERSION_MAX // 2)
        fixed = 0 if draw.random() < 0.25 else draw.randint(intro + 1, VERSION_MAX)
        stem = "DSA" if is_distribution else "PYSEC"
        made = {f"{stem}-{self._number}": Claim(tuple(dict.fromkeys(packages)), intro, fixed, self._word(), (cve,))}
        if not single and draw.random() < 0.25:
            made[f"GHSA-{self._number}"] = Claim(
                made[f"{stem}-{self._number}"].packages, intro, fixed, self._word(), (cve,)
            )
        self.claims |= made
        return made

    def _word(self) -> str:
        return self._random.choices([word for word, _ in WORDS], [weight for _, weight in WORDS])[0]

    def _package(self, *, is_distribution: bool) -> Package:
        if is_distribution:
            return self._random.choice(RELEASES), f"source{self._source()}"
        return "PyPI", f"package{self._popular(1.5)}"

    def _source(self) -> int:
        return int(SOURCES * self._random.random() ** 1.5)

    def _popular(self, skew: float) -> int:
        return int(self.language_packages * self._random.random() ** skew)

    def _language(self) -> Component:
        return Component("PyPI", f"package{self._popular(2.5)}", str(self._random.randint(1, VERSION_MAX)))

    def _binary(self, release: str, source: int, version: int, number: int) -> Component:
        return Component(release, f"binary{source}-{number}", str(version), "amd64", f"source{source}", str(version))

    def _base(self) -> tuple[str, frozenset[Component]]:
        draw = self._random
        release, age = draw.choice(RELEASES), draw.randint(3, VERSION_MAX)
        held = set()
        for source in {self._source() for _ in range(BASE_SOURCES)}:
            version = max(1, age - draw.randint(0, 2))
            held |= {self._binary(release, source, version, n) for n in range(self._binaries[release, source])}
        if draw.random() < 0.5:
            held |= {self._language() for _ in range(BASE_LANGUAGE)}
        return release, frozenset(held)

    def _middle(self, release: str) -> frozenset[Component]:
        draw = self._random
        held = {self._language() for _ in range(MIDDLE_LANGUAGE)}
        for _ in range(MIDDLE_SOURCES):
            source, version = self._source(), draw.randint(1, VERSION_MAX)
            held |= {self._binary(release, source, version, n) for n in range(self._binaries[release, source])}
        return frozenset(held)


SEVERITY = {"CRITICAL": 5, "HIGH": 4, "MODERATE": 3, "LOW": 1}


def classes(claims: Mapping[str, Claim]) -> dict[str, list[Claim]]:
    """The claims in force by the CVE that they share; in this world every claim has exactly one alias."""
    found: dict[str, list[Claim]] = {}
    for claim in claims.values():
        if not claim.withdrawn:
            found.setdefault(claim.aliases[0], []).append(claim)
    return found
