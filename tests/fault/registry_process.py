"""Started by the registry's fault tests as a process of its own: serves a folder until it is killed.

    python registry_process.py FOLDER

Prints one line of JSON (address, log-in) when it listens. The folder's tenancy is made at the first start.
"""

import json
import sys
import time
from pathlib import Path

from registry_server import Account, account_of, started

from assay.clock import Site, SystemClock
from assay.iam import Actor, Principal, PrincipalKind
from assay.secret import Secret
from assay.storage import Database, Store, metadata


def main(folder: Path) -> None:
    """Serve for ever."""
    database = Database(f"sqlite:///{folder / 'assay.db'}")
    metadata.create_all(database.engine)
    store = Store(database, SystemClock(), Site("oc1", "local"), Secret("page key of the tests"))
    remembered = folder / "account.json"
    if remembered.exists():
        said = json.loads(remembered.read_text())
        principal = Principal(PrincipalKind.USER, said["name"], said["ocid"])
        account = Account(Actor(principal, said["tenancy"]), said["namespace"], said["login"], said["token"])
    else:
        account = account_of(store, "tests")
        principal = account.actor.principal
        said = {
            "name": principal.name,
            "ocid": principal.ocid,
            "tenancy": account.actor.tenancy,
            "namespace": account.namespace,
            "login": account.login,
            "token": account.token,
        }
        remembered.write_text(json.dumps(said))
    with started(store, folder / "blobs", account) as server:
        print(json.dumps({"url": server.url, "path": server.path(), **said}), flush=True)
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
