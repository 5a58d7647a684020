"""An answer leaves in one write where it can, and in uvicorn's own way where it cannot."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from bff.serving.connection import GuardedHttp

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
Header = tuple[bytes, bytes]


class Wire:
    """A transport that keeps what is written, write by write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(bytes(data))

    def writelines(self, parts: Any) -> None:
        self.writes.append(b"".join(parts))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_extra_info(self, name: str) -> None:
        return None


def answering(*messages: dict[str, Any]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def begin(*headers: Header, status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def written(app: ASGIApp, request: bytes = GET) -> Wire:
    config = uvicorn.Config(app, http=GuardedHttp, log_config=None, access_log=False, server_header=False)
    config.load()
    state = ServerState()
    connection, wire = GuardedHttp(config, state, {}, _loop=asyncio.get_running_loop()), Wire()
    connection.connection_made(wire)  # type: ignore[arg-type]
    connection.data_received(request)
    while state.tasks:
        await asyncio.wait(state.tasks)
        await asyncio.sleep(0)
    connection.connection_lost(ConnectionResetError())
    return wire


async def test_whole_answer_is_one_write() -> None:
    wire = await written(answering(begin((b"content-length", b"2"), (b"x-y", b"z")), body(b"ok")))
    assert wire.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-y: z\r\n\r\nok"]
    assert not wire.is_closed


async def test_long_answer_is_one_write() -> None:
    long = b"x" * 200_000
    wire = await written(answering(begin((b"content-length", b"200000")), body(long)))
    assert wire.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n" + long]


async def test_head_of_a_stream_does_not_wait_for_its_first_part() -> None:
    first = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(begin())
        await first.wait()
        await send(body(b"a", more=True))
        await send(body(b""))

    work = asyncio.create_task(written(app))
    asyncio.get_running_loop().call_later(0.02, first.set)
    wire = await work
    assert wire.writes[0] == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert wire.writes[1:] == [b"1\r\na\r\n", b"0\r\n\r\n"]


async def test_parts_of_a_known_length_follow_their_head() -> None:
    wire = await written(answering(begin((b"content-length", b"4")), body(b"ab", more=True), body(b"cd")))
    assert b"".join(wire.writes) == b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd"


async def test_head_request_has_the_length_and_no_body() -> None:
    request = GET.replace(b"GET", b"HEAD")
    wire = await written(answering(begin((b"content-length", b"2")), body(b"")), request)
    assert wire.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"]


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_last_answer_of_a_connection_says_so(version: bytes) -> None:
    request = GET.replace(b"1.1", version).replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    wire = await written(answering(begin((b"content-length", b"2")), body(b"ok")), request)
    assert wire.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"]
    assert wire.is_closed


async def test_application_may_close_the_connection() -> None:
    headers = ((b"content-length", b"2"), (b"connection", b"close"))
    wire = await written(answering(begin(*headers), body(b"ok")))
    assert b"".join(wire.writes).count(b"connection: close") == 1
    assert wire.is_closed


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"a\r\nset-cookie: b"), (b"x", b"a\nb"), (b"x", b"a\rb"), (b"x", b"a\x00b"), (b"x", b"a\x7f"),
        (b"x\r\ny", b"a"), (b"x y", b"a"), (b"x:", b"a"), (b"x", b"\n\r"),
    ],
)  # fmt: skip
async def test_header_that_would_end_early_is_never_written(header: Header) -> None:
    wire = await written(answering(begin((b"content-length", b"2"), header), body(b"ok")))
    assert header[0] + b": " + header[1] not in b"".join(wire.writes)
    assert wire.is_closed


@pytest.mark.parametrize("length", [b"1", b"3"])
async def test_body_of_another_length_ends_the_connection(length: bytes) -> None:
    wire = await written(answering(begin((b"content-length", length)), body(b"ok")))
    assert wire.is_closed
