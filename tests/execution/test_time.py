"""Waiting, deadlines and cancellation."""

import asyncio
from time import monotonic
from typing import Any

import pytest

from bff.execution import Plans
from tests.execution.garage import Estate, schema

pytestmark = pytest.mark.anyio


def others() -> set[asyncio.Task[Any]]:
    """Tasks besides the test's own and that of the plugin that runs it."""
    return {task for task in asyncio.all_tasks() if "_call_in_runner_task" not in repr(task.get_coro())}


async def test_a_slow_upstream_delays_only_its_own_subtree() -> None:
    estate = Estate()
    estate.gates["slow"] = asyncio.Event()
    whole = asyncio.create_task(Plans(schema).plan("{ slow cars { visit { centre { id } } } }").run(estate))
    for _ in range(50):
        await asyncio.sleep(0)
    assert estate.finished == ["cars", "visits", "centres"]
    estate.gates["slow"].set()
    result: Any = await whole
    assert result.data["slow"] == "at last"


async def test_a_slow_batch_does_not_hold_back_its_sibling() -> None:
    estate = Estate()
    estate.gates["mileage"] = asyncio.Event()
    whole = asyncio.create_task(Plans(schema).plan("{ cars { mileage visit { centre { id } } } }").run(estate))
    for _ in range(50):
        await asyncio.sleep(0)
    assert estate.finished == ["cars", "visits", "centres"]
    estate.gates["mileage"].set()
    result: Any = await whole
    assert result.data["cars"][0]["mileage"] == 100


async def test_the_deadline_nulls_what_is_pending_and_answers_the_rest() -> None:
    mine = others()
    estate = Estate(cars=1, deadline=monotonic() + 0.05)
    estate.gates["slow"] = estate.gates["visits"] = asyncio.Event()
    result: Any = await Plans(schema).plan("{ slow cars { vin visit { id } mileage } }").run(estate)
    assert result.data == {"slow": None, "cars": [{"vin": "v0", "visit": None, "mileage": 100}]}
    assert sorted((error.path, error.extensions["code"]) for error in result.errors) == [
        (["cars", 0, "visit"], "DEADLINE_EXCEEDED"),
        (["slow"], "DEADLINE_EXCEEDED"),
    ]
    assert sorted(estate.cancelled) == ["slow", "visits"]
    assert others() == mine


async def test_a_deadline_that_is_not_reached_leaves_no_timer_behind() -> None:
    mine = others()
    estate = Estate(cars=1, deadline=monotonic() + 60)
    result: Any = await Plans(schema).plan("{ cars { vin } }").run(estate)
    assert result.errors is None
    assert others() == mine


async def test_cancelling_a_run_cancels_everything_in_flight_and_leaves_no_task() -> None:
    mine = others()
    estate = Estate()
    estate.gates["slow"] = estate.gates["visits"] = asyncio.Event()
    whole = asyncio.create_task(Plans(schema).plan("{ slow cars { visit { id } } }").run(estate))
    for _ in range(20):
        await asyncio.sleep(0)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    assert sorted(estate.cancelled) == ["slow", "visits"]
    assert others() == mine


async def test_a_run_cancelled_at_once_leaves_no_task() -> None:
    mine = others()
    estate = Estate()
    whole = asyncio.create_task(Plans(schema).plan("{ slow cars { visit { id } } }").run(estate))
    await asyncio.sleep(0)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    assert others() == mine


async def test_work_under_a_null_is_given_up() -> None:
    mine = others()
    estate = Estate(cars=2)
    estate.cars[1] = type(estate.cars[1])("v1", model=None)
    estate.gates["visits"] = asyncio.Event()
    result: Any = await asyncio.wait_for(Plans(schema).plan("{ cars { visit { id } model } }").run(estate), 1)
    assert result.data is None
    assert others() == mine


async def test_cancelling_a_run_cancels_keys_that_are_loaded_alone() -> None:
    mine = others()
    estate = Estate()
    estate.gates["visits"] = asyncio.Event()
    whole = asyncio.create_task(Plans(schema).plan("{ parked { alone } }").run(estate))
    for _ in range(20):
        await asyncio.sleep(0)
    assert [keys for _, keys, _ in estate.asked] == [["v0", "v1", "v2"]]
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    for _ in range(5):
        await asyncio.sleep(0)
    assert estate.cancelled == ["visits"]
    assert others() == mine


async def test_a_write_cut_off_by_the_deadline_is_not_called_retryable_and_the_next_does_not_begin() -> None:
    estate = Estate(deadline=monotonic() + 0.05)
    text = 'mutation { a: park(name: "a") b: park(name: "b") }'
    estate.gates["park"] = asyncio.Event()
    result: Any = await asyncio.wait_for(Plans(schema).plan(text).run(estate), 2)
    assert result.data == {"a": None, "b": None}
    assert [(error.path, error.extensions["retryable"]) for error in result.errors] == [(["a"], False), (["b"], True)]
    assert estate.written == ["begin a"]


async def test_the_deadline_reaches_a_level_that_waits_for_another_call() -> None:
    estate = Estate(cars=1, deadline=monotonic() + 0.05)
    estate.gates["visits"] = asyncio.Event()
    result: Any = await Plans(schema).plan("{ parked { alone visit { id } } }").run(estate)
    assert result.data == {"parked": [{"alone": None, "visit": None}]}
    assert len(result.errors) == 2


async def test_each_event_of_a_subscription_has_the_whole_budget() -> None:
    estate = Estate(deadline=monotonic() + 0.05)
    stream: Any = await Plans(schema).plan("subscription { passing(count: 3) { visit { id } } }").subscribe(estate)
    answers = []
    async for event in stream:
        answers.append(event)
        await asyncio.sleep(0.04)
    assert [event.errors for event in answers] == [None, None, None]
    assert answers[2].data == {"passing": {"visit": {"id": "visit-v2"}}}
