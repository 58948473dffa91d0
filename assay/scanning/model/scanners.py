"""The nouns of image scanners: recipes, targets, what they look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from assay.clock import Instant
from assay.errors import Refused
from assay.oci import repository_name

IMAGE_COUNT_DEFAULT = 4
IMAGE_COUNT_MAX = 100
DISPLAY_NAME_LENGTH_MAX = 255
DESCRIPTION_LENGTH_MAX = 1_024
URL_LENGTH_MAX = 2_000
REPOSITORIES_MAX = 500

Tags = Mapping[str, str]
DefinedTags = Mapping[str, Mapping[str, Any]]


class ScanLevel(StrEnum):
    """How a recipe scans (oci-api 2.2); NONE switches scanning off."""

    NONE = "NONE"
    STANDARD = "STANDARD"


class LifecycleState(StrEnum):
    """States of recipes, targets and verdicts (oci-api 2.2)."""

    ACTIVE = "ACTIVE"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class RecipeDetails:
    """What a recipe is made from. `image_count`: how many of the latest images a new target scans at once."""

    compartment: str
    display_name: str = ""
    image_count: int = IMAGE_COUNT_DEFAULT
    scan_level: ScanLevel = ScanLevel.STANDARD
    freeform_tags: Tags | None = None
    defined_tags: DefinedTags | None = None

    def __post_init__(self) -> None:
        _check_texts(self.display_name)
        _check_image_count(self.image_count)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a scanner scans (VSS: container scan recipe)."""

    ocid: str
    tenancy: str
    compartment: str
    display_name: str
    image_count: int
    scan_level: ScanLevel
    lifecycle_state: LifecycleState
    time_created: Instant
    time_updated: Instant
    freeform_tags: Tags
    defined_tags: DefinedTags
    etag: str


@dataclass(frozen=True, slots=True)
class Registry:
    """What a target looks at: repositories by name, in a compartment or below it; all of them when none is named."""

    compartment: str
    repositories: tuple[str, ...] = ()
    url: str = ""

    def __post_init__(self) -> None:
        for name in self.repositories:
            repository_name(name)
        if len(self.url) > URL_LENGTH_MAX:
            raise Refused(f"The URL of the registry is longer than {URL_LENGTH_MAX} characters.")
        if len(self.repositories) > REPOSITORIES_MAX:
            raise Refused(
                f"{len(self.repositories)} repositories are named.",
                advice=f"Name at most {REPOSITORIES_MAX}, or none for all of the compartment.",
            )


@dataclass(frozen=True, slots=True)
class TargetDetails:
    """What a target is made from. `recipe`: the recipe's OCID."""

    compartment: str
    recipe: str
    registry: Registry
    display_name: str = ""
    description: str = ""
    freeform_tags: Tags | None = None
    defined_tags: DefinedTags | None = None

    def __post_init__(self) -> None:
        _check_texts(self.display_name, self.description)


@dataclass(frozen=True, slots=True)
class RecipeChanges:
    """What is to change of a recipe; None leaves it."""

    display_name: str | None = None
    image_count: int | None = None
    scan_level: ScanLevel | None = None
    freeform_tags: Tags | None = None
    defined_tags: DefinedTags | None = None

    def __post_init__(self) -> None:
        _check_texts(self.display_name or "")
        _check_image_count(self.image_count or 0)


@dataclass(frozen=True, slots=True)
class TargetChanges:
    """What is to change of a target; None leaves it."""

    display_name: str | None = None
    description: str | None = None
    recipe: str | None = None
    registry: Registry | None = None
    freeform_tags: Tags | None = None
    defined_tags: DefinedTags | None = None

    def __post_init__(self) -> None:
        _check_texts(self.display_name or "", self.description or "")


@dataclass(frozen=True, slots=True)
class Scanner:
    """An image scanner: what it scans (VSS: container scan target), and with which recipe."""

    ocid: str
    tenancy: str
    compartment: str
    display_name: str
    description: str
    recipe: str
    registry: Registry
    lifecycle_state: LifecycleState
    time_created: Instant
    time_updated: Instant
    freeform_tags: Tags
    defined_tags: DefinedTags
    etag: str


@dataclass(frozen=True, slots=True)
class ScannerFilter:
    """What a list of recipes or targets is narrowed to, and its order; empty values don't narrow."""

    compartments: tuple[str, ...]
    display_name: str = ""
    lifecycle_state: str = LifecycleState.ACTIVE
    by_time: bool = True
    descending: bool = True


def _check_texts(display_name: str, description: str = "") -> None:
    if len(display_name) > DISPLAY_NAME_LENGTH_MAX:
        raise Refused(f"The display name is longer than {DISPLAY_NAME_LENGTH_MAX} characters.")
    if len(description) > DESCRIPTION_LENGTH_MAX:
        raise Refused(f"The description is longer than {DESCRIPTION_LENGTH_MAX} characters.")


def _check_image_count(image_count: int) -> None:
    if not 0 <= image_count <= IMAGE_COUNT_MAX:
        raise Refused(f"The image count is {image_count}.", advice=f"Use 0 to {IMAGE_COUNT_MAX}.")
