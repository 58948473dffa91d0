"""How the console says times, sizes, counts and digests: pure functions, used as template filters.

Source of the rules: the console's design, section 9 ("Words"). Times are instants (UTC microseconds); `now` is given,
so that one page has one present.
"""

from assay.clock import DAY, HOUR, MINUTE, SECOND, moment

#: U+202F, the narrow no-break space: groups digits without being read as a decimal sign anywhere.
GROUP_SIGN = "\u202f"
DIGEST_DIGITS = 12


def number(value: int) -> str:
    """A count with its digits in groups of three from 1,000 on."""
    return f"{value:,}".replace(",", GROUP_SIGN)


def plural(value: int, one: str, many: str = "") -> str:
    """The count and its noun: `1 image`, `4 images`."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def size(octets: int) -> str:
    """Bytes in decimal units, with one digit after the point below ten: `412 B`, `1.9 GB`, `63 MB`."""
    if octets < 1000:
        return f"{octets} B"
    value = float(octets)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        value /= 1000
        if value < 9.95:
            return f"{value:.1f} {unit}"
        if value < 999.5:
            return f"{value:.0f} {unit}"
    return f"{number(round(value / 1000))} EB"


def short(digest: object) -> str:
    """A digest with the first twelve hexadecimal digits, as lists show it."""
    algorithm, colon, encoded = str(digest).partition(":")
    return f"{algorithm}:{encoded[:DIGEST_DIGITS]}" if colon else algorithm[:DIGEST_DIGITS]


def brief_ocid(ocid: object) -> str:
    """An OCID whose tail shows its last six characters only; the whole stands on the page of the object."""
    head, _, tail = str(ocid).rpartition(".")
    return f"{head}.…{tail[-6:]}" if head else tail


def duration(microseconds: int) -> str:
    """A span of time in its largest unit, in its two largest from a day on: `40 s`, `38 min`, `6 h`, `2 days 4 h`."""
    if microseconds < MINUTE:
        return f"{max(microseconds, 0) // SECOND} s"
    if microseconds < HOUR:
        return f"{microseconds // MINUTE} min"
    if microseconds < DAY:
        return f"{microseconds // HOUR} h"
    days, hours = microseconds // DAY, microseconds % DAY // HOUR
    return plural(days, "day") + (f" {hours} h" if hours and days < 7 else "")


def day(at: int, now: int) -> str:
    """A date without needless parts: `14 Jul`, and `14 Jul 2025` when the year is another than now."""
    then = moment(at)
    text = f"{then.day} {then:%b}"
    return text if then.year == moment(now).year else f"{text} {then.year}"


def relative(at: int, now: int) -> str:
    """`just now`, `12 min ago`, `in 40 s` within 24 hours; the date beyond."""
    distance = now - at
    if abs(distance) < 5 * SECOND:
        return "just now"
    if abs(distance) >= DAY:
        return day(at, now)
    return f"{duration(distance)} ago" if distance > 0 else f"in {duration(-distance)}"


def minute(at: int, now: int) -> str:
    """A date with hours and minutes, UTC: `14 Jul, 05:40`."""
    return f"{day(at, now)}, {moment(at):%H:%M}"


def second(at: int, now: int) -> str:
    """The same to the second, for logs: `14 Jul, 05:40:11`."""
    return f"{day(at, now)}, {moment(at):%H:%M:%S}"


def machine(at: int) -> str:
    """The value of `<time datetime>`: RFC 3339 to the second."""
    return f"{moment(at):%Y-%m-%dT%H:%M:%SZ}"


def listing(names: tuple[str, ...] | list[str], most: int = 5) -> str:
    """Names in one phrase: `a`, `a and b`, `a, b and c`, `a, b and 7 more`."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
