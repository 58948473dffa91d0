"""A real server with one of everything, and schemathesis on it by the OpenAPI document that the server itself gives."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from assay_server import CARRIED, PASSWORD, STATEMENTS, AssayServer
from registry_layouts import Layout

from assay.oci import Digest

#: What must hold of every answer. A documented 501 or 502 is OCI's way to refuse; it must stand in the document too.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
#: Sessions are asked about apart, lest the run signs itself out; admission listens on another port.
APART = r"^/20260901/sessions|^/v1/clusters/"
RULE = "resource.type = 'cluster'"
#: Sessions come last: wrong passwords lock the address out for a while.
PASSES = ("api", "admission", "sessions")


@dataclass
class FuzzedService:
    """`names`: by the word of a parameter or member, what there is; `folder` takes documents and reports."""

    server: AssayServer
    folder: Path
    names: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make one of everything, through the API and by a push."""
        call, names = self.server.call, self.names
        who = call("GET", "/20260901/sessions/current")
        names["compartmentId"] = names["tenancy"] = who["tenancyId"]
        here = {"compartmentId": who["tenancyId"]}
        call("POST", "/20260901/policyStatements", {"statements": list(STATEMENTS)})
        token = call("POST", f"/20160918/users/{who['userId']}/authTokens", {"description": "for the run"})["token"]
        begun = call("POST", "/20260901/sessions", {"user": who["userName"], "password": PASSWORD})
        self.second_token = str(begun["token"])
        self.login = (f"{who['namespace']}/{who['userName']}", token)
        self._people(here)
        self._push(who["namespace"])
        repository = call("GET", "/20160918/container/repositories", **here)["items"][0]
        image = call("GET", "/20160918/container/images", **here)["items"][0]
        names |= {"repository": repository["id"], "image": image["id"], "version": image["version"]}
        names |= {"digest": image["digest"], "reference": image["digest"], "name": f"{who['namespace']}/team/app"}
        vault = call("POST", "/20180608/vaults", {**here, "displayName": "v", "vaultType": "DEFAULT"})
        names |= {"vault": vault["id"], "extension": vault["id"].split(".")[-2]}
        shape = {"algorithm": "ECDSA", "length": 32}
        wanted = {**here, "displayName": "k", "keyShape": shape, "protectionMode": "SOFTWARE"}
        key = call("POST", f"/vaults/{names['extension']}/20180608/keys", wanted)
        names |= {"key": key["id"], "keyId": key["id"], "kmsKeyId": key["id"], "keyVersionId": key["currentKeyVersion"]}
        names["signature"] = call("POST", f"/20260901/images/{image['id']}/actions/sign", {"kmsKeyId": key["id"]})["id"]
        self._running(here)

    def _people(self, here: Mapping[str, str]) -> None:
        call, names = self.server.call, self.names
        v, named = "/20160918", {**here, "name": "some", "description": "d"}
        names["user"] = names["userId"] = call("POST", f"{v}/users", named)["id"]
        names["group"] = names["groupId"] = call("POST", f"{v}/groups", named)["id"]
        member = {"userId": names["user"], "groupId": names["group"]}
        names["membership"] = call("POST", f"{v}/userGroupMemberships", member)["id"]
        text = "allow group some to inspect repos in tenancy"
        names["policy"] = call("POST", f"{v}/policies", {**named, "statements": [text]})["id"]
        names["dynamic_group"] = call("POST", f"{v}/dynamicGroups", {**named, "matchingRule": RULE})["id"]
        network = {**named, "publicSourceList": ["192.0.2.0/24"]}
        names["network_source"] = call("POST", f"{v}/networkSources", network)["id"]
        names["compartment"] = call("POST", f"{v}/compartments", named)["id"]
        names["token"] = call("POST", f"{v}/users/{names['user']}/authTokens", {"description": "d"})["id"]

    def _running(self, here: Mapping[str, str]) -> None:
        call, names = self.server.call, self.names
        vss = "/20210215"
        recipe = {**here, "displayName": "r", "scanSettings": {"scanLevel": "STANDARD"}}
        names["recipe"] = names["containerScanRecipeId"] = call("POST", f"{vss}/containerScanRecipes", recipe)["id"]
        names["target"] = call("POST", f"/20260901/repositories/{names['repository']}/scanner", {})["id"]
        call("POST", "/20180222/clusters", {**here, "name": "c", "vcnId": "v", "kubernetesVersion": "v1.30.1"})
        names["cluster"] = call("GET", "/20180222/clusters", **here)[0]["id"]
        self.cluster_token = call("POST", f"/20260901/clusters/{names['cluster']}/tokens", {})["token"]
        application = {**here, "displayName": "app", "subnetIds": ["s"]}
        names["application"] = names["applicationId"] = call("POST", "/20181201/applications", application)["id"]
        function = {"applicationId": names["application"], "displayName": "fn", "memoryInMBs": 128}
        image = f"{self.server.host}/{names['name']}:v1"
        names["function"] = call("POST", "/20181201/functions", {**function, "image": image})["id"]
        names["request"] = call("GET", "/20180222/workRequests", **here)[0]["id"]
        scans = self.server.wait_for("a scan", lambda: call("GET", f"{vss}/containerScanResults", **here)["items"])
        names["scan"] = names["before"] = names["after"] = scans[0]["id"]
        names |= {"position": "1", "option": "all", "feed": call("GET", "/20260901/feeds")["items"][0]["name"]}

    def _push(self, namespace: str) -> None:
        layout = Layout(self.folder / "layout")
        manifest = layout.image(layers=1)
        blobs = layout.folder / "blobs" / "sha256"
        with httpx.Client(base_url=f"{self.server.url}/v2/{namespace}/team/app", auth=self.login, timeout=60) as client:
            for blob in sorted(blobs.iterdir()):
                digest = Digest.of(content := blob.read_bytes()).text
                if digest != manifest["digest"]:
                    assert client.post("/blobs/uploads/", params={"digest": digest}, content=content).status_code == 201
            content = (blobs / manifest["digest"].partition(":")[2]).read_bytes()
            headers = {"content-type": manifest["mediaType"]}
            assert client.put("/manifests/v1", content=content, headers=headers).status_code == 201

    def document(self) -> dict[str, Any]:
        """The document that the server gives, in which the words of `names` also have what there is."""
        return dict(_with_known(self.server.call("GET", "/20260901/openapi.json"), self.names))

    def run(self, what: str, *options: str) -> subprocess.CompletedProcess[str]:
        """One pass of schemathesis: over the API and registry, over sessions, or over admission."""
        document = self.folder / "openapi.json"
        document.write_text(json.dumps(self.document()))
        address, narrow, secret = {
            "api": (self.server.url, ("--exclude-path-regex", APART), self.server.token),
            "sessions": (self.server.url, ("--include-path-regex", "^/20260901/sessions"), self.second_token),
            "admission": (
                f"https://127.0.0.1:{self.server.admission_port}",
                ("--include-path-regex", "^/v1/clusters/", "--tls-verify", "false"),
                self.cluster_token,
            ),
        }[what]
        config = self.folder / f"{what}.toml"
        config.write_text("\n".join(self._config(secret)))
        program = Path(sys.executable).with_name("schemathesis")
        fixed = ["--url", address, "--checks", ",".join(CHECKS), "--continue-on-failure", "--no-shrink"]
        return subprocess.run(
            [str(program), "--config-file", str(config), "--no-color", "run", str(document), *fixed, *narrow, *options],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def _config(self, secret: str) -> Iterator[str]:
        yield f'headers = {{ Authorization = "Bearer {secret}" }}'
        yield "warnings = false"
        yield "[checks.not_a_server_error]"
        yield 'expected-statuses = ["2xx", "3xx", "4xx", 501, 502]'
        # What answers tell of others must not be deleted by the run: above all who runs it.
        yield "[phases.fuzzing]"
        yield "extra-data-sources = { responses = false }"
        basic = httpx.BasicAuth(*self.login)._auth_header
        yield "[[operations]]"
        yield 'include-path-regex = "^/v2/|^/20180419/"'
        yield f'headers = {{ Authorization = "{basic}" }}'


def fuzzed_service(folder: Path) -> Iterator[FuzzedService]:
    """Started, signed in to and filled; no rate limits, since the run is one address and one user."""
    unlimited = {f"ASSAY_API_REQUESTS_PER_SECOND_{who}": "0" for who in ("ADDRESS", "USER")}
    server = AssayServer(folder / "server", feed=str(CARRIED / "first"), settings=unlimited)
    server.start()
    try:
        server.sign_in_first()
        service = FuzzedService(server, folder)
        service.prepare()
        yield service
    finally:
        server.stop()


def _with_known(value: Any, names: Mapping[str, str]) -> Any:
    """A document in which each named member and parameter may also be the one that there is."""
    if isinstance(value, list):
        return [_with_known(each, names) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _with_known(each, names) for name, each in value.items()}
    if "in" in found and found.get("name") in names and "schema" in found:
        found["schema"] = _either(found["schema"], names[found["name"]])
    for name, schema in (found.get("properties") or {}).items() if isinstance(found.get("properties"), dict) else ():
        if name in names:
            found["properties"][name] = _either(schema, names[name])
    return found


def _either(schema: Mapping[str, Any], known: str) -> dict[str, Any]:
    return {"anyOf": [{"const": known}, dict(schema)]}
