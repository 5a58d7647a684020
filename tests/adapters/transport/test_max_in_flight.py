"""An upstream that bears only so many calls at once."""

from __future__ import annotations

import asyncio

import pytest

from adapters.transport.http import HttpReply, HttpRequest
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.calls import in_parallel
from bff.errors import UpstreamBusy

pytestmark = pytest.mark.anyio


class Slow:
    """An engine that answers when it is let, and knows how many requests were under way at most."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.order: list[str] = []
        self.open = asyncio.Event()

    async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109
        self.order.append(request.url)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.open.wait()
        finally:
            self.now -= 1
        return HttpReply(status=200, headers={}, body=b"")

    async def aclose(self) -> None:
        pass


async def test_no_more_calls_than_allowed_are_under_way_and_the_rest_go_in_order() -> None:
    engine = Slow()
    upstream = Upstream("dms", "http://x", engine, max_in_flight=3)
    calls = in_parallel(*(upstream.call(Operation(name="Get"), "GET", f"/{number}") for number in range(9)))
    waiting = asyncio.ensure_future(calls)
    await asyncio.sleep(0.02)
    assert len(engine.order) == 3
    engine.open.set()
    assert all(isinstance(reply, HttpReply) for reply in await waiting)
    assert engine.most == 3
    assert engine.order == [f"http://x/{number}" for number in range(9)]


async def test_a_call_that_finds_no_room_in_time_was_never_sent_so_a_write_is_busy_and_not_unknown() -> None:
    engine = Slow()
    upstream = Upstream("dms", "http://x", engine, max_in_flight=1, timeout=5)
    first = asyncio.ensure_future(upstream.call(Operation(name="Get"), "GET", "/first"))
    await asyncio.sleep(0.01)
    with pytest.raises(UpstreamBusy):
        await upstream.call(Operation(name="Book", effect=Effect.WRITE, timeout=0.02), "POST", "/second")
    engine.open.set()
    await first
    assert engine.order == ["http://x/first"]
