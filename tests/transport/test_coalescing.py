"""Identical reads in flight are one call, and nobody ever sees what was another's."""

from __future__ import annotations

import asyncio
import random
from contextvars import Context

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.transport.coalescing import CallerInPublicRead
from adapters.transport.http import ExchangeFailed, HttpReply, HttpRequest, TimedOut
from adapters.transport.rest import RestClient
from adapters.transport.upstream import Audience, Effect, Operation, Upstream
from bff.context import ANONYMOUS, Caller, RequestContext
from bff.errors import UpstreamTimeout, UpstreamUnavailable
from tests.transport.engines import Gated, Scripted, customer, entered, reply, turns

pytestmark = pytest.mark.anyio

PUBLIC = Operation(name="ListModels", audience=Audience.PUBLIC)
PERSONAL = Operation(name="GetGarage")
WRITE = Operation(name="Rename", effect=Effect.WRITE)


class Body(msgspec.Struct):
    n: int


def ask(
    upstream: Upstream,
    operation: Operation,
    path: str = "/a",
    caller: Caller | None = None,
    *,
    budget: float = 10.0,
    headers: dict[str, str] | None = None,
    log: list[RequestContext] | None = None,
) -> asyncio.Task[HttpReply]:
    """A request of its own."""

    async def request() -> HttpReply:
        context = entered(caller, budget=budget)
        if log is not None:
            log.append(context)
        return await upstream.call(operation, "GET", path, headers=headers)

    return asyncio.get_running_loop().create_task(request(), context=Context())


async def test_public_reads_of_everybody_are_one_call() -> None:
    engine, log = Gated(), list[RequestContext]()
    upstream = Upstream("configurator", "http://x", engine)
    asking = [ask(upstream, PUBLIC, caller=customer(number), log=log) for number in range(20)]
    await turns()
    engine.gate.set()
    await asyncio.gather(*asking)
    assert len(engine.sent) == 1
    sources = [context.calls.records[0].source for context in log]
    assert sources == ["network"] + ["coalesced"] * 19
    assert {context.calls.rounds for context in log} == {1}
    assert {context.calls.records[0].outcome for context in log} == {"200"}


async def test_personal_reads_are_one_call_for_one_caller_and_two_for_two() -> None:
    engine = Gated()
    upstream = Upstream("identity", "http://x", engine)
    asking = [ask(upstream, PERSONAL, caller=customer(number % 2)) for number in range(10)]
    await turns()
    engine.gate.set()
    await asyncio.gather(*asking)
    assert len(engine.sent) == 2


async def test_partitions_that_read_alike_when_joined_are_apart() -> None:
    one = Caller(kind=ANONYMOUS.kind, subject="a:b", customer_id="c")
    two = Caller(kind=ANONYMOUS.kind, subject="a", customer_id="b:c")
    assert one.partition != two.partition
    engine = Gated()
    upstream = Upstream("identity", "http://x", engine)
    asking = [ask(upstream, PERSONAL, caller=caller) for caller in (one, two)]
    await turns()
    engine.gate.set()
    await asyncio.gather(*asking)
    assert len(engine.sent) == 2


@pytest.mark.parametrize("changed", [{"path": "/b"}, {"headers": {"accept": "text/csv"}}])
async def test_whatever_differs_on_the_wire_is_another_call(changed: dict[str, object]) -> None:
    engine = Gated()
    upstream = Upstream("configurator", "http://x", engine)
    asking = [ask(upstream, PUBLIC), ask(upstream, PUBLIC, **changed)]  # type: ignore[arg-type]  # the test's own words
    await turns()
    engine.gate.set()
    await asyncio.gather(*asking)
    assert len(engine.sent) == 2


@pytest.mark.parametrize("name", ["authorization", "Authorization", "Proxy-Authorization"])
async def test_public_read_that_would_send_a_login_is_refused_as_the_bug_it_is(name: str) -> None:
    engine = Scripted()
    with pytest.raises(CallerInPublicRead):
        await Upstream("configurator", "http://x", engine).call(PUBLIC, "GET", "/a", headers={name: "Bearer x"})
    assert not engine.sent


async def test_public_read_with_a_header_that_may_be_the_callers_is_shared_with_nobody() -> None:
    engine = Gated()
    upstream = Upstream("erp", "http://x", engine)
    asking = [ask(upstream, PUBLIC, headers={"cookie": "session=1"}) for _ in range(3)]
    await turns()
    engine.gate.set()
    await asyncio.gather(*asking)
    assert len(engine.sent) == 3


async def test_writes_are_never_one() -> None:
    engine = Gated()
    upstream = Upstream("identity", "http://x", engine)
    asking = [ask(upstream, WRITE, caller=customer()) for _ in range(3)]
    await turns()
    engine.gate.set()
    await asyncio.gather(*asking)
    assert len(engine.sent) == 3


async def test_read_after_a_write_never_joins_one_from_before_it() -> None:
    engine = Gated(lambda request: reply(body=b"%d" % len(engine.sent)))
    upstream = Upstream("identity", "http://x", engine)
    before = ask(upstream, PERSONAL, caller=customer())
    await turns()
    write = ask(upstream, WRITE, "/b", customer())
    await turns()
    after = ask(upstream, PERSONAL, caller=customer())
    await turns()
    assert len(engine.sent) == 3
    engine.gate.set()
    await asyncio.gather(before, write, after)
    assert upstream._flights == {}


async def test_cancelled_waiter_takes_nothing_from_the_others() -> None:
    engine = Gated()
    upstream = Upstream("configurator", "http://x", engine)
    asking = [ask(upstream, PUBLIC) for _ in range(3)]
    await turns()
    asking[1].cancel()
    await turns()
    engine.gate.set()
    assert (await asking[0]).status == (await asking[2]).status == 200
    assert len(engine.sent) == 1


async def test_whoever_makes_the_call_and_goes_away_hands_it_over() -> None:
    engine = Gated()
    upstream = Upstream("configurator", "http://x", engine)
    asking = [ask(upstream, PUBLIC) for _ in range(4)]
    await turns()
    asking[0].cancel()
    asking[1].cancel()
    await turns(10)
    assert (engine.cancelled, len(engine.sent)) == (1, 2)
    engine.gate.set()
    assert [(await task).status for task in asking[2:]] == [200, 200]
    assert upstream._flights == {}


async def test_last_to_go_away_ends_the_call() -> None:
    engine = Gated()
    upstream = Upstream("configurator", "http://x", engine)
    asking = [ask(upstream, PUBLIC) for _ in range(3)]
    await turns()
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert (engine.now, upstream._flights) == (0, {})


async def test_successor_that_is_cancelled_in_the_turn_of_its_succession_hands_over_as_well() -> None:
    engine = Gated()
    upstream = Upstream("configurator", "http://x", engine)
    asking = [ask(upstream, PUBLIC) for _ in range(3)]
    await turns()
    flight = next(iter(upstream._flights.values()))
    flight.hand_over()  # as the first would in the turn in which it is cancelled
    asking[0].cancel()
    asking[1].cancel()
    await turns(10)
    engine.gate.set()
    assert (await asking[2]).status == 200
    assert upstream._flights == {}


async def test_failure_is_everybodys() -> None:
    upstream = Upstream("configurator", "http://x", Scripted(ExchangeFailed("reset")))
    failed = await asyncio.gather(*[ask(upstream, PUBLIC) for _ in range(5)], return_exceptions=True)
    assert all(isinstance(error, UpstreamUnavailable) for error in failed)
    assert upstream._flights == {}


async def test_callers_short_time_is_its_own() -> None:
    class Slow(Scripted):
        async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109
            await super().send(request, timeout)
            try:
                return await asyncio.wait_for(asyncio.sleep(0.2, reply()), timeout)
            except TimeoutError:
                raise TimedOut("slow") from None

    engine = Slow()
    upstream = Upstream("configurator", "http://x", engine)
    hurried = ask(upstream, PUBLIC, budget=0.03)
    await turns()
    patient, also_hurried = ask(upstream, PUBLIC), ask(upstream, PUBLIC, budget=0.1)
    with pytest.raises(UpstreamTimeout):
        await hurried
    with pytest.raises(UpstreamTimeout):
        await also_hurried
    assert (await patient).status == 200
    assert len(engine.sent) == 2


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(1, 6), st.floats(0, 0.5))
def test_thousands_of_interleaved_callers_of_any_audience_never_see_each_other(
    seed: int, customers: int, cancelled: float
) -> None:
    """Every answer names whom it is for; calls overlap, fail, and are cancelled in every order that the seed gives."""
    dice = random.Random(seed)

    class Personal:
        async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
            if dice.random() < 0.1:
                raise ExchangeFailed("reset")
            whose = request.headers.get("authorization", "everybody")
            return reply(body=f"{whose} {request.url}".encode())

        async def aclose(self) -> None:
            pass

    async def one(upstream: Upstream, number: int) -> bool:
        operation, path = dice.choice((PUBLIC, PERSONAL)), f"/{dice.randrange(3)}"
        caller = customer(dice.randrange(customers))
        entered(caller)
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        # What an upstream tells callers apart by is not always a header: the partition alone must keep them apart.
        headers = {"authorization": str(caller.login)} if operation is PERSONAL else None
        try:
            answer = await upstream.call(operation, "GET", path, headers=headers)
        except UpstreamUnavailable:
            return False
        whose = str(caller.login) if operation is PERSONAL else "everybody"
        assert answer.body.decode() == f"{whose} http://x{path}", number
        return True

    async def play() -> None:
        upstream = Upstream("any", "http://x", Personal())
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(one(upstream, number), context=Context()) for number in range(200)]
        for task in tasks:
            if dice.random() < cancelled:
                loop.call_later(dice.random() / 500, task.cancel)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, AssertionError):
                raise end
        assert upstream._flights == {}
        assert upstream.state.in_flight == 0

    asyncio.run(play())


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_partition_alone_keeps_callers_apart(seed: int) -> None:
    """The requests of all callers are the same bytes; only their contexts differ."""
    dice = random.Random(seed)

    class WhoAsks:
        async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109
            from bff.context import current

            whose = current().caller.subject
            await asyncio.sleep(0)
            return reply(body=whose.encode())

        async def aclose(self) -> None:
            pass

    async def one(upstream: Upstream) -> None:
        caller = customer(dice.randrange(5))
        entered(caller)
        for _ in range(dice.randrange(3)):
            await asyncio.sleep(0)
        assert (await upstream.call(PERSONAL, "GET", "/me")).body.decode() == caller.subject

    async def play() -> None:
        upstream = Upstream("any", "http://x", WhoAsks())
        await asyncio.gather(*[asyncio.create_task(one(upstream), context=Context()) for _ in range(1000)])

    asyncio.run(play())


async def test_shared_body_is_read_once_and_another_callers_by_itself() -> None:
    engine = Gated(lambda request: reply(body=b'{"n": 1}'))
    rest = RestClient(Upstream("garage", "http://x", engine))

    def read(caller: Caller) -> asyncio.Task[Body | None]:
        async def request() -> Body | None:
            entered(caller)
            return await rest.fetch(PERSONAL, "GET", "/a", Body)

        return asyncio.get_running_loop().create_task(request(), context=Context())

    asking = [read(customer(1)), read(customer(1)), read(customer(2)), read(customer(2))]
    await turns()
    engine.gate.set()
    mine, mine_again, theirs, theirs_again = await asyncio.gather(*asking)
    assert mine == theirs == Body(1)
    assert mine is mine_again
    assert theirs is theirs_again
    assert mine is not theirs
    assert await read(customer(1)) is not mine


async def test_each_type_that_a_shared_body_is_read_into_has_its_own_value() -> None:
    engine = Gated(lambda request: reply(body=b'{"n": 1}'))
    rest = RestClient(Upstream("garage", "http://x", engine))

    async def read(answer: type) -> object:
        entered(customer(1))
        return await rest.fetch(PERSONAL, "GET", "/a", answer)

    asking = [asyncio.create_task(read(answer), context=Context()) for answer in (Body, dict[str, int])]
    await turns()
    engine.gate.set()
    assert await asyncio.gather(*asking) == [Body(1), {"n": 1}]
    assert len(engine.sent) == 1


async def test_who_waits_for_a_new_leader_keeps_to_its_own_time() -> None:
    engine = Gated()
    upstream = Upstream("configurator", "http://x", engine, timeout=5)
    first, patient, hurried = (ask(upstream, PUBLIC, budget=budget) for budget in (0.05, 5.0, 0.1))
    await turns()
    first.cancel()
    with pytest.raises(UpstreamTimeout):
        await asyncio.wait_for(hurried, 3)
    assert not patient.done()
    engine.gate.set()
    assert (await patient).status == 200
    assert len(engine.sent) == 2
