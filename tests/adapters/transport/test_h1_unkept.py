"""An engine that keeps nothing open: for a system that counts connections, whichever process has them."""

from __future__ import annotations

import asyncio

import pytest

from adapters.transport import h1_connection
from adapters.transport.h1 import H1Engine
from adapters.transport.http import HttpRequest
from tests.adapters.transport.misbehaving import Exchange, always, both_loops, never, reply, serving, then_hang_up

pytestmark = pytest.mark.anyio

LAST = reply(b"ok", "Connection: close")


anyio_backend = both_loops


async def get(engine: H1Engine, url: str) -> bytes:
    return (await engine.send(HttpRequest(method="GET", url=f"{url}/"), 5.0)).body


async def test_exchange_is_over_when_the_server_has_closed() -> None:
    """Two engines are two processes here: what one is done with, the other may take."""
    closed: list[int] = []

    async def answer_and_close_late(exchange: Exchange) -> None:
        await exchange.send(LAST)
        await asyncio.sleep(0.02)
        closed.append(exchange.connection)
        exchange.hang_up()

    one, other = H1Engine(connections=1, keeps=False), H1Engine(connections=1, keeps=False)
    async with serving(answer_and_close_late) as server:
        for number in range(1, 5):
            assert await get(one if number % 2 else other, server.url) == b"ok"
            assert closed == list(range(1, number + 1))
        assert {exchange.header("connection") for exchange in server.exchanges} == {"close"}
    await one.aclose()
    await other.aclose()


async def test_server_that_does_not_say_that_it_will_close_is_left_at_once() -> None:
    engine = H1Engine(keeps=False)
    async with serving(always(reply(b"ok"))) as server:
        for _ in range(3):
            assert await get(engine, server.url) == b"ok"
        assert server.connections == 3
    await engine.aclose()


async def test_server_that_does_not_close_as_it_said_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h1_connection, "FAREWELL_SECONDS", 0.02)
    engine = H1Engine(connections=1, keeps=False)
    async with serving(always(LAST)) as server:
        assert await get(engine, server.url) == b"ok"
        assert await get(engine, server.url) == b"ok"
        assert server.connections == 2
    await engine.aclose()


async def test_reply_that_ends_with_its_connection_is_whole() -> None:
    engine = H1Engine(keeps=False)
    async with serving(then_hang_up(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")) as server:
        assert await get(engine, server.url) == b"all of it"
    await engine.aclose()


async def test_who_goes_while_the_server_has_not_closed_leaves_nothing_behind() -> None:
    async def answer_and_stay(exchange: Exchange) -> None:
        await exchange.send(LAST)
        await never(exchange)

    engine = H1Engine(connections=1, keeps=False)
    async with serving(answer_and_stay) as server:
        for _ in range(2):
            asking = asyncio.create_task(get(engine, server.url))
            await asyncio.sleep(0.05)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await asyncio.sleep(0.01)
        assert server.connections == 2
        (pool,) = [pool for pool, _ in engine._pools.values()]
        assert pool.size == 0
    await engine.aclose()
