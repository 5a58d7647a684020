"""Whatever bytes come, in whatever pieces: an exchange ends with one outcome, and a doubtful connection is not kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from hypothesis import example, given
from hypothesis import strategies as st

from adapters.transport.h1_connection import Connection
from adapters.transport.http import HttpReply, TransportFailed
from tests.adapters.transport.misbehaving import reply

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"
REPLIES = {
    reply(b"hello", "X-One: 1"): b"hello",
    CHUNKED: b"abcde",
    b"HTTP/1.1 100 Continue\r\n\r\n" + reply(b"x" * 300): b"x" * 300,
    b"HTTP/1.1 204 No Content\r\n\r\n": b"",
}


class FakeTransport:
    """Takes what is written; `aborted` ends the connection as a loop would."""

    def __init__(self) -> None:
        self.written = b""
        self.is_over = False

    def write(self, data: bytes) -> None:
        self.written += data

    def writelines(self, parts: Any) -> None:
        self.written += b"".join(parts)

    def abort(self) -> None:
        self.is_over = True

    close = abort

    def is_closing(self) -> bool:
        return self.is_over

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> None:
        return None


class Subject:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.freed = 0
        self.lost = 0
        self.transport = FakeTransport()
        self.connection = Connection(loop, self._free, self._lose, 10_000)
        self.connection.connection_made(cast(asyncio.Transport, self.transport))

    def _free(self, _connection: Connection) -> None:
        self.freed += 1

    def _lose(self, _connection: Connection) -> None:
        self.lost += 1

    def receive(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            if not self.transport.is_over:
                self.connection.data_received(piece)


@contextmanager
def subject() -> Iterator[Subject]:
    loop = asyncio.new_event_loop()
    try:
        yield Subject(loop)
    finally:
        loop.close()


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True) if start < end]


def outcome(waiter: asyncio.Future[HttpReply]) -> HttpReply | BaseException | None:
    if not waiter.done():
        return None
    return waiter.exception() or waiter.result()


@given(st.sampled_from(sorted(REPLIES)), st.lists(st.integers(0, 1000), max_size=12))
def test_reply_is_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    with subject() as tested:
        for _ in range(2):
            waiter = tested.connection.begin("GET", b"GET / HTTP/1.1\r\n\r\n", b"", 1e9)
            tested.receive(pieces_of(data, cuts))
            got = outcome(waiter)
            assert isinstance(got, HttpReply)
            assert got.body == REPLIES[data]
            assert "x-trailer" not in got.headers
        assert (tested.freed, tested.transport.is_over) == (2, False)


@given(
    st.sampled_from(sorted(REPLIES)),
    st.lists(st.tuples(st.integers(0, 1000), st.binary(min_size=0, max_size=4)), min_size=1, max_size=3),
    st.lists(st.integers(0, 1000), max_size=6),
    st.booleans(),
)
@example(reply(b"hello"), [(1000, b"HTTP")], [], False)
def test_broken_bytes_end_the_exchange_once_and_never_keep_a_doubtful_connection(
    data: bytes, edits: list[tuple[int, bytes]], cuts: list[int], is_reset: bool
) -> None:
    for place, new in edits:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + 1 :]
    with subject() as tested:
        waiter = tested.connection.begin("GET", b"GET / HTTP/1.1\r\n\r\n", b"", 1e9)
        tested.receive(pieces_of(data, cuts))
        was_kept = tested.freed == 1 and not tested.transport.is_over
        tested.connection.connection_lost(ConnectionResetError() if is_reset else None)
        got = outcome(waiter)
        assert isinstance(got, HttpReply | TransportFailed)
        assert tested.lost == 1
        if was_kept:
            assert isinstance(got, HttpReply)


@given(st.binary(min_size=1, max_size=300), st.sampled_from(["GET", "HEAD", "POST"]))
def test_noise_is_never_a_reply(data: bytes, method: str) -> None:
    if data.startswith(b"HTTP/"):
        return
    with subject() as tested:
        waiter = tested.connection.begin(method, b"x", b"", 1e9)
        tested.receive([data])
        tested.connection.connection_lost(None)
        assert isinstance(outcome(waiter), TransportFailed)
        assert tested.freed == 0
