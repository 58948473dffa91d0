"""The image verification policy of a cluster or a function application: is it on, and whose signatures count. Pure."""

from dataclasses import dataclass
from typing import Self

from assay.clock import Ocid
from assay.errors import Reason, Refused

#: Source: Container Engine and Functions, imagePolicyConfig.keyDetails.
TRUSTED_KEYS_MAX = 5


@dataclass(frozen=True, slots=True)
class ImagePolicy:
    """`enabled`, and up to five master encryption keys of which any one is enough.

    Enabled without a key is a policy that nothing satisfies: everything is denied. (OCI lets everything pass then.)
    """

    enabled: bool = False
    keys: tuple[Ocid, ...] = ()

    def __post_init__(self) -> None:
        if len(self.keys) > TRUSTED_KEYS_MAX:
            raise Refused(
                f"The image verification policy lists {len(self.keys)} keys.",
                advice=f"List at most {TRUSTED_KEYS_MAX}.",
                reason=Reason.LIMIT_EXCEEDED,
            )
        if len(set(self.keys)) != len(self.keys):
            raise Refused("The image verification policy lists a key twice.", advice="List each key once.")
        for key in self.keys:
            if key.kind != "key":
                raise Refused(
                    f"{key} is not the OCID of a master encryption key.",
                    advice="Give the OCID of the key, not of its version or its vault.",
                )

    @classmethod
    def of(cls, *, enabled: bool, keys: tuple[str, ...]) -> Self:
        """The policy with these key OCIDs. Errors: Refused."""
        return cls(enabled, tuple(Ocid(key) for key in keys))
