"""The audit log: who did what, what was denied, and whether the log is whole."""

import socket
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import show
from assay.cli.options import Out, group
from assay.cli.progress import told
from assay.cli.session import signed_in
from assay.cli.show import Output
from assay.errors import Corrupt, Refused

app = group("The audit log.")

EVENTS = "/20260901/auditEvents"
CHAIN = "/20260901/auditChain"
EVENTS_SHOWN = 50
#: Entries that one request of an export brings.
EXPORT_ROWS = 100
PORT_MAX = 65_535

_EVENTS: show.Columns = {
    "Position": "position",
    "Date": show.when("timeCreated"),
    "Who": "principalName",
    "Did": "operation",
    "Outcome": "outcome",
    "Times": "times",
    "On": "resourceId",
    "From": "address",
    "Reason": "reason",
}
_EVENT: show.Columns = {
    **_EVENTS,
    "Request": "requestId",
    "Before": "before",
    "After": "after",
    "Seal": "seal",
}
_CHAIN: show.Columns = {
    "First entry kept": "firstPosition",
    "Sealed up to": "sealedPosition",
    "Seal": "seal",
    "Not yet sealed": "unsealedCount",
    "Kept for days": "retentionDays",
}
_CHECKED: show.Columns = {"Holds up to": "position", "Seal": "seal"}


class Form(StrEnum):
    """How an export is written."""

    JSON_LINES = "jsonl"
    SYSLOG = "syslog"


Since = Annotated[str, typer.Option("--since", help="From this time on, such as 2026-12-01T00:00:00Z.")]
Until = Annotated[str, typer.Option("--until", help="Before this time.")]


@app.command("list")
def list_events(
    resource: Annotated[str, typer.Option(help="Only what was done to this OCID.")] = "",
    user: Annotated[str, typer.Option(help="Only what this user, service or cluster did, by name.")] = "",
    operation: Annotated[str, typer.Option(help="Only this operation, such as CreateKey.")] = "",
    outcome: Annotated[str, typer.Option(help="Only what was done, or only what was denied.")] = "",
    address: Annotated[str, typer.Option(help="Only what came from this address.")] = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(help="How many.", min=1)] = EVENTS_SHOWN,
    output: Out = Output.TABLE,
) -> None:
    """List what was done and what was denied, the newest first."""
    found = signed_in().server.everything(
        EVENTS,
        rows_max=limit,
        resourceId=resource,
        principalName=user,
        operation=operation,
        outcome=outcome,
        address=address,
        startTime=since,
        endTime=until,
    )
    show.rows(output, _EVENTS, found, empty="No entry fits.")


@app.command("show")
def show_event(
    position: Annotated[int, typer.Argument(help="The entry's position.")], output: Out = Output.TABLE
) -> None:
    """Show one entry, with the values before and after it."""
    show.thing(output, _EVENT, signed_in().server.get(f"{EVENTS}/{position}").body)


@app.command("status")
def status(output: Out = Output.TABLE) -> None:
    """Show how far the log is sealed, and how long it is kept."""
    show.thing(output, _CHAIN, signed_in().server.get(CHAIN).body)


@app.command("retain")
def retain(days: Annotated[int, typer.Argument(help="For how many days.")], output: Out = Output.TABLE) -> None:
    """Set how long entries are kept."""
    show.thing(output, _CHAIN, signed_in().server.put(CHAIN, {"retentionDays": days}).body)


@app.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(help="An export in JSON lines; the server's log if left out.")] = None,
    position: Annotated[int | None, typer.Option(help="Of a FILE: the position before its first entry.", min=0)] = None,
    seal: Annotated[str, typer.Option(help="Of a FILE: the seal at that position.")] = "",
    output: Out = Output.TABLE,
) -> None:
    """Follow the hash chain: that no entry was changed, taken out or put in. Ends with 1 where it breaks."""
    if file is None and (position is not None or seal):
        raise Refused("A position and its seal are for a FILE.", advice="Give the file of an export.")
    found, fault = _check_file(file, position, seal) if file else _check_server()
    if fault:
        raise Corrupt(
            fault, advice=f"Up to position {found['position']} the log is what was sealed; compare it with an export."
        )
    show.thing(output, _CHECKED, found)


@app.command("export")
def export(
    since: Since = "",
    until: Until = "",
    to: Annotated[str, typer.Option(help="A syslog server, tcp://HOST:PORT or udp://HOST:PORT.")] = "",
    output: Annotated[Form, typer.Option("--output", "-o", help="JSON lines, or syslog (RFC 5424).")] = Form.JSON_LINES,
) -> None:
    """Write all entries, the oldest first, to standard output or to a syslog server."""
    # Rooms are imported where they are needed: most commands start without them.
    from assay.iam.identity.trail import exports

    host = socket.gethostname()
    entries = _all(since, until)
    if to:
        count = _send(to, (exports.syslog_line(entry, host) for entry in entries))
        show.note(f"{count} entries were sent to {to}.")
        return
    for entry in entries:
        line = exports.json_line(entry) if output is Form.JSON_LINES else exports.syslog_line(entry, host)
        sys.stdout.write(f"{line}\n")


def _all(since: str, until: str) -> Iterator[dict[str, Any]]:
    """The sealed entries in their order; what is not sealed yet comes with the next export."""
    server, page = signed_in().server, ""
    while True:
        asked = {"startTime": since, "endTime": until, "sortOrder": "ASC", "isDetailed": True, "limit": EXPORT_ROWS}
        answer = server.get(EVENTS, page=page, isSealed=True, **asked)
        yield from answer.body["items"]
        page = answer.next_page
        if not page:
            return


def _check_file(file: Path, position: int | None, seal: str) -> tuple[dict[str, Any], str]:
    from assay.iam.identity.trail import chain, exports

    if (position is None) == bool(seal):
        raise Refused("A position without its seal says nothing, nor a seal alone.", advice="Give both, or neither.")
    try:
        with file.open(encoding="utf-8") as lines:
            last, fault = exports.check(lines, None if position is None else chain.Link(position, seal))
    except (OSError, UnicodeDecodeError) as unread:
        raise Refused(f"{file} cannot be read: {unread}.", advice="Give a file of `assay audit export`.") from unread
    return {"position": last.position, "seal": last.seal}, fault


def _check_server() -> tuple[dict[str, Any], str]:
    server = signed_in().server
    body: dict[str, Any] = {}
    with told("Following the chain") as say:
        while True:
            found = server.post(f"{CHAIN}/actions/check", body).body
            body = {"position": found["position"], "seal": found["seal"]}
            say(f"Following the chain: {found['position']}")
            if found["isFinished"]:
                return body, found["fault"] or ""


def _send(to: str, lines: Iterator[str]) -> int:
    """Send lines to a syslog server: a datagram each (RFC 5426), or framed by their length (RFC 6587, 3.4.1)."""
    kind, address = _syslog_server(to)
    count = 0
    try:
        with _connected(kind, address) as channel:
            for line in lines:
                content = line.encode()
                channel.sendall(b"%d %s" % (len(content), content) if kind == "tcp" else content)
                count += 1
    except OSError as fault:
        raise Refused(f"The syslog server {to} cannot be reached: {fault}.", advice="Check its address.") from fault
    return count


def _syslog_server(to: str) -> tuple[str, tuple[str, int]]:
    """tcp or udp, and the host and port. Errors: Refused; a port beyond the last would silently be another one."""
    kind, _, rest = to.partition("://")
    host, _, port = rest.rpartition(":")
    if kind not in ("tcp", "udp") or not host or not port.isdecimal():
        raise Refused(f"{to!r} is no syslog server.", advice="Give tcp://HOST:PORT or udp://HOST:PORT.")
    digits = port.lstrip("0")
    if not digits or len(digits) > len(str(PORT_MAX)) or int(digits) > PORT_MAX:
        raise Refused(f"{port[:20]} is no port.", advice=f"Give {kind}://HOST:PORT, with a port of 1 to {PORT_MAX}.")
    return kind, (host.strip("[]"), int(digits))


def _connected(kind: str, address: tuple[str, int]) -> socket.socket:
    if kind == "tcp":
        return socket.create_connection(address, timeout=30)
    family, _, _, _, found = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    channel = socket.socket(family, socket.SOCK_DGRAM)
    channel.connect(found)
    return channel
