"""Foreign documents at admission: every one ends in a review, or in a refusal of our own; never in anything else."""

import json
from contextlib import suppress
from typing import Any

from admission_loopback import encoded, pod_review
from hypothesis import given
from hypothesis import strategies as st

from assay.admission.hosts import normal_host
from assay.admission.reviews import Phase, Pin, Reply, answer, read_review
from assay.admission.workloads import image_uses
from assay.errors import Refused

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from(
    ["kind", "spec", "template", "metadata", "containers", "volumes", "image", "reference", "name", "initContainers"]
)
SHAPED: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.just("r.example/a:1") | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=20,
)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_review_or_a_refusal(content: bytes) -> None:
    with suppress(Refused):
        assert read_review(content).uid


@given(
    st.dictionaries(
        st.sampled_from(["uid", "kind", "operation", "object", "oldObject", "userInfo", "dryRun", "namespace", "name"]),
        JSON,
        max_size=9,
    )
)
def test_any_request_is_a_review_or_a_refusal_that_can_be_answered(members: dict[str, Any]) -> None:
    try:
        review = read_review(encoded(pod_review("a", **members)))
    except Refused as refusal:
        answered = answer("u", Reply.refusal(refusal), Phase.MUTATE)
        assert json.loads(answered)["response"]["allowed"] is False
    else:
        assert json.loads(answer(review.uid, Reply(allowed=True), Phase.MUTATE))["response"]["uid"] == review.uid


@given(
    st.sampled_from(
        [("", "Pod"), ("", "EphemeralContainers"), ("apps", "Deployment"), ("batch", "CronJob"), ("", "PodTemplate")]
    ),
    st.dictionaries(WORDS, SHAPED, max_size=6),
)
def test_any_object_gives_image_uses_whose_pointers_lead_to_their_texts_or_a_refusal(
    kind: tuple[str, str], document: dict[str, Any]
) -> None:
    try:
        uses = image_uses(*kind, document)
    except Refused:
        return
    for use in uses:
        found: Any = document
        for part in use.pointer.split("/")[1:]:
            found = found[int(part)] if isinstance(found, list) else found[part]
        assert found == use.text != ""


@given(st.text(max_size=40))
def test_a_host_has_one_normal_form_or_none(host: str) -> None:
    try:
        once = normal_host(host)
    except Refused:
        return
    assert normal_host(once) == once


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), min_size=1, max_size=5))
def test_any_pins_and_warnings_make_an_answer_that_reads(texts: list[tuple[str, str]]) -> None:
    encodable = [(a.encode(errors="replace").decode(), b.encode(errors="replace").decode()) for a, b in texts]
    pins = tuple(Pin("/p", old, new) for old, new in encodable)
    reply = Reply(allowed=True, pins=pins, warnings=tuple(old for old, _ in encodable))
    response = json.loads(answer("u", reply, Phase.MUTATE))["response"]
    assert ("patch" in response) == ("patchType" in response) == bool(pins)
    assert all(len(warning) <= 120 for warning in response["warnings"])
