"""The nouns of results: scans, problems and where they lie, differences, verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from assay.advisories import Severity
from assay.clock import Instant
from assay.scanning.counting import Counts
from assay.scanning.risk import RiskLevel, ScanState, risk_level

REASON_LENGTH_MAX = 4_000


class Cause(StrEnum):
    """Why a scan was made."""

    PUSH = "push"
    ENABLED = "enabled"
    FEED = "feed"
    MANUAL = "manual"


class ScanSort(StrEnum):
    """By what scans are listed; the time breaks ties."""

    TIME = "timeStarted"
    PROBLEMS = "problemCount"
    SEVERITY = "highestProblemSeverity"


@dataclass(frozen=True, slots=True)
class ScanFilter:
    """What a list of scans is narrowed to, and its order; None and empty values don't narrow.

    `repository` and `image` are OCIDs, `repository_name` a name, `image_name` a version or a digest.
    """

    compartments: tuple[str, ...] = ()
    repository: str = ""
    image: str = ""
    repository_name: str = ""
    image_name: str = ""
    level: RiskLevel | None = None
    since: Instant | None = None
    until: Instant | None = None
    is_latest_only: bool = False
    sort_by: ScanSort = ScanSort.TIME
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Scan:
    """One dated summary of one image, as of a feed revision. Counts of a partial scan are "at least".

    `reasons` say why it is not whole, each without a full stop: what was not read, and what is in doubt.
    `unrated_as` is the level that this installation gives problems nobody has rated.
    """

    ocid: str
    tenancy: str
    compartment: str
    target: str
    repository: str
    image: str
    revision: int
    cause: Cause
    state: ScanState
    reasons: tuple[str, ...]
    time_created: Instant
    counts: Counts
    unrated_as: RiskLevel = RiskLevel.MEDIUM

    @property
    def reason(self) -> str:
        """The reasons as one text."""
        return "; ".join(self.reasons)

    @property
    def risk_level(self) -> RiskLevel | None:
        """The risk level; None when the scan is not whole."""
        return risk_level(self.counts, self.state, unrated_as=self.unrated_as)


class Standing(StrEnum):
    """How an image stands towards scanning."""

    #: Its latest scan holds as of `current_as_of`.
    SCANNED = "scanned"
    #: No scanner looks at its repository, or not at this image; what was found stays as of that moment.
    UNWATCHED = "unwatched"
    #: It will be scanned by the next free hand.
    WAITING = "waiting"
    #: It will be scanned once advisories have been applied for the first time: there is no feed revision yet.
    NO_ADVISORIES = "waiting-for-feed"
    #: The scanning service lacks the statements in `missing_statements`.
    NOT_PERMITTED = "not-permitted"


@dataclass(frozen=True, slots=True)
class ImageStatus:
    """How an image stands: its latest scan, if any, and as of which feed revision that is current."""

    image: str
    standing: Standing
    scan: Scan | None
    current_as_of: int | None
    missing_statements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Location:
    """Where a package lies: the file that says so, in a layer, for a platform (empty for an image that names none)."""

    path: str
    layer: str
    layer_number: int
    platform: str


@dataclass(frozen=True, slots=True)
class VulnerablePackage:
    """An installed package that a vulnerability affects. `fix` is empty when no version ends it."""

    ecosystem: str
    name: str
    version: str
    architecture: str
    fix: str
    severity: Severity
    advisory: str
    locations: tuple[Location, ...] = ()


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package that an image holds, whatever is known against it. `source` is the package that it was built from."""

    ecosystem: str
    name: str
    version: str
    architecture: str
    source: str
    locations: tuple[Location, ...]


class ProblemState(StrEnum):
    """OPEN: it is found. FIXED: it was found in this image before, and a feed has changed its word (oci-api 4.2)."""

    OPEN = "OPEN"
    FIXED = "FIXED"


@dataclass(frozen=True, slots=True)
class Problem:
    """One vulnerability in one image, with all packages it is found in, by its highest severity."""

    name: str
    aliases: tuple[str, ...]
    summary: str
    description: str
    link: str
    severity: Severity
    state: ProblemState
    packages: tuple[VulnerablePackage, ...]
    time_first_detected: Instant
    time_last_detected: Instant


@dataclass(frozen=True, slots=True)
class ScanDetails:
    """A scan with its problems, the worst first, then by name."""

    scan: Scan
    problems: tuple[Problem, ...]
    current_as_of: int | None


class ChangeKind(StrEnum):
    """What became of a problem between two scans."""

    NEW = "new"
    #: It is gone since the packages are others.
    FIXED = "fixed"
    RATED_ANEW = "rated-anew"
    #: It is gone since its source withdrew or deleted what it had said.
    WITHDRAWN = "withdrawn"
    #: It is gone since its source no longer counts this version as affected.
    NARROWED = "narrowed"
    #: It is told as one with another problem that was there already: they were found to be the same vulnerability.
    JOINED = "joined"


class ChangeCause(StrEnum):
    """Whether what is known changed, or what is in the image."""

    FEED = "feed"
    PACKAGES = "packages"


@dataclass(frozen=True, slots=True)
class Because:
    """What an advisory did, and in which feed revision."""

    advisory: str
    revision: int
    reason: str


@dataclass(frozen=True, slots=True)
class ProblemChange:
    """One line of the difference. `before` and `after` are None where the problem isn't there."""

    kind: ChangeKind
    cause: ChangeCause
    name: str
    summary: str
    link: str
    before: Severity | None
    after: Severity | None
    packages: tuple[VulnerablePackage, ...]
    because: tuple[Because, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one scan to another."""

    before: Scan
    after: Scan
    changes: tuple[ProblemChange, ...]


@dataclass(frozen=True, slots=True)
class RepositorySummary:
    """The latest scans of a repository's images: how many images stand at each risk level, and how many at none."""

    repository: str
    scanned: int
    by_risk: Mapping[RiskLevel, int]
    without_level: int
    worst: RiskLevel | None
    latest: Scan | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reviewer said of a scan: accepted or refused, by whom, why, and on which counts."""

    ocid: str
    tenancy: str
    compartment: str
    repository: str
    image: str
    scan: str
    revision: int
    accepted: bool
    reason: str
    reviewer: str
    reviewer_name: str
    counts: Counts
    time_created: Instant
