"""What every envelope format shares: the claim that it makes, its limits, and strict base64. Pure."""

import base64
import binascii
from dataclasses import dataclass, field
from enum import StrEnum

from assay.errors import Refused
from assay.oci import Digest

#: Of one image, so many signatures that users pushed are read, and so many bytes of one signature artifact.
PUSHED_SIGNATURES_MAX = 64
ARTIFACT_BYTES_MAX = 1 << 20
PAYLOAD_BYTES_MAX = 64 << 10
SIGNATURE_BYTES_MAX = 1024


class Form(StrEnum):
    """The envelope formats."""

    NATIVE = "native"
    COSIGN = "cosign"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class Claim:
    """What an envelope says: `signature` is over `signed`, which names these digests.

    `reference` is the image name inside the signed bytes, or empty where the format has none. Nothing of it is true
    before the signature was verified.
    """

    form: Form
    signed: bytes = field(repr=False)
    signature: bytes
    digests: tuple[Digest, ...]
    reference: str = ""


def encode_base64(content: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(content).decode("ascii")


def decode_base64(text: object, *, size_max: int, what: str) -> bytes:
    """The bytes of standard, padded base64 in its one canonical spelling; Refused for anything else."""
    if not isinstance(text, str) or len(text) > (size_max + 2) // 3 * 4:
        raise Refused(f"The {what} is missing or too long.", advice=f"At most {size_max} bytes are read.")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as fault:
        raise Refused(f"The {what} is not base64.", advice="Use standard base64 with padding.") from fault
    if encode_base64(content) != text or len(content) > size_max:
        raise Refused(f"The {what} is not canonical base64.", advice="Use standard base64 with padding.")
    return content


def members(value: object, names: frozenset[str], what: str) -> dict[str, object]:
    """`value` if it is a JSON object with exactly these members; Refused otherwise."""
    if not isinstance(value, dict) or value.keys() != names:
        raise Refused(f"The {what} does not have exactly the members {', '.join(sorted(names))}.")
    return value


def text(value: object, what: str) -> str:
    """`value` if it is a JSON string; Refused otherwise."""
    if not isinstance(value, str):
        raise Refused(f"The {what} is not a string.")
    return value
