"""Reading and answering AdmissionReview v1. Expected members are those of `admission.k8s.io/v1`."""

import base64
import json
from typing import Any

import pytest

from assay.admission.reviews import (
    MESSAGE_LENGTH_MAX,
    REVIEW_BYTES_MAX,
    Operation,
    Phase,
    Pin,
    Reply,
    UnreadableReview,
    answer,
    read_review,
)
from assay.errors import Reason, Refused

POD = {"kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": []}}


def review(**request: Any) -> bytes:
    members = {
        "uid": "u-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "ann", "groups": ["dev"]},
        "object": POD,
        "oldObject": None,
        "dryRun": False,
    }
    members.update(request)
    document = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": members}
    return json.dumps(document).encode()


def test_a_review_is_read() -> None:
    read = read_review(review())
    assert (read.uid, read.operation, read.group, read.kind) == ("u-1", Operation.CREATE, "", "Pod")
    assert (read.namespace, read.name, read.username, read.groups) == ("shop", "web", "ann", ("dev",))
    assert read.document == POD
    assert read.before is None
    assert not read.dry_run


def test_members_that_newer_servers_add_are_passed_over() -> None:
    assert read_review(review(requestSubResource="x", future={"a": 1})).uid == "u-1"


def test_case_42_a_generated_name_is_the_same_name_in_both_phases() -> None:
    mutating = read_review(review(name="", object={"metadata": {"generateName": "web-"}}))
    validating = read_review(review(name="web-x1", object={"metadata": {"generateName": "web-", "name": "web-x1"}}))
    assert mutating.name == validating.name == "web-"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.UNPARSABLE),
        (b"{", Reason.UNPARSABLE),
        (b"[]", Reason.MALFORMED),
        (b"\xff\xfe", Reason.UNPARSABLE),
        (b'{"a":1,"a":2}', Reason.UNPARSABLE),
        (b"[" * 100 + b"]" * 100, Reason.UNPARSABLE),
        (b" " * (REVIEW_BYTES_MAX + 1), Reason.TOO_LARGE),
        (b'{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"u"}}', Reason.MALFORMED),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"Pod","request":{"uid":"u"}}', Reason.MALFORMED),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}', Reason.MALFORMED),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":""}}', Reason.MALFORMED),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":7}}', Reason.MALFORMED),
    ],
)
def test_case_41_and_43_a_document_that_is_no_review_is_refused_without_a_uid(content: bytes, reason: Reason) -> None:
    with pytest.raises(UnreadableReview) as refusal:
        read_review(content)
    assert refusal.value.reason is reason
    assert refusal.value.uid == ""


def test_a_member_that_stands_twice_deep_inside_is_refused() -> None:
    twice = review().replace(b'"kind": "Pod", "metadata"', b'"kind": "Pod", "kind": "Job", "metadata"')
    with pytest.raises(UnreadableReview, match="twice"):
        read_review(twice)


@pytest.mark.parametrize(
    "members",
    [
        {"object": None},
        {"object": []},
        {"operation": "PATCH"},
        {"operation": None},
        {"operation": "UPDATE"},
        {"kind": "Pod"},
        {"userInfo": "ann"},
        {"userInfo": {"groups": "dev"}},
        {"dryRun": "yes"},
        {"namespace": 7},
        {"namespace": "a\x00b"},
        {"namespace": "\ud800"},
        {"userInfo": {"username": "ann\n"}},
        {"userInfo": {"groups": [1]}},
        {"userInfo": {"groups": ["g"] * 257}},
        {"object": {"metadata": []}},
        {"operation": "UPDATE", "oldObject": {"metadata": "x"}},
    ],
)
def test_case_41_a_request_that_lacks_what_it_needs_is_refused_with_its_uid(members: dict[str, Any]) -> None:
    with pytest.raises(UnreadableReview) as refusal:
        read_review(review(**members))
    assert refusal.value.uid == "u-1"


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_case_48_deleting_and_connecting_run_nothing(operation: str) -> None:
    assert read_review(review(operation=operation, object=None)).runs_nothing


def test_case_32_an_object_that_is_being_deleted_runs_nothing_new() -> None:
    going = {"metadata": {"deletionTimestamp": "2026-11-21T21:57:32Z"}}
    assert read_review(review(operation="UPDATE", oldObject=going)).runs_nothing


def test_case_33_a_deletion_time_that_the_user_wrote_is_not_believed() -> None:
    forged = {"metadata": {"deletionTimestamp": "2026-11-21T21:57:32Z"}, "spec": {"containers": []}}
    assert not read_review(review(object=forged)).runs_nothing
    assert not read_review(review(operation="UPDATE", object=forged, oldObject=POD)).runs_nothing


def answered(reply: Reply, phase: Phase = Phase.MUTATE) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer("u-1", reply, phase))
    assert (document["apiVersion"], document["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: dict[str, Any] = document["response"]
    return response


def test_case_52_the_answer_has_the_uid_of_the_request() -> None:
    assert answered(Reply(allowed=True)) == {"uid": "u-1", "allowed": True}


def test_a_pin_is_a_test_and_a_replacement() -> None:
    response = answered(Reply(allowed=True, pins=(Pin("/spec/containers/0/image", "r/a:1", "r/a:1@sha256:0"),)))
    assert response["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(response["patch"])) == [
        {"op": "test", "path": "/spec/containers/0/image", "value": "r/a:1"},
        {"op": "replace", "path": "/spec/containers/0/image", "value": "r/a:1@sha256:0"},
    ]


def test_patch_and_its_type_are_absent_together_when_nothing_is_pinned_or_the_phase_is_validating() -> None:
    pins = (Pin("/p", "a", "b"),)
    for response in (answered(Reply(allowed=True)), answered(Reply(allowed=True, pins=pins), Phase.VALIDATE)):
        assert not response.keys() & {"patch", "patchType"}


def test_a_denial_is_forbidden_with_a_message() -> None:
    response = answered(Reply(allowed=False, message="not signed"))
    assert response["allowed"] is False
    assert response["status"] == {
        "status": "Failure",
        "code": 403,
        "reason": "Forbidden",
        "message": "not signed",
    }


def test_a_malformed_object_is_denied_as_a_bad_request() -> None:
    response = answered(Reply.refusal(Refused("containers is not a list.", advice="Send the object.")))
    assert (response["status"]["code"], response["status"]["reason"]) == (400, "BadRequest")
    assert response["status"]["message"] == "containers is not a list. Send the object."


def test_warnings_and_messages_are_cut_to_what_the_server_shows() -> None:
    warnings = answered(Reply(allowed=True, warnings=("x" * 121, "y" * 120)))["warnings"]
    assert warnings == ["x" * 119 + "…", "y" * 120]
    many = answered(Reply(allowed=True, warnings=tuple(map(str, range(40)))))["warnings"]
    assert len(many) == 16
    assert many[-1] == "and 25 more warnings"
    message = answered(Reply(allowed=False, message="z" * 9999))["status"]["message"]
    assert len(message) == MESSAGE_LENGTH_MAX


def test_a_denial_that_pins_or_says_nothing_cannot_be_made() -> None:
    with pytest.raises(Refused):
        Reply(allowed=False, message="no", pins=(Pin("/p", "a", "b"),))
    with pytest.raises(Refused):
        Reply(allowed=False)
