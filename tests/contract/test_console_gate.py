"""The console's gate on both databases: who gets in, which forms count, what an error looks like."""

import re
from types import SimpleNamespace

import httpx
import pytest
from request_signing import KeyPair
from starlette.applications import Starlette

from assay.admission.examine import Gate
from assay.console import routes
from assay.console.gate import Place, routes_of
from assay.console.rendering import CONTENT_SECURITY_POLICY, STATIC_FILES
from assay.console.replies import Page
from assay.errors import Unavailable
from assay.iam import Actor, hashing
from assay.iam.credentials import auth_tokens, passwords, sessions
from assay.iam.identity import first_start, users
from assay.iam.identity.trail import entries
from assay.iam.identity.users import principal_of
from assay.registry import repositories
from assay.registry.repositories import RepositoryDetails
from assay.secret import Secret
from assay.settings import Settings
from assay.vault import Custody
from assay.vault.root import SoftwareRoot

PASSWORD = "correct horse battery"


class Browser:
    """A client that keeps cookies and can send the forms it was shown, as a browser does."""

    def __init__(self, app, origin="http://assay.test"):
        starlette = Starlette(routes=app if isinstance(app, list) else routes(app))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(starlette), base_url=origin)
        self.origin = origin

    async def get(self, path):
        return await self.client.get(path)

    async def send(self, path, *, to="", token=None, origin="", **fields):
        """Load the page at `path` and send a form of it (to another address, with another token, if they are given)."""
        shown = await self.client.get(path)
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', shown.text)
        csrf = token if token is not None else found[1] if found else ""
        headers = {"origin": origin or self.origin}
        return await self.client.post(to or path, data={"csrf": csrf, **fields}, headers=headers)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    """Passwords are hashed slowly on purpose; here many are, and none is worth guessing."""
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    monkeypatch.setattr(hashing, "PASSES", 1)


@pytest.fixture
def made(store):
    return first_start.bootstrap(store)


@pytest.fixture
def app(store, made):
    settings = Settings(external_url="http://assay.test")
    root = SoftwareRoot(bytes(range(32)))
    return SimpleNamespace(
        settings=settings,
        store=store,
        root=SimpleNamespace(key=root, sealed_because=""),
        custody=Custody(root),
        gate=Gate.at(["assay.test"], settings.url),
        admission_files=None,
    )


@pytest.fixture
def admin(made):
    return Actor(principal_of(made.administrator), made.tenancy.ocid)


@pytest.fixture
def signed_in(store, made):
    """The administrator's password changed already."""
    first = sessions.sign_in(store, "admin", made.secret)
    passwords.change(store, first.token, made.secret, Secret(PASSWORD))


async def enter(browser, name="admin", password=PASSWORD):
    return await browser.send("/sign-in", user=name, password=password, next="/")


pytestmark = pytest.mark.anyio


async def test_a_stranger_is_sent_to_the_sign_in_page_and_back_to_where_they_wanted(app, signed_in):
    browser = Browser(app)
    sent = await browser.get("/r?name=api")
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=%2Fr%3Fname%3Dapi")
    done = await browser.send("/sign-in", user="admin", password=PASSWORD, next="/r?name=api")
    assert (done.status_code, done.headers["location"]) == (303, "/r?name=api")
    assert (await browser.get("/r?name=api")).status_code == 200


@pytest.mark.parametrize("wanted", ["//evil.test/", "https://evil.test/", "/\\evil.test", "javascript:alert(1)", ""])
async def test_nobody_is_sent_to_another_site_after_signing_in(app, signed_in, wanted):
    done = await Browser(app).send("/sign-in", user="admin", password=PASSWORD, next=wanted)
    assert done.headers["location"] == "/"


async def test_a_wrong_password_says_so_keeps_the_name_and_opens_nothing(app, signed_in):
    browser = Browser(app)
    answered = await enter(browser, password="wrong")
    assert answered.status_code == 401
    assert "Name or password is wrong." in answered.text
    assert 'name="user" value="admin"' in answered.text
    assert "wrong</" not in answered.text.partition('type="password"')[2].partition(">")[0]
    assert (await browser.get("/")).status_code == 303


async def test_the_given_password_opens_only_the_page_that_changes_it(app, made):
    browser = Browser(app)
    entered = await enter(browser, password=made.secret.reveal())
    assert entered.headers["location"] == "/sign-in/password"
    assert (await browser.get("/r")).headers["location"] == "/sign-in/password"
    differing = await browser.send("/sign-in/password", old=made.secret.reveal(), new=PASSWORD, again="another")
    assert (differing.status_code, "The two are not the same." in differing.text) == (400, True)
    weak = await browser.send("/sign-in/password", old=made.secret.reveal(), new="short", again="short")
    assert "too short" in weak.text
    done = await browser.send("/sign-in/password", old=made.secret.reveal(), new=PASSWORD, again=PASSWORD)
    assert done.headers["location"] == "/?done=password-changed"
    assert "Your password is changed." in (await browser.get(done.headers["location"])).text


async def test_the_session_cookie_cannot_be_read_by_scripts_nor_sent_from_elsewhere(app, signed_in):
    cookie = (await enter(Browser(app))).headers["set-cookie"]
    assert cookie.startswith("assay-session=assay_session_")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


async def test_over_https_the_cookie_is_bound_to_the_host(app, signed_in):
    app.settings = Settings(external_url="https://assay.test")
    cookie = (await enter(Browser(app, "https://assay.test"))).headers["set-cookie"]
    assert cookie.startswith("__Host-assay-session=")
    assert "Secure" in cookie.split("; ")


async def test_signing_out_ends_the_session_itself(app, signed_in):
    browser = Browser(app)
    await enter(browser)
    kept = dict(browser.client.cookies)
    out = await browser.send("/me", to="/sign-out")
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    browser.client.cookies.update(kept)
    assert (await browser.get("/")).status_code == 303


@pytest.mark.parametrize("token", ["", "0" * 64])
async def test_a_form_without_its_token_changes_nothing(app, signed_in, token):
    browser = Browser(app)
    await enter(browser)
    refused = await browser.send("/vaults", token=token, name="acme-prod")
    assert refused.status_code == 403
    assert "acme-prod" not in (await browser.get("/vaults")).text


async def test_a_form_token_of_another_session_does_not_count(app, signed_in):
    one, other = Browser(app), Browser(app)
    await enter(one)
    await enter(other)
    stolen = re.search(r'name="csrf" value="([0-9a-f]+)"', (await other.get("/vaults")).text)[1]
    assert (await one.send("/vaults", token=stolen, name="acme-prod")).status_code == 403


async def test_a_form_sent_from_another_origin_does_not_count(app, signed_in):
    browser = Browser(app)
    await enter(browser)
    assert (await browser.send("/vaults", origin="http://evil.test", name="acme-prod")).status_code == 403


async def test_a_form_that_counts_answers_303_and_says_what_was_done(app, signed_in):
    browser = Browser(app)
    await enter(browser)
    done = await browser.send("/vaults", name="acme-prod")
    assert done.status_code == 303
    shown = await browser.get(done.headers["location"])
    assert ("<h1>acme-prod</h1>" in shown.text, "The vault is there." in shown.text) == (True, True)


async def test_a_refused_form_comes_back_with_its_values_and_the_reason(app, signed_in):
    browser = Browser(app)
    await enter(browser)
    statements = "allow group Administrators to mange repos in tenancy"
    refused = await browser.send("/iam", name="mine", description="for me", statements=statements)
    assert refused.status_code == 400
    assert 'name="name" value="mine"' in refused.text
    assert '<span class="at-fault">mange</span>' in refused.text
    assert "Did you mean &#39;manage&#39;?" in refused.text
    assert "mine" not in (await browser.get("/iam")).text


async def test_a_nul_in_path_query_or_form_is_bad_input_on_every_database(app, signed_in):
    browser = Browser(app)
    assert (await browser.send("/sign-in", user="ad\0min", password=PASSWORD)).status_code == 400
    await enter(browser)
    for path in ("/r?name=%00", "/r/a%00b", "/search?q=%00", "/iam/users/%00"):
        assert (await browser.get(path)).status_code == 400, path


@pytest.mark.parametrize("number", ["", "-1", "4.5", "9" * 19, "9" * 5000, "²", "٤"])
async def test_a_number_that_is_none_or_endless_is_bad_input(app, store, admin, signed_in, number):
    browser = Browser(app)
    await enter(browser)
    repositories.create(store, admin, RepositoryDetails(admin.tenancy, "team/app"))
    vault = (await browser.send("/vaults", name="keys")).headers["location"].partition("?")[0]
    application = (await browser.send("/functions", name="thumbnails")).headers["location"].partition("?")[0]
    for path, fields in (
        ("/r/team/app/-/scanner", {"do": "add", "images": number}),
        (vault, {"name": "release", "shape": f"RSA/{number}"}),
        (application, {"do": "create", "name": "f", "image": "team/app:v1", "memory": number}),
    ):
        answered = await browser.send(path, **fields)
        assert (answered.status_code, "is not a " in answered.text) == (400, True), path


async def test_every_page_carries_the_strict_policy_and_is_kept_by_no_cache(app, signed_in):
    browser = Browser(app)
    await enter(browser)
    for path in ("/", "/r", "/sign-in", "/nothing-here-for-you", "/r/none"):
        answered = await browser.get(path)
        if answered.headers.get("server-timing"):
            assert answered.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
            assert answered.headers["cache-control"] == "no-store"
            assert answered.headers["x-content-type-options"] == "nosniff"


def test_the_policy_lets_in_nothing_from_elsewhere_and_nothing_inline():
    parts = dict(part.strip().split(" ", 1) for part in CONTENT_SECURITY_POLICY.split(";"))
    assert parts == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "script-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


async def test_what_is_missing_and_what_is_not_theirs_look_the_same(app, store, admin, signed_in):
    repositories.create(store, admin, RepositoryDetails(admin.tenancy, "ledger/reports"))
    stranger = users.create(store, admin, "guest")
    first = passwords.reset(store, admin, stranger.ocid)
    session = sessions.sign_in(store, "guest", first.password)
    passwords.change(store, session.token, first.password, Secret(PASSWORD))
    browser = Browser(app)
    await enter(browser, "guest")
    texts = []
    for name in ("ledger/reports", "ledger/nothing"):
        answered = await browser.get(f"/r/{name}")
        assert answered.status_code == 404
        texts.append(re.sub(r"[0-9a-f]{4}-[0-9a-f]{4}", "N", answered.text.replace(name, "NAME")))
    assert texts[0] == texts[1]


async def test_the_rail_shows_only_what_the_reader_may_inspect(app, store, admin, signed_in):
    stranger = users.create(store, admin, "guest")
    first = passwords.reset(store, admin, stranger.ocid)
    session = sessions.sign_in(store, "guest", first.password)
    passwords.change(store, session.token, first.password, Secret(PASSWORD))
    theirs, mine = Browser(app), Browser(app)
    await enter(theirs, "guest")
    await enter(mine)
    rail = {}
    for name, browser in (("guest", theirs), ("admin", mine)):
        nav = (await browser.get("/me")).text.partition('<nav class="rail"')[2].partition("</nav>")[0]
        rail[name] = set(re.findall(r'href="([^"]+)"', nav))
    assert rail["guest"] == {"/", "/r"}
    assert rail["guest"] | {"/vaults", "/c", "/d", "/feeds", "/iam", "/audit", "/functions", "/jobs"} == rail["admin"]


async def test_an_unknown_filter_is_an_error_line_on_the_list_and_not_dropped(app, store, admin, signed_in):
    repositories.create(store, admin, RepositoryDetails(admin.tenancy, "payments/api"))
    browser = Browser(app)
    await enter(browser)
    for query in ("colour=red", "risk=purple", "sort=colour", "limit=7"):
        answered = await browser.get(f"/r?{query}")
        assert answered.status_code == 400
        assert ('role="alert"' in answered.text, "payments/api" in answered.text) == (True, True)


async def test_a_list_answers_programs_with_the_same_rows(app, store, admin, signed_in):
    for name in ("payments/api", "payments/worker", "storefront/web"):
        repositories.create(store, admin, RepositoryDetails(admin.tenancy, name))
    browser = Browser(app)
    await enter(browser)
    rows = (await browser.get("/r.json?name=payments&sort=name")).json()["items"]
    assert [row["name"] for row in rows] == ["payments/api", "payments/worker"]
    text = (await browser.get("/r.csv?name=payments&sort=name")).text.splitlines()
    assert [line.partition(",")[0] for line in text] == ["name", "payments/api", "payments/worker"]


async def test_a_list_sorted_by_name_pages_without_gap_or_repetition(app, store, admin, signed_in):
    names = [f"team/image-{number:03}" for number in range(120)]
    for name in names:
        repositories.create(store, admin, RepositoryDetails(admin.tenancy, name))
    browser = Browser(app)
    await enter(browser)
    seen, address = [], "/r.json?sort=name"
    while address:
        page = (await browser.get(address)).json()
        seen += [row["name"] for row in page["items"]]
        address = f"/r.json?sort=name&after={page['after']}" if "after" in page else ""
    assert seen == names
    assert 'rel="next"' in (await browser.get("/r?sort=name")).text


async def test_a_page_token_that_was_made_up_is_refused(app, signed_in):
    browser = Browser(app)
    await enter(browser)
    assert (await browser.get("/r.json?sort=name&after=made-up")).status_code == 400


def _place(show):
    return Place("/here", show, is_open=True)


async def test_a_supply_that_fails_is_named_with_advice_and_the_request_number(app):
    def show(visit):
        raise Unavailable("The database did not answer within 2 s.", advice="Try again.")

    answered = await Browser(routes_of(app, (_place(show),))).get("/here")
    assert answered.status_code == 503
    assert "The database did not answer within 2 s." in answered.text
    assert re.search(r"Request <code>[0-9a-f]{4}-[0-9a-f]{4}</code>", answered.text)


async def test_a_mistake_of_the_server_shows_no_stack_and_no_secret(app):
    def show(visit):
        raise RuntimeError("the secret is 4711")

    answered = await Browser(routes_of(app, (_place(show),))).get("/here")
    assert answered.status_code == 500
    assert "4711" not in answered.text
    assert "Traceback" not in answered.text


async def test_a_form_that_is_too_large_is_refused_while_it_comes(app):
    def show(visit):
        return Page("sign_in.html")

    browser = Browser(routes_of(app, (Place("/here", show, show, is_open=True),)))
    answered = await browser.client.post("/here", content=b"x" * 70_000)
    assert answered.status_code == 413


async def test_static_files_may_be_kept_for_ever_under_their_version_only(app):
    browser = Browser(app)
    content, media_type, version = STATIC_FILES["console.css"]
    found = await browser.get(f"/static/{version}/console.css")
    assert (found.content, found.headers["content-type"].partition(";")[0]) == (content, media_type)
    assert "immutable" in found.headers["cache-control"]
    assert (await browser.get("/static/000000000000/console.css")).status_code == 404
    assert (await browser.get(f"/static/{version}/../gate.py")).status_code == 404


async def test_the_theme_is_kept_in_a_cookie_and_set_on_the_page(app, signed_in):
    browser = Browser(app)
    await enter(browser)
    await browser.send("/me", do="theme", theme="dark")
    assert '<html lang="en" data-theme="dark">' in (await browser.get("/")).text
    assert (await browser.send("/me", do="theme", theme='"><script>')).status_code == 400


async def test_an_auth_token_is_shown_by_the_answer_that_makes_it_and_never_again(app, signed_in):
    browser = Browser(app)
    await enter(browser)
    made = await browser.send("/me", do="create-token", description="laptop")
    secret = re.search(r"assay_auth_[A-Za-z0-9_-]+", made.text)
    assert secret is not None
    later = await browser.get("/me")
    assert ("laptop" in later.text, secret[0] in later.text) == (True, False)


async def test_api_keys_are_uploaded_listed_and_deleted_and_a_private_one_is_not_shown_again(app, signed_in):
    pair = KeyPair()
    browser = Browser(app)
    await enter(browser)
    wrong = await browser.send("/me", do="upload-key", key=pair.private_pem)
    assert (wrong.status_code, "This is a private key" in wrong.text) == (400, True)
    assert pair.private_pem.splitlines()[5] not in wrong.text
    assert (await browser.send("/me", do="upload-key", key=pair.public_pem)).status_code == 303
    shown = (await browser.get("/me")).text
    assert (pair.fingerprint in shown, "expires" in shown) == (True, True)
    gone = await browser.send("/me", do="delete-key", fingerprint=pair.fingerprint)
    assert gone.headers["location"] == "/me?done=api-key-deleted"
    assert pair.fingerprint not in (await browser.get("/me")).text


async def test_an_administrator_looks_after_the_credentials_of_another(app, store, admin, signed_in):
    pair = KeyPair()
    alice = users.create(store, admin, "alice", "who builds")
    page = f"/iam/users/{alice.ocid}"
    browser = Browser(app)
    await enter(browser)
    assert page in (await browser.get("/iam/users")).text
    await browser.send(page, do="upload-key", key=pair.public_pem)
    auth_tokens.create(store, admin, alice.ocid, "of the build")
    shown = (await browser.get(page)).text
    assert all(words in shown for words in ("alice", "who builds", pair.fingerprint, "of the build", "Active"))
    reset = (await browser.send(page, do="reset-password")).text
    assert "One-time password of alice" in reset
    assert "One-time password" not in (await browser.get(page)).text.replace("Give a one-time password", "")
    await browser.send(page, do="block")
    assert "Blocked" in (await browser.get(page)).text
    assert (await browser.get(f"{page[:-4]}zzzz")).status_code == 404


async def test_a_link_from_another_site_leads_in_by_a_page_that_loads_itself_again(app, signed_in):
    browser = Browser(app)
    linked = await browser.client.get("/r", headers={"sec-fetch-site": "cross-site"})
    assert (linked.status_code, '<meta http-equiv="refresh" content="0">' in linked.text) == (200, True)
    again = await browser.client.get("/r", headers={"sec-fetch-site": "same-origin"})
    assert again.status_code == 303


async def test_a_page_that_is_denied_leaves_an_audit_row_of_who_asked(app, store, admin, signed_in):
    guest = users.create(store, admin, "guest")
    first = passwords.reset(store, admin, guest.ocid)
    browser = Browser(app)
    await enter(browser, "guest", first.password.reveal())
    await browser.send("/sign-in/password", old=first.password.reveal(), new=PASSWORD, again=PASSWORD)
    assert (await browser.get("/audit")).status_code == 404
    denied = entries.listed(store, admin, entries.Search(outcome="denied")).items
    assert [(entry.operation, entry.principal_name) for entry in denied] == [("ListAuditEvents", "guest")]
