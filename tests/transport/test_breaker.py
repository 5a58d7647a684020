"""A breaker opens on a share of failures, probes with one call, and forgets what came from before."""

from __future__ import annotations

import asyncio

import pytest

from adapters.transport.breaker import Breaker, State
from adapters.transport.http import ConnectFailed, ExchangeFailed, HttpReply, TimedOut
from adapters.transport.upstream import Operation, Upstream
from bff.errors import UpstreamTimeout, UpstreamUnavailable
from bff.policy import CallPolicy, OperationPolicy
from tests.transport.engines import Gated, Scripted, entered, reply, turns

POLICY = CallPolicy(failure_share=0.5, least_calls=4, window=10.0, open_for=5.0, open_at_most=15.0)
READ = Operation(name="Get")


def state_of(breaker: Breaker) -> State:
    return breaker.state


def opened(at: float = 100.0) -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(4):
        breaker.failed(breaker.generation, at)
    assert state_of(breaker) is State.OPEN
    return breaker


def test_few_failures_say_nothing() -> None:
    breaker = Breaker(POLICY)
    for _ in range(3):
        breaker.failed(0, 100.0)
    assert state_of(breaker) is State.CLOSED


def test_half_of_the_calls_failing_opens_it() -> None:
    breaker = Breaker(POLICY)
    for _ in range(3):
        breaker.succeeded(0, 100.0)
    for _ in range(2):
        breaker.failed(0, 100.0)
    assert state_of(breaker) is State.CLOSED
    breaker.failed(0, 100.0)
    assert state_of(breaker) is State.OPEN
    assert not breaker.admits(104.9)


def test_failures_older_than_the_window_do_not_count() -> None:
    breaker = Breaker(POLICY)
    for _ in range(3):
        breaker.failed(0, 100.0)
    breaker.failed(0, 111.0)
    assert state_of(breaker) is State.CLOSED
    for second in (114.0, 117.0, 119.0):
        breaker.failed(0, second)
    assert state_of(breaker) is State.OPEN


def test_one_probe_at_a_time_decides() -> None:
    breaker = opened()
    assert breaker.admits(105.0)
    assert state_of(breaker) is State.HALF_OPEN
    assert not breaker.admits(105.0)
    breaker.succeeded(breaker.generation, 105.1)
    assert state_of(breaker) is State.CLOSED
    assert breaker.admits(105.1)


def test_failed_probe_opens_it_for_longer_up_to_a_limit() -> None:
    breaker = opened()
    for opened_at, lasts in ((105.0, 10.0), (115.0, 15.0), (130.0, 15.0)):
        assert breaker.admits(opened_at)
        breaker.failed(breaker.generation, opened_at)
        assert breaker.open_until == opened_at + lasts


def test_probe_that_told_nothing_leaves_room_for_the_next() -> None:
    breaker = opened()
    assert breaker.admits(105.0)
    breaker.abandoned(breaker.generation)
    assert breaker.admits(105.0)


def test_answers_from_before_it_opened_are_not_taken_for_probes() -> None:
    breaker = opened()
    assert breaker.admits(105.0)
    breaker.succeeded(0, 105.0)
    assert state_of(breaker) is State.HALF_OPEN
    breaker.failed(0, 105.0)
    assert state_of(breaker) is State.HALF_OPEN


@pytest.mark.anyio
@pytest.mark.parametrize(
    "failure", [ConnectFailed("refused"), ExchangeFailed("reset"), TimedOut("slow"), reply(500), reply(503)]
)
async def test_open_breaker_refuses_without_a_call_and_says_when_to_come_again(failure: HttpReply | Exception) -> None:
    engine = Scripted(failure)
    upstream = Upstream("dms", "http://x", engine, policy=POLICY)
    for _ in range(4):
        try:
            await upstream.call(READ, "GET", "/a")
        except UpstreamUnavailable:
            continue
    context = entered()
    with pytest.raises(UpstreamUnavailable) as refused:
        await upstream.call(READ, "GET", "/a")
    assert len(engine.sent) == 4
    assert refused.value.retry_after is not None
    assert upstream.state.breakers == {"Get": "OPEN"}
    assert [(call.source, call.outcome) for call in context.calls.records] == [("refused", "UPSTREAM_UNAVAILABLE")]


@pytest.mark.anyio
async def test_business_errors_never_open_it() -> None:
    engine = Scripted(reply(404), reply(409), reply(422), reply(429), reply(400))
    upstream = Upstream("booking", "http://x", engine, policy=POLICY)
    for _ in range(20):
        await upstream.call(READ, "GET", "/a")
    assert len(engine.sent) == 20


@pytest.mark.anyio
async def test_each_operation_has_its_own() -> None:
    engine = Scripted(*[reply(500)] * 4, reply(200))
    upstream = Upstream("dms", "http://x", engine, policy=POLICY)
    for _ in range(4):
        await upstream.call(READ, "GET", "/a")
    assert (await upstream.call(Operation(name="Other"), "GET", "/b")).status == 200
    with pytest.raises(UpstreamUnavailable):
        await upstream.call(Operation(name="Get"), "GET", "/a")


@pytest.mark.anyio
async def test_an_operation_may_be_more_patient_than_its_system() -> None:
    policy = CallPolicy(least_calls=2, operations={"Get": OperationPolicy(least_calls=100)})
    engine = Scripted(reply(500))
    upstream = Upstream("dms", "http://x", engine, policy=policy)
    for _ in range(10):
        await upstream.call(READ, "GET", "/a")
    assert len(engine.sent) == 10


@pytest.mark.anyio
async def test_clients_in_a_hurry_do_not_open_it_for_others() -> None:
    engine = Scripted(TimedOut("slow"))
    upstream = Upstream("dms", "http://x", engine, policy=POLICY)
    for _ in range(10):
        entered(budget=0.2)
        with pytest.raises(UpstreamTimeout):
            await upstream.call(READ, "GET", "/a")
    assert len(engine.sent) == 10


@pytest.mark.anyio
async def test_cancelled_probe_is_followed_by_another() -> None:
    engine = Gated()
    upstream = Upstream("dms", "http://x", engine, policy=POLICY)
    breaker = upstream._settle(READ).breaker
    for _ in range(4):
        breaker.failed(0, 0.0)
    breaker.open_until = 0.0
    probe = asyncio.ensure_future(upstream.call(READ, "GET", "/a"))
    await turns()
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    engine.gate.set()
    assert (await upstream.call(READ, "GET", "/a")).status == 200
    assert upstream.state.breakers == {}
