"""Secrets as a type that never prints itself."""

import hmac
import secrets
from typing import Self


class Secret:
    """A value that prints as `***`; `reveal()` is the only way to its text.

    Deliberately no dataclass: nothing that walks fields (JSON encoders, debuggers' reprs, audit) can take it apart.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def reveal(self) -> str:
        """The secret itself: for comparing, hashing, sealing, or showing once."""
        return self._text

    @classmethod
    def random(cls, bytes_of_entropy: int = 24) -> Self:
        """A fresh secret, URL-safe."""
        return cls(secrets.token_urlsafe(bytes_of_entropy))
