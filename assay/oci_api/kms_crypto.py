"""KMS crypto: signing and verifying with master encryption keys (oci-api 2.3)."""

import base64
import binascii

from assay.errors import Refused
from assay.oci_api.contract import Gives, Members, Need
from assay.oci_api.frame import Call, Contracted, Reply, Row, takes
from assay.oci_api.kms import on_vaults
from assay.vault import Message, SigningAlgorithm, absent, crypto
from assay.vault.shapes import MessageType

_MESSAGE: Members = {
    "keyId": Need(str),
    "message": Need(str),
    "messageType": MessageType,
    "signingAlgorithm": Need(SigningAlgorithm),
}


def _bytes(call: Call, name: str) -> bytes:
    try:
        return base64.b64decode(call.field(name), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise Refused(f"{name} is not base64.", advice="Send standard base64 with padding.") from fault


def _message(call: Call) -> Message:
    return Message(
        content=_bytes(call, "message"),
        algorithm=call.field("signingAlgorithm"),
        kind=call.field("messageType", MessageType.RAW),
    )


@takes(Gives.ONE, body={**_MESSAGE, "keyVersionId": str})
def _sign(call: Call) -> Reply:
    signed = crypto.sign(
        call.app.store,
        call.actor,
        call.field("keyId"),
        _message(call),
        custody=call.app.custody,
        key_version=call.field("keyVersionId", ""),
    )
    body = {
        "keyId": signed.key,
        "keyVersionId": signed.key_version,
        "signature": base64.b64encode(signed.signature).decode(),
        "signingAlgorithm": signed.algorithm,
    }
    return Reply(body)


@takes(Gives.ONE, body={**_MESSAGE, "keyVersionId": Need(str), "signature": Need(str)})
def _verify(call: Call) -> Reply:
    valid = crypto.verify(
        call.app.store,
        call.actor,
        call.field("keyId"),
        call.field("keyVersionId"),
        _message(call),
        _bytes(call, "signature"),
    )
    return Reply({"isSignatureValid": valid})


def _absent(name: str) -> Contracted:
    @takes(Gives.REFUSAL, body={"keyId": Need(str)})
    def refuse(call: Call) -> Reply:
        absent.refuse_for_key(call.app.store, call.actor, name, call.field("keyId"))

    return refuse


_ABSENT = (
    ("encrypt", "Encrypt"),
    ("decrypt", "Decrypt"),
    ("generateDataEncryptionKey", "GenerateDataEncryptionKey"),
    ("exportKey", "ExportKey"),
)

ROWS: tuple[Row, ...] = on_vaults(
    ("POST", "/20180608/sign", "Sign", _sign),
    ("POST", "/20180608/verify", "Verify", _verify),
    *(("POST", f"/20180608/{path}", name, _absent(name)) for path, name in _ABSENT),
)
