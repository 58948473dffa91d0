"""One layer: what its part says, and what it says when it can't be read to its end."""

import gzip
import hashlib
import random

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
    layer,
    metadata,
    opaque,
    padded,
    pax,
    python_package,
    read_blob,
    symlink,
    whiteout,
)  # fmt: skip

from assay.errors import Corrupt
from assay.inventory import ReadLimits
from assay.inventory.formats import PackageRecord, Parsed
from assay.inventory.layer import LayerReading
from assay.inventory.part import LayerPart, Link, PackageFile, Problem, decode, encode, unread
from assay.inventory.paths import Kind, PathSet, key
from assay.oci import Digest

SIX = "opt/six-1.16.0.dist-info/METADATA"


def kind(part: LayerPart, path: str) -> Kind | None:
    return PathSet(part.written).kind(key(path))


def problems(part: LayerPart) -> list[str]:
    return [problem.text for problem in part.problems]


def test_a_part_holds_digests_sizes_and_package_files() -> None:
    archive = debian(dpkg_record("tzdata", "2024a-0+deb12u1")) + python_package("opt", "six", "1.16.0") + END
    blob = gzip.compress(archive, mtime=0)
    part = read_blob(blob)
    assert part.digest == Digest("sha256:" + hashlib.sha256(blob).hexdigest())
    assert part.diff_id == Digest("sha256:" + hashlib.sha256(archive).hexdigest())
    assert (part.size, part.unpacked, part.members) == (len(blob), len(archive), 3)
    assert [(file_.path, file_.format) for file_ in part.files] == [
        ("etc/os-release", "os-release"), (SIX, "python"), ("var/lib/dpkg/status", "dpkg"),
    ]  # fmt: skip
    assert part.files[1].parsed == Parsed((PackageRecord("six", "1.16.0"),))
    assert part.is_complete
    assert part.reason == ""


def test_the_digest_is_computed_in_the_algorithm_asked_for() -> None:
    reading = LayerReading(algorithm="sha512")
    reading.feed(file("a") + END)
    assert reading.finish().digest == Digest("sha512:" + hashlib.sha512(file("a") + END).hexdigest())


@pytest.mark.parametrize("pack", [lambda tar: tar, gzip.compress, zstd.compress], ids=["tar", "gzip", "zstd"])
def test_a_layer_is_what_its_bytes_are(pack: object) -> None:
    part = read_blob(pack(python_package("opt", "six", "1.16.0") + END))
    assert [file_.path for file_ in part.files] == [SIX]


def test_paths_are_cleaned_and_all_of_them_are_in_the_set() -> None:
    part = layer(file("./a//b/../c", b"x"), file("/abs/file"), folder("d/e"), file("top"))
    assert kind(part, "a/c") is Kind.FILE
    assert kind(part, "abs/file") is Kind.FILE
    assert kind(part, "d/e") is Kind.FOLDER
    assert kind(part, "top") is Kind.FILE
    assert {path: kind(part, path) for path in ("a", "abs", "d", "b", "")} == {
        "a": Kind.WAY, "abs": Kind.WAY, "d": Kind.WAY, "b": None, "": None,
    }  # fmt: skip


def test_the_same_path_twice_means_the_last_entry() -> None:
    part = layer(file(SIX, metadata("six", "1.0")), file(SIX, metadata("six", "1.16.0")))
    assert part.files == (PackageFile(SIX, "python", Parsed((PackageRecord("six", "1.16.0"),))),)


def test_a_file_that_takes_a_folders_place_takes_what_was_in_it() -> None:
    part = layer(python_package("opt/a", "six", "1.16.0"), symlink("opt/a/link", "x"), file("opt/a", b"a file now"))
    assert (part.files, part.links) == ((), ())
    assert kind(part, "opt/a") is Kind.FILE


def test_links_are_kept_and_paths_through_links_of_the_same_layer_are_real() -> None:
    part = layer(
        folder("usr/lib"),
        symlink("lib", "usr/lib"),
        symlink("loop", "loop"),
        file("lib/apk/db/installed", "P:musl\nV:1\nA:x\n\n"),
        symlink("abs", "/usr"),
        whiteout("abs/lib/gone"),
        file("loop/x"),
    )
    assert part.links == (Link("abs", "/usr"), Link("lib", "usr/lib"), Link("loop", "loop"))
    assert [file_.path for file_ in part.files] == ["usr/lib/apk/db/installed"]
    assert part.whiteouts == ("usr/lib/gone",)
    assert problems(part) == ["entries behind a loop of links are left out: 1"]


def test_a_hard_link_is_kept_where_a_package_file_is_wanted_only() -> None:
    part = layer(file("src", metadata("six", "1")), hard_link(SIX, "./src"), hard_link("other", "src"))
    assert part.links == (Link(SIX, "src", hard=True),)
    assert kind(part, "other") is Kind.FILE
    asked = layer(file("src", metadata("six", "1")), hard_link(SIX, "src"), asked={"src": SIX})
    assert asked.files == (PackageFile("src", "python", Parsed((PackageRecord("six", "1"),))),)
    assert asked.asked == (("src", SIX),)


def test_whiteouts_and_opaque_folders_are_told_apart() -> None:
    part = layer(
        whiteout("etc/passwd"), whiteout("top"), opaque("srv/app"), file("srv/.wh..wh.plnk"), file(".wh..wh..opq")
    )
    assert part.whiteouts == ("etc/passwd", "top")
    assert part.opaques == ("", "srv/app")
    assert part.is_complete


@pytest.mark.parametrize("name", [".wh.", "etc/.wh..", "etc/.wh..."])
def test_malformed_whiteouts_remove_nothing_and_are_said(name: str) -> None:
    part = layer(file(name))
    assert (part.whiteouts, part.opaques) == ((), ())
    assert problems(part) == ["malformed whiteouts are left out: 1"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/../../b", "..", ".wh.../../../../tmp/x"])
def test_entries_that_lead_outside_are_left_out_and_said(name: str) -> None:
    part = layer(file(name), file("in"))
    assert problems(part) == ["entries that lead outside the image are left out: 1"]
    assert kind(part, "in") is Kind.FILE


@pytest.mark.parametrize(("flag", "what"), [(b"3", "character device"), (b"4", "block device"), (b"6", "fifo")])
def test_a_device_where_a_database_should_be_is_not_read_but_said(flag: bytes, what: str) -> None:
    part = layer(header(b"var/lib/dpkg/status", flag=flag))
    assert part.problems == (Problem("var/lib/dpkg/status", f"a {what}, which isn't read"),)


def test_a_package_file_beyond_its_limit_is_read_to_the_limit_and_said() -> None:
    part = layer(file("etc/os-release", b"ID=alpine\nVERSION_ID=3.20.3\nNAME=" + b"A" * 100_000))
    assert part.files[0].parsed.release == (("ID", "alpine"), ("VERSION_ID", "3.20.3"))
    assert not part.is_complete
    assert part.reason == "etc/os-release: longer than 65,536 bytes; the rest is not read"


TOO_DENSE = "It unpacks to more than the limit of 200 times its size."
TOO_MANY_FILES = "package files beyond the limit of a layer are left out: 1"
TOO_LONG_PATHS = "entries with longer paths than a path can be are left out: 2"
NOISE = random.Random(3).randbytes(200_000)
WHOLE = python_package("opt", "six", "1.16.0") + file("noise", NOISE) + python_package("opt", "attrs", "20.0") + END


@pytest.mark.parametrize(
    ("blob", "limits", "reason"),
    [
        (gzip.compress(WHOLE)[:100_000], {}, "Its gzip stream ends early."),
        (gzip.compress(WHOLE[:100_000]), {}, "The archive ends in the middle of an entry."),
        (gzip.compress(WHOLE) + b"junk", {}, "Bytes that aren't gzip follow after the end of its gzip stream."),
        (gzip.compress(WHOLE), {"unpacked_bytes_max": 100_000}, "It unpacks to more than the limit of 100,000 bytes."),
        (gzip.compress(bytes(3 << 20)), {"ratio_free_bytes": 1 << 20}, TOO_DENSE),
        (gzip.compress(WHOLE), {"members_max": 2}, "The archive has more than 2 entries."),
        (gzip.compress(WHOLE), {"paths_max": 4}, "It has more than 4 paths."),
        (gzip.compress(WHOLE), {"package_files_max": 1}, TOO_MANY_FILES),
        (gzip.compress(WHOLE), {"packages_max": 1}, "files with packages beyond the limit of a layer: 1"),
        (gzip.compress(WHOLE), {"path_bytes_max": 32}, TOO_LONG_PATHS),
        (NOISE, {}, "It is no layer: it begins as neither gzip, zstd nor tar."),
        (b"", {}, "It is no layer: it begins as neither gzip, zstd nor tar."),
        (b'{"architecture":"amd64"}', {}, "It is no layer: it begins as neither gzip, zstd nor tar."),
    ],
)  # fmt: skip
def test_what_is_not_read_to_its_end_is_never_called_complete(blob: bytes, limits: dict[str, int], reason: str) -> None:
    part = read_blob(blob, limits=ReadLimits(**limits))
    assert part.reason == reason
    assert not part.is_complete
    assert part.digest == Digest("sha256:" + hashlib.sha256(blob).hexdigest())
    assert part.size == len(blob)


def test_what_was_read_before_the_damage_stays() -> None:
    part = read_blob(gzip.compress(WHOLE)[:100_000])
    assert [file_.path for file_ in part.files] == [SIX]
    assert part.diff_id is None


@pytest.mark.parametrize(
    ("entries", "limits", "reason"),
    [
        ([whiteout("a"), whiteout("b"), whiteout("c")], {"whiteouts_max": 2}, "whiteouts beyond"),
        ([symlink("a", "x"), symlink("b", "x"), symlink("c", "x")], {"links_max": 2}, "links beyond"),
        ([symlink("a", "x" * 50), symlink("b", "x" * 50)], {"link_bytes_max": 60}, "links beyond"),
    ],
)
def test_lists_of_a_layer_part_are_bounded(entries: list[bytes], limits: dict[str, int], reason: str) -> None:
    assert reason in layer(*entries, limits=ReadLimits(**limits)).reason


def test_problems_are_counted_beyond_their_limit() -> None:
    devices = [header(f"node_modules/p{number}/package.json".encode(), flag=b"6") for number in range(5)]
    part = layer(*devices, limits=ReadLimits(problems_max=2))
    assert problems(part) == ["further files can't be read: 3"] + ["a fifo, which isn't read"] * 2


def test_an_empty_archive_is_a_complete_layer() -> None:
    for blob in (gzip.compress(END), gzip.compress(b""), END, zstd.compress(END)):
        part = read_blob(blob)
        assert part.is_complete
        assert (part.files, part.written) == ((), b"")


def test_a_part_outlives_being_stored() -> None:
    part = layer(
        debian(dpkg_record("a", "1")), python_package("opt", "six", "1.16.0"), symlink("lib", "usr/lib"),
        whiteout("x"), opaque("y"), header(b"var/lib/dpkg/status.d/x", flag=b"6"), asked={"src": SIX},
    )  # fmt: skip
    assert decode(encode(part)) == part
    assert decode(encode(unread(part.digest, 5, "why"))).is_read is False


@pytest.mark.parametrize(
    "body", [b"", b"rubbish", zstd.compress(b"rubbish"), zstd.compress(b"\x80"), encode(layer(file("a")))[:-3]]
)
def test_a_stored_part_that_was_damaged_is_not_believed(body: bytes) -> None:
    with pytest.raises(Corrupt):
        decode(body)


def test_a_name_in_an_extension_decides_where_a_file_is() -> None:
    text = metadata("six", "1.16.0").encode()
    part = layer(pax({"path": SIX}) + header(b"short", len(text)) + padded(text))
    assert [file_.path for file_ in part.files] == [SIX]
