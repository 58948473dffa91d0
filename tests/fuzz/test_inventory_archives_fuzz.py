"""Damaged and made-up layers: never an exception, never complete when what was read isn't what was packed."""

import gzip
import io
import random
import tarfile

import pytest
from backports import zstd
from inventory_layers import (
    END,
    debian,
    dpkg_record,
    file,
    folder,
    hard_link,
    header,
    metadata,
    pax,
    python_package,
    read_blob,
    symlink,
    whiteout,
)  # fmt: skip

from assay.errors import Refused
from assay.inventory import ReadLimits, compose
from assay.inventory.formats import FORMATS
from assay.inventory.part import decode, encode
from assay.inventory.tarwalk import Member, TarWalker

#: Each seed is one run of mutations; the same seeds every time.
SEEDS = range(150)
ARCHIVE = (
    debian(dpkg_record("tzdata", "2024a-0+deb12u1"), dpkg_record("libssl3", "3.0.9-1", source="openssl (3.0.9)"))
    + folder("usr/lib")
    + symlink("lib", "usr/lib")
    + python_package("usr/lib/python3/dist-packages", "six", "1.16.0")
    + pax({"path": "opt/" + "long/" * 40 + "attrs-20.dist-info/METADATA"})
    + file("short", metadata("attrs", "20"))
    + header(b"././@LongLink", 120, b"L")
    + (b"srv/" + b"y" * 116).ljust(512, b"\0")
    + file("y", b"z" * 700)
    + hard_link("opt/idna-2.5.dist-info/METADATA", "short")
    + whiteout("etc/passwd")
    + file("srv/node_modules/lodash/package.json", '{"name": "lodash", "version": "4.17.15"}')
    + file("lib/apk/db/installed", "P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\n\n")
    + END
)
LIMITS = ReadLimits(unpacked_bytes_max=8 << 20, members_max=1000, paths_max=5000)


def mutated(content: bytes, dice: random.Random) -> bytes:
    """A few random changes: bytes set, runs removed, doubled or zeroed, the end cut."""
    changed = bytearray(content)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(changed))
        length = dice.choice([1, 1, 1, 2, 12, 512, 1024])
        match dice.randrange(6):
            case 0 | 1:
                changed[at] ^= 1 << dice.randrange(8)
            case 2:
                changed[at : at + length] = dice.randbytes(length)
            case 3:
                del changed[at : at + length]
            case 4:
                changed[at:at] = changed[at : at + length]
            case _:
                changed[at : at + length] = bytes(min(length, len(changed) - at))
        changed = changed or bytearray(b"\0")
    return bytes(changed[: dice.randrange(len(changed))]) if dice.random() < 0.15 else bytes(changed)


def checked(archive: bytes) -> bytes:
    return zstd.compress(archive, options={zstd.CompressionParameter.checksum_flag: 1})


@pytest.mark.parametrize("pack", [gzip.compress, checked], ids=["gzip", "zstd"])
def test_a_packed_layer_that_was_changed_is_complete_only_if_it_unpacks_to_the_same(pack: object) -> None:
    blob = pack(ARCHIVE)
    sound = read_blob(blob)
    assert sound.is_complete
    unlike = 0
    for seed in SEEDS:
        part = read_blob(mutated(blob, random.Random(seed)), limits=LIMITS, piece=777)
        assert part.diff_id == sound.diff_id or not part.is_complete, f"seed {seed}"
        assert decode(encode(part)) == part
        unlike += not part.is_complete
    assert unlike > len(SEEDS) / 2


class Names:
    def __init__(self) -> None:
        self.names: list[str] = []

    def member(self, member: Member) -> int:
        self.names.append(member.name.rstrip("/"))
        return 0

    def content(self, content: bytes) -> None:
        raise AssertionError("no content was wanted")


@pytest.mark.parametrize("seed", SEEDS)
def test_an_archive_that_was_changed_is_walked_as_tarfile_walks_it_or_refused(seed: int) -> None:
    archive = mutated(ARCHIVE, random.Random(1000 + seed))
    heard = Names()
    walker = TarWalker(heard, LIMITS)
    try:
        walker.feed(archive)
        walker.finish()
    except Refused:
        return
    if walker.remarks:
        return
    # tarfile wants at least one entry, and the padding of the last one, which runtimes do without.
    archive += bytes(-len(archive) % 512)
    if heard.names:
        with tarfile.open(fileobj=io.BytesIO(archive), errors="backslashreplace") as reader:
            assert heard.names == [info.name for info in reader]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_image_of_changed_layers_is_always_composed(seed: int) -> None:
    dice = random.Random(5000 + seed)
    parts = [read_blob(mutated(ARCHIVE, dice), limits=LIMITS) for _ in range(3)]
    composition = compose(parts)
    assert len(composition.levels) == 3
    assert composition.complete is not any(True for _ in composition.reasons)
    if any(part.diff_id is None for part in parts):
        assert not composition.complete


@pytest.mark.parametrize("seed", range(40))
def test_layers_of_random_entries_are_always_read(seed: int) -> None:
    dice = random.Random(9000 + seed)
    names = ["", ".", "..", "/", "a", "a/", ".wh.", ".wh..wh..opq", "a/../..", "\x1b[31m", "var/lib/dpkg/status", "lib",
             "lib/apk/db/installed", "etc/os-release", "x.dist-info/METADATA", "node_modules/y/package.json",
             "b" * 5000]  # fmt: skip
    raw = b""
    for _ in range(40):
        name = "/".join(dice.choices(names, k=dice.randint(1, 4)))
        body = dice.randbytes(dice.choice([0, 1, 600]))
        flag = dice.choice([b"0", b"\0", b"1", b"2", b"3", b"5", b"6", b"7", b"S", b"Z"])
        target = "/".join(dice.choices(names, k=2))[:90].encode()
        size = len(body) if flag in b"0\0" + b"7Z" else 0
        raw += pax({"path": name}) if dice.random() < 0.5 else b""
        raw += header(name.encode()[:100], size, flag, link=target) + (body + bytes(-len(body) % 512)) * bool(size)
    part = read_blob(raw + END, limits=LIMITS)
    assert decode(encode(part)) == part
    compose([part, part])


@pytest.mark.parametrize("seed", range(60))
def test_no_format_fails_on_changed_package_files(seed: int) -> None:
    dice = random.Random(3000 + seed)
    texts = {
        "dpkg": dpkg_record("libssl3", "3.0.9-1", source="openssl (3.0.9)") * 3,
        "apk": "P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\nF:usr/lib\nR:libc.so\n\n" * 3,
        "python": metadata("six", "1.16.0"),
        "egg": "PK\3\4",
        "node": '{"name": "lodash", "version": "4.17.15", "dependencies": {"a": ["b", {"c": 1}]}}',
        "os-release": 'ID=debian\nVERSION_ID="12"\n',
    }
    for format_ in FORMATS:
        content = mutated(texts[format_.NAME].encode(), dice)
        for package in format_.parse("var/lib/dpkg/status", content, whole=dice.random() < 0.8).packages:
            assert package.name.isprintable()
            assert package.version.isprintable()
