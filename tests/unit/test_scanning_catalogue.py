"""What an image holds, over its layers and platforms."""

import pytest

from assay.errors import Corrupt, Refused, Unavailable
from assay.inventory import Component, Composition, Occurrence
from assay.oci import Digest, Platform
from assay.registry.model import PlatformManifest
from assay.scanning.catalogue import DEPTH_MAX, Catalogue, catalogue, path_of, unreadable
from assay.scanning.risk import ScanState

A, B, C, D = (Component("PyPI", name, "1") for name in "abcd")
LAYERS = tuple(Digest.of(name.encode()) for name in ("base", "middle", "app"))


def platform(architecture: str) -> PlatformManifest:
    digest = Digest.of(architecture.encode())
    named = Platform("linux", architecture) if architecture else None
    return PlatformManifest(digest, named, Digest.of(b"config"), ())


def composed(*levels: set[Component], owner: str = "", reasons: tuple[str, ...] = ()) -> Composition:
    occurrences = tuple(
        Occurrence(each, f"{each.name}.dist-info/METADATA", layer, LAYERS[layer], each.name, owner=owner)
        for layer, level in enumerate(levels)
        for each in sorted(level)
    )
    frozen = tuple(frozenset(() if owner else level) for level in levels)
    return Composition("", "", frozenset().union(*frozen), frozen, occurrences, reasons)


def test_the_levels_of_one_platform_are_its_layers_without_the_empty_ones() -> None:
    assert path_of([[frozenset({A}), frozenset(), frozenset({B, C})]]) == (frozenset({A}), frozenset({B, C}))


def test_a_component_that_two_platforms_share_is_there_once_at_its_lowest_level() -> None:
    amd64 = [frozenset({A}), frozenset({B})]
    arm64 = [frozenset({B, C}), frozenset({D, A})]
    assert path_of([amd64, arm64]) == (frozenset({A, B, C}), frozenset({D}))


def test_platforms_of_one_base_share_their_first_level_with_other_images_of_it() -> None:
    one = path_of([[frozenset({A}), frozenset({C})], [frozenset({B}), frozenset({C})]])
    other = path_of([[frozenset({A}), frozenset({D})], [frozenset({B})]])
    assert one[0] == other[0] == frozenset({A, B})


def test_many_layers_are_merged_into_the_last_level() -> None:
    each = [frozenset({Component("PyPI", f"p{number}", "1")}) for number in range(130)]
    path = path_of([each])
    assert len(path) == DEPTH_MAX
    assert path[: DEPTH_MAX - 1] == tuple(each[: DEPTH_MAX - 1])
    assert path[-1] == frozenset().union(*each[DEPTH_MAX - 1 :])


def test_an_image_without_components_has_one_empty_level() -> None:
    assert path_of([[frozenset(), frozenset()]]) == (frozenset(),)
    assert path_of([]) == (frozenset(),)


def test_levels_that_share_a_component_are_refused() -> None:
    with pytest.raises(Refused, match="share a component"):
        Catalogue((frozenset({A}), frozenset({A})), (), ScanState.COMPLETE)


def test_places_keep_platform_and_layer() -> None:
    found = catalogue([platform("amd64"), platform("arm64")], lambda _: composed({A}, {B}))
    assert found.state is ScanState.COMPLETE
    assert [(each.platform_number, each.platform, each.position, each.layer) for each in found.layers] == [
        (0, "linux/amd64", 0, LAYERS[0].text),
        (0, "linux/amd64", 1, LAYERS[1].text),
        (1, "linux/arm64", 0, LAYERS[0].text),
        (1, "linux/arm64", 1, LAYERS[1].text),
    ]
    assert found.layers[0].places == ((A, "a.dist-info/METADATA"),)


def test_what_a_distributions_package_owns_is_not_matched_a_second_time() -> None:
    found = catalogue([platform("")], lambda _: composed({A}, owner="python3-a"))
    assert found.levels == (frozenset(),)
    assert found.layers == ()


def test_what_cannot_be_read_makes_it_partial_with_the_reason() -> None:
    found = catalogue([platform("")], lambda _: composed({A}, reasons=("layer 2 was cut off",)))
    assert (found.state, found.reason) == (ScanState.PARTIAL, "layer 2 was cut off")


def test_stored_bytes_that_lie_are_a_reason_not_a_crash() -> None:
    def compose(_: PlatformManifest) -> Composition:
        raise Corrupt("the stored layer is not what its digest says")

    found = catalogue([platform("")], compose)
    assert (found.state, found.reason) == (ScanState.FAILED, "the stored layer is not what its digest says")


def test_a_platform_that_is_refused_leaves_the_others_and_is_told() -> None:
    def compose(each: PlatformManifest) -> Composition:
        if each.platform == Platform("linux", "arm64"):
            raise Refused("no layer could be read")
        return composed({A})

    found = catalogue([platform("amd64"), platform("arm64")], compose)
    assert (found.state, found.reason) == (ScanState.PARTIAL, "linux/arm64: no layer could be read")
    assert found.levels == (frozenset({A}),)


def test_when_nothing_could_be_read_it_has_failed() -> None:
    def compose(_: PlatformManifest) -> Composition:
        raise Refused("no layer could be read")

    assert catalogue([platform("")], compose).state is ScanState.FAILED
    assert catalogue([], compose).state is ScanState.FAILED
    assert unreadable("no manifest").state is ScanState.FAILED


def test_a_flood_of_components_is_cut_off_from_above_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.scanning.catalogue.COMPONENTS_MAX", 3)
    found = catalogue([platform("")], lambda _: composed({A, B}, {C, D}))
    assert found.levels == (frozenset({A, B}), frozenset({C}))
    assert (found.state, found.reason) == (ScanState.PARTIAL, "it holds 4 components, of which 3 are matched")
    assert [component for layer in found.layers for component, _ in layer.places] == [A, B, C]


def test_a_supply_that_fails_is_no_result() -> None:
    def compose(_: PlatformManifest) -> Composition:
        raise Unavailable("the disk is gone")

    with pytest.raises(Unavailable):
        catalogue([platform("")], compose)


def test_reasons_for_which_there_is_no_room_are_counted_and_none_is_cut_within() -> None:
    each = "a layer could not be read " + "x" * 374
    platforms = [platform("")] * 9

    def fails(_: PlatformManifest) -> Composition:
        raise Refused(each)

    said = catalogue(platforms, fails).reason.split("\n")
    assert said == [each] * 4 + ["and 5 more reasons"]
