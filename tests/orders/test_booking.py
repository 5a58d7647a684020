"""Visits to the workshop as flows: one visit for one wish, whatever is lost, on the system that it began on."""

from __future__ import annotations

import asyncio

import pytest

from bff.context import RequestContext, enter
from bff.domain.service import BookingId, BookingOrigin, BookingStatus
from bff.durability.database import Database
from bff.durability.sqlite import SqliteDatabase
from bff.errors import (
    BffError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    UpstreamError,
    UpstreamUnavailable,
)
from bff.orders.booking_facts import Step
from sandbox.kit.faults import Fault
from sandbox.world import World
from tests.orders.booking_kit import CREATE, LOOK, SOUTH_IS_NEW, SOUTH_IS_OLD, Desk, Process, codes, only
from tests.support import entered_context

pytestmark = pytest.mark.anyio

DMS, BOOKING = BookingOrigin.DMS, BookingOrigin.BOOKING


@pytest.fixture(autouse=True)
def context() -> RequestContext:
    return entered_context()


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world, SqliteDatabase(None))


@pytest.fixture
def kept(world: World, database: Database) -> Desk:
    """On a file, and on PostgreSQL."""
    return Desk(world, database)


async def test_a_visit_is_booked_once_and_told_once(kept: Desk) -> None:
    booking = only(await kept.book())
    again = only(await kept.book())
    assert again == booking
    assert kept.made(DMS) == [booking.id.number]
    (event,) = await kept.events()
    assert (event.type, event.order_number, event.customer_id) == ("booking.confirmed.v1", booking.id.number, "C0001")
    assert event.data == {
        "bookingNumber": booking.id.number,
        "system": "DMS",
        "centre": "SZ0412",
        "start": booking.start.isoformat(),
        "status": booking.status.value,
    }


async def test_it_costs_no_call_more_than_without_a_flow(desk: Desk, context: RequestContext) -> None:
    request = await desk.request()
    before = len(context.calls.records)
    await desk.process.port.book(request)
    assert [record.operation for record in context.calls.records[before:]] == [CREATE]


async def test_what_the_customer_wrote_is_forgotten_once_it_is_booked(desk: Desk) -> None:
    desk.lose_answers(times=100)
    with pytest.raises(OutcomeUnknown):
        await desk.book()
    assert "刹车有异响" in await desk.stored()
    desk.heal()
    await desk.later(20)
    assert (await desk.state()).step is Step.BOOKED
    assert "刹车有异响" not in await desk.stored()


async def test_a_taken_slot_is_an_answer_and_the_key_is_used(desk: Desk) -> None:
    request = await desk.request()
    slot = next(slot for slot in desk.world.slots_of("SZ0412") if slot.starts_at == request.start)
    slot.taken = slot.capacity
    assert codes(await desk.process.port.book(request)) == ["SLOT_TAKEN"]
    slot.taken = 0
    assert codes(await desk.process.port.book(request)) == ["SLOT_TAKEN"]
    assert desk.made(DMS) == []
    assert await desk.events() == []


async def test_a_mistake_of_the_client_is_raised_each_time_and_never_tried_again(desk: Desk) -> None:
    for _ in range(2):
        with pytest.raises(InvalidInput) as raised:
            await desk.book(op_codes=("NO-SUCH",))
        assert raised.value.field == "opCodes"
    assert await desk.process.flows.run_due() == 0


async def test_one_key_is_for_one_visit(desk: Desk) -> None:
    await desk.book()
    with pytest.raises(InvalidInput) as raised:
        await desk.book(op_codes=("1010",))
    assert raised.value.field == "idempotencyKey"
    assert len(desk.made(DMS)) == 1


async def test_two_requests_with_one_key_at_once_are_one_visit(kept: Desk) -> None:
    request = await kept.request()
    one, two = await asyncio.gather(kept.process.port.book(request), kept.process.port.book(request))
    assert only(one).id == only(two).id
    assert len(kept.made(DMS)) == 1


# Trap 6


async def test_trap_6_a_create_that_timed_out_but_happened_makes_no_second_appointment(desk: Desk) -> None:
    """Found within the request: the adapter's own look fails, the flow's finds it."""
    desk.lose_answers()
    booking = only(await desk.book())
    assert desk.made(DMS) == [booking.id.number]
    assert [event.type for event in await desk.events()] == ["booking.confirmed.v1"]


async def test_trap_6_the_outcome_is_unknown_until_it_is_looked_up(kept: Desk) -> None:
    kept.lose_answers(times=100)
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            await kept.book()
    assert (await kept.state()).step is Step.ASKED
    assert len(kept.made(DMS)) == 1
    kept.heal()
    await kept.later(20)
    assert (await kept.state()).step is Step.BOOKED
    assert [only(await kept.book()).id.number] == kept.made(DMS)
    assert [event.type for event in await kept.events()] == ["booking.confirmed.v1"]
    assert kept.to_old.count(CREATE) == 1


async def test_trap_6_what_was_not_found_is_not_asked_again_while_it_may_still_come(
    desk: Desk,
) -> None:
    """The connection breaks before the dealer system began: nobody can know. It is asked again once it has settled."""
    desk.to_old.before = {CREATE: 1}
    with pytest.raises(OutcomeUnknown):
        await desk.book()
    await desk.later(9)
    assert desk.made(DMS) == []
    assert desk.to_old.count(CREATE) == 0
    await desk.later(20)
    assert len(desk.made(DMS)) == 1
    assert (await desk.state()).step is Step.BOOKED


async def test_trap_6_a_request_without_time_leaves_the_rest_to_the_background(desk: Desk) -> None:
    request = await desk.request()
    desk.old.faulty.faults = [Fault("delay", match=CREATE, times=1, milliseconds=30_000)]
    enter(RequestContext(ports=None, budget_seconds=0.8))  # type: ignore[arg-type]  # nobody looks at ports
    with pytest.raises(OutcomeUnknown):
        await desk.process.port.book(request)
    assert (await desk.state()).again_after is not None
    entered_context()
    await desk.later(20)
    assert len(desk.made(DMS)) == 1
    assert (await desk.state()).step is Step.BOOKED


async def test_a_process_that_died_over_the_answer_is_followed_by_one_that_looks_first(desk: Desk) -> None:
    class Died(BaseException):
        pass

    request, book = await desk.request(), desk.router.book

    async def deadly(asked: object) -> object:
        await book(request)
        raise Died

    desk.router.book = deadly  # type: ignore[assignment,method-assign]
    with pytest.raises(Died):
        await desk.process.port.book(request)
    desk.router.book = book  # type: ignore[method-assign]
    desk.process = Process(desk)
    desk.clock.move(40)
    await desk.process.flows.settle()
    assert (await desk.state()).step is Step.BOOKED
    assert LOOK in desk.to_old.seen[-1]
    assert desk.to_old.count(CREATE) == 1
    assert len(desk.made(DMS)) == 1


async def test_on_the_booking_service_the_cars_list_says_what_became_of_it(world: World) -> None:
    desk = Desk(world, SqliteDatabase(None), SOUTH_IS_NEW)
    desk.to_new.after = {"POST /bookings": 1}
    booking = only(await desk.book())
    assert desk.made(BOOKING) == [booking.id.number]
    assert desk.made(DMS) == []
    assert [event.data["system"] for event in await desk.events()] == ["BOOKING"]


# What could not be done


async def test_what_could_not_be_asked_is_not_booked_long_after_behind_the_customers_back(desk: Desk) -> None:
    request = await desk.request()
    desk.to_old.is_down = True
    with pytest.raises(UpstreamUnavailable):
        await desk.process.port.book(request)
    desk.clock.move(71)
    await desk.process.flows.settle()
    assert (await desk.state()).step is Step.ASKED  # it cannot even be looked up
    desk.heal()
    desk.clock.move(300)
    await desk.process.flows.settle()
    assert (await desk.state()).step is Step.FAILED
    assert desk.made(DMS) == []
    assert await desk.events() == []
    assert only(await desk.process.port.book(request)).id.number in desk.made(DMS)


async def test_asked_again_soon_it_is_booked(desk: Desk) -> None:
    request = await desk.request()
    desk.old.faulty.faults = [Fault("status", match=CREATE, status=429, times=1)]
    with pytest.raises(UpstreamError):
        await desk.process.port.book(request)
    desk.clock.move(30)
    booking = only(await desk.process.port.book(request))
    assert desk.made(DMS) == [booking.id.number]


async def test_told_in_the_end_that_it_was_not_done(desk: Desk) -> None:
    """Who waits while the background gives up is told so."""
    request = await desk.request()
    desk.to_old.before = {CREATE: 1}
    with pytest.raises(OutcomeUnknown):
        await desk.process.port.book(request)
    desk.clock.move(100)
    await desk.process.flows.settle()
    state = await desk.state()
    assert (state.step, state.wanted) == (Step.FAILED, None)
    desk.to_old.is_down = True
    with pytest.raises(UpstreamUnavailable):
        await desk.process.port.book(request)


# Trap 8


async def test_trap_8_a_pilot_switched_while_a_visit_is_being_booked_leaves_it_where_it_began(desk: Desk) -> None:
    request = await desk.request()
    desk.to_old.before = {CREATE: 1}
    with pytest.raises(OutcomeUnknown):
        await desk.process.port.book(request)
    assert (await desk.state()).origin is DMS
    desk.plans.swap(SOUTH_IS_NEW)
    await desk.later(20)
    state = await desk.state()
    assert (state.step, state.origin) == (Step.BOOKED, DMS)
    assert (len(desk.made(DMS)), desk.made(BOOKING)) == (1, [])
    assert state.booking is not None
    cancelled = only(await desk.process.port.cancel(state.booking, reason=None, idempotency_key="c"))
    assert cancelled.id.origin is DMS
    assert [event.data["system"] for event in await desk.events()] == ["DMS", "DMS"]


@pytest.mark.parametrize(("before", "after"), [(SOUTH_IS_NEW, SOUTH_IS_OLD), (SOUTH_IS_OLD, SOUTH_IS_NEW)])
async def test_trap_8_a_booked_visit_is_moved_and_cancelled_where_it_began(
    world: World, before: object, after: object
) -> None:
    desk = Desk(world, SqliteDatabase(None), before)  # type: ignore[arg-type]
    first, *_, last = await desk.slots()
    booking = only(await desk.process.port.book(await desk.request(slot=first)))
    desk.plans.swap(after)  # type: ignore[arg-type]
    moved = only(await desk.process.port.reschedule(booking.id, last.id, last.start, idempotency_key="m"))
    assert (moved.id, moved.start) == (booking.id, last.start)
    elsewhere = (await desk.slots())[-1]
    refused = await desk.process.port.reschedule(booking.id, elsewhere.id, elsewhere.start, idempotency_key="m2")
    assert codes(refused) == ["SLOT_UNKNOWN"]
    cancelled = only(await desk.process.port.cancel(booking.id, reason="行程有变", idempotency_key="c"))
    assert (cancelled.id, cancelled.status) == (booking.id, BookingStatus.CANCELLED)
    assert len(desk.made(DMS)) + len(desk.made(BOOKING)) == 1
    assert [event.type for event in await desk.events()] == [
        "booking.confirmed.v1",
        "booking.rescheduled.v1",
        "booking.cancelled.v1",
    ]


# Changing


async def test_a_cancellation_whose_answer_was_lost_is_found_out_under_its_key(desk: Desk) -> None:
    booking = only(await desk.book())
    desk.to_old.after = {CREATE: 1}
    with pytest.raises(OutcomeUnknown):
        await desk.process.port.cancel(booking.id, reason=None, idempotency_key="c")
    await desk.later(2)
    assert [event.type for event in await desk.events()] == ["booking.confirmed.v1", "booking.cancelled.v1"]
    again = only(await desk.process.port.cancel(booking.id, reason=None, idempotency_key="c"))
    assert again.status is BookingStatus.CANCELLED
    assert len(await desk.events()) == 2


async def test_a_cancellation_that_could_not_be_made_in_time_is_given_up(desk: Desk) -> None:
    booking = only(await desk.book())
    desk.to_old.is_down = True
    with pytest.raises(UpstreamUnavailable):
        await desk.process.port.cancel(booking.id, reason=None, idempotency_key="c")
    desk.clock.move(100)
    desk.heal()
    await desk.process.flows.settle()
    assert desk.world.appointments[booking.id.number].status != "90"
    state = await desk.state()
    assert [wish.outcome.value for wish in state.wishes] == ["FAILED"]
    assert (
        only(await desk.process.port.cancel(booking.id, reason=None, idempotency_key="c")).status.value == "CANCELLED"
    )


async def test_one_key_is_for_one_change(desk: Desk) -> None:
    booking = only(await desk.book())
    await desk.process.port.cancel(booking.id, reason="a", idempotency_key="c")
    with pytest.raises(InvalidInput):
        await desk.process.port.cancel(booking.id, reason="b", idempotency_key="c")


async def test_a_visit_that_was_made_without_a_flow_is_changed_and_told_as_well(desk: Desk) -> None:
    direct = only(await desk.router.book(await desk.request()))
    only(await desk.process.port.cancel(direct.id, reason=None, idempotency_key="c"))
    (event,) = await desk.events()
    assert (event.type, event.order_number, event.customer_id) == ("booking.cancelled.v1", direct.id.number, "C0001")


async def test_a_visit_that_is_not_there_cannot_be_cancelled(desk: Desk) -> None:
    nowhere = BookingId(origin=DMS, centre="SZ0412", number="NOPE1")
    for _ in range(2):
        with pytest.raises(NotFound):
            await desk.process.port.cancel(nowhere, reason=None, idempotency_key="c")
    assert await desk.events() == []


async def test_without_the_state_database_nothing_is_booked(world: World) -> None:
    database = SqliteDatabase(None)
    desk = Desk(world, database)
    request = await desk.request()
    await database.aclose()
    with pytest.raises(BffError) as raised:
        await desk.process.port.book(request)
    assert raised.value.code == "STATE_UNAVAILABLE"
    assert desk.made(DMS) == []


async def test_cancelled_before_it_was_known_to_be_booked_it_is_not_told_as_confirmed(desk: Desk) -> None:
    desk.lose_answers(times=100)
    with pytest.raises(OutcomeUnknown):
        await desk.book()
    desk.heal()
    (number,) = desk.made(DMS)
    desk.world.appointments[number].status = "90"
    await desk.later(20)
    assert (await desk.state()).step is Step.BOOKED
    assert await desk.events() == []
