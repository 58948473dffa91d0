"""Reading the audit log."""

import pytest

from assay.errors import Refused
from assay.iam import Actor, Principal, PrincipalKind
from assay.iam.identity import first_start, groups
from assay.iam.identity.trail import entries as trail
from assay.iam.identity.users import principal_of
from assay.storage.pages import Window


@pytest.fixture
def made(store):
    return first_start.bootstrap(store)


@pytest.fixture
def admin(made):
    return Actor(principal_of(made.administrator), made.tenancy.ocid, "192.0.2.7", "4f1c-09aa")


def test_the_newest_entry_comes_first_and_says_who_what_and_on_what(store, admin):
    group = groups.create(store, admin, "Reviewers")
    newest = trail.listed(store, admin).items[0]
    assert (newest.operation, newest.resource, newest.outcome) == ("CreateGroup", group.ocid, "done")
    assert (newest.principal_name, newest.address, newest.request_id) == ("admin", "192.0.2.7", "4f1c-09aa")


def test_entries_on_one_thing_leave_out_the_rest(store, admin):
    one = groups.create(store, admin, "One")
    groups.create(store, admin, "Two")
    found = trail.listed(store, admin, trail.Search(resource=one.ocid)).items
    assert [(entry.operation, entry.resource) for entry in found] == [("CreateGroup", one.ocid)]


def test_pages_follow_one_another_without_gap_or_repetition(store, admin):
    for name in ("A", "B", "C"):
        groups.create(store, admin, name)
    whole = [entry.resource for entry in trail.listed(store, admin).items]
    paged, token = [], ""
    while True:
        page = trail.listed(store, admin, window=Window(limit=2, page=token))
        paged += [entry.resource for entry in page.items]
        token = page.next_page
        if not token:
            break
    assert paged == whole
    assert len(set(whole)) == len(whole)


def test_a_denied_attempt_is_an_entry_with_its_reason(store, admin, made):
    stranger = Actor(Principal(PrincipalKind.USER, "nobody", "ocid1.user.oc1..none"), made.tenancy.ocid)
    with pytest.raises(Refused):
        groups.create(store, stranger, "Mine")
    newest = trail.listed(store, admin).items[0]
    assert (newest.operation, newest.outcome, newest.principal_name) == ("CreateGroup", "denied", "nobody")
    assert newest.reason


def test_the_log_is_not_for_those_whom_no_statement_lets_read_it(store, made):
    stranger = Actor(Principal(PrincipalKind.USER, "nobody", "ocid1.user.oc1..none"), made.tenancy.ocid)
    with pytest.raises(Refused, match="not found"):
        trail.listed(store, stranger)
