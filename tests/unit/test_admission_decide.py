"""The decision about one image. Expected texts are those of the console's design, section 9; cases are numbered as in
the list of attacks that the reference keeps (signing-and-admission 2.8)."""

import pytest

from assay.admission.decide import (
    Because,
    Candidate,
    ImageDecision,
    PlatformImage,
    SignatureFound,
    Trustee,
    bad_reference,
    decide,
    denial_message,
    foreign,
    not_checked,
    pinned,
    unknown_image,
)
from assay.admission.keystates import KeyOutOfUse
from assay.admission.policy import ImagePolicy
from assay.clock import Instant, Ocid
from assay.errors import Reason, Refused, Unavailable
from assay.oci import Digest, Reference
from assay.vault.crypto import Distrust, Holder
from assay.vault.shapes import KeyState, VaultState

KEY = Ocid("ocid1.key.oc1.local.v1." + "a" * 60)
OTHER = Ocid("ocid1.key.oc1.local.v1." + "b" * 60)
IMAGE = Digest("sha256:" + "6bcb001153cc" + "0" * 52)
ARM = Digest("sha256:" + "1" * 64)
AMD = Digest("sha256:" + "2" * 64)
POLICY = ImagePolicy(enabled=True, keys=(KEY,))
PROD = Trustee("prod-eu", "cluster", "ocid1.cluster.oc1.local." + "c" * 60, ("release-signing",))
PLAIN = Candidate("payments/api", "2.14.1", IMAGE)
INDEX = Candidate(
    "payments/api",
    "2.14.1",
    IMAGE,
    platforms=(PlatformImage(AMD, "linux/amd64"), PlatformImage(ARM, "linux/arm64")),
)


def signature(
    digest: Digest = IMAGE,
    key: Ocid = KEY,
    name: str = "release-signing",
    *,
    fault: str = "",
    out_of_use: KeyOutOfUse | None = None,
) -> SignatureFound:
    return SignatureFound(digest, str(key), name, not fault and not out_of_use, fault, out_of_use=out_of_use)


def test_an_image_signed_by_a_trusted_key_is_allowed_and_its_digest_is_given() -> None:
    decision = decide(POLICY, PROD, PLAIN, [signature()])
    assert decision.allowed
    assert decision.digest == IMAGE


def test_any_one_of_five_keys_is_enough() -> None:
    keys = tuple(Ocid(f"ocid1.key.oc1.local.v1.{letter * 60}") for letter in "cdefa")
    assert decide(ImagePolicy(enabled=True, keys=keys), PROD, PLAIN, [signature(key=keys[-1])]).allowed


def test_an_unsigned_image_is_denied_as_not_signed() -> None:
    decision = decide(POLICY, PROD, PLAIN, [])
    assert (decision.because, decision.reason) == (Because.NOT_SIGNED, "not signed")
    assert decision.fix == "Whoever may use a key that prod-eu trusts (release-signing) can sign it"


def test_case_18_a_signature_by_a_key_that_only_another_cluster_trusts_is_not_enough() -> None:
    decision = decide(POLICY, PROD, PLAIN, [signature(key=OTHER, name="lab")])
    assert decision.because is Because.OTHER_KEY
    assert decision.reason == "signed only by lab, which prod-eu does not trust"


DISABLED = KeyOutOfUse(Distrust(Holder.KEY, "release-signing", KeyState.DISABLED), 1)
MAY_14 = Instant(1_778_716_800_000_000)  # 2026-05-14T00:00:00Z
TWO_KEYS = ImagePolicy(enabled=True, keys=(KEY, OTHER))
TRUSTS_TWO = Trustee("prod-eu", "cluster", PROD.ocid, ("release-signing", "lab"))


def test_case_19_a_signature_by_a_disabled_key_is_denied_with_what_happened_to_the_key() -> None:
    decision = decide(POLICY, PROD, PLAIN, [signature(out_of_use=DISABLED)])
    assert decision.because is Because.KEY_DISTRUSTED
    assert decision.reason == "signed by release-signing, disabled"
    assert decision.fix == (
        "Whoever manages the key release-signing can enable it, or whoever administers the cluster can add another "
        "key to its policy, to sign the image with"
    )


def test_the_advice_on_a_disabled_key_names_the_other_keys_and_not_itself() -> None:
    assert decide(TWO_KEYS, TRUSTS_TWO, PLAIN, [signature(out_of_use=DISABLED)]).fix == (
        "Whoever manages the key release-signing can enable it, "
        "or whoever may use a key that prod-eu trusts (lab) can sign it again"
    )


@pytest.mark.parametrize(
    ("holder", "state", "until", "reason", "undo"),
    [
        (Holder.KEY, KeyState.PENDING_DELETION, MAY_14, "release-signing, to be deleted 14 May", "can cancel"),
        (Holder.KEY, KeyState.DELETED, None, "release-signing, deleted", ""),
        (Holder.VERSION, KeyState.PENDING_DELETION, MAY_14, "release-signing version 2, to be deleted 14 May", "can"),
        (Holder.VERSION, KeyState.DELETED, None, "release-signing version 2, deleted", ""),
        (Holder.VAULT, VaultState.PENDING_DELETION, None, "release-signing, whose vault is to be deleted", "the vault"),
        (Holder.VAULT, VaultState.DELETED, None, "release-signing, whose vault is deleted", ""),
    ],
)
def test_a_key_out_of_use_is_denied_with_its_state_and_only_with_advice_that_helps(
    holder: Holder, state: KeyState | VaultState, until: Instant | None, reason: str, undo: str
) -> None:
    spent = KeyOutOfUse(Distrust(holder, "release-signing", state, until), 2)
    decision = decide(POLICY, PROD, PLAIN, [signature(out_of_use=spent)])
    assert decision.reason == f"signed by {reason}"
    assert (" deletion" in decision.fix, undo in decision.fix) == (bool(undo), True)
    # A version's key may sign again with its current version; a whole key may not.
    assert ("(release-signing) can sign it again" in decision.fix) is (holder is Holder.VERSION)


def test_a_signature_of_another_image_is_denied_in_these_words() -> None:
    found = SignatureFound(IMAGE, str(KEY), "release-signing", verified=False, detail="x", is_of_other_image=True)
    decision = decide(POLICY, PROD, PLAIN, [found])
    assert (decision.because, decision.reason) == (Because.OTHER_IMAGE, "its signature belongs to another image")


def test_case_20_another_version_of_the_key_that_verifies_is_enough() -> None:
    found = [signature(out_of_use=DISABLED), signature()]
    assert decide(POLICY, PROD, PLAIN, found).allowed


def test_case_15_a_signature_that_does_not_verify_is_denied_with_what_is_wrong_with_it() -> None:
    decision = decide(POLICY, PROD, PLAIN, [signature(fault="the signature is not the key's over what was signed")])
    assert decision.because is Because.NOT_VERIFIED
    assert decision.reason == "signed, but the signature is not the key's over what was signed"


def test_a_manifest_that_nothing_can_vouch_for_is_denied_whatever_was_signed() -> None:
    spoilt = SignatureFound(IMAGE, "", "", verified=False, detail="the stored bytes were changed")
    decision = decide(POLICY, PROD, PLAIN, [signature(fault="x"), spoilt])
    assert (decision.because, decision.reason) == (Because.NOT_VERIFIED, "the stored bytes were changed")


def test_a_signature_on_another_digest_counts_for_nothing() -> None:
    assert decide(POLICY, PROD, PLAIN, [signature(digest=ARM)]).because is Because.NOT_SIGNED


def test_case_10_an_index_whose_platform_is_not_signed_is_denied() -> None:
    decision = decide(POLICY, PROD, INDEX, [signature(), signature(AMD)])
    assert decision.because is Because.NOT_SIGNED
    assert decision.reason == "its platform linux/arm64 (sha256:111111111111…): not signed"


def test_case_11_an_index_that_is_not_signed_itself_is_denied_though_its_platforms_are() -> None:
    decision = decide(POLICY, PROD, INDEX, [signature(AMD), signature(ARM)])
    assert decision.because is Because.NOT_SIGNED
    assert decision.reason == "not signed"


def test_an_index_signed_on_itself_and_every_platform_is_allowed() -> None:
    assert decide(POLICY, PROD, INDEX, [signature(), signature(AMD), signature(ARM)]).allowed


def test_a_policy_that_is_enabled_without_a_key_denies_what_is_signed() -> None:
    decision = decide(ImagePolicy(enabled=True), PROD, PLAIN, [signature()])
    assert decision.because is Because.NO_KEYS
    assert decision.reason == "the image verification policy of prod-eu is enabled and lists no key"


def test_case_09_the_digest_decides_where_the_tag_names_another_image_and_the_user_is_warned() -> None:
    moved = Candidate("payments/api", "2.14.1", IMAGE, tag_digest=ARM)
    decision = decide(POLICY, PROD, moved, [signature()])
    assert decision.allowed
    assert decision.warning == "tag 2.14.1 of payments/api now names sha256:111111111111…; the digest decides"


def test_a_tag_that_still_names_the_digest_gives_no_warning() -> None:
    assert decide(POLICY, PROD, Candidate("a", "1", IMAGE, tag_digest=IMAGE), [signature()]).warning == ""


def test_a_pinned_reference_keeps_host_and_tag() -> None:
    assert pinned(Reference.parse("r.example:5000/acme/a:1"), IMAGE) == f"r.example:5000/acme/a:1@{IMAGE}"
    assert pinned(Reference.parse("r.example/acme/a"), IMAGE) == f"r.example/acme/a:latest@{IMAGE}"


def test_the_other_denials_say_why_in_words() -> None:
    assert foreign("", "nginx", ["r.example"]).reason == "registry docker.io is not on the list (r.example)"
    several = foreign("quay.io", "x", ["a.example", "b.example", "c.example", "d.example", "e.example"])
    assert several.reason == "registry quay.io is not on the list (a.example, b.example, c.example and 2 more)"
    assert not_checked("The database was busy.", "x").reason == "could not be checked: The database was busy"
    missing = unknown_image(PROD, "x")
    assert missing.reason == "there is no such image that prod-eu may read"
    assert f"read repos in tenancy where request.user.id='{PROD.ocid}'" in missing.fix
    with pytest.raises(Refused) as fault:
        Reference.parse("r.example/Bad")
    assert bad_reference(fault.value, "x").reason == "'Bad' is not a repository name"
    assert not_checked(str(Unavailable("gone", advice="wait")), "x").because is Because.NOT_CHECKED


def test_a_denial_names_container_image_digest_reason_who_can_do_what_and_where() -> None:
    denial = decide(POLICY, PROD, PLAIN, [])
    assert denial_message([('container "api"', denial)], "https://assay.example/d/01J3HQ2V6Y") == (
        'container "api" uses payments/api:2.14.1 (sha256:6bcb001153cc…): not signed. '
        "Whoever may use a key that prod-eu trusts (release-signing) can sign it: https://assay.example/d/01J3HQ2V6Y"
    )


def test_case_46_many_denials_are_one_message_with_the_first_three() -> None:
    denials = [
        (f'container "c{n}"', ImageDecision(f"a:{n}", Because.NOT_SIGNED, "not signed", "Ann")) for n in range(99)
    ]
    message = denial_message(denials, "")
    assert message.startswith('container "c0" uses a:0: not signed; container "c1"')
    assert message.endswith("; and 96 more images are denied. Ann")


def test_a_policy_lists_at_most_five_different_keys() -> None:
    six = tuple(Ocid(f"ocid1.key.oc1.local.v1.{letter * 60}") for letter in "abcdef")
    with pytest.raises(Refused) as refusal:
        ImagePolicy(enabled=True, keys=six)
    assert refusal.value.reason is Reason.LIMIT_EXCEEDED
    with pytest.raises(Refused, match="twice"):
        ImagePolicy(enabled=True, keys=(KEY, KEY))
    with pytest.raises(Refused, match="not the OCID of a master"):
        ImagePolicy(enabled=True, keys=(Ocid("ocid1.vault.oc1.local.v1." + "a" * 60),))
