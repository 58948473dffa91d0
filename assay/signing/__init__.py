"""Signing: sign, verify, one file an envelope format."""

__all__: list[str] = []
