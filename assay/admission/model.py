"""Clusters, their policy versions, credentials and decisions, as verbs give them back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from assay.admission.policy import ImagePolicy
from assay.clock import Instant
from assay.errors import Refused
from assay.secret import Secret

NAME_LENGTH_MAX = 255
KEPT_BYTES_MAX = 64 * 1024
TEXT_LENGTH_MAX = 255
DESCRIPTION_LENGTH_MAX = 400


class ClusterState(StrEnum):
    """Where a cluster's record stands. Being only a record, it never waits in a state between."""

    ACTIVE = "ACTIVE"
    DELETED = "DELETED"


class ClusterType(StrEnum):
    """Source: Container Engine, `CreateClusterDetails.type`."""

    BASIC = "BASIC_CLUSTER"
    ENHANCED = "ENHANCED_CLUSTER"


def require_name(text: str) -> str:
    """`text` if it can name a cluster, application or function. Errors: Refused."""
    if not text.strip() or len(text) > NAME_LENGTH_MAX or not text.isprintable():
        raise Refused(
            "The name is empty, too long, or not printable.", advice=f"Use 1 to {NAME_LENGTH_MAX} characters."
        )
    return text


def require_room(*kept: object) -> None:
    """Refused when what is kept for the client alone is larger than 64 KiB."""
    size = sum(len(msgspec.json.encode(each)) for each in kept)
    if size > KEPT_BYTES_MAX:
        raise Refused(f"The options of the cluster have {size} bytes.", advice=f"At most {KEPT_BYTES_MAX} are kept.")


class SortBy(StrEnum):
    """By what clusters, applications and functions are listed; the OCID breaks ties."""

    ID = "ID"
    NAME = "NAME"
    TIME_CREATED = "TIME_CREATED"


@dataclass(frozen=True, slots=True)
class Listing:
    """How a list of clusters, applications or functions is asked for.

    `name` and `ocid` narrow it to what matches exactly, `states` (words of the wire, also those that nothing here is
    ever in) to what is in one of them; empty narrows nothing. `limit` None: 50.
    """

    name: str = ""
    ocid: str = ""
    states: tuple[str, ...] = ()
    sort_by: SortBy = SortBy.NAME
    descending: bool = False
    limit: int | None = None
    page: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """Who changed a cluster, and the work request (OCID) that stands for it; empty when nobody did."""

    by: str = ""
    work_request: str = ""


@dataclass(frozen=True, slots=True)
class ClusterDetails:
    """What a new cluster record is made from.

    `options`, `endpoint_config` and `pod_networks` say how the cluster is built; they are kept as they came, for the
    client.
    """

    compartment: str
    name: str
    policy: ImagePolicy = field(default_factory=ImagePolicy)
    kubernetes_version: str = ""
    vcn: str = ""
    kms_key: str = ""
    cluster_type: ClusterType = ClusterType.BASIC
    options: Mapping[str, Any] = field(default_factory=dict)
    endpoint_config: Mapping[str, Any] = field(default_factory=dict)
    pod_networks: tuple[Mapping[str, Any], ...] = ()
    freeform_tags: Mapping[str, str] = field(default_factory=dict)
    defined_tags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_name(self.name)
        require_room(self.options, self.endpoint_config, self.pod_networks)
        for text in (self.kubernetes_version, self.vcn, self.kms_key):
            if len(text) > TEXT_LENGTH_MAX:
                raise Refused(f"{text[:40]!r}… is longer than {TEXT_LENGTH_MAX} characters.")


@dataclass(frozen=True, slots=True)
class ClusterChange:
    """What changes of a cluster; None leaves it as it is."""

    name: str | None = None
    policy: ImagePolicy | None = None
    kubernetes_version: str | None = None
    cluster_type: ClusterType | None = None
    options: Mapping[str, Any] | None = None
    freeform_tags: Mapping[str, str] | None = None
    defined_tags: Mapping[str, Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            require_name(self.name)
        require_room(self.options)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster with the image verification policy in force.

    `key_names` are the names that the policy's keys had when the policy was set, in its order. `updated` and `deleted`
    are empty as long as it was not.
    """

    ocid: str
    tenancy: str
    compartment: str
    name: str
    state: ClusterState
    policy: ImagePolicy
    key_names: tuple[str, ...]
    policy_version: int
    kubernetes_version: str
    vcn: str
    kms_key: str
    cluster_type: ClusterType
    options: Mapping[str, Any]
    endpoint_config: Mapping[str, Any]
    pod_networks: tuple[Mapping[str, Any], ...]
    created: Trace
    updated: Trace
    deleted: Trace
    time_created: Instant
    time_updated: Instant
    time_deleted: Instant | None
    freeform_tags: Mapping[str, str]
    defined_tags: Mapping[str, Mapping[str, Any]]
    etag: str


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a cluster's image verification policy: what it was, since when, and who set it."""

    version: int
    policy: ImagePolicy
    key_names: tuple[str, ...]
    time_created: Instant
    set_by: str


@dataclass(frozen=True, slots=True)
class ClusterCertificate:
    """A client certificate of a cluster. The private key is there only in the answer that makes it."""

    ocid: str
    cluster: str
    description: str
    certificate: str
    fingerprint: str
    valid_until: Instant
    time_created: Instant
    private_key: Secret | None = None


@dataclass(frozen=True, slots=True)
class DecidedImage:
    """One image of a decision: where it stands in the object, as written, as shown, and what came of it.

    `because` and `reason` are empty when it was allowed; `digest` is empty when nothing was found.
    """

    where: str
    text: str
    shown: str
    allowed: bool
    because: str = ""
    reason: str = ""
    fix: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What admission answered, with reasons. `number` is what `/d/<number>` shows."""

    number: str
    tenancy: str
    compartment: str
    cluster: str
    policy_version: int
    namespace: str
    kind: str
    name: str
    operation: str
    username: str
    allowed: bool
    images: tuple[DecidedImage, ...]
    message: str
    time_created: Instant
