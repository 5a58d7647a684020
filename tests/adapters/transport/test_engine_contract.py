"""What every engine promises, asked of each of them over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from adapters.transport.h1 import H1Engine
from adapters.transport.http import (
    ConnectFailed,
    Engine,
    ExchangeFailed,
    HttpReply,
    HttpRequest,
    HttpxEngine,
    TimedOut,
    TransportFailed,
)
from tests.adapters.transport.misbehaving import Exchange, always, both_loops, never, reply, serving, then_hang_up

pytestmark = pytest.mark.anyio


anyio_backend = both_loops


ENGINES: dict[str, Callable[[], Engine]] = {"httpx": HttpxEngine, "h1": H1Engine}


@pytest.fixture(params=list(ENGINES))
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    engine = ENGINES[request.param]()
    yield engine
    await engine.aclose()


async def get(engine: Engine, url: str, *, method: str = "GET", timeout: float = 5.0) -> HttpReply:  # noqa: ASYNC109
    return await engine.send(HttpRequest(method=method, url=url), timeout)


async def test_request_arrives_as_it_was_given(engine: Engine) -> None:
    async with serving(always(reply(b"{}"))) as server:
        await engine.send(
            HttpRequest(method="POST", url=f"{server.url}/a%20b?x=1%2B1&y=", headers={"X-Trace": "t-1"}, body=b"hello"),
            5.0,
        )
    sent = server.exchanges[0]
    assert sent.line == b"POST /a%20b?x=1%2B1&y= HTTP/1.1"
    assert sent.header("x-trace") == "t-1"
    assert sent.header("host") == server.url.removeprefix("http://")
    assert sent.body == b"hello"


async def test_address_without_a_path_asks_for_the_root(engine: Engine) -> None:
    async with serving(always(reply(b"{}"))) as server:
        await get(engine, server.url)
    assert server.exchanges[0].line == b"GET / HTTP/1.1"


async def test_post_without_a_body_says_that_its_length_is_zero(engine: Engine) -> None:
    async with serving(always(reply(b"{}"))) as server:
        await get(engine, server.url + "/", method="POST")
    assert server.exchanges[0].header("content-length") == "0"


async def test_header_names_are_lower_case_and_repeated_ones_joined(engine: Engine) -> None:
    async with serving(always(reply(b"{}", "ETag: W/1", "Set-Cookie: a=1", "set-cookie: b=2", "X-Empty:"))) as server:
        answer = await get(engine, server.url + "/")
    assert answer.headers["etag"] == "W/1"
    assert answer.headers["set-cookie"] == "a=1, b=2"
    assert answer.headers["x-empty"] == ""


@pytest.mark.parametrize("status", [200, 201, 302, 404, 500, 503])
async def test_every_status_is_a_reply(engine: Engine, status: int) -> None:
    async with serving(always(reply(b"said", status=f"{status} Whatever"))) as server:
        answer = await get(engine, server.url + "/")
    assert (answer.status, answer.body) == (status, b"said")


async def test_chunked_body_is_put_together_and_trailers_are_not_headers(engine: Engine) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: late\r\nX-Status: 500\r\n\r\n"
    async with serving(always(head + body)) as server:
        first = await get(engine, server.url + "/")
        second = await get(engine, server.url + "/")
    for answer in (first, second):
        assert answer.body == b"hello world"
        assert set(answer.headers) == {"transfer-encoding"}


async def test_body_that_ends_with_the_connection_is_whole(engine: Engine) -> None:
    async with serving(then_hang_up(b"HTTP/1.1 200 OK\r\nX: 1\r\n\r\nuntil the end")) as server:
        assert (await get(engine, server.url + "/")).body == b"until the end"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_status_without_a_body_ends_with_its_head(engine: Engine, status: str) -> None:
    async with serving(always(f"HTTP/1.1 {status}\r\nETag: 7\r\n\r\n".encode())) as server:
        first = await get(engine, server.url + "/")
        second = await get(engine, server.url + "/")
    assert (first.body, second.body, server.connections) == (b"", b"", 1)


async def test_reply_to_head_has_no_body_whatever_its_length_says(engine: Engine) -> None:
    async def script(exchange: Exchange) -> None:
        whole = reply(b"hello")
        await exchange.send(whole[:-5] if exchange.line.startswith(b"HEAD") else whole)

    async with serving(script) as server:
        answer = await get(engine, server.url + "/", method="HEAD")
        after = await get(engine, server.url + "/")
    assert (answer.body, answer.headers["content-length"]) == (b"", "5")
    assert (after.body, server.connections) == (b"hello", 1)


async def test_interim_replies_are_passed_over(engine: Engine) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    async with serving(always(interim + reply(b"real", "X: 1"))) as server:
        answer = await get(engine, server.url + "/")
    assert (answer.status, answer.body) == (200, b"real")
    assert "link" not in answer.headers


async def test_gzip_body_is_unfolded(engine: Engine) -> None:
    async with serving(always(reply(gzip.compress(b"folded" * 100), "Content-Encoding: gzip"))) as server:
        assert (await get(engine, server.url + "/")).body == b"folded" * 100


async def test_reply_that_dribbles_in_byte_by_byte_is_read(engine: Engine) -> None:
    async def script(exchange: Exchange) -> None:
        for byte in reply(b"slow", "X-Header: value"):
            await exchange.send(bytes([byte]))
            await asyncio.sleep(0)

    async with serving(script) as server:
        answer = await get(engine, server.url + "/")
    assert (answer.body, answer.headers["x-header"]) == (b"slow", "value")


async def test_large_bodies_travel_both_ways(engine: Engine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(reply(exchange.body))

    body = bytes(range(256)) * 8192
    async with serving(script) as server:
        answer = await engine.send(HttpRequest(method="PUT", url=server.url + "/", body=body), 10.0)
    assert answer.body == body


async def test_connection_is_used_again(engine: Engine) -> None:
    async with serving(always(reply(b"{}"))) as server:
        for _ in range(50):
            await get(engine, server.url + "/")
    assert server.connections == 1


async def test_connection_that_the_server_will_close_is_not_used_again(engine: Engine) -> None:
    async with serving(always(reply(b"{}", "Connection: close"))) as server:
        await get(engine, server.url + "/")
        await get(engine, server.url + "/")
    assert server.connections == 2


async def test_nobody_listening_means_never_sent(engine: Engine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectFailed):
            await get(engine, f"http://127.0.0.1:{taken.getsockname()[1]}/", method="POST")


async def test_server_that_hangs_up_on_everybody_is_a_failure_every_time(engine: Engine) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    for method in ["GET", "POST"] * 20:
        with pytest.raises((ConnectFailed, ExchangeFailed)):
            await get(engine, url, method=method, timeout=2.0)
    listening.close()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk", "no last chunk"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_reply_that_breaks_off_may_have_been_acted_upon(engine: Engine, data: bytes, method: str) -> None:
    async with serving(then_hang_up(data)) as server:
        with pytest.raises(ExchangeFailed):
            await get(engine, server.url + "/", method=method)
    assert len(server.exchanges) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot-hex\r\nhello\r\n0\r\n\r\n",
    ],
    ids=["another protocol", "no status", "two lengths", "space in a name", "broken chunk"],
)
async def test_what_is_not_http_is_a_failed_exchange(engine: Engine, data: bytes) -> None:
    async with serving(always(data)) as server:
        with pytest.raises(ExchangeFailed):
            await get(engine, server.url + "/", timeout=2.0)


async def test_reset_instead_of_a_reply_is_a_failed_exchange(engine: Engine) -> None:
    async def script(exchange: Exchange) -> None:
        exchange.reset()

    async with serving(script) as server:
        with pytest.raises(ExchangeFailed):
            await get(engine, server.url + "/", method="POST")


async def test_no_reply_in_time_is_timed_out(engine: Engine) -> None:
    async with asyncio.timeout(20), serving(never) as server:
        with pytest.raises(TimedOut):
            await get(engine, server.url + "/", timeout=0.15)


async def test_cancelled_exchange_leaves_the_engine_fit_for_the_next(engine: Engine) -> None:
    async def script(exchange: Exchange) -> None:
        if b"/slow" in exchange.line:
            await asyncio.sleep(0.2)
        await exchange.send(reply(exchange.line))

    async with serving(script) as server:
        slow = asyncio.create_task(get(engine, server.url + "/slow"))
        await asyncio.sleep(0.05)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        answers = [await get(engine, f"{server.url}/{n}") for n in range(20)]
        await asyncio.sleep(0.25)
        answers.append(await get(engine, f"{server.url}/20"))
    assert [answer.body for answer in answers] == [b"GET /%d HTTP/1.1" % n for n in range(21)]


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "a\rb", "a\0b"])
async def test_header_value_cannot_carry_another_header(engine: Engine, value: str) -> None:
    async with serving(always(reply(b"{}"))) as server:
        with pytest.raises(TransportFailed):
            await engine.send(HttpRequest(method="GET", url=server.url + "/", headers={"x-name": value}), 2.0)
    assert not server.exchanges


async def test_many_at_once_each_get_their_own_answer(engine: Engine) -> None:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0)
        await exchange.send(reply(exchange.line))

    async with serving(script) as server:
        answers = await asyncio.gather(*(get(engine, f"{server.url}/{n}", timeout=20) for n in range(150)))
    assert [answer.body for answer in answers] == [b"GET /%d HTTP/1.1" % n for n in range(150)]
