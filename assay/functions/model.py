"""Applications and functions, as verbs take them and give them back (oci-api 2.4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from assay.admission import ImagePolicy
from assay.clock import Instant
from assay.errors import Refused
from assay.oci import Digest

NAME_LENGTH_MAX = 255
IMAGE_LENGTH_MAX = 1024
#: Source: Functions, "config": keys and values together.
CONFIG_BYTES_MAX = 4096
SUBNETS_MAX = 3
MEMORY_MB = (128, 256, 512, 1024, 2048, 3072)
TIMEOUT_SECONDS_MIN, TIMEOUT_SECONDS_MAX = 5, 300
TIMEOUT_SECONDS_DEFAULT = 30
KEPT_BYTES_MAX = 16 * 1024


class State(StrEnum):
    """Where an application or a function stands; both are definitions and never wait in a state between."""

    ACTIVE = "ACTIVE"
    DELETED = "DELETED"


class Shape(StrEnum):
    """The processors an application's functions run on."""

    X86 = "GENERIC_X86"
    ARM = "GENERIC_ARM"
    X86_ARM = "GENERIC_X86_ARM"


def require_name(text: str) -> None:
    """Refused unless `text` can name an application or a function."""
    if not text.strip() or len(text) > NAME_LENGTH_MAX or not text.isprintable():
        raise Refused(
            "The name is empty, too long, or not printable.", advice=f"Use 1 to {NAME_LENGTH_MAX} characters."
        )


def require_config(config: Mapping[str, str]) -> None:
    """Refused when the configuration is larger than the service takes."""
    size = sum(len(key.encode()) + len(value.encode()) for key, value in config.items())
    if size > CONFIG_BYTES_MAX:
        raise Refused(f"The configuration has {size} bytes.", advice=f"At most {CONFIG_BYTES_MAX} are kept.")


@dataclass(frozen=True, slots=True)
class ApplicationDetails:
    """What a new application is made from.

    `kept` are members of the API that have no meaning here (network, tracing, logging); they are given back as they
    came.
    """

    compartment: str
    display_name: str
    subnets: tuple[str, ...] = ()
    shape: Shape = Shape.X86
    config: Mapping[str, str] = field(default_factory=dict)
    policy: ImagePolicy = field(default_factory=ImagePolicy)
    kept: Mapping[str, Any] = field(default_factory=dict)
    freeform_tags: Mapping[str, str] = field(default_factory=dict)
    defined_tags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_name(self.display_name)
        require_config(self.config)
        if len(self.subnets) > SUBNETS_MAX:
            raise Refused(f"The application names {len(self.subnets)} subnets.", advice=f"Name at most {SUBNETS_MAX}.")


@dataclass(frozen=True, slots=True)
class ApplicationChange:
    """What changes of an application; None leaves it as it is."""

    config: Mapping[str, str] | None = None
    policy: ImagePolicy | None = None
    kept: Mapping[str, Any] | None = None
    freeform_tags: Mapping[str, str] | None = None
    defined_tags: Mapping[str, Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        if self.config is not None:
            require_config(self.config)


@dataclass(frozen=True, slots=True)
class Application:
    """An application with its image verification policy; `key_names` as they were when the policy was set."""

    ocid: str
    tenancy: str
    compartment: str
    display_name: str
    state: State
    subnets: tuple[str, ...]
    shape: Shape
    config: Mapping[str, str]
    policy: ImagePolicy
    key_names: tuple[str, ...]
    kept: Mapping[str, Any]
    time_created: Instant
    time_updated: Instant
    freeform_tags: Mapping[str, str]
    defined_tags: Mapping[str, Mapping[str, Any]]
    etag: str


@dataclass(frozen=True, slots=True)
class Resources:
    """What a function is given to run: memory in MB (one of the service's sizes), time in seconds."""

    memory_mb: int = 128
    timeout_seconds: int = TIMEOUT_SECONDS_DEFAULT

    def __post_init__(self) -> None:
        if self.memory_mb not in MEMORY_MB:
            raise Refused(f"memoryInMBs is {self.memory_mb}.", advice=f"Use one of {', '.join(map(str, MEMORY_MB))}.")
        if not TIMEOUT_SECONDS_MIN <= self.timeout_seconds <= TIMEOUT_SECONDS_MAX:
            raise Refused(
                f"timeoutInSeconds is {self.timeout_seconds}.",
                advice=f"Use {TIMEOUT_SECONDS_MIN} to {TIMEOUT_SECONDS_MAX}.",
            )


@dataclass(frozen=True, slots=True)
class FunctionDetails:
    """What a new function is made from. `image` is a reference to this registry by tag or digest; `image_digest`, when
    given, decides instead of the tag. `kept` as in `ApplicationDetails`."""

    application: str
    display_name: str
    image: str
    image_digest: Digest | None = None
    resources: Resources = field(default_factory=Resources)
    config: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, Any] = field(default_factory=dict)
    freeform_tags: Mapping[str, str] = field(default_factory=dict)
    defined_tags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_name(self.display_name)
        require_config(self.config)


@dataclass(frozen=True, slots=True)
class FunctionChange:
    """What changes of a function; None leaves it as it is. A given image is resolved and decided on anew."""

    image: str | None = None
    image_digest: Digest | None = None
    resources: Resources | None = None
    config: Mapping[str, str] | None = None
    kept: Mapping[str, Any] | None = None
    freeform_tags: Mapping[str, str] | None = None
    defined_tags: Mapping[str, Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        if self.config is not None:
            require_config(self.config)


@dataclass(frozen=True, slots=True)
class Function:
    """A function: the image as it was named, and the digest on which it stays until it is updated."""

    ocid: str
    tenancy: str
    compartment: str
    application: str
    display_name: str
    state: State
    image: str
    image_digest: Digest
    repository: str
    tag: str
    resources: Resources
    config: Mapping[str, str]
    kept: Mapping[str, Any]
    shape: Shape
    time_created: Instant
    time_updated: Instant
    freeform_tags: Mapping[str, str]
    defined_tags: Mapping[str, Mapping[str, Any]]
    etag: str
