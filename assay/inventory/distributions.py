"""Which distribution an `os-release` names, and how OSV spells it. Pure.

Source: OSV schema, "Defined ecosystems" (release suffixes of Debian, Ubuntu and Alpine), checked against the public
records: `Debian:12`, `Ubuntu:22.04:LTS`, `Ubuntu:23.10`, `Alpine:v3.20`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from assay.inventory.formats import apk, dpkg

#: Debian's suites have no VERSION_ID until they are released (release notes of each).
_DEBIAN_RELEASES = {"bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14"}

#: The distribution whose records a database holds, where no os-release says otherwise.
_FAMILY_OF_FORMAT = {dpkg.NAME: "Debian", apk.NAME: "Alpine"}

_ID = re.compile(r"[a-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Distribution:
    """An operating system as an image names it.

    `name` is its name for people, empty where the image names none. `ecosystem` is as in OSV, with the release; empty
    where no advisories are known for it, and then `reason` says why. `database` is the format of its package database,
    empty where none is read.
    """

    name: str = ""
    ecosystem: str = ""
    database: str = ""
    reason: str = ""

    def ecosystem_of(self, format_name: str) -> str:
        """The ecosystem of packages found in a database of this format; without a release where that isn't known."""
        if self.ecosystem and self.database == format_name:
            return self.ecosystem
        return _FAMILY_OF_FORMAT[format_name]


def distribution(release: Mapping[str, str]) -> Distribution:
    """The distribution that the fields of an os-release name; nothing when there are none."""
    identity = release.get("ID", "").lower()
    if not _ID.fullmatch(identity):
        return Distribution()
    version = release.get("VERSION_ID", "")
    name = release.get("PRETTY_NAME") or f"{identity} {version}".strip()
    reader = {"debian": _debian, "ubuntu": _ubuntu, "alpine": _alpine}.get(identity)
    if reader is None:
        return Distribution(name, reason=f"no advisories are known for {name}")
    database = apk.NAME if identity == "alpine" else dpkg.NAME
    ecosystem = reader(version, release.get("VERSION_CODENAME", ""))
    reason = "" if ecosystem else f"{name} is no release that advisories are published for"
    return Distribution(name, ecosystem, database, reason)


def _debian(version: str, codename: str) -> str:
    number = version.partition(".")[0] or _DEBIAN_RELEASES.get(codename, "")
    return f"Debian:{number}" if re.fullmatch(r"[0-9]{1,3}", number) else ""


def _ubuntu(version: str, codename: str) -> str:  # noqa: ARG001 - all three have one face
    if not re.fullmatch(r"[0-9]{2}\.[0-9]{2}", version):
        return ""
    # Canonical's long-term releases are those of April of even years.
    is_long_term = int(version[:2]) % 2 == 0 and version.endswith(".04")
    return f"Ubuntu:{version}:LTS" if is_long_term else f"Ubuntu:{version}"


def _alpine(version: str, codename: str) -> str:  # noqa: ARG001 - all three have one face
    # Pre-releases and the rolling `edge` have versions such as 3.21_alpha20240807.
    match = re.fullmatch(r"([0-9]+\.[0-9]+)(?:\.[0-9]+)*", version)
    return f"Alpine:v{match[1]}" if match else ""
