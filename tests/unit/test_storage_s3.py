"""Rules of the object store's adapter: signatures by Amazon's own examples, segments, places."""

from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.clock import Instant
from assay.errors import Reason, Refused
from assay.secret import Secret
from assay.settings import read
from assay.storage.blobs import S3Credentials, S3Place
from assay.storage.blobs.s3_segments import (
    PART_BYTES_MIN,
    PARTS_MAX,
    SEGMENT_BYTES,
    Segment,
    chain,
    dead,
    parts,
    taken_in,
)
from assay.storage.blobs.s3_signature import S3Request, signed_headers, signed_query

#: Amazon S3 API Reference, "Signature Calculations for the Authorization Header" and "Authenticating Requests: Using
#: Query Parameters": the examples' key, time and signatures.
CREDENTIALS = S3Credentials("AKIAIOSFODNN7EXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
NOW = Instant(1_369_353_600_000_000)  # 2013-05-24T00:00:00Z
HOST = "examplebucket.s3.amazonaws.com"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
WELCOME = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"


@pytest.mark.parametrize(
    ("request_", "content_sha256", "signature"),
    [
        (
            S3Request("GET", HOST, "/test.txt", {}, {"Range": "bytes=0-9"}),
            EMPTY,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            S3Request(
                "PUT",
                HOST,
                "/test%24file.text",
                {},
                {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            ),
            WELCOME,
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            S3Request("GET", HOST, "/", {"lifecycle": ""}, {}),
            EMPTY,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            S3Request("GET", HOST, "/", {"prefix": "J", "max-keys": "2"}, {}),
            EMPTY,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["get", "put", "lifecycle", "list"],
)
def test_requests_are_signed_as_in_amazons_examples(request_: S3Request, content_sha256: str, signature: str) -> None:
    headers = signed_headers(request_, CREDENTIALS, "us-east-1", content_sha256, NOW)
    assert headers["authorization"].endswith(f"Signature={signature}")
    assert headers["x-amz-date"] == "20130524T000000Z"


def test_an_address_is_signed_as_in_amazons_example() -> None:
    query = signed_query(S3Request("GET", HOST, "/test.txt", {}, {}), CREDENTIALS, "us-east-1", NOW, 86400)
    members = parse_qs(query)
    assert members["X-Amz-Signature"] == ["aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"]
    assert members["X-Amz-Credential"] == ["AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"]


@pytest.mark.parametrize("seconds", [0, -1, 7 * 24 * 3600 + 1])
def test_an_address_lasts_a_week_at_most(seconds: int) -> None:
    with pytest.raises(Refused):
        signed_query(S3Request("GET", HOST, "/test.txt", {}, {}), CREDENTIALS, "us-east-1", NOW, seconds)


def test_a_lent_key_sends_its_token_signed() -> None:
    lent = S3Credentials(CREDENTIALS.access_key, CREDENTIALS.secret_key, Secret("a token"))
    request = S3Request("GET", HOST, "/test.txt", {}, {})
    headers = signed_headers(request, lent, "us-east-1", EMPTY, NOW)
    assert headers["x-amz-security-token"] == "a token"
    assert "x-amz-security-token" in headers["authorization"]
    assert "X-Amz-Security-Token=a%20token" in signed_query(request, lent, "us-east-1", NOW, 60)
    assert "a token" not in repr(lent)


def linked(*sizes: int) -> list[Segment]:
    made: list[Segment] = []
    for size in sizes:
        made.append(Segment.fresh(made[-1].end if made else 0, size, made[-1] if made else None))
    return made


def unknown(segments: list[Segment], mark: str) -> bool:
    try:
        chain(segments, mark)
    except Refused as refusal:
        return refusal.reason is Reason.UPLOAD_UNKNOWN
    return False


def test_a_chain_goes_back_from_its_mark_whatever_else_was_written() -> None:
    upload = linked(10, 20, 30)
    loser = Segment.fresh(10, 25, upload[0])
    beyond = Segment.fresh(60, 5, upload[2])
    everything = [beyond, loser, *upload]
    assert chain(everything, upload[2].name) == tuple(upload)
    assert chain(everything, loser.name) == (upload[0], loser)
    assert chain(everything, upload[0].name) == (upload[0],)
    assert dead(everything, chain(everything, upload[2].name)) == (loser,)
    assert dead(everything, chain(everything, upload[0].name)) == ()


def test_a_chain_with_a_gap_or_a_made_up_mark_is_an_unknown_upload() -> None:
    upload = linked(10, 20, 30)
    assert unknown([upload[0], upload[2]], upload[2].name)
    assert unknown(upload[:2], upload[2].name)
    shorter = Segment(upload[1].offset, 19, upload[1].identity, upload[1].before)
    assert unknown([upload[0], shorter, upload[2]], upload[2].name)
    for mark in ("", "x", f"{upload[2].name}/../x", upload[2].name.replace("-", "_")):
        assert unknown(upload, mark)


@given(st.lists(st.integers(1, SEGMENT_BYTES), max_size=60))
def test_names_of_segments_say_what_they_are(sizes: list[int]) -> None:
    for segment in linked(*sizes):
        assert Segment.named(segment.name, segment.size) == segment


@pytest.mark.parametrize("name", ["", "publishing-0123456789abcdef", "00000000000000-0123456789abcdef", "x" * 300])
def test_other_objects_of_an_upload_are_no_segments(name: str) -> None:
    assert Segment.named(name, 5) is None
    assert Segment.named("00000000000000-0123456789abcdef-first", 0) is None


@pytest.mark.parametrize("chunk", [1, 1000, 65_536, 1_048_576, 3_000_000, 5_000_000])
def test_an_upload_in_equal_chunks_has_few_segments_and_is_written_few_times(chunk: int) -> None:
    count = min(5000, 60_000_000 // chunk)
    segments: list[Segment] = []
    written = 0
    for _ in range(count):
        size = chunk + sum(each.size for each in segments[len(segments) - taken_in(segments, chunk) :])
        del segments[len(segments) - taken_in(segments, chunk) :]
        assert size <= SEGMENT_BYTES
        segments.append(Segment.fresh(segments[-1].end if segments else 0, size, segments[-1] if segments else None))
        written += size
    assert segments[-1].end == count * chunk
    # Of two neighbours that would fit one segment the first is longer: halving 8 MiB ends after 23 steps.
    assert len(segments) <= 24 + 2 * count * chunk // SEGMENT_BYTES + 1
    assert written <= 24 * count * chunk


@given(
    st.lists(st.one_of(st.just(SEGMENT_BYTES), st.integers(1, SEGMENT_BYTES)), max_size=40),
    st.integers(0, SEGMENT_BYTES - 1),
)
def test_parts_hold_all_segments_in_order_and_none_but_the_last_is_short(sizes: list[int], tail: int) -> None:
    segments = linked(*sizes)
    made = parts(segments, tail)
    assert [segment for part in made for segment in part.segments] == segments
    assert [part.has_tail for part in made if part.has_tail] == ([True] if tail else [])
    for part in made[:-1]:
        length = sum(segment.size for segment in part.segments)
        assert PART_BYTES_MIN <= length < PART_BYTES_MIN + SEGMENT_BYTES
        assert not part.has_tail
    assert all(part.is_copied for part in made if part.segments[0:1] == part.segments and not part.has_tail)


def test_the_longest_blob_by_default_is_copied_in_as_many_parts_as_stores_take() -> None:
    count = 64 * 1024**3 // SEGMENT_BYTES
    made = parts(linked(*[SEGMENT_BYTES] * count), 0)
    assert len(made) == count <= PARTS_MAX
    assert all(part.is_copied for part in made)
    short = parts(linked(*[PART_BYTES_MIN] * 13_107), 0)
    assert len(short) <= PARTS_MAX


@pytest.mark.parametrize(
    ("endpoint", "more"),
    [
        ("http://s3.example.com", {}),
        ("http://10.0.0.1:9000", {}),
        ("ftp://s3.example.com", {}),
        ("s3.example.com", {}),
        ("https://s3.example.com/path", {}),
        ("https://key:secret@s3.example.com", {}),
        ("https://s3.example.com", {"bucket": "a"}),
        ("https://s3.example.com", {"bucket": "a/../b"}),
        ("https://s3.example.com", {"prefix": "a\nb"}),
    ],
)
def test_places_that_would_leak_or_lead_elsewhere_are_refused(endpoint: str, more: dict[str, str]) -> None:
    with pytest.raises(Refused) as refusal:
        S3Place(**{"endpoint": endpoint, "bucket": "blobs", **more})
    assert refusal.value.advice


@pytest.mark.parametrize("bucket", ["ab", "a" * 64, "-blobs", "blobs.", "blobs shop"])
def test_the_refusal_of_a_bucket_says_what_its_name_may_be(bucket: str) -> None:
    with pytest.raises(Refused, match="3 to 63 letters, digits, dots, hyphens and underscores"):
        S3Place("https://s3.example.com", bucket)


def test_plain_http_is_for_loopback_or_for_who_says_so() -> None:
    for endpoint in ("http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost:9000"):
        S3Place(endpoint, "blobs")
    S3Place("http://10.0.0.1:9000", "blobs", allows_plain_http=True)


def test_a_place_is_read_from_its_address() -> None:
    place = S3Place.of("s3://blobs/team/assay/", endpoint="https://s3.example.com")
    assert (place.bucket, place.prefix) == ("blobs", "team/assay")
    for address in ("blobs", "https://blobs", "s3://"):
        with pytest.raises(Refused):
            S3Place.of(address, endpoint="https://s3.example.com")


def test_credentials_that_are_missing_are_refused_with_the_settings_names() -> None:
    with pytest.raises(Refused) as refusal:
        S3Credentials("key", Secret(""))
    assert "s3_secret_key" in refusal.value.advice


@pytest.mark.parametrize(
    "given",
    [
        {"s3_path_style": "maybe"},
        {"s3_plain_http": "yes"},
        {"blob_redirect": "true"},
        {"blob_redirect_lifetime": 0},
        {"blob_redirect_lifetime": 3601},
    ],
)
def test_settings_of_the_store_that_cannot_be_meant_are_refused(given: dict[str, str | int]) -> None:
    with pytest.raises(Refused) as refusal:
        read(environment={}, **given)
    assert next(iter(given)) in refusal.value.message


def test_the_key_to_the_store_is_a_secret_setting() -> None:
    settings = read(environment={"ASSAY_S3_SECRET_KEY": "a secret", "ASSAY_S3_SESSION_TOKEN": "a token"})
    assert "a secret" not in repr(settings)
    assert "a token" not in repr(settings)
    assert settings.s3_secret_key == Secret("a secret")
    assert settings.s3_address == "https://s3.us-east-1.amazonaws.com"
