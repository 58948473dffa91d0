"""A value that a variable never has is refused by whoever writes it now; what stands from before changes nothing."""

import pytest

from assay.errors import Refused
from assay.iam import Actor
from assay.iam.identity import dynamic_groups, first_start, policies, users
from assay.iam.statements import check
from assay.storage import Store

MISSPELT = "allow any-user to read repos in tenancy where request.operation != 'PulImage'"
RIGHT = "allow any-user to read repos in tenancy where request.operation != 'PullImage'"


@pytest.fixture
def admin(store: Store) -> Actor:
    first = first_start.bootstrap(store)
    assert first is not None
    return Actor(users.principal_of(first.administrator), first.tenancy.ocid)


def test_a_misspelt_value_is_refused_and_nothing_is_written(store: Store, admin: Actor) -> None:
    group = dynamic_groups.create(store, admin, "clusters", "resource.type = 'cluster'")
    policy = policies.create(store, admin, admin.tenancy, "p", [RIGHT])
    with pytest.raises(Refused, match=r"Statement 1, character 68: 'PulImage' .* Did you mean 'PullImage'"):
        policies.create(store, admin, admin.tenancy, "q", [MISSPELT])
    with pytest.raises(Refused, match="'PulImage'"):
        policies.update(store, admin, policy.ocid, statements=[MISSPELT])
    with pytest.raises(Refused, match=r"Matching rule, character 17: 'clustre' .* Did you mean 'cluster'"):
        dynamic_groups.create(store, admin, "others", "resource.type = 'clustre'")
    with pytest.raises(Refused, match="'clustre'"):
        dynamic_groups.update(store, admin, group.ocid, matching_rule="resource.type = 'clustre'")
    assert [each.name for each in policies.listed(store, admin, admin.tenancy).items if not each.is_built_in] == ["p"]
    assert policies.get(store, admin, policy.ocid).statements == (RIGHT,)
    assert dynamic_groups.get(store, admin, group.ocid).matching_rule == "resource.type = 'cluster'"


def test_a_statement_of_an_older_server_stays_in_force_and_others_are_added_beside_it(
    store: Store, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(policies, "check_written", check)
        policies.create(store, admin, admin.tenancy, "p", [MISSPELT])
    added = policies.add_statements(store, admin, [RIGHT], name="p")
    assert added.statements == (MISSPELT, RIGHT)
