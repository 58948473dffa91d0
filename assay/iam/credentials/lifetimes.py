"""How long credentials last. Auth tokens, API keys and cluster tokens share this. Durations in microseconds."""

from assay.clock import DAY
from assay.errors import Refused

LIFETIME = 365 * DAY
LIFETIME_MAX = 10 * 365 * DAY


def require(lifetime: int | None, what: str) -> None:
    """Refused for a lifetime out of range; None is one that doesn't end. `what` such as "token"."""
    if lifetime is not None and not 0 < lifetime <= LIFETIME_MAX:
        raise Refused(f"The {what}'s lifetime is out of range.", advice="Use at most ten years.")


def end_of(now: int, lifetime: int | None) -> int | None:
    """When something ends that begins now, or None."""
    return None if lifetime is None else now + lifetime


def is_over(time_expires: int | None, now: int) -> bool:
    """Whether something that ends then, or never, has ended."""
    return time_expires is not None and now >= time_expires
