"""Seeded fuzzing of references, digests, ranges and manifests: from kept seeds, by mutation and by grammar.

Only a refusal comes out beside values; what is taken is what an independent reading of the specifications takes, and is
the same when it is printed and read again; the work, counted in calls, is bounded by the length.
"""

import json
import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from assay.errors import Reason, Refused
from assay.http.ranges import Span, chunk_start, requested_span
from assay.oci import SIZE_END, Descriptor, Digest, Reference, repository_name, tag_name
from assay.registry.manifests import CHILDREN_MAX, LAYERS_MAX, VALUES_MAX, Manifest, read_manifest

CASES = 50_000 if os.environ.get("ASSAY_TEST_SIZE") == "full" else 800
SEEDS = range(4)
FOLDER = Path(__file__).parents[1] / "data" / "registry"
TEXTS: dict[str, dict[str, Any]] = json.loads((FOLDER / "texts.json").read_text())
DOCUMENTS = {path.name: path.read_bytes() for path in sorted((FOLDER / "manifests").iterdir())}
REASONS = {Reason.MANIFEST_INVALID, Reason.DIGEST_INVALID, Reason.MEDIA_TYPE, Reason.TOO_LARGE}

# The specifications' own expressions, as they print them.
HEX = {"sha256": 64, "sha512": 128}
SPEC_DIGEST = re.compile(r"(?P<algorithm>[a-z0-9]+(?:[+._-][a-z0-9]+)*):(?P<encoded>[a-zA-Z0-9=_-]+)")  # image-spec
SPEC_ENCODED = re.compile(r"[a-f0-9]+")  # image-spec, "Registered algorithms"
SPEC_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")  # distribution-spec, "Pulling manifests"
SPEC_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
SPEC_MEDIA_TYPE = r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$"  # RFC 6838, 4.2

_DESCRIPTOR = {
    "type": "object",
    "required": ["mediaType", "digest", "size"],
    "properties": {
        "mediaType": {"type": "string", "pattern": SPEC_MEDIA_TYPE},
        "digest": {"type": "string", "pattern": r"^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$"},
        "size": {"type": "integer", "minimum": 0, "maximum": 9223372036854775807},
        "artifactType": {"type": ["string", "null"]},
        "annotations": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
        "platform": {"type": ["object", "null"]},
    },
}
#: image-spec's schemas, with what the registry asks beyond them: no index that is a manifest, both lists bounded.
SCHEMA = jsonschema_rs.validator_for(
    {
        "type": "object",
        "required": ["schemaVersion"],
        "properties": {
            "schemaVersion": {"const": 2},
            "subject": {"anyOf": [_DESCRIPTOR, {"type": "null"}]},
            "config": _DESCRIPTOR,
            "layers": {"type": "array", "items": _DESCRIPTOR, "maxItems": LAYERS_MAX},
            "manifests": {"type": "array", "items": _DESCRIPTOR, "maxItems": CHILDREN_MAX},
            "annotations": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
        },
        "oneOf": [
            {"required": ["config", "layers"], "not": {"required": ["manifests"]}},
            {"required": ["manifests"], "not": {"anyOf": [{"required": ["layers"]}, {"required": ["config"]}]}},
        ],
    }
)


def is_digest(text: str) -> bool:
    found = SPEC_DIGEST.fullmatch(text)
    if found is None or found["algorithm"] not in HEX:
        return False
    return len(found["encoded"]) == HEX[found["algorithm"]] and SPEC_ENCODED.fullmatch(found["encoded"]) is not None


def is_tag(text: str) -> bool:
    return SPEC_TAG.fullmatch(text) is not None


def is_name(text: str) -> bool:
    return len(text) <= 255 and SPEC_NAME.fullmatch(text) is not None


def value_or_reason(parse: Callable[[], Any]) -> Any:
    try:
        return parse()
    except Refused as refusal:
        return refusal.reason


PARSERS: dict[str, tuple[Callable[[str], Any], Callable[[str], bool]]] = {
    "digests": (Digest, is_digest),
    "tags": (tag_name, is_tag),
    "names": (repository_name, is_name),
}
SIGNS = "abcdef0189AFZ/:@._-+%=&, \t\n\r\x00\\\"'[]{}éß\u0660\uff10\u200b\U0001f4a9"


def mutated(text: str, others: list[str], source: random.Random) -> str:
    """The text with something in it changed, removed, doubled, or taken from another seed."""
    for _ in range(source.choice((0, 1, 1, 2, 4))):
        place, length = source.randint(0, len(text)), source.choice((0, 1, 1, 2, 8, 64))
        insert = source.choice(
            (
                source.choice(SIGNS),
                text[place : place + length],
                source.choice(others)[:70],
                source.choice(SIGNS) * source.choice((1, 2, 63, 64, 255)),
                "",
            )
        )
        text = (text[:place] + insert + text[place + length :])[:2000]
    return text


def seeds_of(kind: str) -> list[str]:
    return TEXTS[kind]["taken"] + TEXTS[kind]["refused"]


@pytest.mark.parametrize("kind", [*PARSERS, "references"])
def test_the_kept_texts_have_their_verdicts(kind: str) -> None:
    parse = Reference.parse if kind == "references" else PARSERS[kind][0]
    for text in TEXTS[kind]["taken"]:
        assert str(parse(text)) == text
    for text in TEXTS[kind]["refused"]:
        assert isinstance(value_or_reason(lambda text=text: parse(text)), Reason), text


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", PARSERS)
def test_digests_tags_and_names_are_those_of_the_specifications(kind: str, seed: int) -> None:
    parse, is_one = PARSERS[kind]
    source, seeds, taken = random.Random(seed), seeds_of(kind), 0
    for _ in range(CASES):
        text = mutated(source.choice(seeds), seeds, source)
        found = value_or_reason(lambda text=text: parse(text))
        assert isinstance(found, Reason) != is_one(text), text
        if not isinstance(found, Reason):
            taken += 1
            assert str(found) == text
    assert CASES / 50 < taken < CASES


def grammatical(source: random.Random) -> str:
    """A reference by its grammar (distribution/reference), now and then with one part that is none."""

    def word(signs: str, low: int, high: int) -> str:
        return "".join(source.choice(signs) for _ in range(source.randint(low, high)))

    def name() -> str:
        parts = [word("abc019", 1, 4) for _ in range(source.randint(1, 5))]
        joints = [source.choice((".", "_", "__", "-", "---", "/", "/", "___", "..", "")) for _ in parts[1:]]
        return parts[0] + "".join(joint + part for joint, part in zip(joints, parts[1:], strict=True))

    host = source.choice(("", "", "r.test/", "localhost/", "r.test:5000/", "[::1]:80/", "R.test:123456/", "r-.test/"))
    tag = source.choice(("", f":{word('aZ0._-', 1, 5)}", ":", f":{word('a', 126, 130)}"))
    digest = source.choice(("", "", f"@sha256:{word('0f', 63, 65)}", "@sha512:" + "0" * 128, "@"))
    return host + name() + tag + digest


@pytest.mark.parametrize("seed", SEEDS)
def test_references_are_made_of_such_parts_and_print_as_they_were_written(seed: int) -> None:
    source, seeds, taken = random.Random(seed), seeds_of("references"), 0
    for _ in range(CASES):
        text = source.choice((grammatical(source), mutated(source.choice(seeds), seeds, source)))
        found = value_or_reason(lambda text=text: Reference.parse(text))
        if isinstance(found, Reason):
            assert not is_plain_reference(text), text
            continue
        taken += 1
        assert str(found) == text
        assert Reference.parse(str(found)) == found
        assert is_name(found.name)
        assert not found.tag or is_tag(found.tag)
        assert found.digest is None or is_digest(found.digest.text)
        assert found.host.isascii()
        assert not set(found.host) & set("/@ \n")
    assert taken > CASES / 50


def is_plain_reference(text: str) -> bool:
    """A reference beyond any doubt: a name, perhaps on localhost or a host of two labels, perhaps tag or digest."""
    rest, at, digest = text.partition("@")
    rest = re.sub(r"\A(?:localhost|[a-z0-9]+\.[a-z0-9]+)(?::[0-9]{1,5})?/", "", rest)
    name, colon, tag = rest.partition(":")
    is_short = len(text) <= 1024 and "." not in name.partition("/")[0] and name.partition("/")[0] != "localhost"
    return is_short and is_name(name) and (not colon or is_tag(tag)) and (not at or is_digest(digest))


def test_the_kept_ranges_and_chunks_have_their_verdicts() -> None:
    for header, verdict in TEXTS["ranges of 10 bytes"].items():
        found = value_or_reason(lambda header=header: requested_span(header, 10))
        expected = Span(*verdict) if isinstance(verdict, list) else verdict and Reason.RANGE_INVALID
        assert found == expected, header
    for header, verdict in TEXTS["chunks of 10 bytes"].items():
        found = value_or_reason(lambda header=header: chunk_start(header, 10))
        assert isinstance(found, Reason) if verdict == "refused" else found == verdict, header


@pytest.mark.parametrize("seed", SEEDS)
def test_ranges_and_chunks_are_those_of_the_specifications(seed: int) -> None:
    source = random.Random(seed)
    ranges, chunks = list(TEXTS["ranges of 10 bytes"]), list(TEXTS["chunks of 10 bytes"])
    for _ in range(CASES):
        size = source.choice((0, 1, 9, 10, 11, 2**40))
        header = mutated(source.choice(ranges), ranges, source)
        assert value_or_reason(lambda header=header, size=size: requested_span(header, size)) == span_of(header, size)
        header, length = mutated(source.choice(chunks), chunks, source), source.choice((None, 0, 1, 10, 11))
        found = value_or_reason(lambda header=header, length=length: chunk_start(header, length))
        chunk = re.fullmatch(r"([0-9]+)-([0-9]+)", header.strip())  # distribution-spec, end-5
        fits = chunk is not None and max(map(len, chunk.groups())) <= 18 and int(chunk[1]) <= int(chunk[2])
        if fits and length is not None:
            fits = int(chunk[2]) - int(chunk[1]) + 1 == length
        assert (found == int(chunk[1])) if fits else found in (Reason.RANGE_INVALID, Reason.SIZE_INVALID), header


def span_of(header: str, size: int) -> Span | Reason | None:
    """What RFC 9110, section 14.1.2, says of a range of one, by the positions that it names."""
    found = re.fullmatch(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))", header.strip(), re.IGNORECASE)
    if found is None:
        return None
    first, last, suffix = found.groups()
    low = max(size - int(suffix), 0) if suffix else int(first)
    high = min(int(last), size - 1) if last else size - 1
    return Span(low, high - low + 1) if low <= high else Reason.RANGE_INVALID


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_kept_manifests_have_their_verdicts(name: str) -> None:
    found = value_or_reason(lambda: read_manifest(DOCUMENTS[name], ""))
    if name.startswith("taken-"):
        assert isinstance(found, Manifest), found
    else:
        assert found in REASONS


def scrambled(content: bytes, others: list[bytes], source: random.Random) -> bytes:
    """The bytes with some of them changed, removed, doubled, or taken from another document."""
    for _ in range(source.choice((0, 1, 1, 2, 5))):
        place, length = source.randint(0, len(content)), source.choice((0, 0, 1, 3, 20, 200))
        other = source.choice(others)
        begin = source.randint(0, len(other))
        token = source.choice(
            (b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"null", b"-1", b"1e999", b"\xff", b"\x00")
        )
        insert = source.choice((b"", token, content[place : place + length], other[begin : begin + length], token * 50))
        content = content[:place] + insert + content[place + length :]
    return content


def printed(manifest: Manifest) -> bytes:
    """A manifest as a document again."""

    def described(each: Descriptor) -> dict[str, Any]:
        platform = asdict(each.platform) if each.platform else None
        return {
            "mediaType": each.media_type, "digest": each.digest.text, "size": each.size, "platform": platform,
            "artifactType": each.artifact_type, "annotations": dict(each.annotations),
        }  # fmt: skip

    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": manifest.media_type}
    if manifest.is_index:
        document["manifests"] = [described(each) for each in manifest.children]
    else:
        assert manifest.config is not None
        document |= {"config": described(manifest.config), "layers": [described(each) for each in manifest.layers]}
    document["subject"] = described(manifest.subject) if manifest.subject else None
    document |= {"annotations": dict(manifest.annotations), "artifactType": manifest.artifact_type}
    return json.dumps(document).encode()


@pytest.mark.parametrize("seed", SEEDS)
def test_manifests_that_are_taken_fit_the_schema_and_print_to_the_same(seed: int) -> None:
    source, documents, taken = random.Random(seed), list(DOCUMENTS.values()), 0
    for _ in range(CASES // 2):
        content = scrambled(source.choice(documents), documents, source)
        found = value_or_reason(lambda content=content: read_manifest(content, ""))
        if isinstance(found, Reason):
            assert found in REASONS
            continue
        taken += 1
        assert SCHEMA.is_valid(json.loads(content)), content
        assert read_manifest(printed(found), "") == found
    assert taken > CASES / 50


def generated(source: random.Random) -> dict[str, Any]:
    """A document that image-spec's schemas describe, of everything that is optional something."""

    def descriptor(media_type: str) -> dict[str, Any]:
        algorithm = source.choice(("sha256", "sha512"))
        found: dict[str, Any] = {
            "mediaType": media_type,
            "digest": f"{algorithm}:{source.randbytes(HEX[algorithm] // 2).hex()}",
            "size": source.choice((0, 1, source.randrange(SIZE_END), SIZE_END - 1)),
        }
        if source.random() < 0.3:
            found["annotations"] = {source.choice(SIGNS): mutated("value", ["x"], source)}
        if source.random() < 0.2:
            found["urls"] = ["https://x.test/"]
        return found

    manifest, index = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json")
    types = ("application/vnd.oci.image.layer.v1.tar", "application/x.y+z", manifest, index)
    listed = [descriptor(source.choice(types)) for _ in range(source.choice((0, 1, 2, 30)))]
    is_index = source.random() < 0.5
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": index if is_index else manifest}
    document |= {"manifests": listed} if is_index else {"config": descriptor("application/x"), "layers": listed}
    if source.random() < 0.4:
        document["subject"] = descriptor(manifest)
    if source.random() < 0.4:
        document["artifactType"] = "application/vnd.example+type"
    return document


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_schema_describes_is_taken_with_all_that_it_says(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(CASES // 4):
        document = generated(source)
        assert SCHEMA.is_valid(document)
        found = read_manifest(json.dumps(document, ensure_ascii=source.random() < 0.5).encode(), "")
        listed = document.get("layers", document.get("manifests"))
        assert [each.digest.text for each in found.layers or found.children] == [each["digest"] for each in listed]
        assert [each.size for each in found.layers or found.children] == [each["size"] for each in listed]


def calls_of(parse: Callable[[], Any]) -> int:
    """How many calls, of Python's or of C's, a parser makes."""
    count = 0

    def counted(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        value_or_reason(parse)
    finally:
        sys.setprofile(None)
    return count


def bombs(length: int) -> Iterator[bytes]:
    """Documents of about so many bytes that cost a careless parser more than their length."""
    good = DOCUMENTS["taken-image.json"][:-1] + b', "x": '
    for unit in (
        b"[",
        b'{"":',
        b'"',
        b"\\",
        b"0,",
        b"[],",
        b"-",
        b" ",
        b'"a":1,',
        b"\\ud83d",
        b"9",
        b"[[[[[[[[]]]]]]]],",
    ):
        yield good + unit * (length // len(unit)) + b"}"
        yield good + b'"' + unit * (length // len(unit)) + b'"}'
        yield unit * (length // len(unit))
    layer = b'{"mediaType":"a/b","digest":"sha256:' + b"0" * 64 + b'","size":1},'
    yield DOCUMENTS["taken-no-layers.json"].replace(b"[]", b"[" + layer * (length // len(layer)) + b"0]")


def test_the_work_on_a_document_is_bounded_by_its_length() -> None:
    for length in (20_000, 40_000, 80_000):
        for content in bombs(length):
            # A few calls for each byte at the very most, whatever it holds.
            calls = calls_of(lambda content=content: read_manifest(content, ""))
            assert calls < 2_000 + 4 * len(content), (content[:300], calls)


def test_the_work_on_a_text_is_bounded_whatever_it_holds() -> None:
    for unit in ("a", "-", "a-", "_", "a.", "/", "a/", ":", "@", "[", "0", "sha256:", "é", "bytes=", "0-"):
        for parse in (Digest, tag_name, repository_name, Reference.parse, lambda text: requested_span(text, 10)):
            text = unit * 20_000
            assert calls_of(lambda parse=parse, text=text: parse(text)) < 60, (parse, unit)


def test_values_beyond_the_limit_are_refused_before_they_are_made() -> None:
    def work(count: int) -> int:
        content = DOCUMENTS["taken-image.json"][:-1] + b', "x": [' + b"{}," * count + b"0]}"
        return calls_of(lambda: read_manifest(content, ""))

    # However many there are: it ends at the limit.
    assert abs(work(VALUES_MAX) - work(3 * VALUES_MAX)) < VALUES_MAX // 10
    assert work(VALUES_MAX) < 5 * VALUES_MAX
