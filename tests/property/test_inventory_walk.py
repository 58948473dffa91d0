"""The walker and unpackers: piece borders change nothing, and Python's own tarfile finds the same."""

import gzip
import io
import itertools
import tarfile

from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.inventory import ReadLimits
from assay.inventory.layer import LayerReading
from assay.inventory.paths import Kind, PathSet, PathSetMaker, clean, key
from assay.inventory.tarwalk import Member, MemberKind, TarWalker

KINDS = {
    tarfile.REGTYPE: MemberKind.FILE, tarfile.DIRTYPE: MemberKind.FOLDER, tarfile.SYMTYPE: MemberKind.SYMLINK,
    tarfile.LNKTYPE: MemberKind.HARD_LINK, tarfile.FIFOTYPE: MemberKind.FIFO,
    tarfile.CHRTYPE: MemberKind.CHARACTER_DEVICE,
}  # fmt: skip

part = st.text("abcdeé_-.", min_size=1, max_size=40).filter(lambda text: text not in (".", ".."))
name = st.lists(part, min_size=1, max_size=9).map("/".join)
content = st.one_of(st.binary(max_size=40), st.integers(500, 1600).map(lambda size: b"z" * size))
entry = st.tuples(name, st.sampled_from(sorted(KINDS)), content, name)
archives = st.tuples(st.lists(entry, max_size=8), st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))


class Heard:
    def __init__(self) -> None:
        self.told: list[tuple[Member, bytes]] = []

    def member(self, member: Member) -> int:
        self.told.append((member, b""))
        return member.size

    def content(self, content: bytes) -> None:
        self.told[-1] = (self.told[-1][0], content)


def written(entries: list[tuple[str, bytes, bytes, str]], form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for path, kind, body, target in entries:
            info = tarfile.TarInfo(path)
            info.type = kind
            info.mtime = 1.5 if form == tarfile.PAX_FORMAT else 1
            if kind == tarfile.REGTYPE:
                info.size = len(body)
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = target
            archive.addfile(info, io.BytesIO(body))
    return out.getvalue()


def walked(archive: bytes, cuts: list[int]) -> list[tuple[Member, bytes]]:
    heard = Heard()
    walker = TarWalker(heard, ReadLimits())
    borders = sorted({0, *(cut % (len(archive) + 1) for cut in cuts), len(archive)})
    for start, end in itertools.pairwise(borders):
        walker.feed(archive[start:end])
    walker.finish()
    return heard.told


@given(archives, st.lists(st.integers(0, 1 << 20), max_size=12))
def test_the_walker_finds_what_tarfile_finds_whatever_the_pieces(
    archive: tuple[list[tuple[str, bytes, bytes, str]], int], cuts: list[int]
) -> None:
    raw = written(*archive)
    told = walked(raw, cuts)
    with tarfile.open(fileobj=io.BytesIO(raw)) as reader:
        known = [(info, reader.extractfile(info).read() if info.isreg() else b"") for info in reader]
    assert [(member.name.rstrip("/"), member.kind, member.size, member.target, body) for member, body in told] == [
        (info.name, KINDS[info.type], info.size, info.linkname if info.issym() or info.islnk() else "", body)
        for info, body in known
    ]


@given(archives, st.sampled_from([bytes, gzip.compress, zstd.compress]), st.lists(st.integers(0, 1 << 20), max_size=8))
def test_a_layer_part_does_not_depend_on_the_pieces_it_came_in(
    archive: tuple[list[tuple[str, bytes, bytes, str]], int], pack: object, cuts: list[int]
) -> None:
    blob = pack(written(*archive))
    whole, pieces = LayerReading(), LayerReading()
    whole.feed(blob)
    borders = sorted({0, *(cut % (len(blob) + 1) for cut in cuts), len(blob)})
    for start, end in itertools.pairwise(borders):
        pieces.feed(blob[start:end])
    assert pieces.finish() == whole.finish()


@settings(max_examples=25)
@given(st.lists(st.tuples(name, st.sampled_from(Kind)), max_size=60), st.lists(name, max_size=20))
def test_a_path_set_knows_the_last_entry_of_each_path(entries: list[tuple[str, Kind]], others: list[str]) -> None:
    maker = PathSetMaker()
    known: dict[str, Kind] = {}
    for path, kind in entries:
        maker.add(path, kind)
        if kind is not Kind.WAY or path not in known:
            known[path] = kind
    paths = PathSet(maker.packed())
    assert {path: paths.kind(key(path)) for path in {*known, *others}} == {
        path: known.get(path) for path in {*known, *others}
    }


@given(st.lists(st.sampled_from(["a", "b.c", "..", ".", "", "..."]), max_size=8).map("/".join))
def test_a_cleaned_path_stays_inside_and_has_nothing_to_clean(text: str) -> None:
    path = clean(text)
    if path is None:
        # Somewhere more folders were left than entered.
        depths = [
            sum({"..": -1, ".": 0, "": 0}.get(part, 1) for part in text.split("/")[: end + 1])
            for end in range(len(text.split("/")))
        ]
        assert min(depths) < 0
    else:
        assert not path.startswith("/")
        assert not {"..", "."} & set(path.split("/"))
        assert "//" not in path
        assert clean(path) == path
