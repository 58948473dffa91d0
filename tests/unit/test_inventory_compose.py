"""Composition: what an image of several layers shows (image-spec, "layer")."""

import pytest
from inventory_layers import (
    debian,
    dpkg_record,
    file,
    folder,
    hard_link,
    header,
    layer,
    metadata,
    opaque,
    python_package,
    symlink,
    whiteout,
)  # fmt: skip

from assay.inventory import Component, LayerPart, compose
from assay.inventory.compose import Composition, shortened
from assay.inventory.gather import Gathering
from assay.inventory.part import unread
from assay.oci import Digest

BASE = layer(debian(dpkg_record("tzdata", "2024a-0+deb12u1"), dpkg_record("libssl3", "3.0.9-1", source="openssl")))
TZDATA = Component("Debian:12", "tzdata", "2024a-0+deb12u1", "amd64")
LIBSSL = Component("Debian:12", "libssl3", "3.0.9-1", "amd64", "openssl", "3.0.9-1")
CURL = Component("Debian:12", "curl", "7.88.1-10", "amd64")


def pypi(name: str, version: str) -> Component:
    return Component("PyPI", name, version)


def found(*parts: LayerPart) -> set[tuple[str, str]]:
    return {(component.name, component.version) for component in compose(parts).components}


def test_a_single_layer_shows_its_packages() -> None:
    composition = compose([BASE])
    assert composition.ecosystem == "Debian:12"
    assert composition.system == "Debian GNU/Linux 12 (bookworm)"
    assert composition.components == {TZDATA, LIBSSL}
    assert composition.levels == (frozenset({TZDATA, LIBSSL}),)
    assert composition.complete
    assert [(seen.component, seen.path, seen.layer, seen.layer_digest) for seen in composition.occurrences] == [
        (LIBSSL, "var/lib/dpkg/status", 0, BASE.digest),
        (TZDATA, "var/lib/dpkg/status", 0, BASE.digest),
    ]


def test_a_package_belongs_to_the_lowest_layer_that_listed_it_in_the_same_version() -> None:
    # An upper layer that installs curl and upgrades nothing lists the whole database again.
    records = dpkg_record("tzdata", "2024a-0+deb12u1"), dpkg_record("libssl3", "3.0.11-1", source="openssl")
    upper = layer(file("var/lib/dpkg/status", "".join(records) + dpkg_record("curl", "7.88.1-10")))
    composition = compose([BASE, layer(file("srv/x")), upper])
    newer = Component("Debian:12", "libssl3", "3.0.11-1", "amd64", "openssl", "3.0.11-1")
    assert composition.levels == (frozenset({TZDATA}), frozenset(), frozenset({newer, CURL}))
    assert {seen.component.name: seen.layer for seen in composition.occurrences} == {
        "tzdata": 0,
        "libssl3": 2,
        "curl": 2,
    }


def test_a_component_of_two_layers_belongs_to_the_lower_one() -> None:
    composition = compose([layer(python_package("a", "six", "1.16.0")), layer(python_package("b", "six", "1.16.0"))])
    assert composition.levels == (frozenset({pypi("six", "1.16.0")}), frozenset())
    assert [(seen.path, seen.layer) for seen in composition.occurrences] == [
        ("a/six-1.16.0.dist-info/METADATA", 0),
        ("b/six-1.16.0.dist-info/METADATA", 1),
    ]


@pytest.mark.parametrize(
    "upper",
    [
        whiteout("opt/lib/six-1.0.dist-info/METADATA"),
        whiteout("opt/lib/six-1.0.dist-info"),
        whiteout("opt"),
        opaque("opt/lib"),
        opaque("opt"),
        file(".wh..wh..opq"),
        file("opt/lib", "now a file"),
        symlink("opt", "elsewhere"),
        header(b"opt/lib/six-1.0.dist-info", flag=b"6"),
        file("opt/lib/six-1.0.dist-info/METADATA", "no longer a package"),
        file("opt/lib/six-1.0.dist-info/METADATA/below", "now a folder"),
        folder("opt/lib/six-1.0.dist-info/METADATA"),
    ],
)
def test_an_upper_layer_hides_what_it_removes_or_replaces(upper: bytes) -> None:
    lower = layer(python_package("opt/lib", "six", "1.0"), python_package("srv", "idna", "2.5"))
    assert ("six", "1.0") not in found(lower, layer(upper, python_package("new", "attrs", "20")))
    assert ("attrs", "20") in found(lower, layer(upper, python_package("new", "attrs", "20")))


@pytest.mark.parametrize(
    "upper",
    [
        whiteout("opt/lib/never-was"),
        whiteout("opt/li"),
        folder("opt/lib"),
        file("opt/lib/other", "beside it"),
        opaque("opt/lib/other"),
        file("op", "x"),
    ],
)
def test_an_upper_layer_hides_nothing_else(upper: bytes) -> None:
    assert found(layer(python_package("opt/lib", "six", "1.0")), layer(upper)) == {("six", "1.0")}


def test_a_whiteout_does_not_hide_its_own_layers_files() -> None:
    lower = layer(python_package("opt", "six", "1.0"))
    new = python_package("opt", "six", "2.0")
    assert found(lower, layer(opaque("opt"), new)) == {("six", "2.0")}
    assert found(lower, layer(new, opaque("opt"))) == {("six", "2.0")}
    again = python_package("opt", "six", "1.0")
    assert found(lower, layer(whiteout("opt/six-1.0.dist-info"), again)) == {("six", "1.0")}


def test_what_was_removed_can_come_back() -> None:
    package = python_package("opt", "six", "1.0")
    assert found(layer(package), layer(whiteout("opt")), layer(package)) == {("six", "1.0")}


def test_os_release_of_the_upper_layer_decides_and_etc_comes_before_usr_lib() -> None:
    newer = file("usr/lib/os-release", 'ID=debian\nVERSION_ID="11"\n')
    assert compose([BASE, layer(newer)]).ecosystem == "Debian:12"
    assert compose([BASE, layer(newer, whiteout("etc/os-release"))]).ecosystem == "Debian:11"
    assert compose([BASE, layer(file("etc/os-release", 'ID=debian\nVERSION_ID="13"\n'))]).ecosystem == "Debian:13"


def test_os_release_may_be_a_link_as_distributions_make_it() -> None:
    linked = symlink("etc/os-release", "../usr/lib/os-release") + file(
        "usr/lib/os-release", "ID=alpine\nVERSION_ID=3.20.3\n"
    )
    composition = compose([layer(linked, file("lib/apk/db/installed", "P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\n\n"))])
    assert composition.ecosystem == "Alpine:v3.20"
    assert composition.components == {Component("Alpine:v3.20", "musl", "1.2.5-r0", "x86_64", "musl")}
    assert composition.complete


def test_distroless_control_files_are_a_database_each_file_a_package() -> None:
    lower = layer(
        file("usr/lib/os-release", "ID=debian\nVERSION_ID=12\n"),
        file("var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 1\nArchitecture: all\n"),
        file("var/lib/dpkg/status.d/tzdata.md5sums", "0  usr/share/zoneinfo/UTC\n"),
    )
    upper = layer(
        file("var/lib/dpkg/status.d/libc6", "Package: libc6\nVersion: 2\nSource: glibc\nArchitecture: amd64\n")
    )
    composition = compose([lower, upper])
    assert {(c.name, c.source) for c in composition.components} == {("tzdata", "tzdata"), ("libc6", "glibc")}
    assert composition.complete
    assert [len(level) for level in composition.levels] == [1, 1]


def test_python_files_that_a_distribution_package_installed_are_owned_and_not_counted() -> None:
    path = "usr/lib/python3/dist-packages/six-1.16.0.egg-info"
    records = dpkg_record("python3-six", "1.16.0-4", source="six")
    owned = layer(
        debian(records),
        file(path, metadata("six", "1.16.0")),
        file("var/lib/dpkg/info/python3-six.list", f"/usr\n/{path}\n"),
    )
    composition = compose([owned])
    (seen,) = [seen for seen in composition.occurrences if seen.component == pypi("six", "1.16.0")]
    assert seen.owner == "python3-six"
    assert composition.components == {Component("Debian:12", "python3-six", "1.16.0-4", "amd64", "six", "1.16.0-4")}
    # The same version installed by pip elsewhere counts, and so does another version over the distribution's.
    pip = layer(python_package("usr/local/lib/python3.11/site-packages", "six", "1.16.0"))
    assert pypi("six", "1.16.0") in compose([owned, pip]).components
    assert pypi("six", "1.16.0") not in compose([owned, layer(file(path, metadata("six", "1.16.0")))]).components
    assert pypi("six", "1.15.0") in compose([owned, layer(file(path, metadata("six", "1.15.0")))]).components
    lists = file("var/lib/dpkg/info/python3-six.list", f"/{path}\n")
    upgraded = layer(file(path, metadata("six", "1.17.0")), lists)
    assert pypi("six", "1.17.0") not in compose([owned, upgraded]).components


def test_a_package_that_is_no_longer_installed_owns_nothing() -> None:
    path = "usr/lib/python3/dist-packages/six-1.16.0.egg-info"
    lists = file("var/lib/dpkg/info/python3-six.list", f"/{path}\n")
    composition = compose([layer(debian(dpkg_record("tzdata", "1")), file(path, metadata("six", "1.16.0")), lists)])
    assert pypi("six", "1.16.0") in composition.components


def test_without_a_known_release_nothing_is_left_to_the_distribution() -> None:
    path = "usr/lib/python3/dist-packages/six-1.16.0.egg-info"
    part = layer(
        file("etc/os-release", "ID=raspbian\nVERSION_ID=11\n"),
        file("var/lib/dpkg/status", dpkg_record("python3-six", "1")),
        file(path, metadata("six", "1.16.0")), file("var/lib/dpkg/info/python3-six.list", f"/{path}\n"),
    )  # fmt: skip
    composition = compose([part])
    assert pypi("six", "1.16.0") in composition.components
    assert composition.reasons == ("no advisories are known for raspbian 11",)


def test_apk_owns_what_it_lists() -> None:
    path = "usr/lib/python3.12/site-packages/six-1.16.0.dist-info"
    database = f"P:py3-six\nV:1.16.0-r9\nA:noarch\no:py3-six\nF:{path}\nR:METADATA\n\n"
    part = layer(
        file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.3\n"), file("lib/apk/db/installed", database),
        file(f"{path}/METADATA", metadata("six", "1.16.0")),
    )  # fmt: skip
    assert {seen.component.name: seen.owner for seen in compose([part]).occurrences} == {
        "py3-six": "",
        "six": "py3-six",
    }


@pytest.mark.parametrize("name", ["Django", "django", "DJANGO"])
def test_python_names_are_one_however_spelled_and_the_spelling_stays(name: str) -> None:
    composition = compose([layer(python_package("opt", name, "3.2"))])
    assert composition.components == {pypi("django", "3.2")}
    assert composition.occurrences[0].spelled == name


class TestLinks:
    """Links to package files, within a layer and across layers."""

    SIX = "opt/six-1.0.dist-info/METADATA"

    def show(self, *layers: bytes) -> Composition:
        """Compose, reading what links lead to as a caller does."""
        parts = [layer(entries) for entries in layers]
        for _ in range(8):
            asked = Gathering(parts).asked
            for at, names in asked.items():
                parts[at] = layer(layers[at], asked={**dict(parts[at].asked), **names})
            if not asked:
                break
        return compose(parts)

    @pytest.mark.parametrize(
        "layers",
        [
            (file("src", metadata("six", "1.0")) + hard_link(SIX, "src"),),
            (hard_link(SIX, "src") + file("src", metadata("six", "1.0")),),
            (file("src", metadata("six", "1.0")) + symlink(SIX, "../../src"),),
            (file("src", metadata("six", "1.0")) + symlink(SIX, "/src"),),
            (file("src", metadata("six", "1.0")), symlink(SIX, "/src")),
            (symlink(SIX, "/src"), file("src", metadata("six", "1.0"))),
            (file("src", metadata("six", "1.0")), hard_link(SIX, "src")),
            (file("a/src", metadata("six", "1.0")), symlink("b", "a") + symlink(SIX, "../../b/src")),
            (file("src", metadata("six", "1.0")) + hard_link("mid", "src"), symlink(SIX, "/mid")),
            (file("src", metadata("six", "1.0")) + hard_link(SIX, "src"), whiteout("src")),
            (file("src", metadata("six", "1.0")) + hard_link(SIX, "src"), file("src", "something else")),
        ],
    )  # fmt: skip
    def test_a_linked_metadata_file_is_read_where_the_link_leads(self, layers: tuple[bytes, ...]) -> None:
        composition = self.show(*layers)
        assert [(seen.component, seen.path) for seen in composition.occurrences] == [(pypi("six", "1.0"), self.SIX)]
        assert composition.complete

    @pytest.mark.parametrize(
        "layers",
        [
            (symlink(SIX, "../../nowhere"),),
            (symlink(SIX, "METADATA"),),
            (symlink("a", "b") + symlink("b", "a") + symlink(SIX, "/a"),),
            (hard_link(SIX, "nowhere"),),
            (file("src", metadata("six", "1.0")) + symlink(SIX, "/src"), whiteout("src")),
            (folder("src") + symlink(SIX, "/src"),),
            (file("src", metadata("six", "1.0")) + hard_link(SIX, "src"), whiteout(SIX)),
        ],
    )
    def test_a_link_that_leads_nowhere_shows_nothing(self, layers: tuple[bytes, ...]) -> None:
        assert self.show(*layers, python_package("opt", "attrs", "20")).components == {pypi("attrs", "20")}

    def test_what_a_link_leads_to_is_listed_once(self) -> None:
        real = python_package("real", "six", "1.0")
        assert len(self.show(real + symlink("ln", "real")).occurrences) == 1
        assert len(self.show(real + symlink(self.SIX, "../../real/six-1.0.dist-info/METADATA")).occurrences) == 1

    def test_a_database_is_found_through_a_linked_folder(self) -> None:
        moved = file("usr/share/db/status", dpkg_record("tzdata", "2024a-0+deb12u1"))
        system = file("etc/os-release", "ID=debian\nVERSION_ID=12\n")
        composition = self.show(system + moved + symlink("var/lib/dpkg", "../../usr/share/db"))
        assert composition.components == {TZDATA}
        assert composition.complete

    def test_links_are_followed_inside_the_image_only(self) -> None:
        hosts = symlink("var/lib/dpkg/status", "/etc/passwd") + symlink("etc/os-release", "../../../../etc/hostname")
        image = file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n") + file("etc/hostname", "localhost\n")
        composition = self.show(image + hosts)
        assert composition.components == frozenset()
        assert not composition.complete

    def test_a_layer_that_writes_through_a_lower_link_lands_where_it_leads(self) -> None:
        merged = folder("usr/lib") + symlink("lib", "usr/lib")
        composition = self.show(merged, python_package("lib", "six", "1.0"))
        assert [seen.path for seen in composition.occurrences] == ["usr/lib/six-1.0.dist-info/METADATA"]
        lower = merged + python_package("usr/lib", "six", "1.0")
        replaced = self.show(lower, file("lib/six-1.0.dist-info/METADATA", metadata("six", "2.0")))
        assert replaced.components == {pypi("six", "2.0")}
        assert self.show(lower, whiteout("lib/six-1.0.dist-info")).components == frozenset()

    def test_a_folder_in_place_of_a_lower_link_is_a_folder_of_its_own(self) -> None:
        lower = folder("usr/lib") + symlink("lib", "usr/lib")
        composition = self.show(lower, folder("lib") + python_package("lib", "six", "1.0"))
        assert [seen.path for seen in composition.occurrences] == ["lib/six-1.0.dist-info/METADATA"]


def reasons(*parts: LayerPart) -> str:
    composition = compose(parts)
    assert composition.complete is not bool(composition.reasons)
    return " | ".join(composition.reasons)


def test_a_deleted_database_is_seen_and_said() -> None:
    said = reasons(BASE, layer(whiteout("var/lib/dpkg")))
    assert f"an upper layer removes or replaces the package database of layer 1 ({BASE.digest.encoded[:12]})" in said
    everything = layer(whiteout("var/lib/dpkg"), whiteout("etc/os-release"), python_package("opt", "six", "1.0"))
    assert "an upper layer removes or replaces the package database" in reasons(BASE, everything)


def test_a_system_without_a_database_is_said() -> None:
    system = file("etc/os-release", "ID=debian\nVERSION_ID=12\n")
    assert "there is no package database" in reasons(layer(system))
    assert "lists none that can be read" in reasons(layer(system, file("var/lib/dpkg/status", "")))
    assert "a fifo, which isn't read" in reasons(layer(system, header(b"var/lib/dpkg/status", flag=b"6")))


def test_a_database_without_a_system_is_said() -> None:
    said = reasons(layer(file("var/lib/dpkg/status", dpkg_record("a", "1"))))
    assert said == "it isn't known of which release the packages in its dpkg database are"


def test_a_database_that_is_not_read_is_said() -> None:
    part = layer(file("var/lib/rpm/rpmdb.sqlite", "x"), file("etc/os-release", "ID=ol\nVERSION_ID=8.5\n"))
    assert "var/lib/rpm/rpmdb.sqlite is a package database of a kind that isn't read" in reasons(part)
    moved = layer(symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm"), file("usr/lib/sysimage/rpm/Packages.db", "x"))
    assert "usr/lib/sysimage/rpm/Packages.db is a package database" in reasons(moved)


def test_an_image_in_which_nothing_is_known_is_never_called_complete() -> None:
    assert "no package information was found in it" in reasons(layer(file("app", b"\x7fELF")))
    assert reasons() == ""
    assert reasons(layer()) == ""


def test_problems_of_a_layer_are_said_as_long_as_the_image_shows_them() -> None:
    broken = layer(file("srv/node_modules/x/package.json", "{"), header(b"srv/node_modules/y/package.json", flag=b"6"))
    assert "layer 2" in reasons(BASE, broken)
    assert "srv/node_modules/x/package.json: not JSON" in reasons(BASE, broken)
    assert "srv/node_modules/y/package.json: a fifo" in reasons(BASE, broken)
    assert reasons(BASE, broken, layer(whiteout("srv"))) == ""


def test_a_layer_that_was_not_read_leaves_the_image_incomplete() -> None:
    missing = unread(Digest.of(b"gone"), 12345, "its blob isn't stored here")
    composition = compose([BASE, missing])
    assert composition.components == {TZDATA, LIBSSL}
    assert composition.reasons == (f"layer 2 ({missing.digest.encoded[:12]}): its blob isn't stored here",)


def test_many_reasons_are_counted() -> None:
    parts = [BASE] + [unread(Digest.of(b"%d" % number), 0, "gone") for number in range(60)]
    said = compose(parts).reasons
    assert len(said) == 51
    assert said[-1] == "and 10 more"


def test_a_long_reason_is_cut_between_words_with_an_ellipsis() -> None:
    assert shortened("one two three", 13) == "one two three"
    assert shortened("one two three", 12) == "one two…"
    assert shortened("one two, three", 10) == "one two…"
    assert shortened("x" * 20, 10) == "x" * 9 + "…"
