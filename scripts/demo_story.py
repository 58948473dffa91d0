"""The story of the demonstration: one image from push to admission, with a negative control for each yes.

It follows the two documents that the product was conceived from. Each step asserts its outcome.
"""

import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.cli.scans import severity
from scripts.demo_hands import Hands
from scripts.demo_server import ECOSYSTEMS, PUBLIC_FEED, Cluster, Server, is_reachable, pinned_image
from scripts.demo_told import Failed, Told, must

REPOSITORY = "shop/cart"
USER = "admin"
#: A vulnerability that Django 3.2 is known to have, whatever the feed (fixed in 3.2.5).
KNOWN_PROBLEM = "CVE-2021-35042"
PUBLIC_REFRESH_SECONDS = 150
PUBLICATION_SECONDS = 15
SCANNING_STATEMENTS = (
    "allow service vulnerability-scanning-service to read repos in tenancy",
    "allow service vulnerability-scanning-service to read compartments in tenancy",
)


class Story:
    """The steps, in order, with what one hands to the next. `layouts`: tag to OCI layout."""

    def __init__(self, server: Server, told: Told, layouts: Mapping[str, Path], feed: str = PUBLIC_FEED) -> None:
        self.server = server
        self.told = told
        self.layouts = layouts
        self.hands = Hands(server, told)
        self.password = f"{secrets.token_hex(4)}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
        self.feed = feed
        self.digest = ""
        self.cluster: Cluster | None = None

    def play(self) -> None:
        """All steps. Errors: Failed, at the first that does not hold."""
        self.sign_in()
        self.push()
        self.add_scanner()
        self.look_at_results()
        self.feed_moves_on()
        self.review()
        self.sign()
        self.verify_with_cosign()
        self.protect_cluster()
        self.admit()
        self.deny()
        self.disable_key()
        self.define_function()

    def sign_in(self) -> None:
        """The one-time password is good for one thing: choosing another."""
        self.told.step("Sign in, and change the one-time password")
        one_time = self.server.secret_file.read_text().strip()
        self.server.secret_file.unlink()
        self.told.remark("The first start left it in a file that only its owner can read; the file is deleted now.")
        words = ("login", self.server.url, "--user", USER, "--password-stdin", "--new-password-stdin")
        who = self.hands.assay(*words, typed=f"{one_time}\n{self.password}\n")
        must(who["userName"] == USER, f"signed in as {who}")
        self.hands.namespace = who["namespace"]
        self.told.came(f"signed in as {USER}; images are named {self.hands.image('REPOSITORY', 'TAG')}")

    def push(self) -> None:
        """A real client pushes a real image; without a credential it may not."""
        self.told.step("Push a real image with a real client")
        image = self.hands.image(REPOSITORY, "1.0")
        said = self.hands.push_without_credential(self.layouts["1.0"], image)
        must("authentication required" in said or "unauthorized" in said, f"a push without credential: {said}")
        self.told.refused("a push without a credential (authentication required)")
        token = self.hands.assay("token", "create", "--description", "demonstration")
        self.hands.log_in(token["login"], token["token"])
        self.hands.push(self.layouts["1.0"], image)
        found = self.hands.assay("image", "show", f"{REPOSITORY}:1.0")
        self.digest = found["digest"]
        must(len(found["layers"]) == 3, f"the image has {len(found['layers'])} layers")
        self.told.came(
            f"pushed {found['layersSizeInBytes'] / 1e6:.1f} MB as {self.digest}; the repository came with it"
        )

    def add_scanner(self) -> None:
        """The scanning service is a principal of its own: without two statements it gets nothing."""
        self.told.step("Add an image scanner to the repository")
        made = self.hands.assay("scanner", "add", REPOSITORY)
        must(tuple(made["missingStatements"]) == SCANNING_STATEMENTS, f"missing: {made['missingStatements']}")
        status = self.hands.assay("scanner", "status", REPOSITORY)
        must(status["images"][0]["standing"] == "not-permitted", f"it stands {status['images'][0]['standing']}")
        must(not self.hands.assay("scan", "list", REPOSITORY), "there is a scan without permission")
        self.told.refused(f"no scan: the scanning service lacks\n{'':8}" + f"\n{'':8}".join(SCANNING_STATEMENTS))
        self.hands.assay("policy", "allow", *SCANNING_STATEMENTS)
        began = time.monotonic()
        scan = self.hands.assay("scan", "wait", f"{REPOSITORY}:1.0")
        must(scan["cause"] == "enabled" and scan["state"] == "complete", f"the scan: {scan}")
        self.told.came(f"with the two statements the image that was there already was scanned in {_since(began)}")

    def look_at_results(self) -> None:
        """Risk level, numbers, and each problem with its package and link."""
        self.told.step("Look at the scan")
        scan = self.hands.assay("scan", "show", f"{REPOSITORY}:1.0")
        known = next((each for each in scan["problems"] if each["name"] == KNOWN_PROBLEM), None)
        must(known is not None, f"{KNOWN_PROBLEM} was not found in Django 3.2")
        must(scan["highestProblemSeverity"] == "CRITICAL", f"the risk level is {scan['highestProblemSeverity']}")
        must(scan["problemCount"] == len(scan["problems"]), "count and list differ")
        self.told.came(_summary(scan))
        for problem in scan["problems"][:5]:
            self.told.remark(_line(problem))
        self.told.remark(f"… all of them: assay scan show {REPOSITORY}:1.0")

    def feed_moves_on(self) -> None:
        """What is known changes; every image is judged anew, and not one layer is read for that."""
        self.told.step("The advisory feed moves on: images are scanned anew, and no layer is read")
        if not (is_reachable(self.feed) and self._moves_to_public_feed()):
            self.server.carry("later")
            before = self.server.blobs_opened()
            self.told.remark("Advisories: the project's own small set in its later state (no public feed is used).")
            self.hands.assay("feed", "refresh")
            self._opened_nothing(before)
        scans = self.hands.assay("scan", "list", f"{REPOSITORY}:1.0")
        must(scans[0]["cause"] == "feed" and len(scans) == 2, f"there are {len(scans)} scans, the last by {scans[0]}")
        difference = self.hands.assay(
            "scan", "compare", f"{REPOSITORY}:1.0#{scans[1]['feedRevision']}", f"{REPOSITORY}:1.0"
        )
        must(any(each["kind"] == "new" for each in difference["changes"]), "no problem is new")
        self.told.came(f"{_summary(difference['before'])}\n→ {_summary(difference['after'])}")
        for change in difference["changes"][:5]:
            packages = ", ".join(sorted({each["name"] for each in change["vulnerablePackages"]}))
            word = severity(change["after"] or change["before"], is_rated=change["isRatedAfter"])
            self.told.remark(f"{change['kind']:11} {word:8} {change['name']:16} {packages}")

    def _moves_to_public_feed(self) -> bool:
        """Restart with the public feed as the source, and read it; False, and as before, when that takes too long."""
        self.told.remark(f"Advisories: the public feed can be reached: {self.feed} ({ECOSYSTEMS})")
        self.told.remark("The server starts again with that source, which it then reads for the first time.")
        self.server.stop()
        self.server.start(self.feed, ECOSYSTEMS)
        try:
            self.hands.assay("feed", "refresh", "--seconds", str(PUBLIC_REFRESH_SECONDS))
        except Failed as fault:
            self.told.remark(f"The public feed could not be read in time, so it is left alone: {fault}")
            self.server.stop()
            self.server.start()
            return False
        self._opened_nothing(before=0)
        return True

    def _opened_nothing(self, before: int) -> None:
        opened = self.server.blobs_opened() - before
        must(opened == 0, f"the re-scan opened {opened} blobs")
        self.told.came(f"blobs opened while scanning anew: {opened} (assay_blobs_opened_total in /metrics)")

    def review(self) -> None:
        """A person decides whether that is good enough."""
        self.told.step("Review the scan")
        reason = "a demonstration: known and accepted"
        verdict = self.hands.assay("verdict", "accept", f"{REPOSITORY}:1.0", "--reason", reason)
        must(verdict["isAccepted"] and verdict["reviewer"] == USER, f"the verdict: {verdict}")
        self.told.came(f"{USER} accepted it as of feed revision {verdict['feedRevision']}: {reason}")

    def sign(self) -> None:
        """A key that never leaves the vault seals the image."""
        self.told.step("Make a vault and two keys, and sign the image with one")
        self.hands.assay("vault", "create", "shop")
        self.hands.assay("key", "create", "release", "--vault", "shop", "--shape", "ecdsa-p256")
        self.hands.assay("key", "create", "test", "--vault", "shop", "--shape", "rsa-2048")
        must(self.hands.assay("verify", f"{REPOSITORY}:1.0", expect=1) == [], "there is a signature already")
        self.told.refused("nothing verifies before it is signed (exit status 1)")
        made = self.hands.assay("sign", f"{REPOSITORY}:1.0", "--key", "release")
        must(made["imageDigest"] == self.digest, f"signed {made['imageDigest']}")
        outcomes = self.hands.assay("verify", f"{REPOSITORY}:1.0")
        must([each["isVerified"] for each in outcomes if each["form"] == "native"] == [True], f"verify: {outcomes}")
        self.told.came(f"signed {self.digest} with {made['signingAlgorithm']}, and verified")

    def verify_with_cosign(self) -> None:
        """An unmodified cosign needs the public key alone."""
        self.told.step("Verify with an unmodified cosign")
        if shutil.which("cosign") is None:
            self.told.skip("there is no cosign on this machine (newer suites of Debian have it as a package)")
            return
        image = f"{self.server.registry}/{self.hands.namespace}/{REPOSITORY}@{self.digest}"
        keys = {name: self.server.folder / f"{name}.pub" for name in ("release", "test")}
        for name, file in keys.items():
            file.write_text(self.hands.assay("key", "export-public", name)["publicKey"])
        self._published(image, keys["release"])
        self.told.came(f"cosign verifies {REPOSITORY}@{self.digest[:19]}…")
        said = self.hands.cosign(keys["test"], image, expect_refusal=True)
        must("no matching signatures" in said or "invalid signature" in said, f"cosign with another key: {said}")
        self.told.refused("cosign with the public key of another key")

    def _published(self, image: str, public_key: Path) -> None:
        """cosign's artifacts are written right after the signing; give them the moment that takes."""
        deadline = time.monotonic() + PUBLICATION_SECONDS
        while True:
            try:
                self.hands.cosign(public_key, image)
            except Failed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            else:
                return

    def protect_cluster(self) -> None:
        """A cluster with a policy, a statement that lets it see the repositories, a credential, and manifests."""
        self.told.step("Record a cluster that admits only what the release key has signed")
        made = self.hands.assay("cluster", "create", "production", "--key", "release", "--enable")
        statement = f"allow any-user to read repos in tenancy where request.user.id = '{made['id']}'"
        self.hands.assay("policy", "allow", statement)
        token = self.hands.assay("cluster", "token", "production")["token"]
        manifests = self.hands.assay("cluster", "manifests", "production", "--exempt", "kube-system")["manifests"]
        (self.server.folder / "webhooks.yaml").write_text(manifests)
        self.cluster = Cluster(manifests, token)
        status = self.cluster.ask_as_nobody(self.hands.image(REPOSITORY, "1.0"))
        must(status == 401, f"admission without a credential answered {status}")
        self.told.refused("a caller without the cluster's credential (401)")
        self.told.came("the webhook manifests are in .demo/webhooks.yaml, ready for kubectl apply -f")

    def admit(self) -> None:
        """The signed image is admitted, and its tag pinned to the digest."""
        self.told.step("A developer deploys the signed image")
        image = self.hands.image(REPOSITORY, "1.0")
        answer = self._cluster.ask("mutate", image)
        must(answer["allowed"], f"denied: {answer.get('status')}")
        pinned = pinned_image(answer)
        must(pinned.endswith(f"@{self.digest}"), f"pinned to {pinned}")
        must(self._cluster.ask("validate", pinned)["allowed"], "validating denies what mutating admitted")
        self.told.came(f"admitted over TLS, pinned to\n{pinned}")

    def deny(self) -> None:
        """Everything else is denied, each for its own reason."""
        self.told.step("Developers deploy what they should not")
        self.hands.push(self.layouts["2.0"], self.hands.image(REPOSITORY, "2.0"))
        scan = self.hands.assay("scan", "wait", f"{REPOSITORY}:2.0")
        must(scan["cause"] == "push", f"a push was scanned for {scan['cause']}")
        self.told.came(f"a push is scanned by itself: {_summary(scan)}")
        self._denied(self.hands.image(REPOSITORY, "2.0"), "not signed")
        self._denied("docker.io/library/nginx:1.27", "registry docker.io is not on the list")
        self.hands.assay("sign", f"{REPOSITORY}:2.0", "--key", "test")
        self._denied(self.hands.image(REPOSITORY, "2.0"), "test")
        self._denied(self.hands.image(REPOSITORY, "9.9"), "9.9")

    def disable_key(self) -> None:
        """A key that is disabled vouches for nothing, from that moment on."""
        self.told.step("Disable the key, and enable it again")
        image = self.hands.image(REPOSITORY, "1.0")
        self.hands.assay("key", "disable", "release")
        self._denied(image, "disabled")
        self.hands.assay("key", "enable", "release")
        must(self._cluster.ask("mutate", image)["allowed"], "still denied after the key was enabled again")
        self.told.came("enabled again, and admitted again at once")
        denied = self.hands.assay("cluster", "decisions", "production", "--denied")
        must(len(denied) == 5, f"{len(denied)} denials are on record")
        self.told.came(f"{len(denied)} denials are on record: assay cluster decisions production --denied")

    def define_function(self) -> None:
        """A function stays on its digest; it shows that digest's scan, and that a newer push is there."""
        self.told.step("Define a function on the image")
        self.hands.push(self.layouts["1.0"], self.hands.image(REPOSITORY, "stable"))
        self.hands.assay("application", "create", "shopfront")
        words = ("--application", "shopfront", "--image", f"{REPOSITORY}:stable")
        self.hands.assay("function", "create", "cart", *words)
        found = self.hands.assay("function", "show", "shopfront/cart")
        watch = found["watch"]
        must(found["imageDigest"] == self.digest and watch["isScanned"], f"the function: {found}")
        must(watch["scanStatus"]["latestScan"]["imageDigest"] == self.digest, "it shows another digest's scan")
        must(watch["newerDigest"] is None, "it says that a newer push is there")
        self.told.came(f"it stays on {self.digest[:19]}…: {_summary(watch['scanStatus']['latestScan'])}")
        self.hands.push(self.layouts["2.0"], self.hands.image(REPOSITORY, "stable"))
        newer = self.hands.assay("function", "show", "shopfront/cart")
        must(newer["imageDigest"] == self.digest, "a push moved the function")
        must(newer["watch"]["newerDigest"], "it does not say that a newer push is there")
        self.told.came(
            "a later push of the tag shows as newer, and does not move it (running functions is out of scope)"
        )

    @property
    def _cluster(self) -> Cluster:
        if self.cluster is None:
            raise Failed("there is no cluster yet")
        return self.cluster

    def _denied(self, image: str, because: str) -> None:
        answer = self._cluster.ask("mutate", image)
        must(not answer["allowed"], f"{image} was admitted")
        said = answer["status"]["message"]
        must(because in said, f"{image} was denied for another reason than {because!r}: {said}")
        self.told.refused(said)


def _summary(scan: dict[str, Any]) -> str:
    numbers = ", ".join(f"{number} {name}" for name, number in scan["counts"].items() if number)
    return f"{scan['highestProblemSeverity']}: {scan['problemCount']} problems ({numbers})"


def _line(problem: dict[str, Any]) -> str:
    package = problem["vulnerablePackages"][0]
    fixed = f"fixed in {package['cveFixVersion']}" if package["cveFixVersion"] else "no fix yet"
    word = severity(problem["severity"], is_rated=problem["isRated"])
    found = f"{package['name']} {package['version']}, {fixed}"
    return f"{word:8} {problem['name']:16} {found:32} {problem['cveReference']}"


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"
