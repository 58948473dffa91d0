"""How often one may fail: a pause after a few failures, longer with each further one.

Counted three ways: by name and address, so that a stranger elsewhere cannot lock somebody out; by address, against
trying many names; and by name, with a high limit, against trying one name from many places. The last is left out where
nothing can be guessed, for there it would only let strangers lock somebody out (docs/adr/0015).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from assay.clock import DAY, HOUR, MINUTE, SECOND, Instant
from assay.errors import Reason, Refused
from assay.iam.records import credentials as records
from assay.iam.records.credentials import Failures

FORGOTTEN_AFTER = HOUR
SWEPT_AFTER = DAY
PAUSE = 5 * MINUTE
PAUSE_MAX = HOUR
NAME_LENGTH_MAX = 200
ADDRESS_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody tries: `kind` such as "password", as whom, from where. What is counted follows from it.

    `by_name`: whether failures are also counted whatever the address.
    """

    kind: str
    name: str
    address: str
    by_name: bool = True

    def limits(self) -> Mapping[str, int]:
        """Counter → failures before a pause."""
        name = self.name.lower()[:NAME_LENGTH_MAX]
        address = self.address[:ADDRESS_LENGTH_MAX]
        limits = {f"{self.kind} name {name} address {address}": 5, f"{self.kind} address {address}": 20}
        return limits | ({f"{self.kind} name {name}": 50} if self.by_name else {})


def after_failure(before: Failures | None, failures_max: int, now: Instant) -> Failures:
    """The counter after one more failure. The first pause is 5 minutes, each further one twice that, up to 1 hour."""
    quiet_since = max(before.time_last, before.locked_until) if before else 0
    is_fresh = before is None or now - quiet_since > FORGOTTEN_AFTER
    failures = 1 if before is None or is_fresh else before.failures + 1
    over = failures - failures_max
    pause = min(PAUSE << min(over, 10), PAUSE_MAX) if over >= 0 else 0
    return Failures(failures, now, Instant(now + pause if pause else 0))


def require_unlocked(connection: Connection, attempt: Attempt, now: Instant) -> None:
    """Refused (TOO_MANY_REQUESTS) during a pause, whatever is presented."""
    locked = [found.locked_until for found in records.failures_of(connection, attempt.limits()).values()]
    wait = max(locked, default=Instant(0)) - now
    if wait > 0:
        raise Refused(
            "There were too many failed attempts.",
            advice=f"Try again in {_minutes(wait)}.",
            reason=Reason.TOO_MANY_REQUESTS,
            retry_after=-(-wait // SECOND),
        )


def count(connection: Connection, attempt: Attempt, now: Instant) -> str:
    """Count a failure; what to tell whoever failed."""
    limits = attempt.limits()
    before = records.failures_of(connection, limits, lock=True)
    left = []
    for counter, failures_max in limits.items():
        value = after_failure(before.get(counter), failures_max, now)
        records.write_failures(connection, counter, value, forget_before=Instant(now - SWEPT_AFTER))
        left.append((failures_max - value.failures, value.locked_until - now))
    tries, pause = min(left)
    if tries > 0:
        return f"{tries} more {'try' if tries == 1 else 'tries'} before a pause of {_minutes(PAUSE)}."
    return f"Try again in {_minutes(pause)}."


def forget(connection: Connection, attempt: Attempt) -> None:
    """After a success: forget the failures of this name from this address."""
    records.forget_failures(connection, list(attempt.limits())[:1])


def _minutes(duration: int) -> str:
    seconds = -(-duration // SECOND)
    minutes = -(-seconds // 60)
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
