"""The root key: made once, kept outside the data, and told from a wrong one at the start. On both databases."""

import os
import stat
from pathlib import Path

import pytest

from assay.errors import Corrupt, Reason, Refused, Unavailable
from assay.secret import Secret
from assay.storage import Store
from assay.vault.root import OpenedRoot, RootFile, RootPassphrase, open_root

PASSPHRASE = RootPassphrase(Secret("correct horse battery"))


@pytest.fixture
def source(tmp_path: Path) -> RootFile:
    (tmp_path / "data").mkdir()
    return RootFile(tmp_path / "keys" / "root.key", tmp_path / "data")


def opened(store: Store, source: RootFile | RootPassphrase) -> OpenedRoot:
    return open_root(store.database, store.clock, source)


def test_the_first_start_makes_a_file_that_only_its_owner_may_read(store: Store, source: RootFile) -> None:
    root = opened(store, source)
    assert root.made == source.path
    assert not root.sealed_because
    assert stat.S_IMODE(source.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(source.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in source.path.parent.iterdir()] == ["root.key"]


def test_the_next_start_opens_what_the_first_one_wrapped(store: Store, source: RootFile) -> None:
    wrapped = opened(store, source).key.wrap(b"data key", b"row")
    again = opened(store, source)
    assert again.made is None
    assert again.key.unwrap(wrapped, b"row") == b"data key"
    with pytest.raises(Corrupt):
        again.key.unwrap(wrapped, b"another row")


def test_a_file_that_was_there_before_the_first_start_is_taken(store: Store, source: RootFile) -> None:
    source.path.parent.mkdir()
    source.path.write_text("07" * 32 + "\n")
    source.path.chmod(0o600)
    root = opened(store, source)
    assert (root.made, root.sealed_because) == (None, "")


@pytest.mark.parametrize("inside", ["root.key", "deeper/root.key", "../data/root.key"])
def test_a_root_key_inside_the_data_folder_is_refused(tmp_path: Path, inside: str) -> None:
    with pytest.raises(Refused, match="inside the data folder"):
        RootFile(tmp_path / "data" / inside, tmp_path / "data")


def test_a_symbolic_link_into_the_data_folder_is_seen_through(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "keys").symlink_to(tmp_path / "data")
    with pytest.raises(Refused, match="inside the data folder"):
        RootFile(tmp_path / "keys" / "root.key", tmp_path / "data")


def assert_sealed(root: OpenedRoot, why: str) -> None:
    assert why in root.sealed_because
    with pytest.raises(Unavailable) as fault:
        root.key.unwrap(b"anything", b"row")
    assert fault.value.reason is Reason.SEALED
    with pytest.raises(Unavailable, match="sealed"):
        root.key.wrap(b"anything", b"row")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_a_file_that_others_may_touch_leaves_the_vault_sealed(store: Store, source: RootFile, mode: int) -> None:
    opened(store, source)
    source.path.chmod(mode)
    assert_sealed(opened(store, source), f"(mode 0{mode:o})")


def test_a_missing_file_is_not_made_anew_once_there_is_something_to_lose(store: Store, source: RootFile) -> None:
    opened(store, source)
    source.path.unlink()
    assert_sealed(opened(store, source), "No such file")
    assert not source.path.exists()


@pytest.mark.parametrize("content", ["", "abc", "00" * 31, "zz" * 32, "00" * 33])
def test_a_file_without_a_root_key_in_it_leaves_the_vault_sealed(store: Store, source: RootFile, content: str) -> None:
    opened(store, source)
    source.path.write_text(content)
    assert_sealed(opened(store, source), "does not hold a root key")


def test_another_root_key_leaves_the_vault_sealed(store: Store, source: RootFile) -> None:
    opened(store, source)
    source.path.write_text("11" * 32 + "\n")
    assert_sealed(opened(store, source), "is not the root key of this installation")


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_what_is_no_regular_file_is_not_read(store: Store, source: RootFile, kind: str) -> None:
    opened(store, source)
    kept = source.path.rename(source.path.with_name("kept"))
    if kind == "folder":
        source.path.mkdir(mode=0o700)
    elif kind == "pipe":
        os.mkfifo(source.path, 0o600)
    else:
        source.path.symlink_to(kept)
    assert opened(store, source).sealed_because


def test_a_passphrase_opens_again_and_is_kept_nowhere(store: Store) -> None:
    wrapped = opened(store, PASSPHRASE).key.wrap(b"data key", b"row")
    assert opened(store, PASSPHRASE).key.unwrap(wrapped, b"row") == b"data key"
    with store.database.read() as connection:
        row = connection.exec_driver_sql("SELECT * FROM root_key").one()
    assert PASSPHRASE.passphrase.reveal() not in repr(tuple(row))
    assert PASSPHRASE.passphrase.reveal() not in repr(PASSPHRASE)


def test_another_passphrase_leaves_the_vault_sealed(store: Store) -> None:
    opened(store, PASSPHRASE)
    assert_sealed(opened(store, RootPassphrase(Secret("correct horse batterie"))), "is not the root key")


def test_a_root_key_of_another_kind_leaves_the_vault_sealed(store: Store, source: RootFile) -> None:
    opened(store, PASSPHRASE)
    assert_sealed(opened(store, source), "root key is a passphrase, but a file was given")
    assert not source.path.exists()


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(Refused, match="too short"):
        RootPassphrase(Secret("elevenchars"))


def test_a_folder_that_cannot_be_written_leaves_the_vault_sealed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_sealed(opened(store, RootFile(tmp_path / "file" / "root.key", tmp_path / "data")), "cannot be made")
