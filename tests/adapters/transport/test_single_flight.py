"""Single flight: one run for all who wait, and nobody's going away or haste harms the others."""

from __future__ import annotations

import asyncio

import pytest

from adapters.transport.flight import SingleFlight
from bff.calls import advance_to, current_round
from bff.context import RequestContext, enter
from bff.errors import UpstreamTimeout, UpstreamUnavailable

pytestmark = pytest.mark.anyio


async def test_those_who_come_meanwhile_get_the_same_answer_and_are_moved_by_its_rounds() -> None:
    runs = 0

    async def work() -> int:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        advance_to(current_round.get() + 1)
        return runs

    flight = SingleFlight("erp", work)

    async def ask() -> tuple[int, int]:
        return await flight(), current_round.get()

    assert await asyncio.gather(*(ask() for _ in range(5))) == [(1, 1)] * 5
    assert await flight() == 2


async def test_a_failure_is_everyones_and_the_next_caller_starts_again() -> None:
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        raise UpstreamUnavailable("erp")

    flight = SingleFlight("erp", work)
    results = await asyncio.gather(flight(), flight(), return_exceptions=True)
    assert [type(result) for result in results] == [UpstreamUnavailable, UpstreamUnavailable]
    assert runs == 1
    with pytest.raises(UpstreamUnavailable):
        await flight()
    assert runs == 2


async def test_a_starter_who_goes_away_leaves_the_work_to_the_others() -> None:
    go = asyncio.Event()

    async def work() -> str:
        await go.wait()
        return "done"

    flight = SingleFlight("erp", work)
    starter, joiner = asyncio.create_task(flight()), asyncio.create_task(flight())
    await asyncio.sleep(0)
    starter.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await joiner == "done"
    assert starter.cancelled()


async def test_a_joiner_is_not_harmed_by_a_starter_in_haste() -> None:
    runs = 0

    async def work() -> str:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.01)
        if runs == 1:
            raise UpstreamTimeout("erp")
        return "done"

    flight = SingleFlight("erp", work)
    results = await asyncio.gather(flight(), flight(), flight(), return_exceptions=True)
    assert isinstance(results[0], UpstreamTimeout)
    assert list(results[1:]) == ["done", "done"]
    assert runs == 2


async def test_waiting_ends_with_the_callers_own_budget() -> None:
    async def work() -> None:
        await asyncio.sleep(5)

    enter(RequestContext(ports=None, budget_seconds=0.01))  # type: ignore[arg-type]  # nothing here asks a port
    with pytest.raises(UpstreamTimeout):
        await SingleFlight("erp", work)()
