"""Foreign bytes in, a value or a refusal out: never another error."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from assay.errors import Refused
from assay.oci import Digest
from assay.signing import bundle, cosign
from assay.signing.native import NativeMessage

REAL: dict[str, Any] = json.loads((Path(__file__).parent.parent / "data" / "signing" / "cosign.json").read_text())
DIGEST = Digest.of(b"x")
SEEDS = [
    REAL["payload"].encode(),
    REAL["tag_manifest"].encode(),
    REAL["bundle"].encode(),
    REAL["bundle_manifest"].encode(),
    bundle.signed_bytes(bundle.statement(DIGEST)),
    (Path(__file__).parent.parent / "data" / "signing" / "oci-message.json").read_bytes(),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real document with some bytes replaced, or with a member replaced by any JSON value."""
    seed = draw(st.sampled_from(SEEDS))
    if draw(st.booleans()):
        start = draw(st.integers(0, len(seed)))
        return seed[:start] + draw(st.binary(max_size=6)) + seed[start + draw(st.integers(0, 6)) :]
    try:
        document = json.loads(seed)
    except ValueError:
        return seed
    place = document
    for _ in range(draw(st.integers(0, 4))):
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or draw(st.booleans()):
            place[key] = draw(json_values)
            break
        place = place[key]
    return json.dumps(document).encode()


@given(mutated() | st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_read_or_refused(content: bytes) -> None:
    for read in (
        cosign.Payload.parse,
        cosign.read_layers,
        bundle.read,
        bundle.layer_of,
        bundle.digests_in,
        NativeMessage.parse,
        lambda manifest: cosign.merged(manifest, [cosign.Layer.of(b"{}", b"s")]),
    ):
        with suppress(Refused):
            read(content)


@given(st.text(max_size=90))
def test_a_tag_holds_signatures_only_if_it_is_spelled_exactly(tag: str) -> None:
    found = cosign.signed_digest(tag)
    assert found is None or cosign.signature_tag(found) == tag
