"""What the HTTP/1.1 engine does beyond the contract: dead connections, bounds, refusals, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import AsyncIterator

import pytest

from adapters.transport.h1 import MAX_SERVERS, H1Engine
from adapters.transport.h1_connection import MAX_HEAD_BYTES
from adapters.transport.h1_messages import RequestRefused
from adapters.transport.h1_pool import ConnectTimedOut, Pool
from adapters.transport.http import ConnectFailed, ExchangeFailed, HttpReply, HttpRequest, TimedOut
from tests.adapters.transport.misbehaving import Exchange, Script, always, both_loops, never, reply, serving

pytestmark = pytest.mark.anyio


anyio_backend = both_loops


@pytest.fixture
async def engine() -> AsyncIterator[H1Engine]:
    engine = H1Engine(connections=2, max_reply_bytes=10_000, grace_seconds=0.05)
    yield engine
    await engine.aclose()
    assert all(pool.size == 0 for pool in pools(engine)), "a connection was left behind"


def pools(engine: H1Engine) -> list[Pool]:
    return [pool for pool, _ in engine._pools.values()]


async def get(engine: H1Engine, url: str, *, method: str = "GET", timeout: float = 5.0) -> HttpReply:  # noqa: ASYNC109
    return await engine.send(HttpRequest(method=method, url=url), timeout)


def dies_when_used_again(connections: int = 1) -> Script:
    """The first `connections` connections answer once, and hang up when they are asked again: idled too long."""

    async def script(exchange: Exchange) -> None:
        if exchange.connection <= connections and exchange.number > 1:
            exchange.hang_up()
        else:
            await exchange.send(reply(b"alive"))

    return script


# Connections that died


async def test_read_that_meets_a_dead_connection_is_sent_once_more(engine: H1Engine) -> None:
    async with serving(dies_when_used_again()) as server:
        await get(engine, server.url + "/")
        assert (await get(engine, server.url + "/")).body == b"alive"
    assert server.connections == 2


async def test_write_that_meets_a_dead_connection_is_not_sent_again(engine: H1Engine) -> None:
    async with serving(dies_when_used_again()) as server:
        await get(engine, server.url + "/")
        with pytest.raises(ExchangeFailed):
            await get(engine, server.url + "/", method="POST")
    assert [exchange.line[:4] for exchange in server.exchanges] == [b"GET ", b"POST"]


async def test_read_is_sent_at_most_twice(engine: H1Engine) -> None:
    async def script(exchange: Exchange) -> None:
        if len(server.exchanges) == 1:
            await exchange.send(reply(b"alive"))
        else:
            exchange.hang_up()

    async with serving(script) as server:
        await get(engine, server.url + "/")
        with pytest.raises(ExchangeFailed):
            await get(engine, server.url + "/")
    assert len(server.exchanges) == 3


async def test_second_try_that_cannot_connect_does_not_claim_that_nothing_was_sent(engine: H1Engine) -> None:
    listening: asyncio.Server

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(b"{}"))
        listening.close()
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    await get(engine, url, method="PUT")
    with pytest.raises(ExchangeFailed):
        await get(engine, url, method="PUT")


async def test_reply_that_began_is_never_asked_for_again(engine: H1Engine) -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.send(reply(b"alive"))
        else:
            await exchange.send(b"HTTP/1.1 200")
            exchange.hang_up()

    async with serving(script) as server:
        await get(engine, server.url + "/")
        with pytest.raises(ExchangeFailed):
            await get(engine, server.url + "/")
    assert len(server.exchanges) == 2


async def test_write_avoids_a_connection_whose_end_has_arrived_but_was_not_read(engine: H1Engine) -> None:
    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(reply(b"alive"))
                may_hang_up.wait(5)

    may_hang_up = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve, args=(listening,))
        serving.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        await get(engine, url)
        may_hang_up.set()
        time.sleep(0.1)  # noqa: ASYNC251 - so that the loop cannot read the end of the first connection
        assert (await get(engine, url, method="POST")).body == b"alive"
        serving.join()


async def test_idle_connections_are_closed_before_the_server_does_it() -> None:
    engine = H1Engine(idle_seconds=0.1)
    async with serving(always(reply(b"{}"))) as server:
        await get(engine, server.url + "/")
        (pool,) = pools(engine)
        assert pool.idle == 1
        await asyncio.sleep(0.3)
        assert (pool.idle, pool.size) == (0, 0)
        await get(engine, server.url + "/")
    assert server.connections == 2
    await engine.aclose()


# Replies that say too much


@pytest.mark.parametrize("extra", [b"garbage", reply(b"forged"), b"\r\n\r\nHTTP/1.1 200 OK\r\n"])
async def test_bytes_after_the_reply_answer_no_other_request(engine: H1Engine, extra: bytes) -> None:
    async with serving(always(reply(b"real") + extra)) as server:
        first = await get(engine, server.url + "/")
        second = await get(engine, server.url + "/")
    assert (first.body, second.body, server.connections) == (b"real", b"real", 2)


async def test_bytes_that_arrive_while_idle_close_the_connection(engine: H1Engine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(reply(b"real"))
        if exchange.connection == 1:
            await asyncio.sleep(0.02)
            await exchange.send(reply(b"forged"))

    async with serving(script) as server:
        await get(engine, server.url + "/")
        await asyncio.sleep(0.1)
        assert (await get(engine, server.url + "/")).body == b"real"
    assert server.connections == 2


async def test_reply_to_head_with_a_body_closes_the_connection(engine: H1Engine) -> None:
    async with serving(always(reply(b"hello"))) as server:
        assert (await get(engine, server.url + "/", method="HEAD")).body == b""
        assert (await get(engine, server.url + "/")).body == b"hello"
    assert server.connections == 2


async def test_trailer_of_one_reply_is_no_header_of_the_next(engine: H1Engine) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Rights: all\r\n\r\n"

    async def script(exchange: Exchange) -> None:
        await exchange.send(chunked if exchange.number == 1 else reply(b"{}"))

    async with serving(script) as server:
        await get(engine, server.url + "/")
        answer = await get(engine, server.url + "/")
    assert server.connections == 1
    assert set(answer.headers) == {"content-length"}


@pytest.mark.parametrize(
    "data",
    [
        reply(b"x" * 10_001),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2711\r\n" + b"x" * 10_001 + b"\r\n0\r\n\r\n",
        reply(gzip.compress(b"x" * 100_000), "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10_001,
    ],
    ids=["length", "chunked", "unfolded", "until the end"],
)
async def test_body_beyond_the_limit_fails_the_exchange(engine: H1Engine, data: bytes) -> None:
    async with serving(always(data)) as server:
        with pytest.raises(ExchangeFailed, match="more than 10000 bytes"):
            await get(engine, server.url + "/")


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 " + b"x" * (MAX_HEAD_BYTES + 1),
        b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * (MAX_HEAD_BYTES // 8 + 1),
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_HEAD_BYTES // 25 + 2),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X-A: 1\r\n" * (MAX_HEAD_BYTES // 4),
    ],
    ids=["reason", "headers", "interim replies", "trailers"],
)
async def test_head_beyond_the_limit_fails_the_exchange(engine: H1Engine, data: bytes) -> None:
    async with serving(always(data)) as server:
        with pytest.raises(ExchangeFailed, match="more than 65536 bytes"):
            await get(engine, server.url + "/")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\nX: 1\r\n\r\nab",
        reply(b"not gzip", "Content-Encoding: gzip"),
        reply(gzip.compress(b"cut short")[:-4], "Content-Encoding: gzip"),
        reply(b"x", "Content-Encoding: br"),
    ],
    ids=["101", "length and chunked", "bare line feed", "no gzip", "half a gzip", "br"],
)
async def test_reply_that_could_be_read_two_ways_is_refused(engine: H1Engine, answer: bytes) -> None:
    async with serving(always(answer)) as server:
        with pytest.raises(ExchangeFailed):
            await get(engine, server.url + "/")


# Requests that are not sent


@pytest.mark.parametrize(
    "path", ["/a b", "/a\r\nX: 1", "/a\nb", "/ä", "/\0", "/a HTTP/1.1\r\nHost: evil\r\n\r\nGET /b", "/\x7f"]
)
async def test_address_that_is_not_percent_encoded_is_refused(engine: H1Engine, path: str) -> None:
    async with serving(always(reply(b"{}"))) as server:
        with pytest.raises(RequestRefused):
            await get(engine, server.url + path)
    assert not server.exchanges


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/", "http://user@127.0.0.1/", "http://", "http:///x", "/x", "",
     "http://127.0.0.1:port/", "http://a\r\nb/", "http://127.0.0.1?x", "http://127.0.0.1:99999/"],
)  # fmt: skip
async def test_what_is_no_http_address_is_refused(engine: H1Engine, url: str) -> None:
    with pytest.raises(RequestRefused):
        await get(engine, url)


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Transfer-Encoding", "connection", "upgrade", "te", "x y", "x:", "", "x\r\n", "ä"],
)
async def test_header_that_frames_the_message_is_not_the_callers(engine: H1Engine, name: str) -> None:
    with pytest.raises(RequestRefused):
        await engine.send(HttpRequest(method="GET", url="http://127.0.0.1:9/", headers={name: "1"}), 1.0)


@pytest.mark.parametrize("method", ["CONNECT", "get", "GET /evil", ""])
async def test_unknown_method_is_refused(engine: H1Engine, method: str) -> None:
    with pytest.raises(RequestRefused):
        await get(engine, "http://127.0.0.1:9/", method=method)


async def test_one_engine_serves_a_bounded_number_of_servers(engine: H1Engine) -> None:
    for number in range(MAX_SERVERS):
        engine._pool(f"http://127.0.0.1:{10_000 + number}")
    with pytest.raises(RequestRefused, match="more than 64 servers"):
        await get(engine, "http://127.0.0.1:9999/")


# The bound, and those who wait


async def test_no_more_connections_than_allowed_and_waiters_are_served_in_order(engine: H1Engine) -> None:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.002)
        await exchange.send(reply(b"{}"))

    async with serving(script) as server:
        await asyncio.gather(*(get(engine, f"{server.url}/{n}") for n in range(40)))
    assert server.connections == 2
    asked = [int(exchange.line.split(b" ")[1][1:]) for exchange in server.exchanges]
    assert all(abs(place - number) <= 1 for place, number in enumerate(asked)), asked


async def test_waiting_for_room_until_the_time_is_up_means_never_sent(engine: H1Engine) -> None:
    async with serving(never) as server:
        holding = [asyncio.create_task(get(engine, server.url + "/", timeout=0.4)) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectTimedOut):
            await get(engine, server.url + "/late", timeout=0.1)
        for task in holding:
            with pytest.raises(TimedOut):
                await task
    assert len(server.exchanges) == 2


async def test_each_exchange_ends_at_its_own_deadline() -> None:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.3)
        await exchange.send(reply(b"late"))

    engine = H1Engine()
    clock = asyncio.get_running_loop().time
    async with serving(script) as server:

        async def took(timeout: float) -> float:  # noqa: ASYNC109
            began = clock()
            try:
                await get(engine, server.url + "/", timeout=timeout)
            except TimedOut:
                return clock() - began
            return 9.0

        times = await asyncio.gather(*(took(timeout) for timeout in (5.0, 0.1, 0.2, 0.15, 4.0)))
    await engine.aclose()
    assert [time for time in times if time != 9.0] == pytest.approx([0.1, 0.2, 0.15], abs=0.04)
    assert times[0] == times[4] == 9.0


async def test_no_time_left_means_never_sent(engine: H1Engine) -> None:
    async with serving(always(reply(b"{}"))) as server:
        await get(engine, server.url + "/")
        with pytest.raises(ConnectFailed):
            await get(engine, server.url + "/", timeout=0.0)
    assert len(server.exchanges) == 1


async def test_place_of_a_connection_that_broke_goes_to_who_waits(engine: H1Engine) -> None:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.01)
        if b"/break" in exchange.line:
            exchange.reset()
        else:
            await exchange.send(reply(b"{}"))

    async with serving(script) as server:
        breaking = [get(engine, server.url + "/break", method="POST") for _ in range(6)]
        results = await asyncio.gather(*breaking, get(engine, server.url + "/whole"), return_exceptions=True)
    assert [type(result) for result in results] == [ExchangeFailed] * 6 + [HttpReply]
    assert server.connections >= 4


async def test_cancelled_and_timed_out_requests_give_their_place_back(engine: H1Engine) -> None:
    async def script(exchange: Exchange) -> None:
        if b"/fast" not in exchange.line:
            await asyncio.sleep(0.3)
        await exchange.send(reply(exchange.line))

    async with serving(script) as server:
        for round_ in range(10):
            tasks = [asyncio.create_task(get(engine, f"{server.url}/slow", timeout=0.05)) for _ in range(4)]
            await asyncio.sleep(0.001 * round_)
            for task in tasks[::2]:
                task.cancel()
            assert {type(result) for result in await asyncio.gather(*tasks, return_exceptions=True)} <= {
                asyncio.CancelledError, TimedOut, ConnectTimedOut,
            }  # fmt: skip
        assert (await get(engine, f"{server.url}/fast")).body == b"GET /fast HTTP/1.1"
        (pool,) = pools(engine)
        assert (pool.size, pool.idle) == (1, 1)


async def test_waiter_cancelled_in_the_turn_it_was_served_passes_the_connection_on() -> None:
    engine = H1Engine(connections=1)
    async with serving(always(reply(b"{}"))) as server:
        await get(engine, server.url + "/")
        (pool,) = pools(engine)
        held = pool.take_idle()
        assert held is not None
        deadline = asyncio.get_running_loop().time() + 5
        first, second = (asyncio.create_task(pool.acquire(deadline)) for _ in range(2))
        await asyncio.sleep(0)
        pool._free(held)
        first.cancel()
        assert await second is held
        with pytest.raises(asyncio.CancelledError):
            await first
        pool._free(held)
    await engine.aclose()


async def test_ten_thousand_requests_in_a_row_share_one_connection(engine: H1Engine) -> None:
    async with serving(always(reply(b"{}"))) as server:
        request = HttpRequest(method="GET", url=server.url + "/")
        for _ in range(10_000):
            assert (await engine.send(request, 5.0)).status == 200
        assert server.connections == 1
        assert len(server.exchanges) == 10_000


# The end


async def test_closing_lets_an_exchange_end_and_takes_no_new_ones() -> None:
    engine = H1Engine(connections=1)

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.05)
        await exchange.send(reply(b"whole"))

    async with serving(script) as server:
        under_way = asyncio.create_task(get(engine, server.url + "/"))
        waiting = asyncio.create_task(get(engine, server.url + "/"))
        await asyncio.sleep(0.02)
        await engine.aclose()
        assert (await under_way).body == b"whole"
        with pytest.raises(ConnectFailed):
            await waiting
        with pytest.raises(ConnectFailed):
            await get(engine, server.url + "/")
    assert len(server.exchanges) == 1


async def test_closing_does_not_wait_for_ever(engine: H1Engine) -> None:
    async with serving(never) as server:
        under_way = asyncio.create_task(get(engine, server.url + "/"))
        await asyncio.sleep(0.02)
        await engine.aclose()
        with pytest.raises(ExchangeFailed):
            await under_way


async def test_early_reply_to_a_request_that_is_still_being_sent_ends_the_connection(engine: H1Engine) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(b"no", status="413 Content Too Large"))
        await asyncio.sleep(0.2)
        writer.transport.abort()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    answer = await engine.send(HttpRequest(method="POST", url=url, body=b"x" * 20_000_000), 5.0)
    (pool,) = pools(engine)
    assert (answer.status, pool.idle) == (413, 0)
    await asyncio.sleep(0.3)
    listening.close()
