"""How principals show who they are: passwords and sessions, auth tokens, cluster tokens, bearer tokens."""

from assay.iam.credentials import auth_tokens, cluster_tokens, passwords, registry_tokens, sessions

__all__ = ["auth_tokens", "cluster_tokens", "passwords", "registry_tokens", "sessions"]
