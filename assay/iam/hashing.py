"""How secrets are kept: passwords under Argon2id, random tokens as digests. Only what is written here reaches a row.

A password is slow to try, whoever has the database: Argon2id with OWASP's minimum for interactive sign-in (19 MiB, two
passes, one lane); the parameters stand in each hash, so they can be raised later. A token of 256 random bits cannot be
tried, so its SHA-256 is enough and a lookup by it takes the same time whatever is presented.
"""

import hashlib
import secrets

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from assay.errors import Refused
from assay.secret import Secret

MEMORY_KIB = 19_456
PASSES = 2
LANES = 1
SALT_BYTES = 16
HASH_BYTES = 32

PASSWORD_LENGTH_MIN = 12
PASSWORD_LENGTH_MAX = 256
TOKEN_BYTES = 32


def hash_of(password: Secret) -> str:
    """The Argon2id hash of a password, as a PHC string with its parameters and a fresh salt."""
    kdf = Argon2id(
        salt=secrets.token_bytes(SALT_BYTES), length=HASH_BYTES, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB
    )
    return kdf.derive_phc_encoded(password.reveal().encode())


#: The hash of 32 random bytes that nobody kept: what a password is compared with where there is none, so that the
#: answer takes as long as any other.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$Nl6bCfqFGMRtrfifZsC4rg$on5lDo/zLILUajTUsFNfLay2mMFfHYdjwVSiAWmpbeQ"


def fits(password: Secret, stored: str | None) -> bool:
    """Whether a password has this hash; False, in the same time, when there is no hash."""
    text = password.reveal()
    # What is longer was never accepted; it is not hashed, so that length cannot be used to keep the server busy.
    presented = text.encode() if len(text) <= PASSWORD_LENGTH_MAX else b""
    try:
        Argon2id.verify_phc_encoded(presented, stored or _NOBODY)
    except InvalidKey:
        return False
    return stored is not None and bool(presented)


def require_good(password: Secret, user_name: str) -> None:
    """Refused unless a new password has 12 to 256 characters, some variety, and isn't made of the user's name."""
    text = password.reveal()
    if not PASSWORD_LENGTH_MIN <= len(text) <= PASSWORD_LENGTH_MAX:
        raise Refused(
            "The new password is too short or too long.",
            advice=f"Use {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters; a few random words do well.",
        )
    rest = text.lower().replace(user_name.lower(), "") if user_name else text
    if len(set(text)) < 5 or len(rest) < PASSWORD_LENGTH_MIN // 2:
        raise Refused(
            "The new password is too easy to guess.",
            advice="Use more different characters, and not mainly your name.",
        )


def new_token(prefix: str) -> Secret:
    """A fresh token of 256 random bits; the prefix lets people and scanners of leaked secrets tell what it is."""
    return Secret(prefix + secrets.token_urlsafe(TOKEN_BYTES))


def digest_of(token: Secret) -> str:
    """What is kept of a random token: its SHA-256 in hex."""
    return hashlib.sha256(token.reveal().encode()).hexdigest()
