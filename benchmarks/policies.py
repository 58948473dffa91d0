"""What a fresh decision costs among 1,000 statements of which 20 speak of the caller and of the resource family.

CPU time of this process for one decision (whom the caller is, the statements that could speak, their conditions),
without any cache of results, against the same with those 20 statements alone. The bound: at most three times as much.

    make bench NAME=policies [SIZE=small]
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from assay.clock import Site, SystemClock
from assay.iam import Actor, Target, permitted
from assay.iam.identity import first_start, groups, policies, users
from assay.secret import Secret
from assay.storage import Database, Store, migrations

STATEMENTS = 1_000
SPEAKING = 20
RATIO_MAX = 3.0
DECISIONS = 200 if os.environ.get("SIZE") == "small" else 2_000
ROUNDS = 5
#: Types of other families; the decision asks for `repos`.
OTHERS = ("keys", "vaults", "clusters", "users", "fn-app", "container-scan-results")


def store_in(folder: str) -> Store:
    """A fresh store."""
    database = Database(f"sqlite:///{Path(folder) / 'assay.db'}")
    migrations.upgrade(database)
    return Store(database, SystemClock(), Site("oc1", "local"), Secret.random(32))


def load(store: Store, silent: int) -> Actor:
    """A tenancy with the 20 statements and with `silent` others; somebody of whom the 20 speak."""
    made = first_start.create_tenancy(store, "bench")
    admin = Actor(users.principal_of(made.administrator), made.tenancy.ocid)
    mine, other = (groups.create(store, admin, name) for name in ("Mine", "Other"))
    user = users.create(store, admin, "alice")
    groups.add_user(store, admin, user.ocid, mine.ocid)
    assert other
    speaking = [
        f"allow group Mine to read repos in tenancy where target.repo.name = '{number}'" for number in range(SPEAKING)
    ]
    # Half of the others name somebody else, half another family.
    quiet = [
        f"allow group Other to read repos in tenancy where target.repo.name = '{number}'"
        if number % 2
        else f"allow group Mine to read {OTHERS[number % len(OTHERS)]} in tenancy where request.user.name = '{number}'"
        for number in range(silent)
    ]
    texts = [*speaking, *quiet]
    for start in range(0, len(texts), policies.STATEMENTS_MAX):
        batch = texts[start : start + policies.STATEMENTS_MAX]
        policies.create(store, admin, admin.tenancy, f"p{start}", batch)
    return Actor(users.principal_of(user), admin.tenancy)


def decide(store: Store, actor: Actor) -> float:
    """CPU seconds of one decision: the median of the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for number in range(DECISIONS):
            target = Target(actor.tenancy, variables={"target.repo.name": str(number % (2 * SPEAKING))})
            with store.database.read() as connection:
                allowed = permitted(connection, actor, "PullImage", target, now=store.clock.now())
            assert allowed is (number % (2 * SPEAKING) < SPEAKING)
        rounds.append((time.process_time() - begun) / DECISIONS)
    return statistics.median(rounds)


def main() -> int:
    """Measure both and print; 1 when the bound is broken."""
    found = {}
    for count in (SPEAKING, STATEMENTS):
        with tempfile.TemporaryDirectory() as folder:
            store = store_in(folder)
            found[count] = decide(store, load(store, count - SPEAKING))
            store.database.close()
        print(f"{count:>5} statements: {found[count] * 1e6:8.1f} µs CPU a decision")
    ratio = found[STATEMENTS] / found[SPEAKING]
    figures = {f"microseconds_at_{count}": round(seconds * 1e6, 1) for count, seconds in found.items()}
    print(json.dumps({**figures, "ratio": round(ratio, 2), "ratio_max": RATIO_MAX}))
    return int(ratio > RATIO_MAX)


if __name__ == "__main__":
    sys.exit(main())
