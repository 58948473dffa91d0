"""The message of a native signature, against bytes that the stock `oci` client signed."""

import json
from pathlib import Path

import pytest

from assay.errors import Reason, Refused
from assay.oci import Digest
from assay.signing.native import NativeMessage, disagreement, require_metadata
from assay.vault import SigningAlgorithm

DATA = Path(__file__).parent.parent / "data" / "signing"
#: What `oci artifacts container image-signature sign-upload` 3.95.1 sent to be signed, recorded on the wire.
STOCK = (DATA / "oci-message.json").read_bytes()
STOCK_ESCAPED = (DATA / "oci-message-escaped.json").read_bytes()
KEY, VERSION = json.loads(STOCK)["kmsKeyId"], json.loads(STOCK)["kmsKeyVersionId"]
MESSAGE = NativeMessage(
    description="Image for UAT",
    image_digest=Digest("sha256:" + "a" * 64),
    key=KEY,
    key_version=VERSION,
    metadata='{"buildNumber":"123"}',
    region="us-ashburn-1",
    repository_name="proj/app",
    algorithm=SigningAlgorithm.SHA_256_RSA_PKCS_PSS,
)


def changed(**fields: object) -> bytes:
    """The stock message with other members (None: without them)."""
    document = json.loads(STOCK) | fields
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()


def test_our_message_has_the_bytes_of_the_stock_client() -> None:
    assert MESSAGE.encode() == STOCK


def test_the_stock_clients_message_is_read() -> None:
    assert NativeMessage.parse(STOCK) == MESSAGE


def test_letters_outside_ascii_are_escaped_as_the_stock_client_does() -> None:
    message = NativeMessage.parse(STOCK_ESCAPED)
    assert message.description == "café"
    assert message.encode() == STOCK_ESCAPED


@pytest.mark.parametrize("name", json.loads(STOCK))
def test_each_of_the_eight_members_is_required(name: str) -> None:
    with pytest.raises(Refused, match="exactly the members"):
        NativeMessage.parse(changed(**{name: None}))


@pytest.mark.parametrize("name", json.loads(STOCK))
@pytest.mark.parametrize("value", [1, True, [], {"x": "y"}])
def test_each_member_is_a_string(name: str, value: object) -> None:
    with pytest.raises(Refused):
        NativeMessage.parse(changed(**{name: value}))


@pytest.mark.parametrize(
    "content",
    [
        changed(extra="x"),
        STOCK[:-1] + b',"imageDigest":"sha256:' + b"b" * 64 + b'"}',  # a member twice
        changed(imageDigest="sha256:" + "A" * 64),
        changed(imageDigest="a" * 64),
        changed(signingAlgorithm="none"),
        b"",
        b"[]",
        b"null",
        STOCK + b"{}",
        STOCK[:-1],
        b"\xff" + STOCK,
        STOCK.decode().encode("utf-16"),
        STOCK[:-1] + b" " * 4096 + b"}",
    ],
)
def test_anything_else_is_no_signed_message(content: bytes) -> None:
    with pytest.raises(Refused):
        NativeMessage.parse(content)


@pytest.mark.parametrize(
    ("field", "other", "said"),
    [
        ("image_digest", Digest("sha256:" + "b" * 64), "names the image digest sha256:bbb"),
        ("repository_name", "proj/other", "names the repository proj/other, the record proj/app"),
        ("key", KEY[:-1] + "x", "names the key ocid1"),
        ("key_version", VERSION[:-1] + "x", "names the key version ocid1"),
        ("algorithm", SigningAlgorithm.SHA_512_RSA_PKCS_PSS, "names the signing algorithm SHA_512_RSA_PKCS_PSS"),
    ],
)
def test_a_message_that_names_something_else_than_the_record_disagrees(field: str, other: object, said: str) -> None:
    fields = {name: getattr(MESSAGE, name) for name in NativeMessage.__slots__}
    assert said in disagreement(NativeMessage(**fields | {field: other}), MESSAGE)


def test_description_metadata_and_region_are_the_signers_own_words() -> None:
    fields = {name: getattr(MESSAGE, name) for name in NativeMessage.__slots__}
    own = NativeMessage(**fields | {"description": "", "metadata": "", "region": "iad"})
    assert disagreement(own, MESSAGE) == ""


def test_a_message_longer_than_the_vault_signs_is_refused() -> None:
    fields = {name: getattr(MESSAGE, name) for name in NativeMessage.__slots__}
    with pytest.raises(Refused, match="at most 4096"):
        NativeMessage(**fields | {"description": "x" * 4096}).encode()


@pytest.mark.parametrize("metadata", ["", "{}", '{"buildNumber":"123"}', "17"])
def test_metadata_is_empty_or_json(metadata: str) -> None:
    assert require_metadata(metadata) == metadata


@pytest.mark.parametrize("metadata", ["x", "{", '{"a":1,"a":2}', " "])
def test_other_metadata_is_refused(metadata: str) -> None:
    with pytest.raises(Refused) as refusal:
        require_metadata(metadata)
    assert refusal.value.reason is Reason.UNPARSABLE
