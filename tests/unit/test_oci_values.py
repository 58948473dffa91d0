"""OCI words refuse bad input when they are made."""

import pytest

from assay.errors import Reason, Refused
from assay.oci import Digest, Reference, repository_name, strict_json, tag_name

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # sha256sum /dev/null


def test_the_digest_of_nothing_is_the_one_that_sha256sum_prints() -> None:
    assert Digest.of(b"").text == EMPTY
    assert Digest(EMPTY).matches(b"")
    assert not Digest(EMPTY).matches(b"x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        EMPTY[:-1],
        EMPTY + "0",
        EMPTY.upper(),
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        EMPTY + "\n",
        "sha256",
    ],
)
def test_what_is_no_digest_is_refused_as_such(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        Digest(text)
    assert refusal.value.reason is Reason.DIGEST_INVALID


@pytest.mark.parametrize(
    ("text", "host", "name", "tag", "digest"),
    [
        ("127.0.0.1:5000/ns/app:v1", "127.0.0.1:5000", "ns/app", "v1", None),
        ("reg.example.com/ns/app", "reg.example.com", "ns/app", "", None),
        ("localhost/app:v1", "localhost", "app", "v1", None),
        ("library/nginx", "", "library/nginx", "", None),
        ("nginx:1", "", "nginx", "1", None),
        (f"reg.example.com/a:v1@{EMPTY}", "reg.example.com", "a", "v1", EMPTY),
        ("Reg.Example.COM./a", "Reg.Example.COM.", "a", "", None),
    ],
)
def test_a_reference_is_taken_apart_as_written(text: str, host: str, name: str, tag: str, digest: str | None) -> None:
    reference = Reference.parse(text)
    assert (reference.host, reference.name, reference.tag) == (host, name, tag)
    assert (reference.digest.text if reference.digest else None) == digest
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " nginx",
        "nginx ",
        "reg.example.com/App:v1",
        "user@reg.example.com/app",
        f"reg.example.com/a@{EMPTY}@{EMPTY}",
        "reg.example.com/a:",
        "reg.example.com/a@",
        "reg.example.com//a",
        "reg.example.com/a\x00b",
        "reg.example.com/a\n",
        "reg.example.com/\u0430pp",  # a Cyrillic letter
        "reg..example.com/a",
        "reg.example.com:/a",
    ],
)
def test_a_reference_in_any_doubtful_spelling_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        Reference.parse(text)


@pytest.mark.parametrize("name", ["a", "a/b", "a.b_c__d-e--f/g", "0/1"])
def test_repository_names_of_the_specification_pass(name: str) -> None:
    assert repository_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "a//b", "/a", "a/", ".a", "a..b", "a___b", "-a", "a" * 256, "a/../b"])
def test_other_repository_names_are_refused(name: str) -> None:
    with pytest.raises(Refused):
        repository_name(name)


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a" * 129, "a b", "a/b"])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(Refused):
        tag_name(tag)


def test_json_within_the_limits_is_read() -> None:
    assert strict_json(b'{"a": [1, "]}\\"[["]}', size_max=100, depth_max=2) == {"a": [1, ']}"[[']}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a":1,"a":2}', Reason.UNPARSABLE),
        (b"[[[1]]]", Reason.UNPARSABLE),
        (b"[" * 100_000, Reason.UNPARSABLE),
        (b"NaN", Reason.UNPARSABLE),
        (b'"\xff"', Reason.UNPARSABLE),
        (b"{}{}", Reason.UNPARSABLE),
        (b" " * 200_001, Reason.TOO_LARGE),
    ],
)
def test_json_of_two_readings_or_beyond_the_limits_is_refused(content: bytes, reason: Reason) -> None:
    with pytest.raises(Refused) as refusal:
        strict_json(content, size_max=200_000, depth_max=2)
    assert refusal.value.reason is reason


def test_a_number_of_more_digits_than_any_means_is_refused_in_words_of_documents() -> None:
    assert strict_json(b"1" * 1_000, size_max=9_999) == int("1" * 1_000)
    with pytest.raises(Refused) as refusal:
        strict_json(b"1" * 1_001, size_max=9_999)
    assert "a number has 1,001 digits, of which at most 1,000 are read" in refusal.value.message


@pytest.mark.parametrize("text", [r'"\ud800"', r'{"a": ["\udfff x"]}', r'{"\uDBFF": 1}'])
def test_half_of_a_surrogate_pair_is_no_text(text: str) -> None:
    """RFC 8259, section 8.2."""
    with pytest.raises(Refused, match="is not JSON"):
        strict_json(text.encode(), size_max=100)


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert strict_json(rb'"\ud83d\ude00"', size_max=100) == "\N{GRINNING FACE}"
