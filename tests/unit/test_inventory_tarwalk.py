"""The tar walker: every ordinary form of an archive, and what it refuses."""

import pytest
from inventory_layers import END, file, folder, hard_link, header, padded, pax, symlink

from assay.errors import Refused
from assay.inventory import ReadLimits
from assay.inventory.tarwalk import Member, MemberKind, TarWalker, may_begin_archive


class Heard:
    """Writes down what a walker says, and wants the first `wanted` bytes of everything."""

    def __init__(self, wanted: int = 1 << 20) -> None:
        self.wanted = wanted
        self.members: list[Member] = []
        self.contents: dict[str, bytes] = {}

    def member(self, member: Member) -> int:
        self.members.append(member)
        return self.wanted

    def content(self, content: bytes) -> None:
        self.contents[self.members[-1].name] = content


def walk(archive: bytes, *, wanted: int = 1 << 20, limits: ReadLimits | None = None) -> tuple[Heard, TarWalker]:
    heard = Heard(wanted)
    walker = TarWalker(heard, limits or ReadLimits())
    walker.feed(archive)
    walker.finish()
    return heard, walker


def test_each_kind_of_entry_is_told() -> None:
    raw = file("a", b"hello") + folder("d") + symlink("s", "a") + hard_link("h", "a")
    raw += header(b"c", flag=b"3") + header(b"b", flag=b"4") + header(b"p", flag=b"6") + header(b"seven", 5, b"7")
    heard, _ = walk(raw + padded(b"world") + END)
    assert heard.members == [
        Member("a", MemberKind.FILE, 5, ""),
        Member("d/", MemberKind.FOLDER, 0, ""),
        Member("s", MemberKind.SYMLINK, 0, "a"),
        Member("h", MemberKind.HARD_LINK, 0, "a"),
        Member("c", MemberKind.CHARACTER_DEVICE, 0, ""),
        Member("b", MemberKind.BLOCK_DEVICE, 0, ""),
        Member("p", MemberKind.FIFO, 0, ""),
        Member("seven", MemberKind.FILE, 5, ""),
    ]
    assert heard.contents == {"a": b"hello", "seven": b"world"}


def test_only_the_wanted_beginning_of_a_file_is_kept() -> None:
    heard, _ = walk(file("a", b"x" * 1000 + b"y" * 1000) + file("b", b"z") + END, wanted=1001)
    assert heard.contents == {"a": b"x" * 1000 + b"y", "b": b"z"}


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (header(b"end", prefix=b"a/long/way"), "a/long/way/end"),
        (header(b"end", prefix=b"access times", magic=b"ustar  \0"), "end"),
        (header(b"v7", magic=bytes(8)), "v7"),
        (header(b"x" * 100), "x" * 100),
        (header(b"././@LongLink", 151, b"L") + padded(b"y" * 150 + b"\0") + header(b"y" * 99), "y" * 150),
        (pax({"path": "pax/" + "z" * 200}) + header(b"short"), "pax/" + "z" * 200),
        (pax({"path": "größe"}) + header(b"short"), "größe"),
        (pax({"mtime": "1.5", "SCHILY.xattr.a": "b=c"}) + header(b"plain"), "plain"),
        (header(b"nul\0name"), "nul"),
        (header(b"gr\xf6\xdfe"), "gr\\xf6\\xdfe"),
        (header(b"\x1b[31mred\nline"), "\\x1b[31mred\\nline"),
        (header("right\u202eleft".encode()), "right\\u202eleft"),
    ],
)
def test_names_are_found_wherever_they_stand(raw: bytes, name: str) -> None:
    heard, _ = walk(raw + file("next") + END)
    assert [member.name for member in heard.members] == [name, "next"]


def test_link_targets_are_found_wherever_they_stand() -> None:
    raw = header(b"././@LongLink", 201, b"K") + padded(b"t" * 200 + b"\0") + symlink("gnu", "short")
    raw += pax({"linkpath": "p" * 200}) + symlink("pax", "short") + symlink("plain", "short")
    heard, _ = walk(raw + END)
    assert [member.target for member in heard.members] == ["t" * 200, "p" * 200, "short"]


@pytest.mark.parametrize(
    "raw",
    [
        header(b"a", size_field=b"\x80" + (600).to_bytes(11)) + padded(b"x" * 600),
        header(b"a", size_field=b"     1130   ") + padded(b"x" * 600),
        header(b"a", size_field=b"1130\0junk\0\0\0") + padded(b"x" * 600),
        pax({"size": "600"}) + header(b"a", 0) + padded(b"x" * 600),
    ],
)
def test_sizes_are_read_in_every_form(raw: bytes) -> None:
    heard, _ = walk(raw + file("next") + END)
    assert heard.members[0].size == 600
    assert heard.contents["a"] == b"x" * 600
    assert heard.members[1].name == "next"


@pytest.mark.parametrize("flag", [b"1", b"2", b"3", b"4", b"5", b"6"])
def test_the_size_of_what_has_no_content_means_nothing(flag: bytes) -> None:
    heard, _ = walk(header(b"a", 1000, flag) + file("next") + END)
    assert [member.name for member in heard.members] == ["a", "next"]


def test_a_pax_header_counts_for_one_entry_and_a_global_one_for_all() -> None:
    heard, walker = walk(pax({"path": "one"}) + file("a") + file("b") + END)
    assert [member.name for member in heard.members] == ["one", "b"]
    assert walker.remarks == []
    heard, walker = walk(pax({"comment": "abc"}, b"g") + file("a") + END)
    assert (heard.members[0].name, walker.remarks) == ("a", [])
    heard, walker = walk(pax({"path": "all"}, b"g") + file("a") + pax({"path": "own"}) + file("b") + END)
    assert [member.name for member in heard.members] == ["all", "own"]
    assert walker.remarks == ["a global header sets the name or size of entries; runtimes ignore that"]


def test_sparse_files_of_both_kinds_are_skipped_over() -> None:
    old = bytearray(header(b"old", 512, magic=b"ustar  \0", flag=b"S"))
    old[482] = 1
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old)
    more = bytearray(512)
    more[504] = 1
    raw = bytes(old) + bytes(more) + bytes(512) + padded(b"s" * 512)
    raw += pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "new", "GNU.sparse.realsize": "9"})
    heard, _ = walk(raw + file("GNUSparseFile.0/new", b"map and data") + file("next") + END)
    assert [(member.name, member.kind) for member in heard.members] == [
        ("old", MemberKind.SPARSE_FILE),
        ("new", MemberKind.SPARSE_FILE),
        ("next", MemberKind.FILE),
    ]


@pytest.mark.parametrize("end", [b"", bytes(512), END, bytes(10240)])
def test_zero_blocks_at_the_end_may_be_missing_or_many(end: bytes) -> None:
    heard, walker = walk(file("a", b"x") + end)
    assert [member.name for member in heard.members] == ["a"]
    assert walker.remarks == []


def test_the_last_padding_may_be_missing() -> None:
    assert walk(header(b"a", 5) + b"hello")[0].contents == {"a": b"hello"}


def test_what_follows_the_end_is_not_taken_but_said() -> None:
    heard, walker = walk(file("a") + END + file("b") + END)
    assert [member.name for member in heard.members] == ["a"]
    assert walker.remarks == ["bytes follow after the end of the archive; no runtime unpacks them"]


def damaged(block: bytes) -> bytes:
    return block[:20] + bytes([block[20] ^ 1]) + block[21:]


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (file("a", b"x" * 600)[:1000], "in the middle of an entry"),
        (file("a")[:300], "in the middle of an entry"),
        (header(b"L", 2000, b"L") + b"x" * 100, "in the middle of an entry"),
        (damaged(file("a")), "header number 1 is damaged"),
        (file("a") + damaged(file("b")), "header number 2 is damaged"),
        (file("a") + b"no header at all".ljust(512), "header number 2 is damaged"),
        (header(b"a", size_field=b"\xff" * 12), "negative size"),
        (header(b"a", size_field=b"-0000000001\0"), "the size b'-0000000001'"),
        (header(b"a", size_field=b"99999999999\0"), "the size"),
        (pax({"size": "-1"}) + file("a"), "the size b'-1'"),
        (header(b"pax", 2 << 20, b"x"), "longer than 1,048,576"),
        (header(b"long", 2 << 20, b"L"), "longer than 1,048,576"),
        (header(b"pax", 10, b"x") + padded(b"99 path=a\n"), "damaged pax header"),
        (header(b"pax", 10, b"x") + padded(b"10 path aa"), "damaged pax header"),
        (header(b"pax", 10, b"x") + padded(b"-1 path=a\n"), "damaged pax header"),
        (pax({"path": "a\0b"}), "damaged pax header"),
    ],
)  # fmt: skip
def test_what_cannot_be_walked_is_refused_with_its_reason(archive: bytes, message: str) -> None:
    with pytest.raises(Refused, match=message):
        walk(archive)


def test_entries_are_counted_against_a_limit() -> None:
    limits = ReadLimits(members_max=2)
    walk(file("a") + file("b") + END, limits=limits)
    with pytest.raises(Refused, match="more than 2 entries"):
        walk(file("a") + file("b") + file("c") + END, limits=limits)


def test_an_archive_is_known_by_its_first_block() -> None:
    assert may_begin_archive(file("a"))
    assert may_begin_archive(bytes(1024))
    assert not may_begin_archive(bytes(100))
    assert not may_begin_archive(b"<html>".ljust(512))
    assert not may_begin_archive(damaged(file("a")))
    # A sum of bytes taken as signed, as some old programs wrote it: 0xE9 counts as -23.
    block = bytearray(header(b"caf\xe9"))
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % (sum(block) - 256)
    assert may_begin_archive(bytes(block))
