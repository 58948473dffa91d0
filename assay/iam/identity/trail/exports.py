"""The audit log for other programs: JSON lines, and syslog as RFC 5424 has it. Pure.

An export holds all that the chain is made of, so whoever has it can follow the chain without the server.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from assay.clock import instant, moment
from assay.errors import Refused
from assay.iam.identity.trail.chain import Link, follow
from assay.iam.identity.trail.entries import Entry, value_of

#: Facility 13 (log audit), severity 5 (notice) for what was done and 4 (warning) for what was denied: RFC 5424, 6.2.1.
_AUDIT, _NOTICE, _WARNING = 13, 5, 4
#: The name of the structured data; 32473 is the enterprise number that RFC 5612 keeps for examples and private use.
_DATA_ID = "assay@32473"
_NAME_LENGTH_MAX = 255


def value(entry: Entry) -> dict[str, Any]:
    """An entry as a JSON object: camel case, times as RFC 3339 to the microsecond, null for what there is none of."""
    return {
        "position": entry.position,
        "timeCreated": moment(entry.time_created).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "tenancyId": entry.tenancy,
        "compartmentId": entry.compartment,
        "operation": entry.operation,
        "principalKind": entry.principal_kind,
        "principalId": entry.principal or None,
        "principalName": entry.principal_name,
        "address": entry.address or None,
        "requestId": entry.request_id or None,
        "resourceId": entry.resource or None,
        "outcome": entry.outcome,
        "reason": entry.reason or None,
        "times": entry.times,
        "before": value_of(entry.before),
        "after": value_of(entry.after),
        "seal": entry.seal,
    }


def syslog_line(entry: dict[str, Any], host: str) -> str:
    """The line of RFC 5424 for an entry as `value` gives it; `host` is the name of this server, "" for none."""
    priority = _AUDIT * 8 + (_WARNING if entry["outcome"] == "denied" else _NOTICE)
    told = ("position", "principalKind", "principalId", "principalName", "address", "requestId", "resourceId")
    data = "".join(f' {name}="{_escaped(str(entry[name]))}"' for name in told if entry[name] is not None)
    data += f' outcome="{entry["outcome"]}" times="{entry["times"]}" seal="{entry["seal"] or ""}"'
    name = _header(host)
    message = entry["operation"] + (f" denied: {entry['reason']}" if entry["outcome"] == "denied" else "")
    said = _header(entry["operation"])
    return f"<{priority}>1 {entry['timeCreated']} {name} assay - {said} [{_DATA_ID}{data}] {message}"


#: Names of an export beside those of the chain's fields that are spelled otherwise.
_SPELLED = {
    "tenancy": "tenancyId",
    "compartment": "compartmentId",
    "principal_kind": "principalKind",
    "principal": "principalId",
    "principal_name": "principalName",
    "request_id": "requestId",
    "resource": "resourceId",
}


def check(lines: Iterable[str], start: Link | None = None) -> tuple[Link, str]:
    """Follow the chain through an export in JSON lines, from its first entry or from the link `start` before it.

    Gives the last link that holds and what is wrong after it ("" when all hold). Without `start` the first entry's own
    seal is taken for granted. Errors: Refused for a line that is no entry, and when there is none to check.
    """
    entries = _read(lines)
    first = next(entries, None)
    if first is None:
        raise Refused("The file holds no entry, so nothing was checked.", advice="Give an export with entries in it.")
    return follow(first[0], entries) if start is None else follow(start, itertools.chain([first], entries))


def _read(lines: Iterable[str]) -> Iterator[tuple[Link, Mapping[str, Any]]]:
    for number, line in enumerate(lines, 1):
        try:
            entry = msgspec.json.decode(line, type=dict[str, Any])
            yield Link(int(entry["position"]), str(entry["seal"])), _row(entry)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as fault:
            raise Refused(f"Line {number} is not an entry of an audit export.", advice="Export it anew.") from fault


def _row(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields that the chain is made of, as they are stored."""
    row = {name: entry[said] or "" for name, said in _SPELLED.items()}
    row |= {name: entry[name] or "" for name in ("operation", "address", "outcome", "reason")}
    values = {
        name: None if entry[name] is None else msgspec.json.encode(entry[name]).decode() for name in ("before", "after")
    }
    at = instant(datetime.fromisoformat(entry["timeCreated"]))
    return {**row, **values, "time_created": at, "times": entry["times"]}


def json_line(entry: dict[str, Any]) -> str:
    """One line of JSON, without its line end."""
    return msgspec.json.encode(entry).decode()


def _header(text: str) -> str:
    """A header field: printable ASCII without spaces, "-" for nothing (RFC 5424, 6)."""
    return "".join(letter for letter in text if "!" <= letter <= "~")[:_NAME_LENGTH_MAX] or "-"


def _escaped(text: str) -> str:
    """A parameter's value: `"`, `\\` and `]` are escaped (RFC 5424, 6.3.3); line ends become spaces."""
    for sign in ("\\", '"', "]"):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.splitlines())
