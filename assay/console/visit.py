"""One request as a page sees it: who visits, what was asked, what was sent."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import parse_qsl, urlencode

from assay.app import App
from assay.clock import Instant
from assay.console.replies import Elsewhere
from assay.errors import AssayError, Reason, Refused
from assay.iam import Actor
from assay.oci import require_no_nul
from assay.storage import Store

FORM_BYTES_MAX = 65_536
FIELDS_MAX = 200
VALUE_LENGTH_MAX = 32_768
LIMITS = (50, 100, 200)
NUMBER_DIGITS_MAX = 18
THEME_COOKIE = "assay-theme"
THEMES = ("", "light", "dark")

Fields = Mapping[str, tuple[str, ...]]


def fields_of(text: str) -> Fields:
    """The fields of a query or a form, each with all its values, in order. Errors: Refused: too many, or a NUL."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError as fault:
        raise Refused(f"The form has more than {FIELDS_MAX} fields.", reason=Reason.TOO_LARGE) from fault
    require_no_nul(pairs)
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        fields[name] = (*fields.get(name, ()), value)
    return fields


def whole_number(text: str, what: str) -> int:
    """A whole number that a person wrote or a form offered; `what` it is, in words. Errors: Refused."""
    if not (text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX):
        raise Refused(f"{text[:20]!r} is not a {what}.", advice="Write a whole number, such as 4.")
    return int(text)


def form_token(session: str) -> str:
    """The token that every form of a session carries; it follows from the session's secret, which no page shows."""
    return hmac.digest(session.encode(), b"form", hashlib.sha256).hex()


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of a signed-in person. `names` are the variable parts of the path."""

    app: App
    actor: Actor
    name: str
    session: str
    now: Instant
    host: str
    secure: bool
    path: str
    names: Mapping[str, str] = field(default_factory=dict)
    query: Fields = field(default_factory=dict)
    form: Fields = field(default_factory=dict)
    exports: str = ""
    theme: str = ""
    fault: AssayError | None = None

    @property
    def store(self) -> Store:
        """The store that every verb takes."""
        return self.app.store

    def asked(self, name: str, default: str = "") -> str:
        """A query field, trimmed."""
        return self.query.get(name, (default,))[0].strip()

    def sent(self, name: str, default: str = "") -> str:
        """A form field as it was sent; before anything was sent, the default."""
        return self.form.get(name, (default,))[0]

    def chosen(self, name: str) -> tuple[str, ...]:
        """All values of a form field: the ticked boxes of one name."""
        return self.form.get(name, ())

    def only(self, *known: str) -> None:
        """Refuse a query field that this list does not know, or a limit it has not, instead of dropping it silently."""
        unknown = sorted(set(self.query) - set(known) - {"after", "limit", "sort", "done"})
        if unknown:
            raise Refused(
                f"This list has no filter {unknown[0]!r}.", advice=f"Use {', '.join(known) or 'none'}, or clear all."
            )
        self.limit()

    def one_of(self, name: str, *values: str) -> str:
        """A query field that takes one of `values`, or none ("")."""
        value = self.asked(name)
        if value and value not in values:
            raise Refused(f"{name} cannot be {value[:40]!r}.", advice=f"Use {', '.join(values)}.")
        return value

    def limit(self) -> int:
        """How many rows a page has: 50, 100 or 200."""
        text = self.asked("limit", "50")
        if text not in {str(limit) for limit in LIMITS}:
            raise Refused(f"limit cannot be {text[:40]!r}.", advice="Use 50, 100 or 200.")
        return int(text)

    def link(self, **changes: str | None) -> str:
        """This page's address with some query fields changed; None takes one away. Paging begins anew."""
        wanted = {name: values[0] for name, values in self.query.items() if name not in ("after", "done")}
        wanted |= {name: value for name, value in changes.items() if value is not None}
        for name, value in changes.items():
            if value is None:
                wanted.pop(name, None)
        return f"{self.path}?{urlencode(wanted)}" if wanted else self.path

    def export(self, kind: str) -> str:
        """The address of this list's rows as json or csv, with the same filters."""
        wanted = {name: values[0] for name, values in self.query.items() if name != "done"}
        return f"{self.exports}.{kind}?{urlencode(wanted)}" if wanted else f"{self.exports}.{kind}"

    def without_paging(self) -> Self:
        """The same visit on its first page, without a chosen compartment: for lists beside the one that is paged."""
        return replace(self, query={})

    def with_fault(self, fault: AssayError) -> Self:
        """The same visit after something was refused: its page shows the fault, and the values that were sent."""
        return replace(self, fault=fault)

    def back(self, path: str = "", done: str = "") -> Elsewhere:
        """To an address of this console, where `done` says what happened."""
        path = path or self.path
        return Elsewhere(f"{path}{'&' if '?' in path else '?'}done={done}" if done else path)


@dataclass(frozen=True, slots=True)
class Sorting:
    """How a list is sorted, and the addresses of its headings."""

    visit: Visit
    key: str
    descending: bool

    @classmethod
    def of(cls, visit: Visit, keys: tuple[str, ...], default: str) -> Self:
        """From `?sort=`, with `-` for descending. Errors: Refused for a key that the list has not."""
        text = visit.asked("sort", default)
        key = text.removeprefix("-")
        if key not in keys:
            raise Refused(f"This list does not sort by {key[:40]!r}.", advice=f"Use {', '.join(keys)}.")
        return cls(visit, key, text.startswith("-"))

    def link(self, key: str) -> str:
        """Sort by this key; by the same key again, the other way round."""
        descending = not self.descending if key == self.key else key != "name"
        return self.visit.link(sort=f"-{key}" if descending else key)
