"""The request's time reaches every call: what is left, its own limit, the header, and the end of it."""

from __future__ import annotations

import asyncio
from time import monotonic

import httpx
import pytest

from adapters.transport.http import HttpReply, HttpRequest, HttpxEngine, TimedOut
from adapters.transport.line import CUT_GRACE
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.calls import in_parallel
from bff.errors import OutcomeUnknown, UpstreamTimeout
from bff.policy import CallPolicy, OperationPolicy
from tests.support import counted_calls
from tests.transport.engines import Gated, Scripted, entered, reply, turns

pytestmark = pytest.mark.anyio

READ = Operation(name="Get")


@pytest.mark.parametrize(
    ("budget", "operation", "milliseconds"),
    [
        (10.0, READ, 4000),
        (1.5, READ, 1500),
        (10.0, Operation(name="Ping", timeout=0.5), 500),
        (10.0, Operation(name="Slow", timeout=0.5), 9000),
    ],
    ids=["system's", "request's", "operation's", "table's"],
)
async def test_shortest_limit_holds_and_is_sent_on(budget: float, operation: Operation, milliseconds: int) -> None:
    engine = Scripted()
    policy = CallPolicy(timeout=4.0, operations={"Slow": OperationPolicy(timeout=9.0)})
    began = monotonic()
    entered(budget=budget)
    await Upstream("erp", "http://x", engine, policy=policy).call(operation, "GET", "/a", headers={"accept": "x/y"})
    took = monotonic() - began + 0.001  # a millisecond is lost in rounding
    assert milliseconds - took * 1000 <= int(engine.sent[0].headers["bff-deadline-ms"]) <= milliseconds
    assert engine.sent[0].headers["accept"] == "x/y"
    assert milliseconds / 1000 - took <= engine.timeouts[0] <= milliseconds / 1000 + CUT_GRACE


async def test_retry_has_only_what_the_first_attempt_left() -> None:
    engine = Scripted(reply(503, retry_after="1"), reply())
    await Upstream("erp", "http://x", engine, policy=CallPolicy(timeout=4.0, attempts=2)).call(READ, "GET", "/a")
    assert engine.timeouts[1] <= engine.timeouts[0] - 1


async def test_spent_budget_makes_no_call() -> None:
    engine = Scripted()
    entered(budget=0.0)
    with pytest.raises(UpstreamTimeout):
        await Upstream("erp", "http://x", engine).call(READ, "GET", "/a")
    assert not engine.sent


async def test_cancelled_request_cancels_its_call() -> None:
    engine = Gated()
    upstream = Upstream("dms", "http://x", engine, max_in_flight=1)
    call = asyncio.ensure_future(upstream.call(READ, "GET", "/a"))
    await turns()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert (engine.cancelled, upstream.state.in_flight) == (1, 0)


@pytest.mark.parametrize(("effect", "error"), [(Effect.READ, UpstreamTimeout), (Effect.WRITE, OutcomeUnknown)])
async def test_reply_that_drips_for_ever_ends_with_the_time(effect: Effect, error: type[Exception]) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        try:
            for _ in range(100):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    upstream = Upstream("dms", f"http://127.0.0.1:{port}", HttpxEngine(httpx.AsyncClient(trust_env=False)))
    with pytest.raises(error):
        await upstream.call(Operation(name="Any", effect=effect, timeout=0.3), "POST", "/a")
    await upstream.aclose()
    server.close()
    await server.wait_closed()


async def test_httpx_ends_a_transport_that_knows_no_time() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(200)

    engine = HttpxEngine(httpx.AsyncClient(transport=httpx.MockTransport(never)))
    with pytest.raises(TimedOut):
        await engine.send(HttpRequest(method="GET", url="http://x/"), 0.05)


async def test_governing_a_call_is_little_work() -> None:
    """Some ninety calls of functions for limits, deadline, breaker, room, coalescing, log and count."""
    engine = Scripted()
    upstream = Upstream("any", "http://x", engine, policy=CallPolicy(connections=64, attempts=2, per_second=0))
    entered(budget=1000)
    await upstream.call(READ, "GET", "/a")  # what is settled once
    with counted_calls() as calls:
        answer = await upstream.call(READ, "GET", "/a", keys=["1"], headers={"accept": "application/json"})
    assert isinstance(answer, HttpReply)
    assert calls() < 120


async def test_work_that_is_cancelled_before_its_first_turn_leaves_nothing_behind() -> None:
    engine = Gated()
    upstream = Upstream("dms", "http://x", engine)

    async def both_at_once() -> None:
        await in_parallel(upstream.call(READ, "GET", "/a"), upstream.call(READ, "GET", "/b"))

    task = asyncio.ensure_future(both_at_once())
    await turns(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not engine.sent
