"""Keep a database as this version writes it, for later versions to open: python tests/parts/keep_database.py NAME.

Plays a small story against a started server (a scanned and signed image, a cluster), stops it, and puts the database,
the root key (made for this alone) and what stood in it under tests/data/databases/NAME.
"""

import json
import lzma
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "journey"), str(TESTS.parent)]

from assay_server import CARRIED, STATEMENTS, AssayServer  # noqa: E402 - found by the path above
from test_kill import push_image, registry  # noqa: E402 - found by the path above


def story(server: AssayServer) -> dict[str, object]:
    """A scanned, reviewed and signed image, and a cluster that trusts its key; what a later version must find."""
    server.sign_in_first()
    client, path = registry(server)
    digest = push_image(client, path, "v1", bytes(10_240))
    tenancy = server.call("GET", "/20260901/sessions/current")["tenancyId"]
    [image] = server.call("GET", "/20160918/container/images", compartmentId=tenancy)["items"]
    server.call("POST", f"/20260901/repositories/{image['repositoryId']}/scanner", {})
    body = {"compartmentId": tenancy, "name": "vss", "description": "d", "statements": list(STATEMENTS)}
    server.call("POST", "/20160918/policies", body)
    results = "/20210215/containerScanResults"
    [scan] = server.wait_for("a scan", lambda: server.call("GET", results, compartmentId=tenancy)["items"])
    server.call("POST", f"/20260901/scans/{scan['id']}/verdicts", {"isAccepted": True, "reason": "kept"})
    body = {"compartmentId": tenancy, "displayName": "v", "vaultType": "DEFAULT"}
    vault = server.call("POST", "/20180608/vaults", body)["managementEndpoint"]
    body = {"compartmentId": tenancy, "displayName": "k", "keyShape": {"algorithm": "ECDSA", "length": 32}}
    key = server.call("POST", f"{vault}/20180608/keys", body)["id"]
    server.call("POST", f"/20260901/images/{image['id']}/actions/sign", {"kmsKeyId": key})
    policy = {"isPolicyEnabled": True, "keyDetails": [{"kmsKeyId": key}]}
    body = {"compartmentId": tenancy, "name": "c", "vcnId": "", "kubernetesVersion": "", "imagePolicyConfig": policy}
    cluster = server.call("POST", "/20180222/clusters", body)["id"]
    found = {"tenancy": tenancy, "image": image["id"], "digest": digest, "scan": scan["id"], "key": key}
    return {**found, "cluster": cluster}


def keep(name: str) -> None:
    """Write tests/data/databases/NAME."""
    target = TESTS / "data" / "databases" / name
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        server = AssayServer(Path(folder), str(CARRIED / "first"))
        server.start()
        try:
            found = story(server)
        finally:
            server.stop()
        database = server.folder / "data" / "assay.db"
        with sqlite3.connect(database) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
        (target / "assay.db.xz").write_bytes(lzma.compress(database.read_bytes()))
        shutil.copy(server.folder / "keys" / "root.key", target / "root.key")
    (target / "expected.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    keep(sys.argv[1])
