"""Publishing: what stands in the registry follows from the records, whatever users do to it."""

import json
from pathlib import Path

import pytest
from signing_pieces import HOST, Desk

from assay.clock import SECOND, SetClock
from assay.events import ArtifactPushed, ImageSigned
from assay.iam.identity import compartments
from assay.oci import Digest
from assay.registry import images, removals, repositories, tags
from assay.registry.repositories import RepositoryChanges
from assay.signing import bundle, cosign, publish, signatures
from assay.signing.cosign import Payload
from assay.storage import Store
from assay.vault import keys


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk.on(store, tmp_path / "blobs")


def reference(desk: Desk, name: str = "team/app") -> str:
    return f"{HOST}/{desk.namespace}/{name}"


def test_a_signature_stands_under_its_tag_and_as_a_bundle(desk: Desk) -> None:
    image, digest = desk.push()
    desk.sign(image, desk.key())
    assert desk.tag(digest) is None
    desk.deliver()
    (layer,) = desk.layers(digest)
    claim = layer.claim(desk.blob(layer.payload_digest))
    assert (claim.digests, claim.reference) == ((digest,), reference(desk))
    (manifest,) = desk.bundles(digest)
    document = json.loads(manifest)
    assert document["artifactType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert document["subject"]["digest"] == digest.text
    assert document["annotations"]["org.opencontainers.image.created"] == "2026-08-01T12:00:00.000Z"
    assert bundle.read(desk.blob(bundle.layer_of(manifest))).digests == (digest,)


def test_a_signature_is_no_image_and_moves_no_count(desk: Desk) -> None:
    image, _ = desk.push()
    desk.sign(image, desk.key())
    desk.deliver()
    assert [each.display_name for each in images.listed(desk.store, desk.actor).items] == ["team/app:v1"]
    assert desk.room.repository(actor=desk.actor).image_count == 1


def test_publishing_needs_no_usable_key_and_may_be_repeated(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    keys.disable_key(desk.store, desk.actor, key.ocid)
    (fact,) = desk.room.facts(ImageSigned)
    publish.publish(desk.store, desk.room.blobs, fact)
    first, bundles = desk.tag(digest), desk.bundles(digest)
    pushes = len(desk.room.facts(ArtifactPushed))
    publish.publish(desk.store, desk.room.blobs, fact)
    assert (desk.tag(digest), desk.bundles(digest)) == (first, bundles)
    assert len(desk.room.facts(ArtifactPushed)) == pushes


def test_half_published_is_finished_by_the_next_try(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    image, digest = desk.push()
    desk.sign(image, desk.key())
    (fact,) = desk.room.facts(ImageSigned)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publish, "_show_bundle", killed)
        with pytest.raises(KeyboardInterrupt):
            publish.publish(desk.store, desk.room.blobs, fact)
    assert (len(desk.layers(digest)), desk.bundles(digest)) == (1, [])
    publish.publish(desk.store, desk.room.blobs, fact)
    assert (len(desk.layers(digest)), len(desk.bundles(digest))) == (1, 1)


def test_a_second_signature_is_a_second_layer_and_a_second_bundle(desk: Desk, clock: SetClock) -> None:
    image, digest = desk.push()
    first = desk.sign(image, desk.key())
    done = desk.deliver()
    clock.advance(SECOND)
    second = desk.sign(image, desk.key(), tag="v1")
    desk.deliver(done)
    assert {layer.claim(desk.blob(layer.payload_digest)).reference for layer in desk.layers(digest)} == {
        first.reference,
        second.reference,
    }
    assert len(desk.bundles(digest)) == 2


def test_a_deleted_signature_is_taken_out_of_both(desk: Desk) -> None:
    image, digest = desk.push()
    keys_of = [desk.key(), desk.key()]
    first, second = (desk.sign(image, key) for key in keys_of)
    done = desk.deliver()
    signatures.delete_signature(desk.store, desk.actor, first.ocid)
    done = desk.deliver(done)
    assert len(desk.layers(digest)) == len(desk.bundles(digest)) == 1
    signatures.delete_signature(desk.store, desk.actor, second.ocid)
    desk.deliver(done)
    assert (desk.tag(digest), desk.bundles(digest)) == (None, [])


def test_artifacts_that_somebody_deleted_are_published_again(desk: Desk) -> None:
    image, digest = desk.push()
    desk.sign(image, desk.key())
    desk.deliver()
    before = desk.tag(digest), desk.bundles(digest)
    tags.remove(desk.store, desk.actor, "team/app", cosign.signature_tag(digest))
    removals.delete_manifest(desk.store, desk.actor, "team/app", Digest.of(before[1][0]))
    assert (desk.tag(digest), desk.bundles(digest)) == (None, [])
    publish.publish_subject(desk.store, desk.room.blobs, desk.actor.tenancy, desk.repository_ocid(), digest)
    assert (desk.tag(digest), desk.bundles(digest)) == before


def test_what_a_user_pushes_under_the_tag_never_displaces_ours(desk: Desk) -> None:
    image, digest = desk.push()
    desk.sign(image, desk.key())
    done = desk.deliver()
    (ours,) = desk.layers(digest)
    theirs = Payload("elsewhere.example/team/app", digest).encode()
    pushed = desk.push_signature(digest, (theirs, b"their signature"))
    assert [layer.signature for layer in desk.layers(digest)] == [b"their signature"]
    desk.deliver(done)
    assert [layer.signature for layer in desk.layers(digest)] == [ours.signature, b"their signature"]
    # what they pushed is still served under its own digest
    with desk.store.database.read() as connection:
        assert publish.artifacts.manifest(connection, desk.repository_ocid(), pushed) is not None


def test_a_signature_beside_ours_stays_when_the_tag_was_replaced_meanwhile(desk: Desk) -> None:
    """A user's push is replaced by ours before anybody read it: its layers are merged from its own digest."""
    image, digest = desk.push()
    desk.sign(image, desk.key())
    done = desk.deliver()
    ours = desk.tag(digest)
    assert ours is not None
    desk.push_signature(digest, (Payload("elsewhere.example/team/app", digest).encode(), b"theirs"))
    desk.room.put(ours, cosign.signature_tag(digest), actor=desk.actor)
    assert len(desk.layers(digest)) == 1
    desk.deliver(done)
    assert {layer.signature for layer in desk.layers(digest)} > {b"theirs"}


def test_a_users_signature_that_was_there_first_stays(desk: Desk) -> None:
    image, digest = desk.push()
    desk.push_signature(digest, (Payload("elsewhere.example/team/app", digest).encode(), b"theirs"))
    desk.sign(image, desk.key())
    desk.deliver()
    assert [layer.signature for layer in desk.layers(digest)][1:] == [b"theirs"]


def test_in_an_immutable_repository_signatures_are_still_added(desk: Desk) -> None:
    image, digest = desk.push()
    repositories.change(desk.store, desk.actor, desk.repository_ocid(), RepositoryChanges(is_immutable=True))
    first = desk.key()
    desk.sign(image, first)
    done = desk.deliver()
    desk.sign(image, desk.key())
    desk.deliver(done)
    assert len(desk.layers(digest)) == 2


def test_where_the_tag_cannot_be_taken_the_record_still_decides(desk: Desk) -> None:
    """Junk under the tag of an immutable repository: nothing may replace it, and nothing needs to."""
    image, digest = desk.push()
    junk = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "application/x.junk",
            "config": {
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": desk.room.push_blob(b"{}", actor=desk.actor).text,
                "size": 2,
            },
            "layers": [
                {
                    "mediaType": "application/x.junk",
                    "digest": desk.room.push_blob(b"junk", actor=desk.actor).text,
                    "size": 4,
                }
            ],
        }
    ).encode()
    desk.room.put(junk, cosign.signature_tag(digest), actor=desk.actor)
    repositories.change(desk.store, desk.actor, desk.repository_ocid(), RepositoryChanges(is_immutable=True))
    key = desk.key()
    desk.sign(image, key)
    desk.deliver()
    assert desk.tag(digest) == junk
    assert len(desk.bundles(digest)) == 1
    assert desk.trust(digest, key).is_trusted


def test_signatures_of_a_deleted_image_are_not_published(desk: Desk) -> None:
    image, digest = desk.push()
    desk.sign(image, desk.key())
    removals.delete(desk.store, desk.actor, image)
    desk.deliver()
    assert desk.tag(digest) is None


def test_nothing_is_made_anew_for_a_repository_that_is_gone(desk: Desk) -> None:
    image, _ = desk.push()
    desk.sign(image, desk.key())
    repositories.delete(desk.store, desk.actor, desk.repository_ocid())
    desk.deliver()
    assert repositories.listed(desk.store, desk.actor).items == ()


def test_signatures_follow_their_repository_into_another_compartment(desk: Desk) -> None:
    image, _ = desk.push()
    made = desk.sign(image, desk.key())
    done = desk.deliver()
    place = compartments.create(desk.store, desk.actor, desk.actor.tenancy, "dev", "Development.")
    repositories.move(desk.store, desk.actor, desk.repository_ocid(), place.ocid)
    desk.deliver(done)
    assert signatures.get_signature(desk.store, desk.actor, made.ocid).compartment == place.ocid
