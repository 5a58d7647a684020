"""What the server itself refuses, on real sockets: heads too long, too slow or malformed, in our shape of errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import msgspec
import pytest

from bff.serving.connection import GuardedHttp
from tests.estate.house import House
from tests.serving.loopback import served

pytestmark = pytest.mark.anyio

QUERY = b'{"query": "{ __typename }"}'
HEAD = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


class Impatient(GuardedHttp):
    limits = msgspec.structs.replace(GuardedHttp.limits, header_seconds=0.2, body_seconds=0.2)


@pytest.fixture(scope="module")
async def port(house: House) -> AsyncIterator[int]:
    async with served(house.app, http=Impatient) as (base, _):
        yield int(base.rpartition(":")[2])


async def talk(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send, and read until the server closes; what it says is the end of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def listen() -> bytes:
        heard = b""
        with suppress(ConnectionError):
            while part := await reader.read(65_536):
                heard += part
        return heard

    heard = asyncio.create_task(listen())
    with suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
    answer = await asyncio.wait_for(heard, 5)
    writer.close()
    return answer


def parsed(answer: bytes) -> tuple[int, str, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    return status, json.loads(body)["errors"][0]["extensions"]["code"], head.lower()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /graphql HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /graphql HTTP/1.1\r\nhost: x\r\nx: a\x00b\r\n\r\n",
        HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n",
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"content-length: 1e3\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nZZ\r\n",
    ],
    ids=["tls", "version", "no colon", "nul", "two lengths", "length and chunked", "negative", "not a number", "chunk"],
)
async def test_malformed_http_is_400_and_closed(port: int, request_bytes: bytes) -> None:
    status, code, head = parsed(await talk(port, request_bytes))
    assert (status, code) == (400, "BAD_REQUEST")
    assert b"connection: close" in head


async def test_one_endless_header_is_431(port: int) -> None:
    status, code, _ = parsed(await talk(port, HEAD + b"x: ", *[b"a" * 16_000] * 8))
    assert (status, code) == (431, "HEADERS_TOO_LARGE")


async def test_many_headers_are_431(port: int) -> None:
    many = b"".join(b"x-%d: y\r\n" % number for number in range(200))
    assert parsed(await talk(port, HEAD + many + b"\r\n"))[:2] == (431, "HEADERS_TOO_LARGE")


async def test_long_header_is_431(port: int) -> None:
    assert parsed(await talk(port, HEAD + b"x: " + b"a" * 40_000 + b"\r\n\r\n"))[:2] == (431, "HEADERS_TOO_LARGE")


async def test_long_url_is_414(port: int) -> None:
    assert parsed(await talk(port, b"GET /?" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n"))[:2] == (
        414,
        "URI_TOO_LONG",
    )


async def test_dripped_head_is_408(port: int) -> None:
    drip = [bytes([byte]) for byte in HEAD[:40]]
    assert parsed(await talk(port, *drip, pause=0.02))[:2] == (408, "REQUEST_TIMEOUT")


async def test_dripped_body_is_408(port: int) -> None:
    head = HEAD + b"content-length: 100000\r\n\r\n"
    assert parsed(await talk(port, head, *[b"{"] * 40, pause=0.02))[:2] == (408, "REQUEST_TIMEOUT")


async def test_body_shorter_than_it_says_is_408(port: int) -> None:
    assert parsed(await talk(port, HEAD + b"content-length: 100\r\n\r\n" + QUERY))[:2] == (408, "REQUEST_TIMEOUT")


async def test_connection_that_says_nothing_is_closed_without_a_word(port: int) -> None:
    assert await talk(port) == b""


async def test_bytes_beyond_the_length_are_no_part_of_the_request(port: int) -> None:
    answer = await talk(port, HEAD + b"content-length: %d\r\n\r\n" % len(QUERY) + QUERY + b"\x00\x01garbage")
    first, _, second = answer.partition(b'{"data":{"__typename":"Query"}}')
    assert first.startswith(b"HTTP/1.1 200")
    assert b" 200 " not in second


async def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    one = HEAD + b"content-length: %d\r\n\r\n" % len(QUERY) + QUERY
    two = HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(QUERY) + QUERY
    answer = await talk(port, one + one + two)
    assert answer.count(b"HTTP/1.1 200") == answer.count(b'{"data":{"__typename":"Query"}}') == 3


@pytest.mark.parametrize("chunked", [False, True])
async def test_client_reads_why_its_long_body_was_refused(port: int, chunked: bool) -> None:
    body = b'{"query": "%b"}' % (b"x" * 5_000_000)

    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    headers = {"content-type": "application/json"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        reply = await client.post("/graphql", content=parts() if chunked else body, headers=headers)
        assert reply.status_code == 413
        again = await client.post("/graphql", content=QUERY, headers=headers)
    assert again.json() == {"data": {"__typename": "Query"}}


async def test_refused_body_without_end_is_not_read_for_ever(port: int) -> None:
    head = HEAD + b"content-length: 1000000000000\r\n\r\n"
    answer = await talk(port, head, *[b"x" * 1_000_000] * 70)
    assert parsed(answer)[:2] == (413, "PAYLOAD_TOO_LARGE")


async def test_slow_heads_do_not_hold_up_others(fresh: House) -> None:
    """An answer comes while a hundred clients are still at their heads."""
    async with served(fresh.app) as (base, server):
        port = int(base.rpartition(":")[2])
        slow = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(100)]
        for writer in slow:
            writer.write(HEAD)
        two = HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(QUERY) + QUERY
        assert b"HTTP/1.1 200" in await talk(port, two)
        assert len(server.server_state.connections) >= len(slow)
        for writer in slow:
            writer.close()
            await writer.wait_closed()
