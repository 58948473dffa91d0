"""The attack and edge cases of signing-and-admission 2.8, played against a real registry, vault and signatures.

The number of a case stands in the test's name. Cases about reading and TLS stand in `test_admission_door.py`, about
certificates in `test_admission_authority.py`, about envelopes and payloads in the signing room's tests.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from admission_loopback import HOST, pod_review
from admission_pieces import ALIAS, REPOSITORY, Checkpoint, patch_of, pod, update_of
from registry_pieces import index_of
from signing_pieces import ROOT
from sqlalchemy import func, select, update

from assay.admission import clusters
from assay.admission.model import ClusterChange
from assay.admission.policy import ImagePolicy
from assay.admission.reviews import Phase
from assay.clock import DAY, SetClock
from assay.iam.identity import first_start, policies
from assay.oci import Digest
from assay.registry import artifacts, removals
from assay.signing import signatures
from assay.storage import Store, metadata
from assay.vault import deletion, keys
from assay.vault.resources import Key


@pytest.fixture
def at(store: Store, tmp_path: Path) -> Checkpoint:
    return Checkpoint.on(store, tmp_path / "blobs")


def test_a_signed_image_is_allowed_and_an_unsigned_one_denied_in_the_words_of_the_design(at: Checkpoint) -> None:
    assert not at.ask(at.name()).allowed  # there is no such image yet
    image, digest = at.push()
    denied = at.ask(at.name())
    (number,) = (each.number for each in at.decisions() if each.images[0].digest == digest.text)
    assert denied.message == (
        f'container "c0" uses payments/api:2.14.1 (sha256:{digest.encoded[:12]}…): not signed. '
        f"Whoever may use a key that prod-eu trusts (release-signing) can sign it: https://assay.example/d/{number}"
    )
    at.sign(image)
    assert at.ask(at.name()).allowed


@pytest.mark.parametrize("modern", [True, False])
def test_case_01_an_ephemeral_container_with_an_unsigned_image_is_denied(at: Checkpoint, *, modern: bool) -> None:
    at.signed()
    at.push("debug", "debug")
    debug = [{"name": "debug", "image": at.name(":debug")}]
    before, after = pod(at.name()), pod(at.name())
    if modern:
        after["spec"]["ephemeralContainers"] = debug
        members: dict[str, Any] = update_of(before, after)
    else:
        old = {"kind": "EphemeralContainers", "apiVersion": "v1", "metadata": {"name": "web"}}
        members = update_of(old | {"ephemeralContainers": []}, old | {"ephemeralContainers": debug})
        members["kind"] = {"group": "", "version": "v1", "kind": "EphemeralContainers"}
    denied = at.ask(subResource="ephemeralcontainers", **members)
    assert not denied.allowed
    assert denied.message.startswith('ephemeral container "debug" uses payments/api:debug')


@pytest.mark.parametrize("restart", [{}, {"restartPolicy": "Always"}])
def test_case_02_an_unsigned_init_container_or_sidecar_is_denied(at: Checkpoint, restart: dict[str, str]) -> None:
    at.signed()
    at.push("migrate", "migrate")
    review = pod_review(at.name())
    review["request"]["object"]["spec"]["initContainers"] = [{"name": "first", "image": at.name(":migrate"), **restart}]
    assert at.put(review).message.startswith('init container "first" uses payments/api:migrate')


def test_case_03_an_unsigned_image_volume_is_denied(at: Checkpoint) -> None:
    at.signed()
    at.push("model", "model")
    review = pod_review(at.name())
    review["request"]["object"]["spec"]["volumes"] = [{"name": "m", "image": {"reference": at.name(":model")}}]
    assert at.put(review).message.startswith('image volume "m" uses payments/api:model')


def test_case_04_and_05_the_pinned_digest_stays_admitted_and_the_moved_tag_is_decided_anew(at: Checkpoint) -> None:
    digest = at.signed()
    patch = patch_of(at.ask(at.name(), phase=Phase.MUTATE))
    pinned = patch[1]["value"]
    assert pinned == at.name(f":2.14.1@{digest}")
    at.push("2.14.1", "another")
    admitted = at.ask(pinned)
    assert admitted.allowed
    assert "now names" in admitted.warnings[0]
    assert "not signed" in at.ask(at.name()).message


def test_case_06_another_name_of_the_registry_counts_only_when_it_is_listed(at: Checkpoint) -> None:
    at.signed()
    assert at.ask(at.name(host=ALIAS)).allowed
    assert "registry 10.0.0.8:5000 is not on the list" in at.ask(at.name(host="10.0.0.8:5000")).message


def test_case_07_a_host_is_read_in_every_legal_spelling_and_in_no_other(at: Checkpoint) -> None:
    at.signed()
    for host in ("REGISTRY.Example:5000", "registry.example.:5000"):
        assert at.ask(at.name(host=host)).allowed, host
    for host in ("user@registry.example:5000", "registry.example :5000", "registry.example:5000\n", "registry\x00"):
        assert not at.ask(at.name(host=host)).allowed, host


@pytest.mark.parametrize(
    "rest",
    [
        "@sha256:" + "A" * 64,
        "@sha256:" + "a" * 63,
        "@sha256:" + "a" * 65,
        "@sha512:" + "a" * 64,
        "@md5:" + "a" * 32,
        f"@sha256:{'a' * 64}@sha256:{'a' * 64}",
        ":v1:v2",
        "@",
        ":",
    ],
)
def test_case_08_a_digest_or_tag_that_is_none_is_denied(at: Checkpoint, rest: str) -> None:
    assert not at.ask(at.name(rest)).allowed


def test_case_09_the_digest_decides_and_not_the_tag_beside_it(at: Checkpoint) -> None:
    signed = at.signed("signed", "one")
    _, unsigned = at.push("unsigned", "two")
    allowed = at.ask(at.name(f":unsigned@{signed}"))
    assert allowed.allowed
    assert "tag unsigned of payments/api now names" in allowed.warnings[0]
    assert "not signed" in at.ask(at.name(f":signed@{unsigned}")).message


def test_case_10_an_index_that_is_signed_without_its_platforms_is_denied(at: Checkpoint) -> None:
    _, digest, children = at.push_index("multi", "amd", "arm")
    at.push_cosign_signature(digest, digest)
    denied = at.ask(at.name(":multi"))
    assert f"its platform linux/arch0 (sha256:{children[0].encoded[:12]}…): not signed" in denied.message


def test_case_11_a_platform_that_is_signed_alone_is_admitted_alone(at: Checkpoint) -> None:
    _, _, children = at.push_index("multi", "amd", "arm")
    at.push_cosign_signature(children[0], children[0])
    assert not at.ask(at.name(":multi")).allowed
    assert at.ask(at.name(f"@{children[0]}")).allowed
    assert not at.ask(at.name(f"@{children[1]}")).allowed


def test_case_12_an_index_that_got_an_unsigned_platform_is_denied(at: Checkpoint) -> None:
    image, _, _ = at.push_index("multi", "amd")
    at.sign(image)
    assert at.ask(at.name(":multi")).allowed
    at.push_index("multi", "amd", "arm")
    assert not at.ask(at.name(":multi")).allowed


def test_case_13_a_nested_index_is_walked_and_one_beyond_the_limit_is_denied(at: Checkpoint) -> None:
    _, inner, _ = at.push_index("inner", "amd", "arm")
    with at.store.database.read() as connection:
        held = artifacts.manifest(connection, at.desk.repository_ocid(REPOSITORY), inner)
    assert held is not None
    content = index_of((held[1], "amd64")).replace(b"manifest.v1", b"index.v1")
    outer = at.desk.room.put(content, "outer", REPOSITORY, at.desk.actor)
    at.sign(outer.image)
    assert at.ask(at.name(":outer")).allowed
    at.push_index("huge", *(f"p{number}" for number in range(128)))
    assert "could not be checked: The index" in at.ask(at.name(":huge")).message


def test_case_14_a_signature_made_for_another_repository_does_not_count_here(at: Checkpoint) -> None:
    digest = at.signed(repository="payments/api")
    at.push("2.14.1", "one", repository="shadow/api")
    assert at.ask(at.name()).allowed
    assert "not signed" in at.ask(at.name(repository="shadow/api")).message
    at.push_cosign_signature(digest, digest, repository="shadow/api", named="payments/api")
    assert not at.ask(at.name(repository="shadow/api")).allowed


def test_case_15_the_signature_of_one_image_pushed_as_anothers_does_not_count(at: Checkpoint) -> None:
    signed = at.signed("a", "a")
    _, other = at.push("b", "b")
    at.push_cosign_signature(other, signed)
    assert not at.ask(at.name(":b")).allowed


def test_a_signature_that_a_user_pushed_with_a_trusted_key_counts_until_its_artifact_is_deleted(at: Checkpoint) -> None:
    _, digest = at.push()
    at.push_cosign_signature(digest, digest)
    assert at.ask(at.name()).allowed
    assert at.ask(at.name()).allowed
    artifact = at.desk.tag(digest, REPOSITORY)
    assert artifact is not None
    removals.delete_manifest(at.store, at.desk.actor, REPOSITORY, Digest.of(artifact))
    assert not at.ask(at.name()).allowed


def test_case_18_a_key_that_only_another_cluster_trusts_does_not_count(at: Checkpoint) -> None:
    image, _ = at.push()
    lab = at.desk.key(name="lab")
    at.sign(image, lab)
    assert "signed only by lab, which prod-eu does not trust" in at.ask(at.name()).message
    assert at.trusting(at.key, lab).ask(at.name()).allowed


def test_case_19_a_disabled_key_denies_at_the_next_decision_and_allows_again_when_enabled(at: Checkpoint) -> None:
    at.signed()
    assert at.ask(at.name()).allowed
    keys.disable_key(at.store, at.desk.actor, at.key.ocid)
    assert (
        at.ask(at.name())
        .message.split(": ", 1)[1]
        .startswith("signed by release-signing, disabled. Whoever manages the key release-signing can enable it, or ")
    )
    keys.enable_key(at.store, at.desk.actor, at.key.ocid)
    assert at.ask(at.name()).allowed


def in_thirty_days(clock: SetClock) -> str:
    day = datetime.fromtimestamp(clock.now() / 1_000_000, UTC) + timedelta(days=30)
    return f"{day.day} {day:%b}"


def test_case_20_and_22_versions_are_decided_on_by_themselves(at: Checkpoint, clock: SetClock) -> None:
    image, _ = at.push()
    old = at.sign(image)
    clock.advance(DAY)
    keys.create_key_version(at.store, at.desk.actor, at.key.ocid, root=ROOT)
    assert at.ask(at.name()).allowed  # a rotated version still vouches for what it signed
    deletion.schedule_key_version_deletion(at.store, at.desk.actor, at.key.ocid, old.key_version)
    denied = at.ask(at.name()).message
    assert f"signed by release-signing version 1, to be deleted {in_thirty_days(clock)}. " in denied
    assert "or whoever may use a key that prod-eu trusts (release-signing) can sign it again: " in denied
    at.sign(image)
    assert at.ask(at.name()).allowed


def test_case_21_a_key_that_awaits_deletion_denies_until_that_is_cancelled(at: Checkpoint, clock: SetClock) -> None:
    at.signed()
    assert at.ask(at.name()).allowed
    deletion.schedule_key_deletion(at.store, at.desk.actor, at.key.ocid)
    denied = at.ask(at.name()).message
    assert f"signed by release-signing, to be deleted {in_thirty_days(clock)}. " in denied
    assert "Whoever manages the key release-signing can cancel its deletion, or " in denied
    deletion.cancel_key_deletion(at.store, at.desk.actor, at.key.ocid)
    assert at.ask(at.name()).allowed


def test_case_24_a_deleted_signature_denies_at_the_next_decision(at: Checkpoint) -> None:
    image, _ = at.push()
    signature = at.sign(image)
    assert at.ask(at.name()).allowed
    signatures.delete_signature(at.store, at.desk.actor, signature.ocid)
    assert "signed, but the signature was deleted" in at.ask(at.name()).message


def test_case_25_what_an_attacker_pushes_under_the_signature_tag_neither_helps_nor_harms(at: Checkpoint) -> None:
    signed = at.signed("a", "a")
    _, unsigned = at.push("b", "b")
    at.desk.deliver()
    for digest in (signed, unsigned):
        at.desk.push_signature(digest, (b"{}", b"junk"), repository=REPOSITORY)
    at.desk.deliver()
    assert at.ask(at.name(":a")).allowed
    assert "not signed" in at.ask(at.name(":b")).message


def test_case_30_a_new_image_in_a_running_pod_is_decided_on(at: Checkpoint) -> None:
    at.signed()
    at.push("evil", "evil")
    members = update_of(pod(at.name()), pod(at.name(":evil")))
    assert "payments/api:evil" in at.ask(**members).message
    assert at.ask(**update_of(pod(at.name(":evil")), pod(at.name()))).allowed


def test_case_31_a_new_label_is_let_through_with_a_warning_while_the_key_is_revoked(at: Checkpoint) -> None:
    at.signed()
    keys.disable_key(at.store, at.desk.actor, at.key.ocid)
    allowed = at.ask(**update_of(pod(at.name()), pod(at.name(), labels={"a": "b"})), phase=Phase.MUTATE)
    assert allowed.allowed
    assert allowed.warnings == ('container "c0" would be denied now: signed by release-signing, disabled',)
    assert patch_of(allowed) == []
    assert at.decisions() == ()


def test_case_31_an_unchanged_image_that_is_well_is_let_through_without_a_word(at: Checkpoint) -> None:
    at.signed()
    allowed = at.ask(**update_of(pod(at.name()), pod(at.name(), labels={"a": "b"})), phase=Phase.MUTATE)
    assert (allowed.allowed, allowed.warnings, patch_of(allowed)) == (True, (), [])


def test_case_32_a_finalizer_comes_off_whatever_the_image(at: Checkpoint) -> None:
    going = pod("nginx", deletionTimestamp="2026-11-21T21:57:32Z", finalizers=["a/b"])
    allowed = at.ask(**update_of(going, pod("nginx", deletionTimestamp="2026-11-21T21:57:32Z")))
    assert (allowed.allowed, allowed.warnings) == (True, ())


@pytest.mark.parametrize(
    "metadata",
    [
        {"deletionTimestamp": "2026-11-21T21:57:32Z"},
        {"annotations": {"assay.image-policy.k8s.io/verified": "true"}, "labels": {"assay/verified": "true"}},
        {"annotations": {"assay.image-policy.k8s.io/break-glass": "at night"}},
        {"annotations": {"oracle.image-policy.k8s.io/break-glass": "true"}},
        {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u"}]},
        {"annotations": {"kubernetes.io/config.mirror": "x", "kubernetes.io/config.source": "file"}},
    ],
    ids=["33-deletion-time", "34-forged", "35-break-glass", "35-of-oracle", "36-owner", "37-mirror"],
)
def test_case_33_to_37_nothing_that_a_user_writes_into_a_pod_admits_it(
    at: Checkpoint, metadata: dict[str, Any]
) -> None:
    at.push()
    assert "not signed" in at.ask(object=pod(at.name(), **metadata)).message


def test_case_38_and_40_templates_of_any_version_are_decided_on(at: Checkpoint) -> None:
    at.push()
    document = {
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": at.name()}]}}},
    }
    for version in ("v1", "v1beta1", "v1beta2"):
        kind = {"group": "apps", "version": version, "kind": "Deployment"}
        denied = at.ask(object=document, kind=kind, phase=Phase.MUTATE)
        assert "not signed" in denied.message
    at.signed()
    allowed = at.ask(object=document, kind={"group": "apps", "version": "v1", "kind": "Deployment"}, phase=Phase.MUTATE)
    assert allowed.allowed
    assert patch_of(allowed) == []  # a template keeps its tag: its pods are pinned


def test_case_42_a_pod_without_a_name_yet_is_decided_on(at: Checkpoint) -> None:
    at.signed()
    document = pod(at.name())
    document["metadata"] = {"generateName": "web-"}
    assert at.ask(object=document, name="", phase=Phase.MUTATE).allowed
    assert at.decisions()[0].name == "web-"


def test_case_45_an_image_name_with_an_invisible_letter_is_denied(at: Checkpoint) -> None:
    at.signed()
    denied = at.ask(at.name(), at.name(":2.14.1\u200b"))
    assert 'container "c1"' in denied.message
    assert "\u200b" not in denied.message


def test_case_46_a_hundred_denials_are_one_message_and_all_are_kept(at: Checkpoint) -> None:
    denied = at.ask(*(at.name(f":t{number}") for number in range(100)))
    assert "and 97 more images are denied" in denied.message
    assert dict(denied.notes)["denied"].count("there is no such image that prod-eu may read") == 100
    assert len(at.decisions()[0].images) == 100


def test_case_47_a_dry_run_is_decided_alike_and_leaves_nothing(at: Checkpoint) -> None:
    at.push()

    def rows() -> dict[str, int]:
        with at.store.database.read() as connection:
            counts = {table.name: select(func.count()).select_from(table) for table in metadata.sorted_tables}
            return {name: connection.execute(count).scalar_one() for name, count in counts.items()}

    before = rows()
    dry = at.ask(at.name(), dryRun=True)
    assert rows() == before
    wet = at.ask(at.name())
    assert not dry.allowed
    assert wet.message == f"{dry.message}: https://assay.example/d/{at.decisions()[0].number}"
    assert len(at.decisions()) == 1


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_case_48_deleting_is_allowed_without_a_patch(at: Checkpoint, operation: str) -> None:
    allowed = at.ask(operation=operation, object=None, oldObject=pod("nginx"), phase=Phase.MUTATE)
    assert allowed.allowed
    assert patch_of(allowed) == []


def test_case_49_a_sidecar_that_another_webhook_put_in_is_decided_on(at: Checkpoint) -> None:
    digest = at.signed()
    pinned = patch_of(at.ask(at.name(), phase=Phase.MUTATE))[1]["value"]
    again = at.ask(pinned, at.name(":sidecar"), phase=Phase.MUTATE)
    assert 'container "c1" uses' in again.message
    at.signed("sidecar", "sidecar")
    both = at.ask(pinned, at.name(":sidecar"), phase=Phase.MUTATE)
    assert [operation["path"] for operation in patch_of(both)] == ["/spec/containers/1/image"] * 2
    assert digest.text in pinned


def test_case_57_an_image_that_was_deleted_is_denied_though_its_signature_is_left(at: Checkpoint) -> None:
    image, digest = at.push()
    at.sign(image)
    assert at.ask(at.name(f"@{digest}")).allowed
    removals.delete(at.store, at.desk.actor, image)
    assert "there is no such image that prod-eu may read" in at.ask(at.name(f"@{digest}")).message


def test_case_58_a_digest_of_another_repository_is_not_in_this_one(at: Checkpoint) -> None:
    digest = at.signed(repository="payments/api")
    at.signed("x", "x", repository="payments/web")
    assert not at.ask(at.name(f"@{digest}", repository="payments/web")).allowed


def test_case_60_a_pull_policy_changes_nothing(at: Checkpoint) -> None:
    at.push()
    review = pod_review(at.name())
    review["request"]["object"]["spec"]["containers"][0]["imagePullPolicy"] = "Never"
    assert "not signed" in at.put(review).message


def test_an_image_of_another_registry_is_denied(at: Checkpoint) -> None:
    for image in ("nginx", "library/nginx:1.29", "docker.io/library/nginx", "quay.io/registry.example/a"):
        assert "is not on the list" in at.ask(image).message, image


def test_an_image_without_a_tag_is_the_latest_and_is_pinned_with_that_tag(at: Checkpoint) -> None:
    digest = at.signed("latest")
    patch = patch_of(at.ask(at.name(""), phase=Phase.MUTATE))
    assert patch[1]["value"] == at.name(f":latest@{digest}")


def test_a_cluster_sees_only_what_a_statement_lets_it_read(at: Checkpoint, store: Store) -> None:
    at.signed()
    missing = at.ask(at.name(repository="payments/none")).message
    listed = policies.listed(store, at.desk.actor, at.desk.actor.tenancy).items
    (reads,) = [policy.ocid for policy in listed if policy.name == "prod-eu-reads"]
    policies.delete(store, at.desk.actor, reads)
    denied = at.ask(at.name()).message
    assert denied.partition(": ")[2].rpartition("/")[0] == missing.partition(": ")[2].rpartition("/")[0]
    at.state(
        "Allow any-user to read repos in tenancy where all {request.user.id="
        f"'{at.cluster.ocid}', target.repo.name=/payments/*/}}",
        name="only-payments",
    )
    assert at.ask(at.name()).allowed


def test_an_image_of_another_tenancy_is_denied_like_one_that_is_not_there(at: Checkpoint, store: Store) -> None:
    other = first_start.create_tenancy(store, "other")
    neighbour = replace(at.desk, actor=replace(at.desk.actor, tenancy=other.tenancy.ocid))
    neighbour.push("2.14.1", "one", REPOSITORY)
    there = at.ask(f"{HOST}/{other.tenancy.namespace}/{REPOSITORY}:2.14.1").message
    nowhere = at.ask(f"{HOST}/{'n' * len(other.tenancy.namespace)}/{REPOSITORY}:2.14.1").message
    assert "there is no such image that prod-eu may read" in there
    assert (
        there.replace(other.tenancy.namespace, "?").rpartition("/")[0]
        == (nowhere.replace("n" * len(other.tenancy.namespace), "?").rpartition("/")[0])
    )


def test_a_policy_that_is_off_allows_everything_and_pins_nothing(at: Checkpoint) -> None:
    off = ImagePolicy(enabled=False, keys=at.cluster.policy.keys)
    clusters.update_cluster(at.store, at.desk.actor, at.cluster.ocid, ClusterChange(policy=off))
    at.push()
    allowed = at.ask("nginx", at.name(), phase=Phase.MUTATE)
    assert (allowed.allowed, patch_of(allowed), at.decisions()) == (True, [], ())


def test_a_policy_change_counts_at_the_next_decision(at: Checkpoint) -> None:
    at.signed()
    assert at.ask(at.name()).allowed
    other: Key = at.desk.key(name="other")
    assert "signed only by release-signing, which prod-eu does not trust" in at.trusting(other).ask(at.name()).message
    assert at.trusting(at.key).ask(at.name()).allowed


def test_tampering_with_stored_bytes_is_noticed_when_no_memory_stands_in(at: Checkpoint, clock: SetClock) -> None:
    digest = at.signed()
    assert at.ask(at.name()).allowed
    manifest = metadata.tables["manifest"]
    with at.store.database.write() as connection:
        connection.execute(update(manifest).where(manifest.c.digest == digest.text).values(content=b"{}"))
    clock.advance(DAY)
    denied = at.ask(at.name())
    assert not denied.allowed
    assert "changed" in denied.message
