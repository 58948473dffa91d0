"""What a package file says, whatever its format."""

from dataclasses import dataclass

from assay.errors import Refused
from assay.inventory.component import NAME_LENGTH_MAX, VERSION_LENGTH_MAX, is_word

#: Packages that are taken from one file.
PACKAGES_MAX = 100_000
#: Damaged records that are named; more are counted.
DAMAGED_NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """One package as a file names it; `source` and `source_version` are empty where the file doesn't say.

    Refused: a name or version that is no word. The other fields fall back to empty when they are no word, as a match
    can do without them.
    """

    name: str
    version: str
    architecture: str = ""
    source: str = ""
    source_version: str = ""

    def __post_init__(self) -> None:
        if not is_word(self.name, NAME_LENGTH_MAX) or not is_word(self.version, VERSION_LENGTH_MAX):
            raise Refused(f"{self.name[:80]!r} {self.version[:80]!r} is no package with a version.")
        for field in ("architecture", "source", "source_version"):
            text = getattr(self, field)
            if text and not is_word(text, NAME_LENGTH_MAX):
                object.__setattr__(self, field, "")


def record(
    name: str, version: str, architecture: str = "", source: str = "", source_version: str = ""
) -> PackageRecord | None:
    """The record, or None when name or version is no word."""
    try:
        return PackageRecord(name, version, architecture, source, source_version)
    except Refused:
        return None


def cut_short(bytes_max: int) -> str:
    """The remark on a file of which only the first `bytes_max` bytes are read."""
    return f"longer than {bytes_max:,} bytes; the rest is not read"


def too_many() -> str:
    """The remark on a file with more than `PACKAGES_MAX` packages."""
    return f"more than {PACKAGES_MAX:,} packages; the rest is not read"


def unusable(name: object, version: object) -> str:
    """The remark on a file that should name one package and doesn't."""
    return f"no usable name and version in it ({str(name)[:40]!a} {str(version)[:40]!a})"


@dataclass(frozen=True, slots=True)
class Parsed:
    """The content of one package file.

    `owned` gives, for a distribution package, those of its files that another format would read as an installed
    package. `release` holds the fields of an os-release file. `remarks` say what couldn't be read.
    """

    packages: tuple[PackageRecord, ...] = ()
    owned: tuple[tuple[str, tuple[str, ...]], ...] = ()
    release: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


class Damage:
    """Counts records that can't be read and words one remark about them."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._count = 0
        self._named: list[str] = []

    def note(self, name: str) -> None:
        """One more such record; `name` is whatever is known of it."""
        self._count += 1
        if name and len(self._named) < DAMAGED_NAMED_MAX:
            self._named.append(f"{name[:40]!a}")

    def remarks(self) -> tuple[str, ...]:
        """No remark, or one."""
        if not self._count:
            return ()
        named = f" ({', '.join(self._named)})" if self._named else ""
        return (f"unreadable {self._what}: {self._count:,}{named}",)
