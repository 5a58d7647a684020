"""Kept answers: fresh, served while asked anew, served when the system fails; and what must not be kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from adapters.transport.cache import MemoryStore
from adapters.transport.http import ConnectFailed, Engine, HttpReply, TimedOut
from adapters.transport.upstream import Audience, CachePolicy, Effect, Operation, Upstream
from bff.context import RequestContext
from bff.errors import UpstreamMaintenance, UpstreamUnavailable
from bff.freshness import collect
from bff.windows import parse_windows
from tests.transport.engines import Gated, Scripted, customer, entered, reply, turns

pytestmark = pytest.mark.anyio

POLICY = CachePolicy(fresh=60, stale_while_revalidate=30, stale_if_error=600, tags=("models", "configurator"))
MODELS = Operation(name="ListModels", audience=Audience.PUBLIC, cache=POLICY)


class House:
    """An upstream with a store whose clock the test turns."""

    def __init__(self, engine: Engine, operation: Operation = MODELS, windows: str = "", memory: int = 10**6) -> None:
        self.now = 1_000_000.0
        self.store = MemoryStore(memory, lambda: self.now)
        self.operation = operation
        self.upstream = Upstream(
            "configurator", "http://x", engine, store=self.store, windows=parse_windows(windows), clock=self.time
        )
        assert self.upstream._kept is not None
        self.upstream._kept.clock = lambda: self.now

    def time(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    async def ask(self, path: str = "/models", **headers: str) -> tuple[HttpReply, RequestContext]:
        context = entered()
        answer = await self.upstream.call(self.operation, "GET", path, headers=headers or None)
        return answer, context


def source(context: RequestContext) -> str:
    return context.calls.records[-1].source


async def test_fresh_answer_asks_nobody_and_takes_no_round() -> None:
    engine = Scripted(reply(body=b"[1]"), reply(body=b"[2]"))
    house = House(engine)
    await house.ask()
    house.now += 59
    answer, context = await house.ask()
    assert (answer.body, source(context), context.calls.rounds) == (b"[1]", "cache", 0)
    assert context.fresh_seconds == 1
    assert len(engine.sent) == 1


async def test_stale_answer_is_served_at_once_while_one_call_renews_it() -> None:
    engine = Gated(lambda request: reply(body=b"[%d]" % len(engine.sent)))
    engine.gate.set()
    house = House(engine)
    await house.ask()
    house.now += 61
    engine.gate.clear()
    reads = collect()
    for _ in range(10):
        answer, context = await house.ask()
        assert (answer.body, source(context)) == (b"[1]", "stale")
        assert context.fresh_seconds == 0
        await turns()
    assert len(engine.sent) == 2
    assert (reads[0].source, reads[0].reason) == ("configurator", "REVALIDATING")
    assert reads[0].as_of == datetime.fromtimestamp(1_000_000, UTC)
    engine.gate.set()
    await turns()
    answer, context = await house.ask()
    assert (answer.body, source(context)) == (b"[2]", "cache")


async def test_renewal_outlives_the_request_that_noticed() -> None:
    engine = Gated()
    engine.gate.set()
    house = House(engine)
    await house.ask()
    house.now += 61
    engine.gate.clear()
    noticing = asyncio.ensure_future(house.ask())
    await turns()
    noticing.cancel()
    await turns()
    assert engine.cancelled == 0
    engine.gate.set()
    await turns()
    assert source((await house.ask())[1]) == "cache"


async def test_failed_renewal_leaves_what_there_was() -> None:
    house = House(Scripted(reply(body=b"[1]"), ConnectFailed("refused")))
    await house.ask()
    house.now += 61
    for _ in range(3):
        answer, context = await house.ask()
        await turns()
        assert (answer.body, source(context)) == (b"[1]", "stale")


@pytest.mark.parametrize("failure", [ConnectFailed("refused"), TimedOut("slow"), reply(500), reply(503), reply(429)])
async def test_failing_system_is_answered_for_within_the_bound(failure: HttpReply | Exception) -> None:
    house = House(Scripted(reply(body=b"[1]"), failure))
    await house.ask()
    house.now += 60 + 30 + 599
    answer, context = await house.ask()
    assert (answer.body, source(context), context.fresh_seconds) == (b"[1]", "stale", 0)
    house.now += 2
    if isinstance(failure, Exception):
        with pytest.raises(UpstreamUnavailable):
            await house.ask()
    else:
        assert (await house.ask())[0].status == failure.status


async def test_in_maintenance_the_kept_answer_serves_without_a_call() -> None:
    engine = Scripted(reply(body=b"[1]"))
    house = House(engine, windows="13:50-15:00 UTC")  # the clock stands at 13:46:40
    await house.ask()
    house.now += 300
    answer, context = await house.ask()
    assert (answer.body, source(context)) == (b"[1]", "stale")
    with pytest.raises(UpstreamMaintenance) as refused:
        await house.ask("/never-asked-before")
    assert refused.value.retry_after == datetime(1970, 1, 12, 15, 0, tzinfo=UTC)
    assert len(engine.sent) == 1


async def test_slow_system_leaves_time_for_the_kept_answer() -> None:
    engine = Scripted(reply(body=b"[1]"), TimedOut("slow"))
    house = House(engine)
    await house.ask()
    house.now += 100
    await house.ask()
    assert engine.timeouts[1] < engine.timeouts[0] * 0.6


async def test_unchanged_answer_is_confirmed_by_its_tag_and_fresh_again() -> None:
    engine = Scripted(reply(body=b"[1]", etag='"v1"'), reply(304, b"", etag='"v1"'))
    house = House(engine)
    await house.ask()
    house.now += 100
    answer, context = await house.ask()
    assert (answer.status, answer.body, context.calls.records[0].outcome) == (200, b"[1]", "304")
    assert answer.headers["content-type"] == "application/json"
    assert engine.sent[1].headers["if-none-match"] == '"v1"'
    house.now += 59
    assert source((await house.ask())[1]) == "cache"


async def test_those_who_ask_at_once_wait_for_one_call() -> None:
    engine = Gated()
    house = House(engine)
    asking = [asyncio.ensure_future(house.ask()) for _ in range(50)]
    await turns()
    engine.gate.set()
    await asyncio.gather(*asking)
    assert len(engine.sent) == 1


@pytest.mark.parametrize(
    "answer",
    [
        reply(cache_control="no-store"),
        reply(cache_control="private, max-age=60"),
        reply(set_cookie="session=1"),
        reply(vary="Authorization"),
        reply(vary="*"),
        reply(404),
        reply(206),
        reply(body=b'{"items": ['),
        HttpReply(status=200, headers={"content-type": "text/html"}, body=b"<html>maintenance</html>"),
    ],
    ids=["no-store", "private", "cookie", "vary", "vary-all", "404", "part", "half", "page"],
)
async def test_what_must_not_be_kept_is_not(answer: HttpReply) -> None:
    engine = Scripted(answer)
    house = House(engine)
    await house.ask()
    await house.ask()
    assert len(engine.sent) == 2
    assert len(house.store) == 0


@pytest.mark.parametrize(
    ("said", "seconds"), [("max-age=10", 10), ("public, max-age=600", 60), ("no-cache", 0), ("max-age=0", 0)]
)
async def test_the_stricter_of_us_and_the_system_decides(said: str, seconds: int) -> None:
    house = House(Scripted(reply(cache_control=said)))
    _, context = await house.ask()
    assert context.fresh_seconds == seconds


async def test_answer_that_must_be_asked_about_is_never_served_while_it_is() -> None:
    engine = Scripted(reply(cache_control="no-cache", etag='"1"'), reply(304, b"", cache_control="no-cache"))
    house = House(engine)
    await house.ask()
    _, context = await house.ask()
    assert (source(context), context.calls.records[0].outcome) == ("network", "304")


async def test_after_must_revalidate_nothing_old_is_served() -> None:
    house = House(Scripted(reply(cache_control="max-age=60, must-revalidate"), ConnectFailed("refused")))
    await house.ask()
    house.now += 61
    with pytest.raises(UpstreamUnavailable):
        await house.ask()


async def test_public_answer_is_kept_for_all_and_a_personal_one_for_its_caller() -> None:
    policy = CachePolicy(fresh=60, private=True)
    engine = Scripted()
    house = House(engine, Operation(name="GetGarage", cache=policy))
    for number in (1, 2, 1, 2):
        context = entered(customer(number))
        await house.upstream.call(house.operation, "GET", "/garage")
        assert context.is_private
    assert len(engine.sent) == 2


def test_personal_answer_is_kept_only_where_that_is_said_and_a_write_never() -> None:
    with pytest.raises(ValueError, match="private=True"):
        Operation(name="GetGarage", cache=CachePolicy(fresh=60))
    with pytest.raises(ValueError, match="never cached"):
        Operation(name="Rename", effect=Effect.WRITE, cache=CachePolicy(fresh=60, private=True))


async def test_tag_forgets_what_carries_it_and_nothing_else() -> None:
    engine = Scripted()
    house = House(engine)
    other = Operation(name="Topics", audience=Audience.PUBLIC, cache=CachePolicy(fresh=60, tags=("topics",)))
    await house.ask("/one")
    await house.ask("/two")
    await house.upstream.call(other, "GET", "/topics")
    assert await house.store.purge("models") == 2
    assert await house.store.purge("models") == 0
    assert len(house.store) == 1
    await house.ask("/one")
    assert len(engine.sent) == 4


async def test_memory_is_bounded_and_what_was_not_used_goes_first() -> None:
    house = House(Scripted(reply(body=b'"' + b"x" * 998 + b'"')), memory=15_000)
    for number in range(10):
        await house.ask(f"/{number}")
        await house.ask("/0")
    assert house.store.bytes <= 15_000
    assert len(house.store) == 10
    for number in range(10, 30):
        await house.ask(f"/{number}")
        await house.ask("/0")
    assert house.store.bytes <= 15_000
    assert source((await house.ask("/0"))[1]) == "cache"
    assert source((await house.ask("/1"))[1]) == "network"


async def test_answer_too_large_for_its_share_is_not_kept() -> None:
    house = House(Scripted(reply(body=b'"' + b"x" * 5000 + b'"')), memory=20_000)
    await house.ask()
    assert len(house.store) == 0


async def test_operation_without_a_policy_is_asked_every_time() -> None:
    engine = Scripted()
    house = House(engine, Operation(name="Slots", audience=Audience.PUBLIC))
    for _ in range(2):
        _, context = await house.ask()
        assert context.fresh_seconds == 0
    assert len(engine.sent) == 2


async def test_closing_ends_renewals() -> None:
    engine = Gated()
    engine.gate.set()
    house = House(engine)
    await house.ask()
    house.now += 61
    engine.gate.clear()
    await house.ask()
    await turns()
    await house.upstream.aclose()
    assert engine.cancelled == 1
