"""A connection outlives the request that it was opened for, and keeps nothing of it; a closed one is gone."""

from __future__ import annotations

import asyncio
import gc
from contextvars import ContextVar
from weakref import ref

import pytest

from adapters.transport.h1 import H1Engine
from adapters.transport.h1_connection import Connection
from adapters.transport.http import HttpRequest
from tests.adapters.transport.misbehaving import always, both_loops, reply, serving

pytestmark = pytest.mark.anyio

CLOSING = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


class Request:
    """What a request may hold."""


current: ContextVar[Request] = ContextVar("current")


anyio_backend = both_loops


async def ask(engine: H1Engine, url: str) -> ref[Request]:
    async def request() -> ref[Request]:
        held = Request()
        current.set(held)
        await engine.send(HttpRequest(method="GET", url=f"{url}/"), 5.0)
        return ref(held)

    return await asyncio.create_task(request())


async def test_open_connection_keeps_nothing_of_the_request_it_was_opened_for(uncollected: None) -> None:
    engine = H1Engine()
    async with serving(always(reply(b"{}"))) as server:
        held = await ask(engine, server.url)
        await asyncio.sleep(0)
        assert held() is None
        assert server.connections == 1
    await engine.aclose()


async def test_closed_connection_leaves_nothing_to_the_collector(uncollected: None) -> None:
    engine = H1Engine()
    async with serving(always(CLOSING)) as server:
        for _ in range(5):
            await ask(engine, server.url)
        assert server.connections == 5
    await engine.aclose()
    await asyncio.sleep(0.01)
    assert not [each for each in gc.get_objects() if isinstance(each, Connection)]
