"""The console's pages of access: who can pull this, compartments, dynamic groups and network sources."""

from types import SimpleNamespace

import pytest
from test_console_gate import PASSWORD, Browser, enter

from assay.admission.examine import Gate
from assay.iam import Actor, hashing
from assay.iam.credentials import passwords, sessions
from assay.iam.identity import compartments, dynamic_groups, first_start, groups, network_sources, policies, users
from assay.registry import repositories
from assay.registry.repositories import RepositoryDetails
from assay.secret import Secret
from assay.settings import Settings
from assay.vault import Custody
from assay.vault.root import SoftwareRoot

pytestmark = pytest.mark.anyio
READ = "allow group Developers to read repos in tenancy where target.repo.name = 'team/app'"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def admin(store, monkeypatch):
    """The administrator, whose password is changed already; hashing is quick, for nothing here is worth guessing."""
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    monkeypatch.setattr(hashing, "PASSES", 1)
    made = first_start.bootstrap(store)
    first = sessions.sign_in(store, "admin", made.secret)
    passwords.change(store, first.token, made.secret, Secret(PASSWORD))
    return Actor(users.principal_of(made.administrator), made.tenancy.ocid)


@pytest.fixture
async def browser(store, admin):
    settings = Settings(external_url="http://assay.test")
    root = SoftwareRoot(bytes(range(32)))
    app = SimpleNamespace(
        settings=settings,
        store=store,
        root=SimpleNamespace(key=root, sealed_because=""),
        custody=Custody(root),
        gate=Gate.at(["assay.test"], settings.url),
        admission_files=None,
    )
    entered = Browser(app)
    await enter(entered)
    return entered


async def test_a_repository_tells_who_can_pull_it_and_by_which_statement(store, admin, browser):
    developers = groups.create(store, admin, "Developers")
    alice, _bob = users.create(store, admin, "alice"), users.create(store, admin, "bob")
    groups.add_user(store, admin, alice.ocid, developers.ocid)
    policies.create(store, admin, admin.tenancy, "p", [READ])
    for name in ("team/app", "team/other"):
        repositories.create(store, admin, RepositoryDetails(compartment=admin.tenancy, name=name))
    assert "/r/team/app/-/access" in (await browser.get("/r/team/app")).text
    page = (await browser.get("/r/team/app/-/access")).text
    assert "alice" in page
    assert READ.replace("'", "&#39;") in page
    assert '<th scope="row">bob' not in page
    assert "alice" not in (await browser.get("/r/team/other/-/access")).text
    assert "alice" not in (await browser.get("/r/team/app/-/access?may=PushImage")).text


async def test_a_public_repository_says_that_everybody_can_pull(store, admin, browser):
    details = RepositoryDetails(compartment=admin.tenancy, name="team/open", is_public=True)
    repositories.create(store, admin, details)
    assert "The repository is public." in (await browser.get("/r/team/open/-/access")).text
    assert "The repository is public." not in (await browser.get("/r/team/open/-/access?may=PushImage")).text


async def test_compartments_are_made_moved_and_deleted(store, admin, browser):
    for name, parent in (("dev", admin.tenancy), ("team", admin.tenancy)):
        await browser.send("/iam/compartments", do="create", name=name, parent=parent)
    dev, team = (compartments.named(store, admin, name).ocid for name in ("dev", "team"))
    await browser.send("/iam/compartments", do="move", compartment=team, parent=dev)
    assert compartments.named(store, admin, "dev:team").ocid == team
    assert "dev:team" in (await browser.get("/iam/compartments")).text
    await browser.send("/iam/compartments", do="delete", compartment=team)
    assert "dev:team" not in (await browser.get("/iam/compartments")).text


async def test_dynamic_groups_and_network_sources_are_made_and_deleted(store, admin, browser):
    path, rule = "/iam/dynamic-groups", "resource.type = 'cluster'"
    await browser.send(path, do="create-group", name="clusters", rule=rule)
    await browser.send(path, do="create-source", name="office", networks="192.0.2.0/24 2001:db8::/32")
    (group,) = dynamic_groups.listed(store, admin).items
    (source,) = network_sources.listed(store, admin).items
    assert (group.matching_rule, source.networks) == (rule, ("192.0.2.0/24", "2001:db8::/32"))
    broken = await browser.send(path, do="create-group", name="other", rule="resource.typ = 'cluster'")
    assert "character 1" in broken.text
    for what, ocid in (("group", group.ocid), ("source", source.ocid)):
        await browser.send(path, do=f"delete-{what}", ocid=ocid)
    assert dynamic_groups.listed(store, admin).items == network_sources.listed(store, admin).items == ()
