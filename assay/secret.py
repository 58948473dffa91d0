"""Secrets as a type that never prints itself."""

import secrets
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that prints as `***`; `reveal()` is the only way to its text."""

    _text: str

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def reveal(self) -> str:
        """The secret itself: for comparing, hashing, or showing once."""
        return self._text

    @classmethod
    def random(cls, bytes_of_entropy: int = 24) -> Self:
        """A fresh secret, URL-safe."""
        return cls(secrets.token_urlsafe(bytes_of_entropy))
