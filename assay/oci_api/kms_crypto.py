"""KMS crypto: signing and verifying with master encryption keys (oci-api 2.3)."""

import base64
import binascii

from assay.errors import Refused
from assay.oci_api.frame import Call, Operation, Reply, Row
from assay.oci_api.kms import on_vaults
from assay.vault import Message, SigningAlgorithm, absent, crypto
from assay.vault.shapes import MessageType


def _bytes(call: Call, name: str) -> bytes:
    try:
        return base64.b64decode(call.field(name, str), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise Refused(f"{name} is not base64.", advice="Send standard base64 with padding.") from fault


def _message(call: Call) -> Message:
    return Message(
        content=_bytes(call, "message"),
        algorithm=call.field("signingAlgorithm", SigningAlgorithm),
        kind=call.field("messageType", MessageType, MessageType.RAW),
    )


def _sign(call: Call) -> Reply:
    signed = crypto.sign(
        call.app.store,
        call.actor,
        call.field("keyId", str),
        _message(call),
        custody=call.app.custody,
        key_version=call.field("keyVersionId", str, ""),
    )
    body = {
        "keyId": signed.key,
        "keyVersionId": signed.key_version,
        "signature": base64.b64encode(signed.signature).decode(),
        "signingAlgorithm": signed.algorithm,
    }
    return Reply(body)


def _verify(call: Call) -> Reply:
    valid = crypto.verify(
        call.app.store,
        call.actor,
        call.field("keyId", str),
        call.field("keyVersionId", str),
        _message(call),
        _bytes(call, "signature"),
    )
    return Reply({"isSignatureValid": valid})


def _absent(name: str) -> Operation:
    def refuse(call: Call) -> Reply:
        absent.refuse_for_key(call.app.store, call.actor, name, call.field("keyId", str))

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
