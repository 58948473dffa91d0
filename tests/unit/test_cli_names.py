"""Images as people write them."""

import pytest

from assay.cli.names import ImageName
from assay.cli.vaults import Shape
from assay.errors import Refused

NAMESPACE = "abcdefghijkl"
HOSTS = {"registry.example", "127.0.0.1:5080"}
DIGEST = "sha256:" + "a" * 64


def parsed(text: str) -> tuple[str, str, str]:
    name = ImageName.parse(text, NAMESPACE, HOSTS)
    return name.repository, name.tag, str(name.digest or "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop/cart:1.0", ("shop/cart", "1.0", "")),
        ("cart", ("cart", "", "")),
        (f"shop/cart@{DIGEST}", ("shop/cart", "", DIGEST)),
        (f"shop/cart:1.0@{DIGEST}", ("shop/cart", "1.0", DIGEST)),
        (f"{NAMESPACE}/shop/cart:1.0", ("shop/cart", "1.0", "")),
        (f"127.0.0.1:5080/{NAMESPACE}/shop/cart:1.0", ("shop/cart", "1.0", "")),
        ("registry.example/shop/cart:1.0", ("shop/cart", "1.0", "")),
        (f"{NAMESPACE}x/cart:1.0", (f"{NAMESPACE}x/cart", "1.0", "")),
    ],
)
def test_host_and_namespace_may_be_left_out(text: str, expected: tuple[str, str, str]) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize("text", ["docker.io/library/nginx:1", "registry.example:5000/shop/cart:1", "localhost/cart:1"])
def test_an_image_of_another_registry_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"is an image of .*, not of 127\.0\.0\.1:5080, registry\.example"):
        parsed(text)


@pytest.mark.parametrize(
    "text", ["", "Shop/cart", "shop//cart", "shop/cart:", f"shop/cart@{DIGEST[:-1]}", "a b", NAMESPACE + "/"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parsed(text)


def test_a_digest_decides_instead_of_a_tag() -> None:
    assert ImageName.parse(f"cart:1.0@{DIGEST}", NAMESPACE, HOSTS).version == DIGEST


def test_no_tag_is_guessed() -> None:
    with pytest.raises(Refused, match="'cart' names a repository, not an image of it"):
        ImageName.parse("cart", NAMESPACE, HOSTS).require_version()


@pytest.mark.parametrize(
    ("shape", "wire"),
    [
        # Lengths in bytes, as the KMS API's KeyShape has them: 521 bits are 66 bytes.
        (Shape.RSA_2048, {"algorithm": "RSA", "length": 256}),
        (Shape.RSA_3072, {"algorithm": "RSA", "length": 384}),
        (Shape.RSA_4096, {"algorithm": "RSA", "length": 512}),
        (Shape.ECDSA_P256, {"algorithm": "ECDSA", "length": 32, "curveId": "NIST_P256"}),
        (Shape.ECDSA_P384, {"algorithm": "ECDSA", "length": 48, "curveId": "NIST_P384"}),
        (Shape.ECDSA_P521, {"algorithm": "ECDSA", "length": 66, "curveId": "NIST_P521"}),
    ],
)
def test_a_shape_says_its_length_in_bytes(shape: Shape, wire: dict[str, object]) -> None:
    assert shape.wire == wire
