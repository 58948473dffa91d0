"""The version date of a policy is a day, or nothing: the stock client reads it as one."""

import pytest

from assay.errors import Refused
from assay.iam import Actor
from assay.iam.identity import first_start, policies, users
from assay.storage import Store

STATEMENTS = ["allow any-user to read repos in tenancy"]
NO_DATES = [
    "2026-13-40", "2025-02-29", "0000-00-00", "yesterday", "20261201", "2026-W49-2", " 2026-12-01", "2026-12-01\n",
    "2026-12-01T25:00:00Z", "2026-12-01 10:00:00", "0001-01-01T00:00:00+02:00", "9" * 5000, "٢٠٢٦-١٢-٠١",
]  # fmt: skip


@pytest.fixture
def admin(store: Store) -> Actor:
    made = first_start.bootstrap(store)
    assert made is not None
    return Actor(users.principal_of(made.administrator), made.tenancy.ocid)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("2024-02-29", "2024-02-29"),
        ("2026-12-01T00:00:00Z", "2026-12-01"),
        ("2026-12-01T00:00:00.123456+00:00", "2026-12-01"),
        ("2026-12-01T01:00:00+02:00", "2026-11-30"),
    ],
)
def test_a_day_is_kept_and_a_time_by_its_day_in_utc(store: Store, admin: Actor, given: str, kept: str) -> None:
    made = policies.create(store, admin, admin.tenancy, "p", STATEMENTS, version_date=given)
    assert policies.get(store, admin, made.ocid).version_date == kept
    changed = policies.update(store, admin, made.ocid, version_date="2020-01-31")
    assert changed.version_date == "2020-01-31"
    assert policies.update(store, admin, made.ocid, description="d").version_date == "2020-01-31"
    assert policies.update(store, admin, made.ocid, version_date=given).version_date == kept


def test_what_is_no_day_is_refused_and_changes_nothing(store: Store, admin: Actor) -> None:
    made = policies.create(store, admin, admin.tenancy, "p", STATEMENTS, version_date="2026-12-01")
    for text in NO_DATES:
        with pytest.raises(Refused, match="is not a version date"):
            policies.update(store, admin, made.ocid, version_date=text)
        with pytest.raises(Refused, match="is not a version date"):
            policies.create(store, admin, admin.tenancy, "q", STATEMENTS, version_date=text)
    assert policies.get(store, admin, made.ocid).version_date == "2026-12-01"
    assert [each.name for each in policies.listed(store, admin, admin.tenancy).items].count("q") == 0
