"""Decisions as they are recorded, listed and purged; what is remembered of trust; on both databases."""

import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from admission_loopback import encoded, pod_review
from admission_pieces import Checkpoint, patch_of
from sqlalchemy import select

from assay.admission import admit, ledger
from assay.admission.reviews import Phase, read_review
from assay.admission.trust import ENTRIES_MAX, TrustCache, TrustKey
from assay.clock import DAY, MINUTE, Instant, SetClock
from assay.errors import Reason, Refused, Unavailable
from assay.events import TagMoved
from assay.oci import Digest
from assay.storage import Store, metadata, outbox


@pytest.fixture
def at(store: Store, tmp_path: Path) -> Checkpoint:
    return Checkpoint.on(store, tmp_path / "blobs")


def test_a_decision_tells_who_asked_for_what_and_what_came_of_each_image(at: Checkpoint) -> None:
    signed = at.signed()
    at.ask(at.name(), "nginx:1.29")
    (made,) = at.decisions()
    assert (made.cluster, made.policy_version, made.allowed) == (at.cluster.ocid, 1, False)
    assert (made.namespace, made.kind, made.name, made.operation) == ("shop", "Pod", "web", "CREATE")
    assert (made.username, made.time_created) == ("ann", at.store.clock.now())
    good, bad = made.images
    assert (good.where, good.text, good.allowed, good.digest) == ('container "c0"', at.name(), True, signed.text)
    assert (bad.where, bad.allowed, bad.because) == ('container "c1"', False, "foreign-registry")
    assert made.message.endswith(f"/d/{made.number}")


def test_a_number_has_ten_digits_that_people_can_type(at: Checkpoint) -> None:
    at.ask("nginx")
    number = at.decisions()[0].number
    assert len(number) == 10
    assert not set(number) - set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert ledger.get_decision(at.store, at.desk.actor, number) == at.decisions()[0]


def test_what_comes_out_the_same_within_a_minute_is_one_decision(at: Checkpoint, clock: SetClock) -> None:
    for _ in range(3):
        at.ask("nginx")
    assert len(at.decisions()) == 1
    clock.advance(MINUTE)
    at.ask("nginx")
    assert len(at.decisions()) == 2


def test_a_cluster_that_asks_reads_no_decisions_and_a_stranger_neither(at: Checkpoint) -> None:
    at.ask("nginx")
    number = at.decisions()[0].number
    stranger = replace(at.desk.actor, tenancy="ocid1.tenancy.oc1..aaaaaaaa" + "c" * 52)
    for actor in (at.actor, stranger):
        with pytest.raises(Refused) as refusal:
            ledger.get_decision(at.store, actor, number)
        assert refusal.value.reason is Reason.NOT_FOUND


def test_decisions_are_listed_newest_first_and_page_without_gaps(at: Checkpoint, clock: SetClock) -> None:
    at.signed()
    for image in ("nginx", at.name(), "httpd"):
        clock.advance(MINUTE)
        at.ask(image)
    page = ledger.list_decisions(at.store, at.desk.actor, at.cluster.ocid, limit=2)
    rest = ledger.list_decisions(at.store, at.desk.actor, at.cluster.ocid, limit=2, page=page.next_page)
    assert [each.images[0].text for each in (*page.items, *rest.items)] == ["httpd", at.name(), "nginx"]
    denied = ledger.list_decisions(at.store, at.desk.actor, at.cluster.ocid, allowed=False).items
    assert [each.images[0].text for each in denied] == ["httpd", "nginx"]


def test_decisions_are_kept_for_four_hundred_days(at: Checkpoint, clock: SetClock) -> None:
    at.ask("nginx")
    clock.advance(400 * DAY)
    assert ledger.purge_decisions(at.store) == 0
    clock.advance(1)
    assert ledger.purge_decisions(at.store) == 1
    assert at.decisions() == ()


def test_each_recorded_decision_has_an_audit_row_in_the_clusters_name(at: Checkpoint) -> None:
    at.ask("nginx")
    audit = metadata.tables["audit"]
    with at.store.database.read() as connection:
        rows = connection.execute(
            select(audit.c.principal, audit.c.outcome, audit.c.request_id).where(audit.c.operation == "AdmitWorkload")
        ).all()
    assert [tuple(row) for row in rows] == [(at.cluster.ocid, "done", pod_review()["request"]["uid"])]


def test_what_cannot_be_recorded_is_not_allowed_and_a_denial_stands(
    at: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    at.signed()

    def broken(*_: object, **__: object) -> str:
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(ledger, "record", broken)
    allowed_without = at.ask(at.name(), phase=Phase.MUTATE)
    assert not allowed_without.allowed
    assert "the decision could not be recorded, The disk is full" in allowed_without.message
    assert patch_of(allowed_without) == []
    denied = at.ask("nginx")
    assert "registry docker.io is not on the list" in denied.message
    assert "/d/" not in denied.message
    assert denied.warnings == ("The decision could not be recorded; there is no page about it.",)


def test_a_decision_that_nobody_waits_for_is_not_recorded(at: Checkpoint) -> None:
    review = read_review(encoded(pod_review("nginx")))
    reply = admit.admit(at.store, at.actor, review, Phase.VALIDATE, gate=at.gate, still_wanted=lambda: False)
    assert not reply.allowed
    assert at.decisions() == ()


def test_calls_that_come_at_once_are_one_decision(at: Checkpoint) -> None:
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(at.ask("nginx"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({reply.message for reply in replies}) == 1
    assert len(replies) == 8
    assert len(at.decisions()) == 1


def test_trust_is_remembered_only_within_its_epoch_and_for_a_minute(store: Store) -> None:
    cache = TrustCache()
    key = TrustKey("repository", Digest("sha256:" + "0" * 64), ("key",), (3, 1))
    now = store.clock.now()
    cache.remember(key, now)
    assert cache.holds(key, now)
    assert cache.holds(key, Instant(now + MINUTE - 1))
    assert not cache.holds(key, Instant(now + MINUTE))
    for other in (
        replace(key, epoch=(4, 1)),
        replace(key, epoch=(3, 2)),
        replace(key, keys=("another",)),
        replace(key, repository="another"),
        replace(key, digest=Digest("sha256:" + "1" * 64)),
    ):
        assert not cache.holds(other, now)


def test_the_memory_of_trust_is_bounded_and_forgets_the_oldest() -> None:
    cache = TrustCache()
    keys = [TrustKey("r", Digest("sha256:" + "0" * 64), (), (number,)) for number in range(ENTRIES_MAX + 1)]
    for key in keys:
        cache.remember(key, Instant(0))
    assert not cache.holds(keys[0], Instant(0))
    assert cache.holds(keys[1], Instant(0))
    assert cache.holds(keys[-1], Instant(0))


class Undone(Exception):
    """What undoes a transaction."""


def test_a_fact_counts_in_the_snapshot_in_which_its_change_is_seen(store: Store) -> None:
    fact = TagMoved(tenancy="t", repository="r", tag="v1", digest="")
    with store.database.read() as before:
        assert outbox.sequences(before, ("r", "other")) == (0, 0)
        with store.database.write() as connection:
            outbox.announce(connection, fact, store.clock.now())
            assert outbox.sequences(connection, ("r",)) == (1,)
        assert outbox.sequences(before, ("r",)) == (0,)
    with suppress(Undone), store.database.write() as connection:
        outbox.announce(connection, fact, store.clock.now())
        raise Undone
    with store.database.read() as after:
        assert outbox.sequences(after, ("other", "r")) == (0, 1)
