"""How principals show who they are: passwords and sessions, API keys and the requests signed with them, tokens."""

from assay.iam.credentials import (
    api_keys,
    auth_tokens,
    cluster_tokens,
    lifetimes,
    passwords,
    registry_tokens,
    sessions,
    signed_requests,
)

__all__ = [
    "api_keys",
    "auth_tokens",
    "cluster_tokens",
    "lifetimes",
    "passwords",
    "registry_tokens",
    "sessions",
    "signed_requests",
]
