"""Laws of the envelopes: what is written reads back, merging settles, no two bindings have the same bytes."""

from hypothesis import given
from hypothesis import strategies as st

from assay.oci import Digest
from assay.signing import bundle
from assay.signing.cosign import Layer, Payload, artifact, merged, read_layers, signature_tag, signed_digest
from assay.signing.native import NativeMessage, disagreement
from assay.vault.sealing import KeyBinding
from assay.vault.shapes import KeyAlgorithm, KeyShape, SigningAlgorithm

digests = st.binary(min_size=1, max_size=8).map(Digest.of)
words = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
references = st.builds(lambda host, name, tag: f"{host}.example:5000/{name}:{tag}", words, words, words)
layers = st.builds(
    lambda reference, digest, signature: Layer.of(Payload(reference, digest).encode(), signature),
    references,
    digests,
    st.binary(max_size=80),
)
stacks = st.lists(layers, max_size=6)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
messages = st.builds(
    NativeMessage, texts, digests, texts, texts, texts, texts, texts, st.sampled_from(list(SigningAlgorithm))
)


@given(references, digests)
def test_a_payload_reads_back(reference: str, digest: Digest) -> None:
    assert Payload.parse(Payload(reference, digest).encode()) == Payload(reference, digest)


@given(messages)
def test_a_native_message_reads_back_and_agrees_with_itself_alone(message: NativeMessage) -> None:
    content = message.encode()
    assert content.isascii()
    assert NativeMessage.parse(content) == message
    assert disagreement(message, message) == ""
    other = message.about(Digest.of(message.image_digest.text.encode()))
    assert disagreement(message, other) != ""


@given(digests)
def test_a_tag_and_its_digest_name_each_other(digest: Digest) -> None:
    assert signed_digest(signature_tag(digest)) == digest


@given(digests, st.binary(max_size=120))
def test_a_bundle_reads_back(digest: Digest, signature: bytes) -> None:
    statement = bundle.statement(digest)
    claim = bundle.read(bundle.encode(statement, signature, "hint"))
    assert (claim.digests, claim.signature, claim.signed) == ((digest,), signature, bundle.signed_bytes(statement))
    assert bundle.digests_in(claim.signed) == (digest,)


@given(stacks)
def test_an_artifacts_layers_read_back(stack: list[Layer]) -> None:
    assert read_layers(artifact(stack).manifest) == tuple(stack)


@given(stacks, stacks, stacks, stacks)
def test_merging_keeps_ours_drops_the_withdrawn_and_settles(
    standing: list[Layer], ours: list[Layer], withdrawn: list[Layer], beside: list[Layer]
) -> None:
    gone = {layer.identity for layer in withdrawn}
    ours = [layer for layer in ours if layer.identity not in gone]
    before = artifact(standing).manifest
    made = merged(before, ours, withdrawn, artifact(beside).manifest)
    after = before if made is None else artifact(made).manifest
    present = {layer.identity for layer in read_layers(after)}
    assert {layer.identity for layer in ours} <= present
    assert not present & gone
    assert {layer.identity for layer in (*standing, *beside)} - gone <= present
    assert merged(after, ours, withdrawn, artifact(beside).manifest) is None


@given(st.tuples(texts, texts, texts), st.tuples(texts, texts, texts))
def test_no_two_rows_share_their_associated_bytes(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    shape = KeyShape(KeyAlgorithm.ECDSA, 32)
    same = KeyBinding(*one, shape).associated() == KeyBinding(*other, shape).associated()
    assert same == (one == other)
