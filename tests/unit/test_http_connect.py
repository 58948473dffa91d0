"""What a CONNECT is answered: a pure rule."""

import pytest

from assay.http.tunnels import CONNECT_BYTES_MAX, FOREIGN, OPEN, TOO_LONG, UNREADABLE, Answer, answer_to


def admits(name: str, port: int) -> bool:
    return (name, port) == ("kms.local.assay.internal", 443)


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (b"CONNECT kms.local.assay.internal:443 HTTP/1.1\r\nHost: kms.local.assay.internal:443\r\n\r\n", OPEN),
        (b"CONNECT kms.local.assay.internal:443 HTTP/1.0\r\n\r\n", OPEN),
        (b"CONNECT kms.local.assay.internal:22 HTTP/1.1\r\n\r\n", FOREIGN),
        (b"CONNECT example.com:443 HTTP/1.1\r\n\r\n", FOREIGN),
        (b"CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n", FOREIGN),
        (b"CONNECT kms.local.assay.internal:443443 HTTP/1.1\r\n\r\n", UNREADABLE),
        (b"CONNECT kms.local.assay.internal HTTP/1.1\r\n\r\n", UNREADABLE),
        (b"CONNECT [::1]:443 HTTP/1.1\r\n\r\n", UNREADABLE),
        (b"CONNECT  kms.local.assay.internal:443 HTTP/1.1\r\n\r\n", UNREADABLE),
        (b"connect kms.local.assay.internal:443 HTTP/1.1\r\n\r\n", UNREADABLE),
        (b"CONNECT kms.local.assay.internal:443 HTTP/2\r\n\r\n", UNREADABLE),
        (b"GET http://example.com/ HTTP/1.1\r\n\r\n", UNREADABLE),
        (b"GET / HTTP/1.1\r\n\r\n", UNREADABLE),
        (b"\r\n\r\n", UNREADABLE),
        (b"", UNREADABLE),
        # Cut off, and going on before the answer.
        (b"CONNECT kms.local.assay.internal:443 HTTP/1.1\r\n", UNREADABLE),
        (b"CONNECT kms.local.assay.internal:443 HTTP/1.1\r\n\r\n\x16\x03\x01", UNREADABLE),
        (b"CONNECT kms.local.assay.internal:443 HTTP/1.1\r\nx: " + b"y" * CONNECT_BYTES_MAX, TOO_LONG),
    ],
)
def test_a_connect_is_granted_for_a_name_of_ours_alone(head: bytes, answer: Answer) -> None:
    assert answer_to(head, admits) is answer


def test_a_refusal_is_whole_and_ends_the_connection() -> None:
    head, _, text = FOREIGN.content.decode().partition("\r\n\r\n")
    assert head.splitlines()[0] == "HTTP/1.1 403 Not a name of this server, and it connects to no other"
    assert f"content-length: {len(text)}" in head
    assert "connection: close" in head
    assert OPEN.content.endswith(b"\r\n\r\n")
