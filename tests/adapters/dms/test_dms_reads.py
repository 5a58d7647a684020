"""What a request has asked the dealer system, it has asked: for how long, and what it costs to remember."""

from __future__ import annotations

import asyncio
from weakref import ref

import pytest

from adapters.dms.reads import ask_once, forget_answers
from bff.errors import UpstreamUnavailable
from resolvers.fields import forget
from tests.support import entered_context

pytestmark = pytest.mark.anyio


class System:
    """Answers nothing, and counts. With a `gate`, only once that is open."""

    def __init__(self, gate: asyncio.Event | None = None, *, fails: bool = False) -> None:
        self.asked = 0
        self.cancelled = 0
        self._gate = gate
        self._fails = fails

    async def __call__(self) -> None:
        self.asked += 1
        try:
            if self._gate is not None:
                await self._gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self._fails:
            raise UpstreamUnavailable("dms")


async def test_question_is_asked_once_by_whoever_whenever() -> None:
    system = System()
    entered_context()
    await asyncio.gather(ask_once("car", system), ask_once("car", system))
    await ask_once("car", system)
    assert system.asked == 1
    await ask_once("order", system)
    assert system.asked == 2


async def test_error_is_an_answer_too() -> None:
    system = System(fails=True)
    entered_context()
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            await ask_once("car", system)
    assert system.asked == 1


async def test_next_event_of_a_subscription_asks_anew() -> None:
    """Its loads are forgotten between events: what was true of a car at the first is no answer at the second."""
    system = System()
    context = entered_context()
    await ask_once("car", system)
    forget(context.loads)
    await ask_once("car", system)
    forget_answers()
    await ask_once("car", system)
    assert system.asked == 3


async def test_asking_goes_on_until_the_last_who_waits_is_gone() -> None:
    gate = asyncio.Event()
    system = System(gate)
    entered_context()
    first, second = (asyncio.create_task(ask_once("car", system)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert system.cancelled == 0
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    await asyncio.sleep(0)
    assert system.cancelled == 1
    gate.set()
    await ask_once("car", system)
    assert system.asked == 2


async def test_answer_does_not_hold_the_request(uncollected: None) -> None:
    async def request() -> ref[System]:
        context, system = entered_context(), System()
        context.state["of this request"] = system
        await ask_once("car", system)
        return ref(system)

    held = await asyncio.create_task(request())
    await asyncio.sleep(0)
    assert held() is None
