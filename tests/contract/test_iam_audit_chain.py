"""The audit log's chain, folded denials, retention and exports. The seals here were made with `sha256sum`."""

import json
import re

import pytest
from sqlalchemy import delete, func, select, update

from assay.clock import DAY, MINUTE, SetClock
from assay.errors import Denied, Refused
from assay.iam import Actor, Principal, PrincipalKind
from assay.iam.audit import DENIALS_A_MINUTE, audit, denial_count
from assay.iam.identity import first_start, groups, users
from assay.iam.identity.trail import denials, entries, exports, retention, sealing
from assay.iam.identity.trail.chain import START, Link, next_link
from assay.storage import Store
from assay.storage.pages import Window

#: printf 'assay-audit-1\n<64 zeros>\n1\n["ocid1.tenancy.oc1..t",…,"{\"name\":\"A\"}"]' | sha256sum
BY_HAND = "df984089762a0a4ad3943a8e076494a1b3794f33be00afb273afb5679c260411"
ROW = {
    "tenancy": "ocid1.tenancy.oc1..t",
    "compartment": "ocid1.compartment.oc1..c",
    "time_created": 1767225600000000,
    "operation": "CreateGroup",
    "principal_kind": "user",
    "principal": "ocid1.user.oc1..u",
    "principal_name": "admin",
    "address": "192.0.2.7",
    "request_id": "4f1c",
    "resource": "ocid1.group.oc1..g",
    "outcome": "done",
    "reason": "",
    "times": 1,
    "before": None,
    "after": '{"name":"A"}',
}


@pytest.fixture
def admin(store: Store) -> Actor:
    first = first_start.bootstrap(store)
    assert first is not None
    made = Actor(users.principal_of(first.administrator), first.tenancy.ocid, "192.0.2.7", "4f1c-09aa")
    for number in range(6):
        groups.create(store, made, f"First {number}")
    return made


@pytest.fixture
def stranger(admin: Actor) -> Actor:
    return Actor(Principal(PrincipalKind.USER, "nobody", "ocid1.user.oc1..none"), admin.tenancy, "192.0.2.66")


def deny(store: Store, stranger: Actor, times: int) -> None:
    for number in range(times):
        with pytest.raises(Refused):
            groups.create(store, stranger, f"Mine {number}")


def all_rows(store: Store) -> int:
    with store.database.read() as connection:
        return connection.execute(select(func.count()).select_from(audit)).scalar_one()


def test_the_seal_of_a_row_is_the_one_that_sha256sum_gives() -> None:
    assert next_link(Link(), ROW) == Link(1, BY_HAND)


@pytest.mark.parametrize("name", sorted(ROW))
def test_another_value_in_any_field_gives_another_seal(name: str) -> None:
    assert next_link(Link(), ROW | {name: "another"}).seal != BY_HAND


def test_rows_are_sealed_behind_the_acts_in_their_order_and_what_waits_is_counted(store: Store, admin: Actor) -> None:
    waiting = all_rows(store)
    assert sealing.state(store, admin).unsealed == waiting == sealing.unsealed(store)
    assert sealing.seal_waiting(store) == waiting
    groups.create(store, admin, "One")
    assert sealing.state(store, admin).unsealed == 1
    sealing.seal_waiting(store)
    found = entries.page_of(store, admin, entries.Search(), Window(), is_sealed=True).items
    assert [entry.position for entry in found] == list(range(1, waiting + 2))
    assert found[-1].operation == "CreateGroup"
    assert sealing.state(store, admin).last == Link(found[-1].position or 0, found[-1].seal or "")


def test_more_rows_than_one_transaction_seals_are_sealed_in_several(
    store: Store, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "SEALED_AT_ONCE_MAX", 2)
    assert sealing.seal_waiting(store) == all_rows(store) > 2
    assert sealing.check(store, admin).fault == ""


def test_a_check_in_pieces_follows_the_chain_to_its_end(
    store: Store, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("A", "B", "C", "D", "E"):
        groups.create(store, admin, name)
    sealing.seal_waiting(store)
    monkeypatch.setattr(sealing, "CHECKED_AT_ONCE_MAX", 2)
    found = sealing.check(store, admin)
    pieces = 1
    while not found.is_finished:
        found = sealing.check(store, admin, found.holds)
        pieces += 1
    assert (found.fault, found.holds.position) == ("", all_rows(store))
    assert pieces > all_rows(store) // 2


@pytest.mark.parametrize("column", ["principal_name", "outcome", "after", "resource", "address"])
def test_a_row_that_was_changed_breaks_the_chain_at_its_position(store: Store, admin: Actor, column: str) -> None:
    for name in ("A", "B", "C"):
        groups.create(store, admin, name)
    sealing.seal_waiting(store)
    last = sealing.state(store, admin).last.position
    with store.database.write() as connection:
        connection.execute(update(audit).where(audit.c.position == last - 1).values({column: '"forged"'}))
    found = sealing.check(store, admin)
    assert found.holds.position == last - 2
    assert f"position {last - 1} is not the one" in found.fault


@pytest.mark.parametrize(("behind", "says"), [(1, "is missing"), (0, "was sealed up to")])
def test_a_row_that_was_taken_out_breaks_the_chain(store: Store, admin: Actor, behind: int, says: str) -> None:
    for name in ("A", "B"):
        groups.create(store, admin, name)
    sealing.seal_waiting(store)
    last = sealing.state(store, admin).last.position
    with store.database.write() as connection:
        connection.execute(delete(audit).where(audit.c.position == last - behind))
    found = sealing.check(store, admin)
    assert says in found.fault
    assert found.holds.position == last - behind - 1


def test_the_first_ten_equal_denials_of_a_minute_have_rows_and_the_rest_one_counted_row(
    store: Store, admin: Actor, stranger: Actor, clock: SetClock
) -> None:
    denied = entries.Search(outcome="denied")
    deny(store, stranger, DENIALS_A_MINUTE + 7)
    sealing.seal_waiting(store)
    assert [entry.times for entry in entries.listed(store, admin, denied).items] == [1] * 10
    clock.advance(MINUTE)
    sealing.seal_waiting(store)
    assert [entry.times for entry in entries.listed(store, admin, denied).items] == [7] + [1] * 10
    folded = entries.listed(store, admin, denied).items[0]
    assert (folded.operation, folded.principal_name, folded.address) == ("CreateGroup", "nobody", "192.0.2.66")
    with store.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(denial_count)).scalar_one() == 0
    assert sealing.check(store, admin).fault == ""


def test_denials_from_another_address_are_not_folded_with_these(store: Store, admin: Actor, stranger: Actor) -> None:
    deny(store, stranger, DENIALS_A_MINUTE)
    deny(store, Actor(stranger.principal, stranger.tenancy, "192.0.2.67"), 1)
    assert len(entries.listed(store, admin, entries.Search(outcome="denied")).items) == DENIALS_A_MINUTE + 1


def test_a_denied_read_is_an_entry_when_its_door_notes_it_and_an_unknown_callers_is_not(
    store: Store, admin: Actor, stranger: Actor
) -> None:
    with pytest.raises(Denied) as caught:
        entries.listed(store, stranger)
    denials.note(store, stranger, caught.value)
    nobody = Actor(Principal(PrincipalKind.ANONYMOUS, "anonymous"), admin.tenancy, "192.0.2.9")
    denials.note(store, nobody, caught.value)
    found = entries.listed(store, admin, entries.Search(outcome="denied")).items
    assert [(entry.operation, entry.principal_name) for entry in found] == [("ListAuditEvents", "nobody")]


def test_old_rows_go_and_what_is_left_can_still_be_followed(store: Store, admin: Actor, clock: SetClock) -> None:
    sealing.seal_waiting(store)
    old = all_rows(store)
    clock.advance(20 * DAY)
    groups.create(store, admin, "Young")
    retention.set_days(store, admin, 30)
    sealing.seal_waiting(store)
    clock.advance(15 * DAY)
    assert retention.purge(store) == old
    assert sealing.state(store, admin).start.position == old
    found = sealing.check(store, admin)
    assert (found.fault, found.holds.position) == ("", old + 2)
    assert retention.purge(store) == 0


def test_rows_that_are_not_sealed_yet_are_never_purged(store: Store, admin: Actor, clock: SetClock) -> None:
    sealing.seal_waiting(store)
    clock.advance(400 * DAY)
    retention.purge(store)
    groups.create(store, admin, "Unsealed")
    before = all_rows(store)
    clock.advance(400 * DAY)
    assert retention.purge(store) == 0
    assert all_rows(store) == before


@pytest.mark.parametrize("days", [29, 3651])
def test_a_retention_out_of_range_is_refused(store: Store, admin: Actor, days: int) -> None:
    with pytest.raises(Refused, match="30 to 3650 days"):
        retention.set_days(store, admin, days)


def exported(store: Store, admin: Actor) -> list[dict[str, object]]:
    page = entries.page_of(store, admin, entries.Search(), Window(limit=1000), is_sealed=True)
    return [exports.value(entry) for entry in page.items]


def test_an_export_can_be_followed_without_the_server(store: Store, admin: Actor, stranger: Actor) -> None:
    groups.create(store, admin, "Quoted", 'with "quotes", ü and \\')
    deny(store, stranger, 1)
    sealing.seal_waiting(store)
    lines = [exports.json_line(entry) for entry in exported(store, admin)]
    last = sealing.state(store, admin).last
    assert exports.check(lines, Link(0, START)) == (last, "")
    assert exports.check(lines[3:]) == (last, "")
    forged = lines[5].replace("192.0.2.7", "192.0.2.8")
    assert forged != lines[5]
    holds, fault = exports.check([*lines[:5], forged, *lines[6:]], Link(0, START))
    assert holds.position == 5
    assert "position 6" in fault
    assert exports.check([*lines[:5], *lines[6:]], Link(0, START))[1] == "Position 6 is missing."


def test_a_line_that_is_no_entry_is_refused_by_its_number(store: Store, admin: Actor) -> None:
    sealing.seal_waiting(store)
    lines = [exports.json_line(entry) for entry in exported(store, admin)]
    with pytest.raises(Refused, match="Line 2"):
        exports.check([lines[0], '{"position": 2}'])


#: RFC 5424, 6: the header, one structured data element, the message.
SYSLOG = re.compile(
    r"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([!-~]{1,255}) assay - ([!-~]{1,32}) "
    r'\[assay@32473(?: [!-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")+\] (.*)'
)


def test_a_denial_in_syslog_is_a_warning_of_the_audit_facility_with_its_reason(
    store: Store, admin: Actor, stranger: Actor
) -> None:
    tricky = Actor(Principal(PrincipalKind.USER, 'no]"bo\\dy\n<13>1', "ocid1.user.oc1..none"), admin.tenancy)
    deny(store, tricky, 1)
    sealing.seal_waiting(store)
    line = exports.syslog_line(json.loads(exports.json_line(exported(store, admin)[-1])), "registry.example")  # type: ignore[arg-type]
    found = SYSLOG.fullmatch(line)
    assert found is not None, line
    # Facility 13 (log audit) times 8, and severity 4 (warning).
    assert found[1] == str(13 * 8 + 4)
    assert (found[3], found[4]) == ("registry.example", "CreateGroup")
    assert found[5].startswith("CreateGroup denied: ")
    assert r'principalName="no\]\"bo\\dy <13>1"' in line


def test_what_was_done_is_a_notice() -> None:
    entry = dict.fromkeys(
        ("position", "principalKind", "principalId", "principalName", "address", "requestId", "resourceId", "seal")
    )
    done = {
        **entry,
        "timeCreated": "2026-01-01T00:00:00.000000Z",
        "operation": "CreateKey",
        "outcome": "done",
        "times": 1,
    }
    assert exports.syslog_line(done, "").startswith("<109>1 2026-01-01T00:00:00.000000Z - assay - CreateKey [")


def test_each_tenancy_has_a_chain_of_its_own(store: Store, admin: Actor) -> None:
    other = Actor(Principal(PrincipalKind.USER, "far", "ocid1.user.oc1..far"), "ocid1.tenancy.oc1..other")
    with pytest.raises(Refused):
        groups.create(store, other, "Theirs")
    sealing.seal_waiting(store)
    with store.database.read() as connection:
        assert sealing.chain_of(connection, other.tenancy).last.position == 1
        assert sealing.chain_of(connection, admin.tenancy).last.position == all_rows(store) - 1
