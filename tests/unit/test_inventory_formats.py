"""Package formats: what each wants and what it reads, from real files and small ones made by hand."""

import io
import zipfile
from pathlib import Path

import pytest
from inventory_layers import dpkg_record, metadata

from assay.inventory.formats import FORMATS, PackageRecord, Parsed, apk, dpkg, egg, format_of, node, osrelease, python

DATA = Path(__file__).parent.parent / "data" / "inventory"
STATUS, INSTALLED = "var/lib/dpkg/status", "lib/apk/db/installed"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("var/lib/dpkg/status", dpkg),
        ("var/lib/dpkg/status-old", None),
        ("var/lib/dpkg/status.d/tzdata", dpkg),
        ("var/lib/dpkg/status.d/tzdata.md5sums", dpkg),
        ("var/lib/dpkg/status.d/a/b", None),
        ("var/lib/dpkg/info/libc6:amd64.list", dpkg),
        ("var/lib/dpkg/info/libc6:amd64.postinst", None),
        ("srv/var/lib/dpkg/status", None),
        ("lib/apk/db/installed", apk),
        ("usr/lib/apk/db/installed", apk),
        ("srv/lib/apk/db/installed", None),
        ("usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA", python),
        ("opt/x/METADATA", None),
        ("usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO", python),
        ("usr/lib/python3/dist-packages/six-1.16.0.egg-info", python),
        ("opt/eggs/six-1.10.0-py3.9.egg/EGG-INFO/PKG-INFO", python),
        ("opt/src/PKG-INFO", None),
        ("opt/eggs/six-1.10.0-py3.9.egg", egg),
        ("srv/app/node_modules/lodash/package.json", node),
        ("srv/app/node_modules/@babel/core/package.json", node),
        ("srv/app/node_modules/a/node_modules/b/package.json", node),
        ("usr/lib/node_modules/npm/package.json", node),
        ("srv/app/node_modules/a/lib/esm/package.json", None),
        ("srv/app/package.json", None),
        ("etc/os-release", osrelease),
        ("usr/lib/os-release", osrelease),
        ("srv/etc/os-release", None),
    ],
)
def test_each_path_is_wanted_by_one_format_or_none(path: str, wanted: object) -> None:
    assert format_of(path) is wanted
    assert [format_ for format_ in FORMATS if format_.wants(path)] == ([wanted] if wanted else [])


def test_real_dpkg_records_say_what_dpkg_query_says() -> None:
    # Facts from `dpkg-query -W` in that very tree; vim-common is in state rc there.
    assert dpkg.parse(STATUS, (DATA / "debian-11-status").read_bytes()) == Parsed(
        (
            PackageRecord("libssl1.1", "1.1.1w-0+deb11u8", "amd64", "openssl"),
            PackageRecord("mount", "2.36.1-8+deb11u2", "amd64", "util-linux"),
            PackageRecord("bsdutils", "1:2.36.1-8+deb11u2", "amd64", "util-linux", "2.36.1-8+deb11u2"),
            PackageRecord("tzdata", "2026b-0+deb11u1", "all"),
        )
    )


@pytest.mark.parametrize(
    ("state", "counts"),
    [("install ok installed", True), ("hold ok installed", True), ("install ok unpacked", True),
     ("install reinstreq half-configured", True), ("install ok triggers-pending", True),
     ("deinstall ok config-files", False), ("purge ok not-installed", False)],
)  # fmt: skip
def test_a_package_counts_as_long_as_its_files_are_there(state: str, *, counts: bool) -> None:
    assert bool(dpkg.parse(STATUS, dpkg_record("curl", "7.74.0-1", state=state).encode()).packages) is counts


def test_damaged_dpkg_records_are_counted_and_named_and_the_rest_is_read() -> None:
    broken = (
        "Package: noversion\nStatus: install ok installed\n\nVersion: 1\n\nPackage: n\0ul\nVersion: 1\n\nnonsense\n\n"
    )
    text = dpkg_record("openssl", "3.0.9-1") + broken + dpkg_record("curl", "7.88.1-10")
    parsed = dpkg.parse(STATUS, text.encode())
    assert [package.name for package in parsed.packages] == ["openssl", "curl"]
    assert parsed.remarks == ("unreadable package records: 4 ('noversion', 'n\\x00ul')",)


@pytest.mark.parametrize(
    "text", [dpkg_record("a", "1").replace("\n", "\r\n"), "Package: a\nVersion: 1", "package: a\nVERSION:1\n \n"]
)
def test_line_ends_a_missing_last_one_and_the_case_of_fields_do_not_matter(text: str) -> None:
    assert [(package.name, package.version) for package in dpkg.parse(STATUS, text.encode()).packages] == [("a", "1")]


def test_a_cut_status_file_gives_no_cut_version() -> None:
    text = dpkg_record("openssl", "3.0.9-1") + "Package: curl\nVersion: 7.88.1-1"
    parsed = dpkg.parse(STATUS, text.encode(), whole=False)
    assert [package.name for package in parsed.packages] == ["openssl"]
    assert parsed.remarks == ("longer than 33,554,432 bytes; the rest is not read",)


def test_dpkg_lists_tell_which_language_packages_a_package_owns() -> None:
    text = b"/.\n/usr\n/usr/lib/python3/dist-packages/six.py\n/usr/lib/python3/dist-packages/six-1.16.0.egg-info\n"
    assert dpkg.parse("var/lib/dpkg/info/python3-six.list", text).owned == (
        ("python3-six", ("usr/lib/python3/dist-packages/six-1.16.0.egg-info",)),
    )
    sums = b"d41d8cd98f00b204e9800998ecf8427e  usr/share/nodejs/x/node_modules/y/package.json\n"
    assert dpkg.parse("var/lib/dpkg/status.d/node-x:all.md5sums", sums).owned == (
        ("node-x", ("usr/share/nodejs/x/node_modules/y/package.json",)),
    )
    assert dpkg.parse("var/lib/dpkg/info/libc6:amd64.list", b"/.\n/lib\n") == Parsed()


def test_real_apk_records_are_read_with_their_origin() -> None:
    parsed = apk.parse(INSTALLED, (DATA / "alpine-3.20-installed").read_bytes())
    assert parsed == Parsed(
        (
            PackageRecord("libcrypto3", "3.3.2-r0", "x86_64", "openssl"),
            PackageRecord("musl", "1.2.5-r0", "x86_64", "musl"),
            PackageRecord("ssl_client", "1.36.1-r29", "x86_64", "busybox"),
        )
    )


def test_apk_tells_which_language_packages_a_package_owns() -> None:
    text = (
        b"P:py3-six\nV:1.16.0-r9\nA:noarch\no:py3-six\nF:usr/lib/python3.12/site-packages\nR:six.py\n"
        b"F:usr/lib/python3.12/site-packages/six-1.16.0.dist-info\nR:METADATA\nR:RECORD\n\n"
    )
    assert apk.parse(INSTALLED, text).owned == (
        ("py3-six", ("usr/lib/python3.12/site-packages/six-1.16.0.dist-info/METADATA",)),
    )


def test_an_apk_database_that_is_no_utf8_or_has_damaged_records_is_read_as_far_as_it_goes() -> None:
    text = b"P:musl\nV:1.2.5-r0\nA:x86_64\nm:Ren\xe9 <r@example.org>\n\nV:1\n\nP:zlib\nV:1.3.1-r1\n\n"
    parsed = apk.parse(INSTALLED, text)
    assert [package.name for package in parsed.packages] == ["musl", "zlib"]
    assert parsed.remarks == ("the package database is damaged: line 4 is not UTF-8", "unreadable package records: 1")


@pytest.mark.parametrize(
    ("text", "record"),
    [
        (metadata("Django", "3.2"), PackageRecord("Django", "3.2")),
        ("Name: a.b_c\r\nVersion: 1.0\r\n", PackageRecord("a.b_c", "1.0")),
        ("\ufeffname: x\nVERSION: 2!1.0+local\n\nName: other\n", PackageRecord("x", "2!1.0+local")),
        ("Metadata-Version: 1.0\nSummary: two\n lines: Name: no\nName: x\nVersion: 1\n", PackageRecord("x", "1")),
        ("Name: x\nVersion: 1\nName: y\n", PackageRecord("x", "1")),
    ],
)
def test_python_metadata_is_read_from_its_headers(text: str, record: PackageRecord) -> None:
    assert python.parse("x.dist-info/METADATA", text.encode()) == Parsed((record,))


@pytest.mark.parametrize(
    "text",
    ["", "Name: x\n", "Version: 1\n", "\nName: x\nVersion: 1\n", "Name: -x\nVersion: 1\n", "Name: x\nVersion: 1 2\n",
     "Name: x\nVersion: " + "1" * 300, "\x00\xff garbage"],
)  # fmt: skip
def test_python_metadata_without_usable_name_and_version_is_remarked_on(text: str) -> None:
    parsed = python.parse("x.dist-info/METADATA", text.encode("latin-1"))
    assert not parsed.packages
    assert "no usable name and version" in parsed.remarks[0]


def test_a_long_description_does_not_make_metadata_partly_read() -> None:
    assert python.parse("x.dist-info/METADATA", metadata("x", "1").encode(), whole=False).remarks == ()
    cut = python.parse("x.dist-info/METADATA", b"Name: x\nVersion: 1\nSummary: ssss", whole=False)
    assert cut.packages == (PackageRecord("x", "1"),)
    assert cut.remarks == ("longer than 1,048,576 bytes; the rest is not read",)


def zipped(**entries: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_a_zipped_egg_is_an_installed_distribution() -> None:
    content = zipped(**{"EGG-INFO/PKG-INFO": metadata("six", "1.10.0"), "six.py": ""})
    assert egg.parse("opt/six-1.10.0-py3.9.egg", content) == Parsed((PackageRecord("six", "1.10.0"),))


@pytest.mark.parametrize("content", [b"an easter egg", zipped(**{"a.txt": "x"})])
def test_what_is_no_egg_but_ends_so_says_nothing(content: bytes) -> None:
    assert egg.parse("srv/easter.egg", content) == Parsed()


@pytest.mark.parametrize(
    "spoil", [lambda egg: egg[:60], lambda egg: egg[:-10], lambda egg: egg.replace(b"PK\1\2", rb"PK\9\9")]
)
def test_a_damaged_egg_is_remarked_on(spoil: object) -> None:
    content = zipped(**{"EGG-INFO/PKG-INFO": metadata("six", "1.10.0")})
    parsed = egg.parse("opt/six.egg", spoil(content))
    assert not parsed.packages
    assert "not a zipped egg that can be read" in parsed.remarks[0]


def test_an_egg_that_unpacks_to_much_is_read_to_its_limit_only() -> None:
    content = zipped(**{"EGG-INFO/PKG-INFO": "Name: x\nVersion: 1\nSummary: " + "s" * (4 << 20)})
    assert len(content) < 10_000
    assert egg.parse("opt/x.egg", content).remarks == ("longer than 1,048,576 bytes; the rest is not read",)


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        ('{"name": "lodash", "version": "4.17.15", "x": {"name": "no"}}', (PackageRecord("lodash", "4.17.15"),)),
        ('\ufeff{"version": "7.20.0", "name": "@babel/traverse"}', (PackageRecord("@babel/traverse", "7.20.0"),)),
        ('{"type": "module"}', ()),
        ('{"name": "only-a-name"}', ()),
        ('{"name": "", "version": ""}', ()),
    ],
)
def test_package_json_installs_what_has_a_name_and_a_version(text: str, packages: tuple[PackageRecord, ...]) -> None:
    assert node.parse("node_modules/x/package.json", text.encode()) == Parsed(packages)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"name": "x", "version": 1}', b'{"name": ["x"], "version": "1"}',
     b'{"name": "a b", "version": "1"}', b'{"name": "\xff", "version": "1"}',
     b'{"name":"deep","version":"1","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"],
)  # fmt: skip
def test_a_package_json_that_cannot_be_read_is_remarked_on(content: bytes) -> None:
    parsed = node.parse("node_modules/x/package.json", content)
    assert not parsed.packages
    assert len(parsed.remarks) == 1


def test_os_release_is_read_as_a_shell_would_quote_it_and_nothing_is_expanded() -> None:
    text = (
        b"# comment\nID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME='Debian $HOME'\nVERSION_CODENAME=bookworm\nHOME_URL=x\n"
    )
    assert osrelease.parse("etc/os-release", text).release == (
        ("ID", "debian"), ("PRETTY_NAME", "Debian $HOME"), ("VERSION_CODENAME", "bookworm"), ("VERSION_ID", "12"),
    )  # fmt: skip
    shell = osrelease.parse("etc/os-release", b'ID="$(touch /tmp/x)"\nVERSION_ID=`id`\nPRETTY_NAME="a\\"b\\$c"\n')
    assert dict(shell.release) == {"ID": "$(touch /tmp/x)", "VERSION_ID": "`id`", "PRETTY_NAME": 'a"b$c'}


@pytest.mark.parametrize("content", [b"", b"root:x:0:0:root:/root:/bin/sh\n", b"ID=\x1b[31mred\n", b"ID=" + b"a" * 300])
def test_an_os_release_without_a_usable_id_is_remarked_on(content: bytes) -> None:
    assert osrelease.parse("etc/os-release", content) == Parsed(
        remarks=("it doesn't say which operating system this is",)
    )


def test_no_format_fails_on_rubbish() -> None:
    for format_ in FORMATS:
        for content in (b"", b"\0" * 600, b"\xff\xfe" * 300, b"PK\3\4" + b"\xff" * 100, b": \n" * 50, b"{" * 2000):
            for whole in (True, False):
                assert format_.parse("var/lib/dpkg/status", content, whole=whole).packages == ()


def test_an_apk_database_with_an_endless_field_is_damaged_though_its_records_are_read() -> None:
    text = b"P:musl\nV:1.2.5-r0\nD:" + b"so:x " * 300_000 + b"\n\nP:zlib\nV:1.3.1-r1\n\n"
    parsed = apk.parse(INSTALLED, text)
    assert [each.name for each in parsed.packages] == ["musl", "zlib"]
    assert parsed.remarks == ("the package database is damaged: a field of it is longer than 1,048,576 bytes",)


def test_an_apk_database_that_is_not_utf8_anywhere_is_damaged() -> None:
    parsed = apk.parse(INSTALLED, b"P:musl\nV:1.2.5-r0\nm:Ren\xe9 <r@example.org>\n\n")
    assert [each.name for each in parsed.packages] == ["musl"]
    assert parsed.remarks == ("the package database is damaged: line 3 is not UTF-8",)
    # The same name as Alpine writes it.
    assert apk.parse(INSTALLED, "P:musl\nV:1.2.5-r0\nm:René <r@example.org>\n\n".encode()).remarks == ()
