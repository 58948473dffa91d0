"""The console's pages of what stays in a repository: retention, quotas, deleted images, settings."""

from types import SimpleNamespace

import pytest
from registry_pieces import Room, index_of
from test_console_gate import PASSWORD, Browser, enter

from assay.admission.examine import Gate
from assay.clock import DAY
from assay.iam import Actor, hashing
from assay.iam.credentials import passwords, sessions
from assay.iam.identity import first_start, users
from assay.oci import Digest
from assay.registry import images, removals, repositories
from assay.registry.manifests import ManifestLimits
from assay.registry.pulls import PullCounter
from assay.registry.rules import quotas, retention
from assay.registry.rules.model import Limits, PolicyDetails, Rule, RuleKind
from assay.secret import Secret
from assay.settings import Settings
from assay.vault import Custody
from assay.vault.root import SoftwareRoot

pytestmark = pytest.mark.anyio
KEEPING = "/r/team/app/-/retention"


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
def room(store, admin, tmp_path, clock):
    room = Room.on(store, tmp_path / "blobs")
    for tag in ("v1", "v2", "v3"):
        clock.advance(1)
        room.push_image(tag, seed=tag, actor=admin)
    return room


@pytest.fixture
async def browser(store, admin):
    settings = Settings(external_url="http://assay.test")
    root = SoftwareRoot(bytes(range(32)))
    app = SimpleNamespace(
        settings=settings,
        store=store,
        pulls=PullCounter(store),
        root=SimpleNamespace(key=root, sealed_because=""),
        custody=Custody(root),
        gate=Gate.at(["assay.test"], settings.url),
        admission_files=None,
    )
    entered = Browser(app)
    await enter(entered)
    return entered


async def test_what_would_go_is_shown_with_its_reason_removed_on_command_and_restored(store, admin, room, browser):
    empty = (await browser.get(KEEPING)).text
    assert "No policy reaches this repository" in empty
    assert "No quota holds here." in empty
    rules = (Rule(RuleKind.KEEP_LAST, count=2),)
    retention.create(store, admin, admin.tenancy, PolicyDetails("few", rules, "team/*", is_enabled=True))
    assert KEEPING in (await browser.get("/r/team/app")).text
    page = (await browser.get(KEEPING)).text
    assert "Keep the 2 pushed last" in page
    assert "not among the 2 pushed last" in page
    assert "1 image would go, 2 would stay." in page
    await browser.send(KEEPING, do="apply")
    assert room.repository(actor=admin).image_count == 2
    page = (await browser.get(KEEPING)).text
    assert "Nothing would go" in page
    assert "restorable until" in page
    gone = page.partition('name="image" value="')[2].partition('"')[0]
    await browser.send(KEEPING, do="restore", image=gone, version="again")
    assert images.get(store, admin, gone).display_name == "team/app:again"


async def test_an_image_that_can_be_restored_no_more_is_not_offered(store, admin, room, browser, clock):
    removals.delete(store, admin, images.lookup(store, admin, "team/app", "v1").ocid)
    assert "restorable until" in (await browser.get(KEEPING)).text
    clock.advance(2 * DAY + 1)
    await enter(browser)
    assert "restorable until" not in (await browser.get(KEEPING)).text


async def test_quotas_that_hold_here_are_shown_with_what_is_used(store, admin, room, browser):
    stored = room.repository(actor=admin).stored_bytes
    quotas.set_limits(store, admin, room.repository(actor=admin).ocid, Limits(bytes_max=2 * stored))
    quotas.set_limits(store, admin, admin.tenancy, Limits(repositories_max=4))
    page = (await browser.get(KEEPING)).text
    assert f"{stored} B of {2 * stored} B" in page
    assert 'value="50"' in page
    assert "Tenancy: repositories" in page
    assert "1 of 4" in page


async def test_the_readme_and_who_may_pull_are_set_unless_somebody_was_quicker(store, admin, room, browser):
    path = "/r/team/app/-/settings"
    etag = room.repository(actor=admin).etag
    await browser.send(path, **{"is": "public"}, etag=etag, readme="# Hello <b>")
    found = repositories.by_name(store, admin, "team/app")
    assert (found.is_public, found.is_immutable, found.readme.content) == (True, False, "# Hello <b>")
    assert "# Hello &lt;b&gt;" in (await browser.get("/r/team/app")).text
    late = await browser.send(path, **{"is": "immutable"}, etag=etag, readme="other")
    assert "The resource has changed since it was read." in late.text
    assert repositories.by_name(store, admin, "team/app") == found


async def test_the_pages_of_an_image_that_lacks_a_platform_are_shown(admin, room, browser):
    manifest = room.push_image(seed="amd64", actor=admin, settle_microseconds=DAY)[1]
    index = index_of((manifest, "amd64"), (b"absent", "arm64"))
    room.put(index, "sparse", actor=admin, limits=ManifestLimits(takes_sparse=True))
    for page in ("", "/packages", "/signatures", "/scans"):
        answer = await browser.get(f"/r/team/app/-/{Digest.of(index)}{page}")
        assert answer.status_code == 200, answer.text
    assert "linux/amd64" in (await browser.get(f"/r/team/app/-/{Digest.of(index)}")).text
