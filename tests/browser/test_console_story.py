"""The story of one image, played in a real browser against a started server: from the first sign-in to admission.

The tests are steps of one story and stand in its order; each begins where the one before ended.
"""

import re
import shutil
import time
from pathlib import Path

import httpx
import pytest
from handmade_image import image, push
from playwright.sync_api import Page, expect

PASSWORD = "correct horse battery"
CARRIED_LATER = Path(__file__).parents[2] / "assay" / "advisories" / "carried" / "later"
OLD = (("django", "3.2"), ("pillow", "8.0.0"), ("requests", "2.19.1"))
SCAN_SECONDS = 60
#: One word without a place to break it.
LONG = "x" * 90

#: Facts of the carried advisories on these packages; each vulnerability counts once (see the folder's records).
AT_FIRST = {"Critical": 6, "High": 2, "Medium": 5, "Low": 2, "Unrated": 1}
LATER = {"Critical": 6, "High": 4, "Medium": 6, "Low": 2, "Unrated": 0}


def until(check, seconds=SCAN_SECONDS):
    """What `check` gives, as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError("it did not come")


def counts_on(page: Page) -> dict[str, int]:
    """The numbers of open problems as a screen reader says them."""
    said = page.locator("#p-h ~ .vh").first.text_content() or ""
    return {word: int(number) for word, number in re.findall(r"(\w+) (\d+)", said)}


def test_the_first_sign_in_asks_for_a_password_of_ones_own(page, installation, photograph):
    page.goto(installation.url)
    expect(page).to_have_title("Sign in · Assay")
    photograph(page, "sign-in")
    page.get_by_label("Sign-in name").fill("admin")
    page.get_by_label("Password").fill(installation.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Change your password")
    photograph(page, "password")
    page.get_by_label("Password until now").fill(installation.password)
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password again").fill(PASSWORD)
    page.get_by_role("button", name="Change and continue").click()
    expect(page.get_by_text("Your password is changed.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Four steps to the first verdict")
    photograph(page, "first-start")


def test_an_auth_token_lets_a_client_push(page, installation, photograph):
    page.goto(f"{installation.url}/me")
    page.get_by_label("What it is for").fill("laptop")
    page.get_by_role("button", name="Create a token").click()
    token = page.locator(".secret pre").inner_text()
    command = page.get_by_text("podman login").inner_text()
    installation.login = (command.rpartition(" ")[2], token)
    for repository, tag, python in (
        ("payments/api", "2.13.1", OLD[:2]),
        ("payments/api", "2.14.0", OLD),
        ("storefront/web", "5.3.1", (("django", "5.1"),)),
    ):
        name = f"{installation.namespace}/{repository}"
        push(installation.url, installation.login, name, tag, image(python, note=tag))
    page.goto(f"{installation.url}/r")
    expect(page.get_by_role("link", name="payments/api")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="storefront/web")).to_contain_text("not scanned")
    photograph(page, "repositories-unscanned")


def test_the_scanner_says_which_statements_are_missing_and_adds_them_with_a_click(page, installation, photograph):
    page.goto(f"{installation.url}/r/payments/api")
    page.get_by_role("link", name="Add an image scanner").click()
    expect(page.get_by_label("How many images at first")).to_have_value("4")
    page.get_by_role("button", name="Add the scanner").click()
    missing = page.get_by_text(re.compile("^allow service vulnerability-scanning-service to read"))
    assert missing.all_inner_texts() == [
        "allow service vulnerability-scanning-service to read repos in tenancy",
        "allow service vulnerability-scanning-service to read compartments in tenancy",
    ]
    photograph(page, "scanner-lacks-statements")
    page.get_by_role("button", name="Add the statement").first.click()
    expect(page.get_by_text("The statement is in force.")).to_be_visible()
    expect(missing).to_have_count(1)
    page.get_by_role("button", name="Add the statement").click()
    expect(missing).to_have_count(0)


def test_adding_the_scanner_scans_the_latest_images_at_once(page, installation, photograph):
    def scanned():
        page.goto(f"{installation.url}/r/payments/api")
        return page.locator("table .tally").count() == 2

    until(scanned)
    photograph(page, "repository")
    page.get_by_role("link", name="2.14.0").click()
    installation.pages["image"] = page.url
    assert counts_on(page) == AT_FIRST
    row = page.get_by_role("row").filter(has_text="CVE-2023-45853")
    expect(row).to_contain_text("zlib1g 1:1.2.13.dfsg-1")
    expect(row).to_contain_text("no fix")
    expect(row.get_by_role("link", name="Record of CVE-2023-45853")).to_have_attribute(
        "href", "https://www.cve.org/CVERecord?id=CVE-2023-45853"
    )


def test_a_problem_explains_itself(page, installation, photograph):
    page.goto(installation.pages["image"])
    page.get_by_role("link", name="CVE-2021-25287", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Why is CVE-2021-25287 a problem here?")
    because = page.locator("main")
    for said in ("pillow 8.0.0", "Layer 2 put it there", "PYSEC-2021-137", "Fixed in 8.2.0", "Severity Critical"):
        expect(because).to_contain_text(said)
    expect(because).to_contain_text("usr/local/lib/python3.11/site-packages/pillow-8.0.0.dist-info/METADATA")
    photograph(page, "why")


def test_filters_stand_in_the_address_and_can_be_cleared(page, installation):
    page.goto(installation.pages["image"])
    page.get_by_label("Severity", exact=True).select_option("High")
    page.get_by_role("button", name="Apply").click()
    assert "severity=h" in page.url
    assert page.locator("main tbody tr").count() == AT_FIRST["High"]
    page.get_by_label("CVE or package").fill("nothing-has-this-name")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("link", name="Clear filters").click()
    assert page.locator("main tbody tr").count() == sum(AT_FIRST.values())


def test_a_reviewer_accepts_the_scan_and_says_why(page, installation, photograph):
    page.goto(installation.pages["image"])
    page.get_by_role("link", name="Review this scan").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Scan r1")
    photograph(page, "scan")
    page.get_by_label("Accept").check()
    page.get_by_label("Reason").fill("Reachable from nowhere outside.")
    page.get_by_role("button", name="Record the verdict").click()
    expect(page.get_by_text("The verdict is recorded.")).to_be_visible()
    expect(page.get_by_role("region", name="Verdict")).to_contain_text("Reachable from nowhere outside.")


def test_a_key_is_made_in_a_vault_and_trusted_by_a_cluster(page, installation, photograph):
    page.goto(f"{installation.url}/vaults")
    page.get_by_label("Name").fill("acme-prod")
    page.get_by_role("button", name="Create the vault").click()
    page.get_by_label("Name").fill("release-signing")
    page.get_by_label("Shape").select_option("ECDSA P-256")
    page.get_by_role("button", name="Create the key").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("release-signing")
    installation.pages["key"] = page.url
    photograph(page, "key")
    page.goto(f"{installation.url}/c")
    page.get_by_label("Name").fill("prod-eu")
    page.get_by_role("button", name="Create the cluster").click()
    page.get_by_label(re.compile("^Verify images")).check()
    page.get_by_label(re.compile("^release-signing")).check()
    page.get_by_role("button", name="Save the policy").click()
    expect(page.get_by_text("The policy is in force.")).to_be_visible()
    page.get_by_role("button", name="Add the statement").click()
    expect(page.get_by_text("May read every repository")).to_be_visible()
    installation.pages["cluster"] = page.url.partition("?")[0]


def ask(installation, token: str, cluster: str, reference: str) -> dict:
    """What the admission webhook answers when a pod with that image is to be made."""
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "0f6a2a1c-7f0c-4f58-9f57-111111111111",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "payments-eu",
            "name": "api",
            "operation": "CREATE",
            "userInfo": {"username": "ci"},
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "api", "namespace": "payments-eu"},
                "spec": {"containers": [{"name": "api", "image": reference}]},
            },
        },
    }
    answered = httpx.post(
        f"{installation.admission}/v1/clusters/{cluster}/validate?timeout=10s",
        json=review,
        headers={"authorization": f"Bearer {token}"},
        verify=False,
    )
    answered.raise_for_status()
    return answered.json()["response"]


def test_what_is_not_signed_is_denied_and_the_decision_says_why(page, installation, photograph):
    page.goto(installation.pages["cluster"])
    page.get_by_label("What the token is for").fill("API servers")
    page.get_by_role("button", name="Make a token").click()
    files = page.locator(".code pre").all_inner_texts()
    token = next(re.search(r'token: "?([\w-]+)', text) for text in files if "kind:" in text and "token:" in text)[1]
    installation.pages["token"] = token
    page.goto(installation.pages["cluster"])
    assert token not in page.content()
    with page.expect_download() as download:
        page.get_by_role("link", name="Webhook manifests", exact=True).click()
    manifests = Path(download.value.path()).read_text()
    cluster = re.search(r"/v1/clusters/([^/]+)/validate", manifests)[1]
    installation.pages["cluster-ocid"] = cluster
    reference = f"{installation.host}/{installation.namespace}/payments/api:2.14.0"
    answer = ask(installation, token, cluster, reference)
    assert answer["allowed"] is False
    address = re.search(r"https?://\S+/d/(\w+)", answer["status"]["message"])
    page.goto(f"{installation.url}/d/{address[1]}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Decision {address[1]}")
    expect(page.locator("main")).to_contain_text("not signed")
    photograph(page, "decision")
    page.get_by_role("link", name="payments/api:2.14.0").click()
    expect(page.get_by_role("list", name="Where this image stands")).to_contain_text("prod-eu denies it")


def test_who_signs_what_is_partly_scanned_is_warned_in_the_form(page, installation, photograph):
    """A layer's type that nobody knows, of one long word: what it was not read for is said, and fits every box."""
    odd = image(OLD[:1], note="odd", layer_type=f"application/vnd.example.{LONG}")
    page.goto(f"{installation.url}/r/storefront/web/-/scanner")
    page.get_by_role("button", name="Add the scanner").click()
    push(installation.url, installation.login, f"{installation.namespace}/storefront/web", "odd", odd)
    installation.pages["partial"] = f"{installation.url}/r/storefront/web/-/{odd.digest}"

    def scanned():
        page.goto(installation.pages["partial"])
        return page.get_by_text("Partly scanned").count()

    until(scanned)
    photograph(page, "partial")
    page.goto(f"{installation.pages['partial']}/sign")
    warning = page.locator("dialog .note-warn").first
    expect(warning).to_contain_text("This image was only partly scanned")
    expect(warning).to_contain_text("Signing it vouches also for what was not looked at.")
    photograph(page, "sign-partial")
    page.goto(f"{installation.pages['image']}")
    page.locator("header.head").get_by_role("link", name="Sign").click()
    expect(page.get_by_text("only partly scanned")).to_have_count(0)


def test_a_denial_names_this_registry_and_its_page_holds_whatever_was_asked_for(page, installation):
    for name, reference in (("decision", "quay.io/a"), ("decision-of-a-long-name", f"{installation.host}/{LONG}/a")):
        answer = ask(installation, installation.pages["token"], installation.pages["cluster-ocid"], reference)
        installation.pages[name] = re.search(r"https?://\S+/d/\w+", answer["status"]["message"])[0]
    page.goto(installation.pages["decision"])
    expect(page.locator(".note-bad")).to_contain_text(f"registry quay.io is not on the list ({installation.host})")
    page.goto(installation.pages["decision-of-a-long-name"])
    expect(page.locator(".note-bad")).to_contain_text(installation.pages["cluster-ocid"])


def test_signing_shows_the_verdict_first_and_makes_the_cluster_admit(page, installation, photograph):
    page.goto(installation.pages["image"])
    page.locator("header.head").get_by_role("link", name="Sign").click()
    expect(page.get_by_text("The reviewer accepted this image.")).to_be_visible()
    expect(page.get_by_text("Reachable from nowhere outside.")).to_be_visible()
    photograph(page, "sign")
    page.get_by_role("button", name="Sign 1 digest").click()
    expect(page.get_by_text("The image is signed.")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="prod-eu")).to_contain_text("Admits")
    expect(page.get_by_role("region", name="Signatures found")).to_contain_text("Verified")
    photograph(page, "signatures")
    reference = f"{installation.host}/{installation.namespace}/payments/api:2.14.0"
    assert ask(installation, installation.pages["token"], installation.pages["cluster-ocid"], reference)["allowed"]
    page.goto(installation.pages["image"])
    strip = page.get_by_role("list", name="Where this image stands").get_by_role("listitem")
    assert [item.get_attribute("class") for item in strip.all()] == ["is-ok"] * 6


def test_a_feed_that_advances_makes_a_new_scan_whose_difference_adds_up(page, installation, photograph):
    shutil.copytree(CARRIED_LATER, installation.feed, dirs_exist_ok=True)
    page.goto(f"{installation.url}/feeds")
    page.get_by_role("button", name="Refresh now").click()
    expect(page.get_by_text("The feeds are being read now")).to_be_visible()

    def scanned_again():
        page.goto(installation.pages["image"])
        return counts_on(page) == LATER

    until(scanned_again)
    expect(page.get_by_role("list", name="Where this image stands")).to_contain_text("the result has changed since")
    photograph(page, "image")
    page.get_by_role("button", name="Compare A and B").click()
    assert page.url.endswith("compare?from=r1&to=r2")
    sums = page.locator(".diff-sum b").all_inner_texts()
    assert sums == ["+2", "0", "1", "0", "0"]
    assert sum(AT_FIRST.values()) + 2 == sum(LATER.values())
    photograph(page, "compare")
    page.get_by_role("link", name="Package", exact=True).click()
    expect(page.locator("summary").first).to_contain_text("requests")


def test_a_disabled_key_turns_the_image_red_at_once(page, installation):
    page.goto(installation.pages["key"])
    page.get_by_role("button", name="Disable the key").click()
    expect(page.get_by_text("The key is disabled.")).to_be_visible()
    page.goto(f"{installation.url}/r/payments/api")
    expect(page.get_by_role("row").filter(has_text="2.14.0")).to_contain_text("key disabled")
    page.goto(installation.pages["image"])
    expect(page.get_by_role("list", name="Where this image stands")).to_contain_text("prod-eu denies it")
    page.goto(installation.pages["key"])
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("The key is enabled.")).to_be_visible()


def test_a_function_shows_the_scan_of_its_own_digest_and_a_newer_push(page, installation, photograph):
    page.goto(f"{installation.url}/functions")
    page.get_by_label("Name").fill("shop")
    page.get_by_role("button", name="Create the application").click()
    page.get_by_label("Name").fill("thumbnail")
    page.get_by_role("textbox", name="Image").fill(f"{installation.host}/{installation.namespace}/payments/api:2.13.1")
    page.get_by_role("button", name="Create the function").click()
    row = page.get_by_role("row").filter(has_text="thumbnail")
    expect(row).to_contain_text("2.14.0")
    expect(row.locator(".tally")).to_be_visible()
    photograph(page, "functions")


def test_removing_the_scanner_keeps_the_results(page, installation):
    page.goto(f"{installation.url}/r/payments/api")
    page.get_by_role("link", name="Remove scanner…").click()
    page.get_by_role("button", name="Remove the scanner").click()
    expect(page.get_by_text("The scanner is off. Its results stay.")).to_be_visible()
    assert page.locator("table .tally").count() == 2


def addresses_of(installation) -> dict[str, str]:
    """Every kind of page of the story, by a name for its picture."""
    base = installation.pages["image"].partition("?")[0]
    return {
        "overview": "/",
        "repositories": "/r",
        "repository": "/r/payments/api",
        "scanner": "/r/payments/api/-/scanner",
        "retention": "/r/payments/api/-/retention",
        "settings-of-a-repository": "/r/payments/api/-/settings",
        "image": base,
        "packages": f"{base}/packages",
        "signatures": f"{base}/signatures",
        "scans": f"{base}/scans",
        "decisions-of-image": f"{base}/decisions",
        "scan": f"{base}/scans/r2",
        "compare": f"{base}/compare?from=r1&to=r2",
        "sign": f"{base}/sign",
        "vaults": "/vaults",
        "key": installation.pages["key"],
        "clusters": "/c",
        "cluster": installation.pages["cluster"],
        "decisions": "/d",
        "functions": "/functions",
        "policies": "/iam",
        "users": "/iam/users",
        "groups": "/iam/groups",
        "feeds": "/feeds",
        "audit": "/audit",
        "jobs": "/jobs",
        "account": "/me",
        "partial": installation.pages["partial"],
        "sign-partial": f"{installation.pages['partial']}/sign",
        "decision": installation.pages["decision"],
        "decision-of-a-long-name": installation.pages["decision-of-a-long-name"],
        "audit-of-one": f"/audit?resource={installation.pages['cluster-ocid']}",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1280, 1024, 375])
def test_no_page_scrolls_sideways_or_makes_the_browser_complain(
    chromium, context, installation, photograph, width, scheme
):
    """Every page of the story, wide and small, light and dark; the pictures are for people to look at."""
    other = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, storage_state=context.storage_state()
    )
    page = other.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    too_wide = []
    for name, address in addresses_of(installation).items():
        answered = page.goto(address if address.startswith("http") else installation.url + address)
        assert answered is not None
        assert answered.status == 200, address
        if page.evaluate("document.documentElement.scrollWidth") > width:
            too_wide.append(name)
        tables = page.locator(".problems, .audit").all()
        if any(table.evaluate("table => table.scrollWidth > table.parentElement.clientWidth") for table in tables):
            too_wide.append(f"the table of {name}")
        if any(tabs.evaluate("tabs => tabs.scrollWidth > tabs.clientWidth") for tabs in page.locator(".tabs").all()):
            too_wide.append(f"the tabs of {name}")
        if scheme == "light" or name in ("image", "compare"):
            photograph(page, f"{name}-{width}-{scheme}")
    other.close()
    assert (too_wide, complaints) == ([], [])


def test_every_export_that_a_page_offers_is_there(page, context, installation):
    exports = set()
    for address in addresses_of(installation).values():
        page.goto(address if address.startswith("http") else installation.url + address)
        # Links of a chart have an object as their `href`, hence the attribute.
        resolved = "links => links.map(link => new URL(link.getAttribute('href'), location).href)"
        links = page.locator("main a[href]").evaluate_all(resolved)
        exports |= {link for link in links if link.partition("?")[0].endswith((".csv", ".json"))}
    assert f"{installation.url}/r/payments/api/-/images.csv" in exports
    told = {link: context.request.get(link) for link in exports}
    assert {link: answer.status for link, answer in told.items() if answer.status != 200} == {}
    types = {link.partition("?")[0].rpartition(".")[2]: set() for link in exports}
    for link, answer in told.items():
        types[link.partition("?")[0].rpartition(".")[2]].add(answer.headers["content-type"])
    assert types == {"csv": {"text/csv; charset=utf-8"}, "json": {"application/json"}}


def test_the_console_is_operated_with_the_keyboard_alone(page, installation):
    page.goto(f"{installation.url}/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url(f"{installation.url}/r")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="payments/api", exact=True)).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "2px"
    page.keyboard.press("Enter")
    page.wait_for_url(f"{installation.url}/r/payments/api")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("storefront/web:5.3.1")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{installation.url}/r/storefront/web/-/t/5.3.1")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_charts_marks_choose_what_is_compared(page, installation):
    page.goto(installation.pages["image"])
    marks = page.locator("svg.chart a[data-scan]")
    marks.first.focus()
    page.keyboard.press("ArrowRight")
    expect(marks.nth(1)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+Enter")
    expect(page.get_by_label("A: From scan")).to_have_value("r1")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare?from=r1&to=r2")


def test_the_rail_opens_as_a_popover_on_a_small_screen(chromium, context, installation):
    small = chromium.new_context(viewport={"width": 375, "height": 800}, storage_state=context.storage_state())
    page = small.new_page()
    page.goto(f"{installation.url}/")
    entry = page.get_by_role("navigation", name="Main").get_by_role("link", name="Clusters")
    expect(entry).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    entry.click()
    page.wait_for_url(f"{installation.url}/c")
    small.close()


def test_every_page_works_without_script(chromium, context, installation):
    plain = chromium.new_context(java_script_enabled=False, storage_state=context.storage_state())
    page = plain.new_page()
    page.goto(installation.pages["image"])
    page.get_by_role("button", name="Compare A and B").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What changed, r1 to r2")
    page.get_by_role("searchbox").fill("payments/api")
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("payments/api")
    plain.close()


def test_a_link_from_another_site_leads_in_without_signing_in_again(context, installation):
    page = context.new_page()
    page.goto("about:blank")
    page.route(
        "http://elsewhere.test/",
        lambda route: route.fulfill(body=f'<a href="{installation.url}/d">d</a>', content_type="text/html"),
    )
    page.goto("http://elsewhere.test/")
    page.get_by_role("link", name="d").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Decisions")
    page.close()


def test_signing_out_closes_the_console(page, installation):
    page.goto(f"{installation.url}/me")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in · Assay")
    page.goto(f"{installation.url}/r")
    expect(page).to_have_title("Sign in · Assay")
