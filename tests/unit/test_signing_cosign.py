"""Cosign's signature tag: byte for byte what cosign 2.5.0 wrote, and strictly read."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.errors import Refused
from assay.oci import Digest
from assay.signing.cosign import Layer, Payload, artifact, merged, read_layers, signature_tag, signed_digest
from assay.signing.envelope import Form
from assay.vault import algorithms, shapes

REAL: dict[str, Any] = json.loads((Path(__file__).parent.parent / "data" / "signing" / "cosign.json").read_text())
IMAGE = Digest.of(REAL["image_manifest"].encode())
PAYLOAD: bytes = REAL["payload"].encode()
STANDING: bytes = REAL["tag_manifest"].encode()


def layer(number: int, signature: bytes = b"signature") -> Layer:
    return Layer.of(Payload(f"127.0.0.1:5000/team/app:v{number}", IMAGE).encode(), signature)


def test_our_payload_has_the_bytes_that_cosign_signs() -> None:
    assert Payload(REAL["reference"], IMAGE).encode() == PAYLOAD


def test_our_artifact_has_the_bytes_that_cosign_writes() -> None:
    (real,) = read_layers(STANDING)
    made = artifact([Layer.of(PAYLOAD, real.signature)])
    assert made.manifest == STANDING
    assert made.config == REAL["config"].encode()


def test_the_tag_is_the_one_that_cosign_looks_for() -> None:
    assert signature_tag(IMAGE) == REAL["tag"]
    assert signed_digest(REAL["tag"]) == IMAGE


@pytest.mark.parametrize(
    "tag", ["v1", "sha256-abc.sig", REAL["tag"][:-4], REAL["tag"][:-4] + ".att", REAL["tag"].upper()]
)
def test_no_other_tag_holds_signatures(tag: str) -> None:
    assert signed_digest(tag) is None


def test_cosigns_own_signature_verifies_over_the_payload_as_stored() -> None:
    (real,) = read_layers(STANDING)
    claim = real.claim(PAYLOAD)
    public = algorithms.load_public_pem(REAL["public_key"])
    algorithm = shapes.SigningAlgorithm.ECDSA_SHA_256
    assert algorithms.verify(public, algorithm, claim.signed, claim.signature)
    assert not algorithms.verify(public, algorithm, claim.signed.replace(b"null", b"{}  "), claim.signature)
    assert (claim.form, claim.digests, claim.reference) == (Form.COSIGN, (IMAGE,), REAL["reference"])


def test_a_payload_that_is_not_the_layers_blob_is_refused() -> None:
    (real,) = read_layers(STANDING)
    with pytest.raises(Refused, match="not the blob"):
        real.claim(PAYLOAD + b" ")


def payload(**changes: object) -> bytes:
    """The real payload with some of its members changed: `a__b` stands for a → b; None leaves one out."""
    document = json.loads(PAYLOAD)
    for path, value in changes.items():
        *folders, name = path.replace("_", "-").split("--")
        place = document
        for folder in folders:
            place = place[folder]
        if value is None:
            del place[name]
        else:
            place[name] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "content",
    [
        payload(critical__type="atomic container signature"),
        payload(critical__type=""),
        payload(critical__type=None),
        payload(critical__extra="x"),
        payload(critical__image__extra="x"),
        payload(critical__identity__extra="x"),
        payload(extra="x"),
        payload(critical__image=None),
        payload(critical__identity=None),
        payload(critical__identity__docker_reference=7),
        payload(critical__identity__docker_reference=""),
        payload(critical__identity__docker_reference="app"),
        payload(critical__identity__docker_reference=f"reg.example/app@{IMAGE}"),
        payload(critical__identity__docker_reference="reg.example/a\u200bpp"),
        payload(critical__image__docker_manifest_digest="sha256:" + "A" * 64),
        payload(critical__image__docker_manifest_digest="sha256:" + "a" * 63),
        payload(critical__image__docker_manifest_digest=[IMAGE.text]),
        payload(optional="x"),
        payload(optional=[]),
        payload(optional={"creator": 7}),
        payload(optional={"timestamp": "now"}),
        payload(optional={"timestamp": True}),
        payload(optional={"timestamp": 1.5}),
        PAYLOAD.replace(b'"optional":null', b'"optional":null,"optional":null'),
        PAYLOAD.replace(b'"type":', b'"type":"x","type":'),
        PAYLOAD + b"{}",
        b"\xef\xbb\xbf" + PAYLOAD,
        b"[" * 100_000,
        b"{}",
        b"",
    ],
)
def test_a_payload_outside_the_grammar_of_containers_image_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        Payload.parse(content)


@pytest.mark.parametrize(
    "optional", [{}, {"creator": "cosign", "timestamp": 1700000000}, {"build": "123", "note": {"any": ["thing"]}}]
)
def test_what_a_signer_adds_in_optional_is_accepted(optional: dict[str, object]) -> None:
    assert Payload.parse(payload(optional=optional)).digest == IMAGE


def manifest(**fields: object) -> bytes:
    document = json.loads(STANDING)
    document["layers"][0] |= fields
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "fields",
    [
        {"mediaType": "application/octet-stream"},
        {"annotations": {}},
        {"annotations": None},
        {"annotations": {"dev.cosignproject.cosign/signature": "not base64"}},
        {"annotations": {"dev.cosignproject.cosign/signature": "QUJD\n"}},
        {"annotations": {"dev.cosignproject.cosign/signature": "QUJD===="}},
        {"annotations": {"dev.cosignproject.cosign/signature": "QUJ"}},
        {"annotations": {"dev.cosignproject.cosign/signature": "QUI9" * 1000}},
        {"annotations": {"dev.cosignproject.cosign/signature": "QR=="}},  # stray bits behind the last byte
        {"size": "238"},
        {"size": True},
        {"size": -1},
        {"size": 1 << 20},
        {"digest": "sha256:abc"},
        {"digest": None},
    ],
)
def test_a_layer_that_is_no_cosign_signature_is_left_out(fields: dict[str, object]) -> None:
    assert read_layers(manifest(**fields)) == ()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"layers":7}', b" " * (1 << 20) + b"{}"])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        read_layers(content)


def test_a_first_signature_makes_the_tag() -> None:
    assert merged(None, [layer(1)]) == (layer(1),)


def test_a_second_signature_is_put_beside_the_first() -> None:
    assert merged(artifact([layer(1)]).manifest, [layer(1), layer(2)]) == (layer(1), layer(2))


def test_what_a_user_pushed_stays_behind_ours() -> None:
    made = merged(STANDING, [layer(1)])
    assert made is not None
    assert [each.payload_digest for each in made] == [layer(1).payload_digest, Digest.of(PAYLOAD)]
    assert artifact(made).manifest.endswith(artifact(read_layers(STANDING)).manifest.partition(b'"layers":[')[2])


def test_nothing_changes_when_ours_stand_there_already() -> None:
    made = merged(STANDING, [layer(1), layer(2)])
    assert made is not None
    assert merged(artifact(made).manifest, [layer(2), layer(1)]) is None
    assert merged(None, []) is None
    assert merged(STANDING, []) is None


def test_a_tag_that_a_user_overwrote_with_other_signatures_gets_ours_back() -> None:
    ours, theirs = layer(1), layer(2, b"theirs")
    assert merged(artifact([theirs]).manifest, [ours]) == (ours, theirs)


@pytest.mark.parametrize("junk", [b"{}", b"junk", b'{"layers":[1,2,3]}'])
def test_a_tag_that_was_overwritten_with_junk_gets_ours_back(junk: bytes) -> None:
    assert merged(junk, [layer(1)]) == (layer(1),)


def test_others_layers_never_crowd_out_ours() -> None:
    many = [layer(2, b"%d" % number) for number in range(999)]
    made = merged(artifact(many).manifest, [layer(1)])
    assert made == (layer(1), *many[:255])


def test_what_stood_under_the_tag_a_moment_ago_is_kept_too() -> None:
    ours, theirs = layer(1), layer(2, b"theirs")
    assert merged(artifact([ours]).manifest, [ours], beside=artifact([theirs]).manifest) == (ours, theirs)


def test_a_withdrawn_signature_goes_and_the_rest_stays() -> None:
    standing = artifact([layer(1), layer(2), layer(3, b"theirs")]).manifest
    assert merged(standing, [layer(1)], [layer(2)]) == (layer(1), layer(3, b"theirs"))


def test_withdrawing_the_only_signature_leaves_nothing() -> None:
    assert merged(artifact([layer(1)]).manifest, [], [layer(1)]) == ()


def test_the_same_payload_with_another_signature_is_another_signature() -> None:
    assert merged(artifact([layer(1, b"theirs")]).manifest, [layer(1, b"ours")]) == (
        layer(1, b"ours"),
        layer(1, b"theirs"),
    )


@pytest.mark.parametrize(
    "reference", ["app:v1", "reg.example/app@" + IMAGE.text, "REG.EXAMPLE/App", "", "reg.example/"]
)
def test_only_a_reference_with_host_and_without_digest_is_signed(reference: str) -> None:
    with pytest.raises(Refused):
        Payload(reference, IMAGE)
