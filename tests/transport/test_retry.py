"""What is tried again, how often, and when: reads, and what was certainly never sent."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from adapters.transport.http import ConnectFailed, ExchangeFailed, HttpReply, TimedOut
from adapters.transport.retry import LONGEST_PAUSE, RetryBudget, pause, retry_after
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.errors import OutcomeUnknown, UpstreamTimeout, UpstreamUnavailable
from bff.policy import CallPolicy
from tests.transport.engines import Scripted, entered, reply

pytestmark = pytest.mark.anyio

POLICY = CallPolicy(attempts=3, timeout=5.0)
READ = Operation(name="Get")
WRITE = Operation(name="Book", effect=Effect.WRITE)
NOW = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("failure", [ConnectFailed("x"), ExchangeFailed("x"), reply(502), reply(503), reply(429)])
async def test_read_that_failed_for_a_moment_is_answered_in_the_same_round(failure: HttpReply | Exception) -> None:
    engine = Scripted(failure, reply(200))
    context = entered()
    assert (await Upstream("erp", "http://x", engine, policy=POLICY).call(READ, "GET", "/a")).status == 200
    assert [call.attempt for call in context.calls.records] == [1, 2]
    assert context.calls.rounds == 1


@pytest.mark.parametrize("answer", [reply(500), reply(404), reply(400)])
async def test_answers_that_would_be_the_same_again_are_not_asked_for_again(answer: HttpReply) -> None:
    engine = Scripted(answer)
    await Upstream("erp", "http://x", engine, policy=POLICY).call(READ, "GET", "/a")
    assert len(engine.sent) == 1


async def test_timeout_is_not_tried_again() -> None:
    engine = Scripted(TimedOut("slow"))
    with pytest.raises(UpstreamTimeout):
        await Upstream("erp", "http://x", engine, policy=POLICY).call(READ, "GET", "/a")
    assert len(engine.sent) == 1


@pytest.mark.parametrize("failure", [ExchangeFailed("reset"), TimedOut("slow")])
async def test_write_that_may_have_happened_is_never_sent_again(failure: Exception) -> None:
    engine = Scripted(failure)
    with pytest.raises(OutcomeUnknown):
        await Upstream("erp", "http://x", engine, policy=POLICY).call(WRITE, "POST", "/a")
    assert len(engine.sent) == 1


async def test_write_that_was_answered_by_503_is_never_sent_again() -> None:
    engine = Scripted(reply(503))
    assert (await Upstream("erp", "http://x", engine, policy=POLICY).call(WRITE, "POST", "/a")).status == 503
    assert len(engine.sent) == 1


async def test_write_that_was_never_sent_is_sent_again() -> None:
    engine = Scripted(ConnectFailed("refused"), reply(201))
    assert (await Upstream("erp", "http://x", engine, policy=POLICY).call(WRITE, "POST", "/a")).status == 201


async def test_attempts_end() -> None:
    engine = Scripted(ConnectFailed("refused"))
    with pytest.raises(UpstreamUnavailable):
        await Upstream("erp", "http://x", engine, policy=POLICY).call(READ, "GET", "/a")
    assert len(engine.sent) == 3


async def test_asked_to_wait_beyond_its_time_a_call_gives_up_at_once() -> None:
    engine = Scripted(reply(503, retry_after="60"))
    assert (await Upstream("erp", "http://x", engine, policy=POLICY).call(READ, "GET", "/a")).status == 503
    assert len(engine.sent) == 1


async def test_asked_to_wait_a_second_it_waits_that_long() -> None:
    engine = Scripted(reply(503, retry_after="1"), reply(200))
    context = entered()
    assert (await Upstream("erp", "http://x", engine, policy=POLICY).call(READ, "GET", "/a")).status == 200
    first, second = context.calls.records
    assert second.start_ms - first.start_ms >= 1000


async def test_dead_system_gets_a_tenth_more_calls_and_not_three_times_as_many() -> None:
    engine = Scripted(ConnectFailed("refused"))
    upstream = Upstream("erp", "http://x", engine, policy=CallPolicy(attempts=2, least_calls=10**6))
    upstream._line.retries.tokens = 0.0
    for number in range(50):
        with pytest.raises(UpstreamUnavailable):
            await upstream.call(READ, "GET", f"/{number}")
    assert 50 < len(engine.sent) <= 56


def test_budget_fills_up_to_its_limit() -> None:
    budget = RetryBudget(share=0.1, most=2.0)
    for _ in range(1000):
        budget.earn()
    assert [budget.spend() for _ in range(4)] == [True, True, False, False]


def test_pauses_grow_and_differ() -> None:
    random = Random(7)
    for attempt in range(1, 12):
        pauses = {pause(attempt, random) for _ in range(50)}
        assert len(pauses) == 50
        assert 0 <= min(pauses) <= max(pauses) <= min(LONGEST_PAUSE, 0.05 * 2**attempt)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7.0), ("Mon, 09 Mar 2026 08:00:30 GMT", 30.0), ("Mon, 09 Mar 2026 07:00:00 GMT", 0.0), ("soon", None)],
)
def test_retry_after_is_seconds_or_a_date(said: str, seconds: float | None) -> None:
    assert retry_after(reply(503, retry_after=said), NOW) == seconds
