"""Requests signed as OCI's clients sign them, written from the reference alone (oci-api 1.2), for tests."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from email.utils import format_datetime
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from assay.clock import moment

TENANCY = "ocid1.tenancy.oc1..aaaaaaaatenancyexample"
USER = "ocid1.user.oc1..aaaaaaaauserexample"
GENERIC = ("date", "(request-target)", "host")
OF_BODIES = ("content-length", "content-type", "x-content-sha256")


@dataclass
class KeyPair:
    """A key pair as a client holds it."""

    bits: int = 2048
    private: RSAPrivateKey = field(init=False)

    def __post_init__(self) -> None:
        self.private = generate_private_key(65537, self.bits)

    @classmethod
    def of_pem(cls, content: bytes) -> "KeyPair":
        """The pair whose private key stands in a file."""
        pair = cls.__new__(cls)
        private = load_pem_private_key(content, password=None)
        assert isinstance(private, RSAPrivateKey)
        pair.bits, pair.private = private.key_size, private
        return pair

    @cached_property
    def private_pem(self) -> str:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @cached_property
    def public_pem(self) -> str:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @cached_property
    def fingerprint(self) -> str:
        der = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return ":".join(re.findall("..", hashlib.md5(der).hexdigest()))

    def signature(self, text: str) -> str:
        return base64.b64encode(self.private.sign(text.encode(), PKCS1v15(), SHA256())).decode()


@dataclass
class Client:
    """Somebody who signs requests."""

    pair: KeyPair
    tenancy: str = TENANCY
    user: str = USER
    host: str = "assay.test"

    @property
    def key_id(self) -> str:
        return f"{self.tenancy}/{self.user}/{self.pair.fingerprint}"

    def headers(
        self,
        method: str,
        target: str,
        now: int,
        body: bytes = b"",
        *,
        names: tuple[str, ...] | None = None,
        order: tuple[str, ...] = ("algorithm", "headers", "keyId", "signature", "version"),
        **instead: str,
    ) -> dict[str, str]:
        """The headers of a signed request. `names` are those signed; `instead` replaces attributes or headers."""
        headers = {"date": format_datetime(moment(now), usegmt=True), "host": self.host}
        with_body = method in ("POST", "PUT", "PATCH")
        if with_body:
            headers |= {
                "content-length": str(len(body)),
                "content-type": "application/json",
                "x-content-sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
            }
        headers |= {
            name.replace("_", "-"): value for name, value in instead.items() if name.replace("_", "-") in headers
        }
        signed = names or (*GENERIC, *(OF_BODIES if with_body else ()))
        known = headers | {"(request-target)": f"{method.lower()} {target}", "x-date": headers["date"]}
        if "x-date" in signed:
            headers["x-date"] = headers.pop("date")
        text = "\n".join(f"{name}: {known[name]}" for name in signed)
        attributes = {
            "algorithm": "rsa-sha256",
            "headers": " ".join(signed),
            "keyId": self.key_id,
            "signature": self.pair.signature(text),
            "version": "1",
        }
        attributes |= {name: value for name, value in instead.items() if name in attributes}
        said = ",".join(f'{name}="{attributes[name]}"' for name in order)
        return {**headers, "authorization": f"Signature {said}"}
