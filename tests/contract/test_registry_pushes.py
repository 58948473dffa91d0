"""Pushing, on both databases: what a push makes, counts and announces, and what it refuses."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_pieces import (
    ACTOR,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    STRANGER,
    Room,
    described,
    index_of,
    manifest_of,
)
from sqlalchemy import event

from assay.clock import SECOND, SetClock
from assay.errors import Reason, Refused
from assay.events import ArtifactPushed, ImagePushed, ImageTakenIn, TagMoved
from assay.oci import Digest, MediaType
from assay.registry import images, pulls, pushes, repositories, tags
from assay.registry.manifests import INDEX_NESTING_MAX, ManifestKind
from assay.registry.model import Condition
from assay.registry.repositories import RepositoryChanges, RepositoryDetails
from assay.storage import Store


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    return Room.on(store, tmp_path / "blobs")


def listed(room: Room) -> list[str]:
    return [image.display_name for image in images.listed(room.store, ACTOR).items]


def reason_of(refusal: pytest.ExceptionInfo[Refused]) -> Reason:
    return refusal.value.reason


def test_the_first_push_makes_a_private_repository_in_the_root_compartment(room: Room) -> None:
    room.push_image("v1")
    made = room.repository()
    assert (made.name, made.compartment, made.is_public) == ("team/app", ACTOR.tenancy, False)
    assert (made.image_count, made.layer_count, made.layers_bytes) == (1, 1, len(b"layer of one"))
    assert made.ocid.startswith("ocid1.containerrepo.oc1.local.0.")


def test_no_repository_is_made_by_a_push_where_the_tenancy_has_switched_it_off(room: Room) -> None:
    repositories.set_created_on_first_push(room.store, ACTOR, value=False)
    with pytest.raises(Refused) as refusal:
        room.push_blob(b"layer")
    assert reason_of(refusal) is Reason.NOT_FOUND
    repositories.create(room.store, ACTOR, RepositoryDetails(ACTOR.tenancy, "team/app"))
    room.push_image("v1")
    assert room.repository().image_count == 1


def test_a_pushed_image_has_its_tag_its_ocid_and_is_announced(room: Room) -> None:
    pushed, content = room.push_image("v1")
    image = images.get(room.store, ACTOR, pushed.image)
    assert image.digest == Digest.of(content)
    assert [version.version for version in image.versions] == ["v1"]
    assert image.display_name == "team/app:v1"
    assert image.ocid.startswith("ocid1.containerimage.oc1.local.0.")
    assert [(fact.image, fact.tag) for fact in room.facts(ImagePushed)] == [(pushed.image, "v1")]
    assert [(fact.tag, fact.digest) for fact in room.facts(TagMoved)] == [("v1", pushed.digest.text)]


def test_a_manifest_is_served_byte_for_byte(room: Room) -> None:
    pushed, content = room.push_image("v1")
    for reference in ("v1", pushed.digest):
        served = pulls.manifest(room.store, ACTOR, "team/app", reference)
        assert (served.content, served.media_type, served.size) == (content, OCI_MANIFEST, len(content))
    assert pulls.manifest(room.store, ACTOR, "team/app", "v1", with_content=False).content == b""


def test_a_repeated_push_is_the_same_image_pushed_later(room: Room, clock: SetClock) -> None:
    first, content = room.push_image("v1")
    clock.advance(SECOND)
    again = room.put(content, "v1")
    image = images.get(room.store, ACTOR, first.image)
    assert again.image == first.image
    assert image.time_last_pushed == image.time_created + SECOND
    assert room.repository().image_count == 1
    assert len(room.facts(ImagePushed)) == 2
    assert len(room.facts(TagMoved)) == 1


def test_the_latest_images_are_those_pushed_last_whether_new_or_again(room: Room, clock: SetClock) -> None:
    contents = []
    for number in range(6):
        clock.advance(SECOND)
        contents.append(room.push_image(f"v{number}", seed=str(number))[1])
    clock.advance(SECOND)
    room.put(contents[0], Digest.of(contents[0]))
    with room.store.database.read() as connection:
        latest = images.latest(connection, room.repository().ocid, 4)
    assert [image.version for image in latest] == ["v0", "v5", "v4", "v3"]


def test_a_moved_tag_leaves_the_old_image_without_version_but_with_its_last_name(room: Room) -> None:
    old, _ = room.push_image("v1", seed="old")
    room.push_image("v1", seed="new")
    left = images.get(room.store, ACTOR, old.image)
    assert left.versions == ()
    assert left.display_name == f"team/app:v1@{old.digest}"
    moves = tags.history(room.store, ACTOR, "team/app", "v1")
    assert [move.digest == old.digest for move in moves] == [False, True]


def test_shared_layers_are_counted_once(room: Room) -> None:
    room.push_image("v1", seed="1", layers=[b"base", b"top 1"])
    room.push_image("v2", seed="2", layers=[b"base", b"top 2"])
    repository = room.repository()
    assert (repository.image_count, repository.layer_count) == (2, 3)
    assert repository.layers_bytes == len(b"base") + 2 * len(b"top 1")
    assert repository.stored_bytes == repository.layers_bytes + 2 * len(b'{"seed": "1"}')


def push_children(room: Room, *names: str, **members: int) -> list[tuple[bytes, str]]:
    return [(room.push_image(seed=name, **members)[1], name) for name in names]


def test_an_index_is_one_image_and_its_children_are_none(room: Room, clock: SetClock) -> None:
    children = push_children(room, "amd64", "arm64", settle_microseconds=20 * SECOND)
    pushed = room.put(index_of(*children), "v1")
    assert listed(room) == ["team/app:v1"]
    assert room.repository().image_count == 1
    assert room.repository().layer_count == 2
    clock.advance(60 * SECOND)
    assert pushes.settle(room.store) == 0
    assert [fact.image for fact in room.facts(ImagePushed)] == [pushed.image]
    with room.store.database.read() as connection:
        found = images.platforms(connection, room.repository().ocid, pushed.digest).present
    assert [str(each.platform) for each in found] == ["linux/amd64", "linux/arm64"]
    assert [layer[0] for layer in found[0].layers] == [Digest.of(b"layer of amd64")]


def test_a_manifest_pushed_by_digest_alone_becomes_an_image_when_no_index_comes(room: Room, clock: SetClock) -> None:
    pushed, _ = room.push_image(settle_microseconds=20 * SECOND)
    assert (pushed.image, listed(room)) == ("", [])
    clock.advance(19 * SECOND)
    assert pushes.settle(room.store) == 0
    clock.advance(SECOND)
    assert pushes.settle(room.store) == 1
    assert listed(room) == [f"team/app:unknown@{pushed.digest}"]
    assert len(room.facts(ImagePushed)) == 1
    assert pushes.settle(room.store) == 0


def test_an_index_that_comes_late_takes_in_images_that_no_tag_ever_named(room: Room) -> None:
    child, content = room.push_image(seed="amd64")
    tagged, tagged_content = room.push_image("arm", seed="arm64")
    assert room.repository().image_count == 2
    room.put(index_of((content, "amd64"), (tagged_content, "arm64")), "v1")
    assert sorted(listed(room)) == ["team/app:arm", "team/app:v1"]
    assert [fact.image for fact in room.facts(ImageTakenIn)] == [child.image]
    assert room.repository().image_count == 2
    again = room.put(content, Digest.of(content))
    assert again.image == ""
    assert room.put(tagged_content, Digest.of(tagged_content)).image == tagged.image


def test_an_index_that_names_one_image_a_thousand_times_costs_no_more_statements_than_one_that_names_it_twice(
    room: Room,
) -> None:
    _, content = room.push_image("child")
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    engine = room.store.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        room.put(index_of(*[(content, "amd64")] * 2), "few")
        few = len(asked)
        room.put(index_of(*[(content, "amd64")] * 1000), "many")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert (few > 0, len(asked)) == (True, 2 * few)


def test_a_tag_makes_a_child_of_an_index_an_image_of_its_own(room: Room) -> None:
    (child,) = push_children(room, "amd64", settle_microseconds=SECOND)
    room.put(index_of(child), "v1")
    room.put(child[0], "amd64")
    assert sorted(listed(room)) == ["team/app:amd64", "team/app:v1"]


def test_attestations_referrers_and_signature_tags_are_stored_but_are_no_images(room: Room) -> None:
    pushed, content = room.push_image("v1")
    payload = b'{"critical":{}}'
    for blob in (payload, b"{}"):
        room.push_blob(blob)
    signature = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": described(b"{}", OCI_CONFIG),
            "layers": [described(payload, MediaType.COSIGN_SIMPLE_SIGNING.value)],
        }
    ).encode()
    room.put(signature, f"sha256-{pushed.digest.encoded}.sig")
    referrer = json.dumps({**json.loads(signature), "subject": described(content, OCI_MANIFEST)}).encode()
    referred = room.put(referrer, Digest.of(referrer))
    room.put(content, f"sha256-{pushed.digest.encoded}.att")
    assert listed(room) == ["team/app:v1"]
    assert (referred.kind, referred.subject) == (ManifestKind.REFERRER, pushed.digest)
    assert [fact.subject for fact in room.facts(ArtifactPushed)] == ["", pushed.digest.text, ""]
    assert pulls.manifest(room.store, ACTOR, "team/app", f"sha256-{pushed.digest.encoded}.sig").content == signature


def test_an_index_of_attestations_alone_is_no_image(room: Room) -> None:
    (child,) = push_children(room, "unknown", settle_microseconds=SECOND)
    assert room.put(index_of(child), "v1").image == ""
    assert listed(room) == []


def test_referrers_are_listed_by_subject_and_artifact_type_also_of_an_unknown_subject(room: Room) -> None:
    room.push_blob(b"{}")
    subject = described(b"nobody knows me", OCI_MANIFEST)
    pushed = []
    for kind in ("application/x.sbom", "application/x.signature"):
        content = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "artifactType": kind,
                "config": described(b"{}", "application/vnd.oci.empty.v1+json"),
                "layers": [],
                "subject": subject,
                "annotations": {"of": kind},
            }
        ).encode()
        pushed.append(room.put(content, Digest.of(content)).digest)
    found, more = pulls.referrers(room.store, ACTOR, "team/app", Digest.of(b"nobody knows me"))
    assert ([each.digest for each in found], more) == (sorted(pushed), False)
    (sbom,), _ = pulls.referrers(
        room.store, ACTOR, "team/app", Digest.of(b"nobody knows me"), artifact_type="application/x.sbom"
    )
    assert (sbom.artifact_type, sbom.annotations) == ("application/x.sbom", {"of": "application/x.sbom"})
    first, more = pulls.referrers(room.store, ACTOR, "team/app", Digest.of(b"nobody knows me"), rows_max=1)
    second, _ = pulls.referrers(
        room.store, ACTOR, "team/app", Digest.of(b"nobody knows me"), rows_max=1, after=first[0].digest.text
    )
    assert (more, [each.digest for each in (*first, *second)]) == (True, sorted(pushed))


@pytest.mark.parametrize("missing", ["config", "layer"])
def test_a_manifest_that_names_a_blob_the_repository_lacks_is_refused_and_leaves_nothing(
    room: Room, missing: str
) -> None:
    room.push_blob(b"layer" if missing == "config" else b"config")
    # That another repository, or another tenancy, has it does not help.
    room.push_blob(missing.encode(), "team/other")
    room.push_blob(missing.encode(), actor=STRANGER)
    with pytest.raises(Refused) as refusal:
        room.put(manifest_of(b"config", [b"layer"]), "v1")
    assert reason_of(refusal) is Reason.MANIFEST_BLOB_UNKNOWN
    assert listed(room) == []
    assert tags.listed(room.store, ACTOR, "team/app") == ((), False)


def test_an_index_that_names_a_manifest_the_repository_lacks_is_refused(room: Room) -> None:
    room.push_image("v1")
    with pytest.raises(Refused) as refusal:
        room.put(index_of((b"{}", "amd64")), "v2")
    assert reason_of(refusal) is Reason.MANIFEST_BLOB_UNKNOWN


@pytest.mark.parametrize("size", [0, 11, 13])
def test_a_manifest_that_gives_a_wrong_size_is_refused(room: Room, size: int) -> None:
    room.push_blob(b"config")
    room.push_blob(b"layer of one")
    document = json.loads(manifest_of(b"config", [b"layer of one"]))
    document["layers"][0]["size"] = size
    with pytest.raises(Refused, match="12") as refusal:
        room.put(json.dumps(document).encode(), "v1")
    assert reason_of(refusal) is Reason.MANIFEST_INVALID


def test_an_index_that_lies_about_what_a_child_is_is_refused(room: Room) -> None:
    _, content = room.push_image("v1")
    document = json.loads(index_of((content, "amd64")))
    document["manifests"][0]["mediaType"] = OCI_INDEX
    with pytest.raises(Refused) as refusal:
        room.put(json.dumps(document).encode(), "v2")
    assert reason_of(refusal) is Reason.MANIFEST_INVALID


def test_indexes_nest_up_to_the_limit(room: Room) -> None:
    _, content = room.push_image("v1")
    media_type = OCI_MANIFEST
    for _ in range(INDEX_NESTING_MAX):
        child = described(content, media_type)
        content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).encode()
        media_type = OCI_INDEX
        pushed = room.put(content, Digest.of(content))
    with room.store.database.read() as connection:
        assert len(images.platforms(connection, room.repository().ocid, pushed.digest).present) == 1
    too_deep = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [described(content, OCI_INDEX)]}
    ).encode()
    with pytest.raises(Refused, match="nested") as refusal:
        room.put(too_deep, "deep")
    assert reason_of(refusal) is Reason.TOO_LARGE


def test_a_manifest_must_have_the_digest_under_which_it_is_pushed(room: Room) -> None:
    _, content = room.push_image("v1")
    with pytest.raises(Refused) as refusal:
        room.put(content, Digest.of(b"another"))
    assert reason_of(refusal) is Reason.DIGEST_INVALID
    by_sha512 = room.put(content, Digest.of(content, "sha512"))
    assert pulls.manifest(room.store, ACTOR, "team/app", by_sha512.digest).content == content


def test_a_push_by_digest_may_bring_its_tags(room: Room) -> None:
    _, content = room.push_image("v1")
    pushed = room.put(content, Digest.of(content), tags=("latest", "1.0", "latest"))
    assert pushed.tags == ("latest", "1.0")
    assert tags.listed(room.store, ACTOR, "team/app")[0] == ("1.0", "latest", "v1")
    with pytest.raises(Refused) as refusal:
        room.put(content, Digest.of(content), tags=tuple(map(str, range(51))))
    assert reason_of(refusal) is Reason.TOO_LARGE


def test_what_the_pusher_says_of_the_bytes_stays_in_the_repository(room: Room) -> None:
    document = json.loads(manifest_of(b"config", [b"layer"]))
    del document["mediaType"]
    content = json.dumps(document).encode()
    said = {"team/app": OCI_MANIFEST, "team/other": MediaType.DOCKER_MANIFEST.value}
    for name, media_type in said.items():
        room.push_blob(b"config", name)
        room.push_blob(b"layer", name)
        pushes.put(room.store, ACTOR, pushes.Push(name, "v1", content, media_type))
    for name, media_type in said.items():
        assert pulls.manifest(room.store, ACTOR, name, "v1").media_type == media_type


@pytest.fixture
def immutable(room: Room) -> Iterator[Room]:
    room.push_image("v1", seed="first")
    repositories.change(room.store, ACTOR, room.repository().ocid, RepositoryChanges(is_immutable=True))
    return room


def test_a_tag_of_an_immutable_repository_never_moves(immutable: Room) -> None:
    before = immutable.facts()
    with pytest.raises(Refused, match="immutable") as refusal:
        immutable.push_image("v1", seed="second")
    assert reason_of(refusal) is Reason.EXISTS
    assert immutable.facts() == before
    assert immutable.push_image("v2", seed="second")[0].image
    assert immutable.push_image("v1", seed="first")[0].image


def test_a_signature_tag_of_an_immutable_repository_may_only_gain_layers(immutable: Room) -> None:
    tag = f"sha256-{'0' * 64}.sig"
    payloads = [b"first", b"second", b"third"]
    for blob in (b"config", *payloads):
        immutable.push_blob(blob)

    def signed(*parts: bytes) -> bytes:
        layers = [described(part, MediaType.COSIGN_SIMPLE_SIGNING.value) for part in parts]
        return manifest_of(b"config", [], layers=layers)

    immutable.put(signed(b"first"), tag)
    immutable.put(signed(b"first", b"second"), tag)
    for fewer in (signed(b"second"), signed(b"first", b"third")):
        with pytest.raises(Refused) as refusal:
            immutable.put(fewer, tag)
        assert reason_of(refusal) is Reason.EXISTS


def test_a_push_that_expects_something_of_its_tag_is_made_only_then(room: Room) -> None:
    first, content = room.push_image("v1", seed="first")
    _, other = room.push_image(seed="second")
    for wrong in ("", Digest.of(other).text):
        with pytest.raises(Refused) as refusal:
            room.put(other, "v1", condition=Condition.just(wrong))
        assert reason_of(refusal) is Reason.ETAG_MISMATCH
    room.put(other, "v1", condition=Condition.just(first.digest.text))
    room.put(content, "v2", condition=Condition.just(""))
    assert pulls.manifest(room.store, ACTOR, "team/app", "v1").content == other


def test_tenancies_do_not_see_one_another(room: Room) -> None:
    pushed, content = room.push_image("v1")
    room.push_image("v1", seed="theirs", actor=STRANGER)
    assert room.repository(actor=STRANGER).ocid != room.repository().ocid
    for asked in (
        lambda: pulls.manifest(room.store, STRANGER, "team/app", pushed.digest),
        lambda: images.get(room.store, STRANGER, pushed.image),
        lambda: repositories.get(room.store, STRANGER, room.repository().ocid),
        lambda: room.put(content, "mine", actor=STRANGER),
    ):
        with pytest.raises(Refused) as refusal:
            asked()
        assert reason_of(refusal) in (Reason.NOT_FOUND, Reason.MANIFEST_UNKNOWN, Reason.MANIFEST_BLOB_UNKNOWN)


def test_foreign_layers_may_be_absent_and_are_not_counted(room: Room) -> None:
    foreign = described(b"elsewhere", MediaType.DOCKER_FOREIGN_LAYER.value, urls=["https://example.org/layer"])
    for blob in (b"config", b"own"):
        room.push_blob(blob)
    layers = [foreign, described(b"own", OCI_LAYER)]
    pushed = room.put(manifest_of(b"config", [], layers=layers), "v1")
    assert pushed.kind is ManifestKind.IMAGE
    assert room.repository().layer_count == 1
    assert [layer.size for layer in images.layers(room.store, images.get(room.store, ACTOR, pushed.image))] == [3]
