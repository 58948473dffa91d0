"""The root key: where it comes from, and what stands in for it when it cannot be had.

It is never in the data folder nor in the database. By default it is a file in another folder, mode 0600, made at first
start; by setting it follows from a passphrase (scrypt). The database keeps, in one row, which of the two it is, salt
and cost, and a known text wrapped under the root key, by which a wrong one is told at the start. Without the right root
key the vault is *sealed*: what needs a private key answers Unavailable (SEALED) and everything else goes on.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from assay.clock import Clock
from assay.errors import AssayError, Corrupt, Reason, Refused, Unavailable
from assay.secret import Secret
from assay.storage import Database
from assay.vault.records import roots
from assay.vault.records.roots import RootRow
from assay.vault.sealing import NONCE_BYTES, RootKey
from assay.vault.shapes import RootKind

ROOT_KEY_BYTES = 32
PASSPHRASE_LENGTH_MIN = 12
SALT_BYTES = 16
#: 64 MiB and about a fifth of a second, once at each start (RFC 7914; 128 * n * r bytes).
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**16, 8, 1
_SCRYPT_MEMORY_BYTES_MAX = 2**30
_CHECK_TEXT = b"assay root key check"
_CHECK_ASSOCIATED = b"assay root key check 1"
_LOOSE = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class RootFile:
    """A root key in a file of its own, outside the data folder."""

    path: Path
    data_folder: Path

    def __post_init__(self) -> None:
        if self.path.resolve().is_relative_to(self.data_folder.resolve()):
            raise Refused(
                f"The root key file {self.path} would lie inside the data folder.",
                advice="Choose another folder: who copies the data must not copy its key.",
            )


@dataclass(frozen=True, slots=True)
class RootPassphrase:
    """A root key that follows from a passphrase; the passphrase itself is kept nowhere."""

    passphrase: Secret

    def __post_init__(self) -> None:
        if len(self.passphrase.reveal()) < PASSPHRASE_LENGTH_MIN:
            raise Refused(
                "The root key's passphrase is too short.",
                advice=f"Use at least {PASSPHRASE_LENGTH_MIN} characters.",
            )


RootSource = RootFile | RootPassphrase


class SoftwareRoot:
    """A root key in this process's memory: AES-256-GCM, a fresh nonce in front of each wrapped key."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return "SoftwareRoot(***)"

    def wrap(self, data_key: bytes, associated: bytes) -> bytes:
        """`data_key` encrypted, and authenticated together with `associated`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, associated)

    def unwrap(self, wrapped: bytes, associated: bytes) -> bytes:
        """The data key again. Errors: Corrupt when `wrapped` or `associated` is not what was wrapped."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], associated)
        except (InvalidTag, ValueError) as fault:
            raise Corrupt(
                "A wrapped data key was changed, or belongs to another row.",
                advice="The vault's rows were changed outside Assay: restore them from a backup.",
            ) from fault


@dataclass(frozen=True, slots=True)
class SealedRoot:
    """What stands in for a root key that cannot be had: every use says why."""

    why: str

    def wrap(self, data_key: bytes, associated: bytes) -> bytes:  # noqa: ARG002 - the seam's signature
        """Errors: Unavailable (SEALED), always."""
        raise self._sealed()

    def unwrap(self, wrapped: bytes, associated: bytes) -> bytes:  # noqa: ARG002 - the seam's signature
        """Errors: Unavailable (SEALED), always."""
        raise self._sealed()

    def _sealed(self) -> Unavailable:
        return Unavailable(
            f"The vault is sealed: {self.why}",
            advice="Give Assay its root key (the file, or the passphrase) and start it again.",
            reason=Reason.SEALED,
        )


@dataclass(frozen=True, slots=True)
class OpenedRoot:
    """A root key, or what stands in for it. `made` is the file that was made just now: warn that it must be kept."""

    key: RootKey
    made: Path | None = None

    @property
    def sealed_because(self) -> str:
        """Why the vault is sealed, or the empty string."""
        return self.key.why if isinstance(self.key, SealedRoot) else ""


def open_root(database: Database, clock: Clock, source: RootSource) -> OpenedRoot:
    """The root key of this installation; at first start it is made, and what tells it from others is recorded.

    Never fails for want of the right key: then the result's key is a `SealedRoot`. Errors: Unavailable (database).
    """
    with database.read() as connection:
        row = roots.root_row(connection)
    try:
        if row is not None:
            return OpenedRoot(_reopen(source, row))
        key, made, salt = _first(source)
    except AssayError as fault:
        return OpenedRoot(SealedRoot(str(fault)))
    root = SoftwareRoot(key)
    fresh = RootRow(
        kind=_kind(source),
        salt=salt,
        scrypt_n=SCRYPT_N,
        scrypt_r=SCRYPT_R,
        scrypt_p=SCRYPT_P,
        wrapped_check=root.wrap(_CHECK_TEXT, _CHECK_ASSOCIATED),
    )
    with database.write() as connection:
        kept = roots.insert_root_row(connection, fresh, clock.now())
    if kept == fresh:
        return OpenedRoot(root, made)
    try:  # another replica was first
        return OpenedRoot(_reopen(source, kept))
    except AssayError as fault:
        return OpenedRoot(SealedRoot(str(fault)))


def _kind(source: RootSource) -> RootKind:
    return RootKind.FILE if isinstance(source, RootFile) else RootKind.PASSPHRASE


def _first(source: RootSource) -> tuple[bytes, Path | None, bytes]:
    """Key, the file made for it if one was, and salt, when the database knows of no root key yet."""
    if isinstance(source, RootFile):
        made = _make_file(source.path)
        return _read_file(source.path), source.path if made else None, b""
    salt = os.urandom(SALT_BYTES)
    return _derive(source.passphrase, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P), None, salt


def _reopen(source: RootSource, row: RootRow) -> SoftwareRoot:
    """The recorded root key from its source. Errors: Unavailable (missing, wrong, of another kind), Corrupt."""
    if _kind(source) != row.kind:
        raise Unavailable(f"This installation's root key is a {row.kind}, but a {_kind(source)} was given.")
    if isinstance(source, RootFile):
        root = SoftwareRoot(_read_file(source.path))
    else:
        root = SoftwareRoot(_derive(source.passphrase, row.salt, row.scrypt_n, row.scrypt_r, row.scrypt_p))
    try:
        root.unwrap(row.wrapped_check, _CHECK_ASSOCIATED)
    except Corrupt as fault:
        raise Unavailable(f"The {row.kind} given is not the root key of this installation.") from fault
    return root


def _derive(passphrase: Secret, salt: bytes, n: int, r: int, p: int) -> bytes:
    if 128 * n * r > _SCRYPT_MEMORY_BYTES_MAX:
        raise Corrupt("The recorded cost of the root key's passphrase is absurd.")
    return Scrypt(salt=salt, length=ROOT_KEY_BYTES, n=n, r=r, p=p).derive(passphrase.reveal().encode())


def _make_file(path: Path) -> bool:
    """Make the root key's file whole or not at all; False when it is there already."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, os.urandom(ROOT_KEY_BYTES).hex().encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            # Unlike a rename, a link fails when another process was first, and its key stays.
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
    except OSError as fault:
        raise Unavailable(f"The root key file {path} cannot be made: {fault.strerror}.") from fault
    return True


def _read_file(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as fault:
        raise Unavailable(f"The root key file {path} cannot be read: {fault.strerror}.") from fault
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unavailable(f"The root key file {path} is not a regular file.")
        if status.st_mode & _LOOSE:
            raise Unavailable(
                f"The root key file {path} may be read by others (mode {stat.S_IMODE(status.st_mode):04o}).",
                advice=f"Run: chmod 600 {path}",
            )
        text = os.read(descriptor, ROOT_KEY_BYTES * 2 + 2)
    finally:
        os.close(descriptor)
    try:
        key = bytes.fromhex(text.decode("ascii").removesuffix("\n"))
    except ValueError:
        key = b""
    if len(key) != ROOT_KEY_BYTES:
        raise Unavailable(f"The root key file {path} does not hold a root key.")
    return key
