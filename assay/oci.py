"""Words of the OCI image and distribution specifications as frozen values that refuse bad input when made."""

import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from assay.errors import Reason, Refused

_HEX_LENGTH = {"sha256": 64, "sha512": 128}


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """`sha256:<64 lower-case hex>` or `sha512:<128>` (image-spec, "Digests")."""

    text: str

    def __post_init__(self) -> None:
        algorithm, _, encoded = self.text.partition(":")
        wanted = _HEX_LENGTH.get(algorithm)
        if wanted is None or len(encoded) != wanted or not re.fullmatch(r"[0-9a-f]+", encoded):
            raise Refused(
                f"{self.text[:160]!r} is not a digest.",
                advice="Use sha256: and 64, or sha512: and 128, lower-case hexadecimal digits.",
                reason=Reason.DIGEST_INVALID,
            )

    def __str__(self) -> str:
        return self.text

    @property
    def algorithm(self) -> str:
        """`sha256` or `sha512`."""
        return self.text.partition(":")[0]

    @property
    def encoded(self) -> str:
        """The hexadecimal part."""
        return self.text.partition(":")[2]

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        """The digest of bytes."""
        return cls(f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}")

    def matches(self, content: bytes) -> bool:
        """Whether these bytes have this digest."""
        return hashlib.new(self.algorithm, content).hexdigest() == self.encoded


class MediaType(StrEnum):
    """Media types that Assay gives a meaning to; any other type is kept and served as it is."""

    OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
    OCI_INDEX = "application/vnd.oci.image.index.v1+json"
    OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
    OCI_EMPTY = "application/vnd.oci.empty.v1+json"
    OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
    OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
    OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
    DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
    DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
    DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
    DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
    DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    COSIGN_SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
    SIGSTORE_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
    NOTARY_SIGNATURE = "application/vnd.cncf.notary.signature"


_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")


@dataclass(frozen=True, slots=True)
class Platform:
    """What an index says of a child (image-spec, "image index")."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


#: No content is this large: sizes are signed 64-bit numbers (image-spec, "descriptor": int64).
SIZE_END = 2**63


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A typed, sized pointer to content (image-spec, "descriptor")."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str = ""
    annotations: tuple[tuple[str, str], ...] = ()
    platform: Platform | None = None

    def __post_init__(self) -> None:
        if not _MEDIA_TYPE.fullmatch(self.media_type):
            raise Refused(f"{self.media_type[:160]!r} is not a media type.", reason=Reason.MANIFEST_INVALID)
        if not 0 <= self.size < SIZE_END:
            raise Refused(f"A descriptor gives the size {self.size}.", reason=Reason.MANIFEST_INVALID)


_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])"
    r"\.?(?::[0-9]{1,5})?"
)
REPOSITORY_NAME_LENGTH_MAX = 255


def is_repository_name(text: str) -> bool:
    """Whether `text` is a repository name (distribution-spec 1.1, "Pulling manifests")."""
    return len(text) <= REPOSITORY_NAME_LENGTH_MAX and _REPOSITORY.fullmatch(text) is not None


def repository_name(text: str) -> str:
    """`text` if it is a repository name; Refused otherwise."""
    if not is_repository_name(text):
        raise Refused(
            f"{text[:80]!r} is not a repository name.",
            advice="Use lower-case letters and digits, separated by '.', '_', '-' or '/'.",
            reason=Reason.NAME_INVALID,
        )
    return text


def tag_name(text: str) -> str:
    """`text` if it is a tag; Refused otherwise."""
    if not _TAG.fullmatch(text):
        raise Refused(
            f"{text[:80]!r} is not a tag.",
            advice="Use at most 128 letters, digits, '.', '_' or '-', not beginning with '.' or '-'.",
            reason=Reason.MANIFEST_INVALID,
        )
    return text


@dataclass(frozen=True, slots=True)
class Reference:
    """`[host/]name[:tag][@digest]` as a workload writes it; `host` is empty when none is written."""

    host: str
    name: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Strict: a first component with '.', ':' or 'localhost' is a host; nothing is trimmed or completed."""
        if not text or len(text) > 1024 or not text.isascii():
            raise Refused(
                f"{text[:80]!r} is not an image reference.", advice="Write HOST/NAME:TAG or HOST/NAME@DIGEST."
            )
        rest, at, digest_text = text.partition("@")
        digest = Digest(digest_text) if at else None
        host, slash, path = rest.partition("/")
        if not (slash and ("." in host or ":" in host or host.lower() == "localhost")):
            host, path = "", rest
        elif not _HOST.fullmatch(host):
            raise Refused(f"{host[:80]!r} is not a registry host.", advice="Write a host name and perhaps a port.")
        name, colon, tag = path.partition(":")
        return cls(host, repository_name(name), tag_name(tag) if colon else "", digest)

    def __str__(self) -> str:
        text = f"{self.host}/{self.name}" if self.host else self.name
        text += f":{self.tag}" if self.tag else ""
        return f"{text}@{self.digest}" if self.digest else text


#: Digits of a whole number in a document; any that means something has far fewer.
NUMBER_LENGTH_MAX = 1_000


def strict_json(
    content: bytes,
    *,
    size_max: int,
    depth_max: int = 32,
    values_max: int | None = None,
    what: str = "document",
    allow_half_pairs: bool = False,
) -> Any:
    """The value of a JSON text whose objects have no member twice (RFC 8259, section 4), within limits.

    Errors: Refused (TOO_LARGE, UNPARSABLE). The reading of one document by two parsers must not differ, hence
    no duplicates, no NaN, UTF-8 only. With `allow_half_pairs` the caller looks after halves of surrogate pairs itself.
    With `values_max` a document of more values is refused before it takes many times its size as values.
    """
    if len(content) > size_max:
        raise Refused(f"The {what} has {len(content)} bytes; at most {size_max} are read.", reason=Reason.TOO_LARGE)
    _require_shape(content, depth_max, values_max, what)
    try:
        value = json.loads(
            content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_whole_number
        )
        if not allow_half_pairs and b"\\u" in content:
            _require_text(value)
    except (ValueError, RecursionError) as fault:
        raise Refused(
            f"The {what} is not JSON: {str(fault)[:120]}.",
            advice="Send one UTF-8 JSON document.",
            reason=Reason.UNPARSABLE,
        ) from fault
    return value


def require_no_nul(value: Any) -> None:
    """Refuse NUL in text, at whatever depth of a value as `strict_json` gives it: PostgreSQL keeps no such text."""
    if isinstance(value, str):
        if "\0" in value:
            raise Refused("A text holds the character NUL (U+0000).", advice="Send it without.")
    elif isinstance(value, dict):
        for name, member in value.items():
            require_no_nul(name)
            require_no_nul(member)
    elif isinstance(value, list | tuple):
        for member in value:
            require_no_nul(member)


def _require_text(value: Any) -> None:
    """Half of a surrogate pair can be escaped and is no character (RFC 8259, 8.2): no database or encoder takes it."""
    json.dumps(value, ensure_ascii=False).encode("utf-8")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice in one object")
    return members


def _whole_number(text: str) -> int:
    if len(text) > NUMBER_LENGTH_MAX:
        raise ValueError(f"a number has {len(text):,} digits, of which at most {NUMBER_LENGTH_MAX:,} are read")
    return int(text)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_SIGNS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{},]', re.DOTALL)


def _require_shape(content: bytes, depth_max: int, values_max: int | None, what: str) -> None:
    """Count brackets outside strings, and with `values_max` commas: each value has one of `,`, `[` and `{` before it.

    Linear, without recursion, over at the limit. Errors: Refused (UNPARSABLE: too deep; TOO_LARGE: too many values).
    """
    if values_max is None or sum(map(content.count, (b",", b"[", b"{"))) <= values_max:
        found, values_max = _BRACKETS.finditer(content), len(content)
    else:
        found = _SIGNS.finditer(content)
    depth = values = 0
    for token in found:
        mark = token.group()
        if mark in (b"[", b"{"):
            depth += 1
            values += 1
        elif mark in (b"]", b"}"):
            depth -= 1
        elif mark == b",":
            values += 1
        if depth > depth_max:
            raise Refused(f"The {what} is nested deeper than {depth_max}.", reason=Reason.UNPARSABLE)
        if values > values_max:
            raise Refused(f"The {what} holds more than {values_max} values.", reason=Reason.TOO_LARGE)
