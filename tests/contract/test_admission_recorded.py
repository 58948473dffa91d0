"""The review documents that a real API server sent (shared reference data), played in their order.

What is signed: everything but `web:1.5` and `api:2.1`. The expected answers follow from the scenario that the data's
README tells. Of the bytes only the tenancy's namespace and one digest are replaced, by ours of the same meaning.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from admission_loopback import pod_review
from admission_pieces import Checkpoint, patch_of, pod, update_of

from assay.admission import admit
from assay.admission.examine import Gate
from assay.admission.reviews import Phase, Reply, read_review
from assay.registry import artifacts
from assay.storage import Store

HOST = "127.0.0.1:8480"
PROXY = b"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SIGNED = ("web:1.4", "migrate:1.4", "proxy:1", "api:2.0", "job:0.1", "old:1", "tpl:1")
UNSIGNED = ("web:1.5", "api:2.1")


class Expected(NamedTuple):
    """What comes of some documents: allowed, the pointers that are pinned, how many warnings, a part of the denial."""

    numbers: tuple[int, ...]
    allowed: bool
    pinned: tuple[str, ...] = ()
    warnings: int = 0
    message: str = ""


MIGRATE, APP = "/spec/initContainers/0/image", "/spec/containers/0/image"
EXPECTED = [
    Expected((1, 3, 5), allowed=True, pinned=(MIGRATE, APP)),
    Expected((2, 4, 6), allowed=True),
    Expected((7, 8), allowed=False, message='container "app" uses shop/web:1.5'),
    Expected((9, 10), allowed=True, warnings=1),
    Expected((11, 12), allowed=False, message="registry docker.io is not on the list"),
    Expected((13,), allowed=True, pinned=(APP,)),
    Expected((14, 15, 16, 17, 18, 19, 20), allowed=True),
    Expected((21, 22), allowed=False, message='ephemeral container "debug" uses docker.io/library/busybox:1.36'),
    Expected((23, 24, 25, 26, 28, 29, 30, 31), allowed=True),
    Expected((27,), allowed=False, message='container "api" uses shop/api:2.1'),
    Expected((32, 33), allowed=True, warnings=1),
    Expected((34, 35, 36, 37), allowed=True),
]


@pytest.fixture
def at(store: Store, tmp_path: Path) -> Checkpoint:
    made = Checkpoint.on(store, tmp_path / "blobs")
    for name in (*SIGNED, *UNSIGNED):
        repository, _, tag = name.partition(":")
        image, _ = made.push(tag, name, f"shop/{repository}")
        if name in SIGNED:
            made.sign(image)
    return made


@pytest.mark.shared
def test_every_recorded_document_is_answered_as_its_scenario_says(at: Checkpoint, shared_data: Path) -> None:
    expected = {number: each for each in EXPECTED for number in each.numbers}
    documents = sorted((shared_data / "admission-reviews").glob("*.json"))
    assert sorted(expected) == [int(path.name[:3]) for path in documents]
    gate = Gate.at([HOST], "https://assay.example")
    ours = _digest_of(at, "shop/proxy", "1").encode()
    for path in documents:
        content = path.read_bytes().replace(b"/acme/", f"/{at.desk.namespace}/".encode()).replace(PROXY, ours)
        phase = Phase.MUTATE if "-mutate-" in path.name else Phase.VALIDATE
        reply = admit.admit(at.store, at.actor, read_review(content), phase, gate=gate)
        want = expected[int(path.name[:3])]
        assert reply.allowed is want.allowed, (path.name, reply.message)
        assert tuple(op["path"] for op in patch_of(reply) if op["op"] == "replace") == want.pinned, path.name
        assert len(reply.warnings) == want.warnings, (path.name, reply.warnings)
        assert want.message in reply.message, path.name
    counted = Counter((each.kind, each.operation, each.allowed) for each in at.decisions())
    # Both phases of one act are one decision; dry runs and updates that change no image are none.
    assert counted == {
        ("Pod", "CREATE", True): 2,
        ("Pod", "UPDATE", False): 2,
        ("Pod", "UPDATE", True): 1,
        ("EphemeralContainers", "UPDATE", False): 1,
        ("Deployment", "CREATE", True): 1,
        ("Deployment", "UPDATE", False): 1,
        ("ReplicaSet", "CREATE", True): 1,
        ("StatefulSet", "CREATE", True): 1,
        ("DaemonSet", "CREATE", True): 1,
        ("Job", "CREATE", True): 1,
        ("CronJob", "CREATE", True): 1,
        ("ReplicationController", "CREATE", True): 1,
        ("PodTemplate", "CREATE", True): 1,
    }


def _digest_of(at: Checkpoint, repository: str, tag: str) -> str:
    with at.store.database.read() as connection:
        found = artifacts.resolve(connection, at.desk.actor.tenancy, repository, tag)
    assert found is not None
    return found.digest.encoded


def test_one_act_that_reaches_the_hooks_four_times_is_one_decision(at: Checkpoint) -> None:
    """What the recorded server-side apply shows, made by hand."""
    review = pod_review(at.name(":1.4", "shop/web"))
    first = at.put(review, Phase.MUTATE)
    pinned = patch_of(first)[1]["value"]
    for phase in (Phase.VALIDATE, Phase.MUTATE, Phase.VALIDATE):
        again = at.put(pod_review(pinned, uid=f"another-{phase}"), phase)
        assert (again.allowed, patch_of(again)) == (True, [])
        assert dict(again.notes)["decision"] == dict(first.notes)["decision"]
    assert len(at.decisions()) == 1


def test_a_retried_update_is_one_decision_and_a_later_one_another(at: Checkpoint) -> None:
    name = at.name(":1.5", "shop/web")
    for version in ("201", "201", "202"):
        members = update_of(pod("old"), pod(name)) | {"uid": f"u{version}"}
        members["oldObject"]["metadata"]["resourceVersion"] = version
        reply: Reply = at.ask(**members)
        assert not reply.allowed
    assert len(at.decisions()) == 2
    assert len({each.number for each in at.decisions()}) == 2
