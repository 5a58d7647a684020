"""Whatever is lost, dies or is switched in whatever order: at most one visit for one key, and the flow knows of it."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import date
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.domain.service import BookingOrigin
from bff.durability.sqlite import SqliteDatabase
from bff.errors import BffError
from bff.orders.booking_facts import Step
from sandbox.world import World, build_world
from tests.orders.booking_kit import CREATE, LOOK, SOUTH_IS_NEW, SOUTH_IS_OLD, Desk, Process
from tests.support import entered_context

NUMBERS = count()
DOES = st.one_of(
    st.just(("ask", 0)),
    st.tuples(st.sampled_from(["lose before", "lose after", "lose look", "wait"]), st.integers(1, 40)),
    st.sampled_from([("die", 0), ("down", 0), ("up", 0), ("switch", 0), ("cancel", 0)]),
)


@pytest.fixture(scope="module")
def old_world() -> World:
    return build_world(today=date(2026, 3, 9))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(does=st.lists(DOES, min_size=2, max_size=14), begins_new=st.booleans())
def test_at_most_one_visit_and_the_flow_knows(old_world: World, does: list[tuple[str, int]], begins_new: bool) -> None:
    asyncio.run(_live(Desk(old_world, SqliteDatabase(None), SOUTH_IS_NEW if begins_new else SOUTH_IS_OLD), does))


async def _live(desk: Desk, does: list[tuple[str, int]]) -> None:
    key = f"key-{next(NUMBERS)}"  # the systems of all examples are the same
    entered_context()
    request = await desk.request(key)
    wires = (desk.to_old, desk.to_new)
    for what, number in [*does, ("ask", 0)]:
        entered_context()
        if what == "ask":
            with contextlib.suppress(BffError):
                await desk.process.port.book(request)
        elif what == "cancel":
            state = await desk.find_state(key)
            if state is not None and state.booking is not None:
                with contextlib.suppress(BffError):
                    await desk.process.port.cancel(state.booking, reason=None, idempotency_key=f"cancel-{key}")
        elif what == "wait":
            desk.clock.move(number)
            await desk.process.flows.settle()
        elif what == "die":
            desk.process = Process(desk)
        elif what == "switch":
            desk.plans.swap(SOUTH_IS_OLD if desk.plans.plan is SOUTH_IS_NEW else SOUTH_IS_NEW)
        for wire in wires:
            if what in ("down", "up"):
                wire.is_down = what == "down"
            elif what == "lose before":
                wire.before |= {CREATE: number % 4, "POST /bookings": number % 4}
            elif what == "lose after":
                wire.after |= {CREATE: number % 4, "POST /bookings": number % 4}
            elif what == "lose look":
                wire.before |= {LOOK: number, "GET /bookings": number}
    await _ends(desk, key)


async def _ends(desk: Desk, key: str) -> None:
    """All is well again, and an hour goes by."""
    entered_context()
    desk.heal()
    for _ in range(12):
        desk.clock.move(300)
        await desk.process.flows.settle()
    state = await desk.state(key)
    made = [number for origin in BookingOrigin for number in desk.made(origin)]
    assert len(made) <= 1
    assert (state.step is Step.BOOKED) == (len(made) == 1)
    types = [event.type for event in await desk.events()]
    assert types.count("booking.confirmed.v1") <= 1
    if state.booking is None:
        assert state.step in (Step.FAILED, Step.REFUSED)
        return
    assert state.origin is state.booking.origin is desk.origin
    assert made == [state.booking.number]
    done = [wish for wish in state.wishes if wish.outcome.value == "DONE"]
    assert types == ["booking.confirmed.v1"] + ["booking.cancelled.v1"] * len(done)
    if not done:  # gives its place back for the next example
        entered_context()
        await desk.router.cancel(state.booking, reason=None, idempotency_key=state.booking.number)
