"""Room at a system: never more than it bears, in a fair order, with a quick no."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.transport.bulkhead import Bulkhead
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.context import Channel
from bff.errors import UpstreamBusy
from bff.policy import CallPolicy, OperationPolicy, Priority
from tests.transport.engines import Gated, customer, entered, turns

pytestmark = pytest.mark.anyio


class Crowd:
    """Callers of one bulkhead; who was let in, in which order."""

    def __init__(self, **policy: object) -> None:
        self.bulkhead = Bulkhead("dms", CallPolicy(**policy))  # type: ignore[arg-type]  # the test's own words
        self.inside: list[str] = []
        self.refused: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, priority: Priority = Priority.NORMAL, seconds: float = 5.0) -> None:
        async def enter() -> None:
            try:
                if not self.bulkhead.try_enter():
                    await self.bulkhead.enter(priority, monotonic() + seconds)
            except UpstreamBusy:
                self.refused.append(name)
            else:
                self.inside.append(name)

        self.tasks[name] = asyncio.ensure_future(enter())
        await turns(2)

    async def leave(self) -> None:
        self.bulkhead.leave(0.001)
        await turns()


async def test_first_come_first_served_within_a_priority() -> None:
    crowd = Crowd(connections=1)
    for name in "abcd":
        await crowd.come(name)
    for _ in range(3):
        await crowd.leave()
    assert crowd.inside == list("abcd")


async def test_payment_goes_before_content_and_content_is_late_but_not_never() -> None:
    crowd = Crowd(connections=1)
    await crowd.come("inside")
    for number in range(3):
        await crowd.come(f"content{number}", Priority.LAST)
    for number in range(6):
        await crowd.come(f"payment{number}", Priority.FIRST)
    for _ in range(6):
        await crowd.leave()
    assert crowd.inside[1:] == ["payment0", "payment1", "payment2", "content0", "payment3", "payment4"]


async def test_full_queue_refuses_at_once() -> None:
    crowd = Crowd(connections=1, queue=2)
    for name in "abcd":
        await crowd.come(name)
    assert crowd.refused == ["d"]
    assert crowd.bulkhead.refused == 1


async def test_in_a_full_queue_the_latest_of_the_last_makes_room_for_the_first() -> None:
    crowd = Crowd(connections=1, queue=2)
    await crowd.come("inside")
    await crowd.come("content0", Priority.LAST)
    await crowd.come("content1", Priority.LAST)
    await crowd.come("payment", Priority.FIRST)
    assert crowd.refused == ["content1"]
    await crowd.leave()
    assert crowd.inside == ["inside", "payment"]


async def test_wait_that_would_outlast_the_budget_is_refused_at_once() -> None:
    crowd = Crowd(connections=1)
    await crowd.come("slow")
    crowd.bulkhead.average = 2.0
    await crowd.come("hurried", seconds=1.0)
    assert crowd.refused == ["hurried"]


async def test_whoever_waited_too_long_is_refused_and_gone() -> None:
    crowd = Crowd(connections=1)
    await crowd.come("inside")
    await crowd.come("late", seconds=0.02)
    await asyncio.sleep(0.05)
    assert crowd.refused == ["late"]
    assert crowd.bulkhead.waiting == 0
    await crowd.leave()
    assert crowd.bulkhead.in_flight == 0


async def test_cancelled_before_and_in_the_turn_of_being_let_in_nobody_takes_a_place_along() -> None:
    crowd = Crowd(connections=1)
    for name in ("inside", "gone", "unlucky", "next"):
        await crowd.come(name)
    crowd.tasks["gone"].cancel()
    await turns()
    crowd.bulkhead.leave(0.001)  # lets `unlucky` in
    crowd.tasks["unlucky"].cancel()
    await turns()
    assert crowd.inside == ["inside", "next"]
    assert (crowd.bulkhead.in_flight, crowd.bulkhead.waiting) == (1, 0)


async def test_no_more_calls_a_second_than_allowed() -> None:
    crowd = Crowd(per_second=20.0)
    began = monotonic()
    for number in range(26):
        await crowd.come(str(number))
    await asyncio.gather(*crowd.tasks.values())
    assert monotonic() - began >= 0.25  # twenty at once, six at 50 ms each
    assert crowd.inside == [str(number) for number in range(26)]


async def test_share_of_a_worker_is_at_least_one() -> None:
    assert Bulkhead("otd", CallPolicy(connections=2), share=4)._capacity == 1
    assert Bulkhead("dms", CallPolicy(connections=10), share=4)._capacity == 2


@given(
    st.lists(st.sampled_from(["come", "come", "first", "last", "leave", "cancel", "cancel all"]), max_size=80),
    st.integers(1, 4),
)
def test_places_are_neither_lost_nor_invented(steps: list[str], capacity: int) -> None:
    async def play() -> None:
        crowd = Crowd(connections=capacity, queue=5)
        left = 0
        for number, step in enumerate(steps):
            if step == "leave":
                if len(crowd.inside) > left:
                    left += 1
                    await crowd.leave()
            elif step == "cancel":
                for task in list(crowd.tasks.values())[-1:]:
                    task.cancel()
                await turns()
            elif step == "cancel all":
                for task in crowd.tasks.values():
                    task.cancel()
                if len(crowd.inside) > left:
                    left += 1
                    crowd.bulkhead.leave(0.001)  # in the same turn
                await turns()
            else:
                priority = {"come": Priority.NORMAL, "first": Priority.FIRST, "last": Priority.LAST}[step]
                await crowd.come(str(number), priority)
            assert crowd.bulkhead.in_flight == len(crowd.inside) - left <= capacity
            assert crowd.bulkhead.waiting <= 5
            assert not crowd.bulkhead.waiting or crowd.bulkhead.in_flight == capacity
        for task in crowd.tasks.values():
            task.cancel()
        await asyncio.gather(*crowd.tasks.values(), return_exceptions=True)

    asyncio.run(play())


async def test_the_car_and_writes_go_one_place_up() -> None:
    engine = Gated()
    policy = CallPolicy(connections=1, priority=Priority.LAST, operations={"History": OperationPolicy(timeout=9.0)})
    upstream = Upstream("content", "http://x", engine, policy=policy)

    async def ask(path: str, channel: Channel, operation: Operation) -> None:
        entered(customer(path), channel=channel)
        await upstream.call(operation, "GET", path)

    read, write = Operation(name="History"), Operation(name="Change", effect=Effect.WRITE)
    calls = [
        asyncio.ensure_future(ask(path, channel, operation))
        for path, channel, operation in [
            ("/inside", Channel.APP, read),
            ("/app", Channel.APP, read),
            ("/car", Channel.IN_CAR, read),
            ("/write", Channel.APP, write),
        ]
    ]
    await turns()
    engine.gate.set()
    await asyncio.gather(*calls)
    assert [request.url for request in engine.sent] == [
        f"http://x/{name}" for name in ("inside", "write", "car", "app")
    ]


async def test_five_hundred_callers_never_open_an_eleventh_connection() -> None:
    engine = Gated()
    upstream = Upstream("dms", "http://x", engine, policy=CallPolicy(connections=10, queue=1000, timeout=30))
    callers = [asyncio.ensure_future(upstream.call(Operation(name="Get"), "GET", f"/{n}")) for n in range(500)]
    await turns()
    assert engine.now == 10
    for caller in callers[::7]:
        caller.cancel()
    await turns()
    engine.gate.set()
    await asyncio.gather(*callers, return_exceptions=True)
    assert engine.most == 10
    assert upstream.state.in_flight == 0
