"""`$batch` bodies: what we write, byte by byte, and what we read from others."""

from __future__ import annotations

import pytest

from adapters.transport.odata_batch import ChangeSet, Part, build_batch, read_batch

REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n" + b'{"d":1}'
PART = b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"


def multipart(*parts: bytes, boundary: bytes = b"B") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def test_reads_stand_beside_each_other_and_writes_in_a_changeset() -> None:
    body = build_batch(
        [
            Part("GET", "A_SalesOrder('1')"),
            ChangeSet([Part("PATCH", "A_SalesOrder('1')", {"If-Match": 'W/"1"'}, '{"a":"订"}'.encode())]),
        ],
        "b1",
    )
    assert body.decode().split("\r\n") == [
        "--b1",
        "Content-Type: application/http",
        "Content-Transfer-Encoding: binary",
        "",
        "GET A_SalesOrder('1') HTTP/1.1",
        "Accept: application/json",
        "",
        "",
        "--b1",
        "Content-Type: multipart/mixed; boundary=changeset_1_b1",
        "",
        "--changeset_1_b1",
        "Content-Type: application/http",
        "Content-Transfer-Encoding: binary",
        "Content-ID: 1",
        "",
        "PATCH A_SalesOrder('1') HTTP/1.1",
        "Accept: application/json",
        'If-Match: W/"1"',
        "Content-Type: application/json",
        "Content-Length: 11",
        "",
        '{"a":"订"}',
        "--changeset_1_b1--",
        "",
        "--b1--",
        "",
    ]


def test_replies_come_in_order_with_status_headers_and_body() -> None:
    missing = b"HTTP/1.1 404 Not Found\r\n\r\n"
    first, second = read_batch('multipart/mixed; boundary="B"', multipart(PART + REPLY, PART + missing))
    assert not isinstance(first, list)
    assert (first.status, first.headers["content-type"], first.body) == (200, "application/json", b'{"d":1}')
    assert not isinstance(second, list)
    assert (second.status, second.body) == (404, b"")


def test_a_changeset_that_happened_is_a_list_and_one_that_failed_a_single_reply() -> None:
    inner = multipart(PART + b"HTTP/1.1 204 No Content\r\n\r\n", PART + REPLY, boundary=b"C")
    happened = b"Content-Type: multipart/mixed; boundary=C\r\n\r\n" + inner
    failed = PART + b"HTTP/1.1 400 Bad Request\r\n\r\n{}"
    first, second = read_batch("multipart/mixed;boundary=B", multipart(happened, failed))
    assert isinstance(first, list)
    assert [reply.status for reply in first] == [204, 200]
    assert not isinstance(second, list)
    assert (second.status, second.body) == (400, b"{}")


def test_a_preamble_and_boundary_look_alikes_in_a_body_do_not_confuse() -> None:
    body = b'HTTP/1.1 200 OK\r\n\r\n{"d":"--B"}'
    (reply,) = read_batch("multipart/mixed; boundary=B", b"hello\r\n" + multipart(PART + body))
    assert not isinstance(reply, list)
    assert reply.body == b'{"d":"--B"}'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b"<html></html>"),
        ("multipart/mixed", multipart(PART + REPLY)),
        ("multipart/mixed; boundary=B", multipart(PART + REPLY)[:-20]),
        ("multipart/mixed; boundary=B", b""),
        ("multipart/mixed; boundary=B", multipart(PART + b"<html>oops</html>")),
        ("multipart/mixed; boundary=B", multipart(b"Content-Type: multipart/mixed; boundary=C\r\n\r\n--C\r\n")),
    ],
)
def test_what_is_no_complete_batch_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_batch(content_type, body)
