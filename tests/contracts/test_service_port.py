"""What every implementation of `ServicePort` does alike: booking service, dealer system, the router over both, flows.

Each runs against its simulated system in this process, over a world of its own; what is true is read from that world.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest

from adapters.booking.client import BookingAdapter
from adapters.dms.service import DmsService
from bff.context import RequestContext
from bff.domain.base import Outcome
from bff.domain.service import (
    Booking,
    BookingId,
    BookingOrigin,
    BookingRequest,
    BookingStatus,
    CentreRef,
    ServicePort,
    Slot,
    SlotQuery,
)
from bff.domain.vehicle import VehicleRef
from bff.durability.flows import Flows
from bff.durability.sqlite import SqliteDatabase
from bff.errors import BffError, InvalidInput, NotFound, OutcomeUnknown, UpstreamError
from bff.orders.booking_flow import BookingFlow
from bff.orders.booking_service import FlowService
from bff.pilots.plan import SERVICE_BOOKING, PilotPlan, PlanHolder
from bff.pilots.service_router import ServiceRouter
from sandbox.booking import app as booking_system
from sandbox.dms import app as dms_system
from sandbox.kit.faults import Fault
from sandbox.kit.server import System
from sandbox.world import World, entities
from tests.support import entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio

CUSTOMER = "C0001"
PLAN = PilotPlan.of({SERVICE_BOOKING: [{"system": "booking", "region": "SOUTH"}]})


@dataclass(slots=True)
class Case:
    """One implementation, the system that answers in it, and what the world says of that system's bookings."""

    world: World
    port: ServicePort
    system: System
    origin: BookingOrigin
    context: RequestContext

    @property
    def centre(self) -> CentreRef:
        code = "SZ0412" if self.origin is BookingOrigin.BOOKING else "SH0217"
        return CentreRef(code=code, region=self.world.centres[code].region)

    def car(self, vin: str) -> VehicleRef:
        car = self.world.vehicles[vin]
        return VehicleRef(vin=vin, region=car.region, brand=car.brand, model=car.model_id)

    def free_car(self) -> VehicleRef:
        """A car without bookings, at home at the case's centre."""
        busy = {b.vin for b in self.world.bookings.values()} | {a.vin for a in self.world.appointments.values()}
        busy |= {order.vin for order in self.world.repair_orders.values()}
        known = {car.vin for car in self.world.dms_vehicles.values()}
        cars = (car for car in self.world.vehicles.values() if car.vin in known and car.vin not in busy)
        return self.car(next(car.vin for car in cars))

    def known(self, booking_state: str, appointment_state: str) -> tuple[BookingId, VehicleRef]:
        """A booking in a state, as either system calls it; a repair order's letter stands for its appointment."""
        if self.origin is BookingOrigin.BOOKING:
            made = next(b for b in self.world.bookings.values() if b.state == booking_state)
            return BookingId(origin=self.origin, centre=made.centre_id, number=made.id), self.car(made.vin)
        appointment = next(a for a in self.world.appointments.values() if self._is(a, appointment_state))
        number = appointment.number
        return BookingId(origin=self.origin, centre=appointment.dealer, number=number), self.car(appointment.vin)

    def _is(self, appointment: entities.Appointment, state: str) -> bool:
        order = self.world.repair_orders.get(appointment.repair_order or "")
        return appointment.status == state if state.isdecimal() else order is not None and order.status == state

    def confirmed(self) -> tuple[BookingId, VehicleRef]:
        return self.known("CONFIRMED", "20")

    def checked_in(self) -> tuple[BookingId, VehicleRef]:
        return self.known("DIAGNOSING", "D")

    def to_approve(self) -> BookingId:
        """Two versions of an estimate were issued, and the second waits for the customer."""
        return self.known("AWAITING_APPROVAL", "A")[0]

    def query(self, days: int = 3, moving: BookingId | None = None) -> SlotQuery:
        first = self.world.today + timedelta(days=1)
        last = first + timedelta(days=days - 1)
        return SlotQuery(centre=self.centre, from_day=first, to_day=last, moving=moving)

    async def slots(self) -> list[Slot]:
        found = (await self.port.slots([self.query()]))[self.query()]
        assert isinstance(found, list)
        return found

    def world_slot(self, slot: Slot) -> entities.Slot:
        slots = self.world.slots_of(slot.centre.code)
        return next(mine for mine in slots if mine.starts_at == slot.start)

    async def request(self, key: str = "key-1", **changes: object) -> BookingRequest:
        slot = (await self.slots())[0]
        values: dict[str, object] = {
            "vehicle": self.free_car(),
            "customer_id": CUSTOMER,
            "slot_id": slot.id,
            "centre": slot.centre,
            "start": slot.start,
            "op_codes": ("1010",),
            "note": "请检查刹车",
            "pickup": False,
            "idempotency_key": key,
        }
        return BookingRequest(**(values | changes))  # type: ignore[arg-type]  # a test's changes fit the fields


def _booking(world: World) -> tuple[ServicePort, System]:
    system = booking_system.create(world)
    return BookingAdapter(sandbox_upstream(system)), system


def _dms(world: World) -> tuple[ServicePort, System]:
    system = dms_system.create(world)
    return DmsService(sandbox_upstream(system)), system


def _router(origin: BookingOrigin) -> Callable[[World], tuple[ServicePort, System]]:
    def build(world: World) -> tuple[ServicePort, System]:
        (booking, new), (dms, old) = _booking(world), _dms(world)
        system = new if origin is BookingOrigin.BOOKING else old
        return ServiceRouter(PlanHolder(PLAN), dms=dms, booking=booking), system

    return build


def _flows(origin: BookingOrigin) -> Callable[[World], tuple[ServicePort, System]]:
    def build(world: World) -> tuple[ServicePort, System]:
        router, system = _router(origin)(world)
        flows = Flows(SqliteDatabase(None), clock=lambda: world.now, ambient=nullcontext)
        kind = BookingFlow(router, {}, clock=lambda: world.now)
        flows.add(kind)
        return FlowService(flows, kind, router), system

    return build


IMPLEMENTATIONS: dict[str, tuple[Callable[[World], tuple[ServicePort, System]], BookingOrigin]] = {
    "booking": (_booking, BookingOrigin.BOOKING),
    "dms": (_dms, BookingOrigin.DMS),
    "router to booking": (_router(BookingOrigin.BOOKING), BookingOrigin.BOOKING),
    "router to dms": (_router(BookingOrigin.DMS), BookingOrigin.DMS),
    "flows to booking": (_flows(BookingOrigin.BOOKING), BookingOrigin.BOOKING),
    "flows to dms": (_flows(BookingOrigin.DMS), BookingOrigin.DMS),
}


@pytest.fixture(params=IMPLEMENTATIONS)
def case(request: pytest.FixtureRequest, world: World) -> Case:
    build, origin = IMPLEMENTATIONS[request.param]
    port, system = build(world)
    return Case(world, port, system, origin, entered_context())


def only(outcome: Outcome[Booking]) -> Booking:
    assert outcome.refusals == []
    assert outcome.entity is not None
    return outcome.entity


def codes(outcome: Outcome[Booking]) -> list[str]:
    assert outcome.entity is None
    return [refusal.code for refusal in outcome.refusals]


# Slots


async def test_slots_are_free_ones_of_the_days_by_start(case: Case) -> None:
    slots = await case.slots()
    last = case.world.today + timedelta(days=3)
    mine = case.world.slots_of(case.centre.code)
    expected = [slot for slot in mine if slot.capacity_left and local_day(slot.starts_at) <= last]
    assert [(slot.start, slot.end, slot.capacity_left) for slot in slots] == [
        (slot.starts_at, slot.ends_at, slot.capacity_left) for slot in expected
    ]
    assert {slot.centre for slot in slots} == {case.centre}
    assert len({slot.id for slot in slots}) == len(slots)


def local_day(moment: datetime) -> date:
    return (moment + timedelta(hours=8)).date()


async def test_slot_ids_carry_the_system_that_offers_them(case: Case) -> None:
    assert {slot.id.split(":")[0] for slot in await case.slots()} == {case.origin.value}


async def test_an_unknown_centre_has_no_slots_and_spoils_none(case: Case) -> None:
    nowhere = SlotQuery(
        centre=CentreRef(code="XX9999", region=case.centre.region),
        from_day=case.query().from_day,
        to_day=case.query().to_day,
    )
    found = await case.port.slots([nowhere, case.query()])
    assert set(found) == {case.query()}


async def test_every_read_is_one_round(case: Case) -> None:
    held, car = case.confirmed()
    await case.port.bookings_of([car, case.free_car()])
    assert case.context.calls.rounds == 1
    await case.port.bookings([held])
    assert case.context.calls.rounds == 2
    await case.port.estimates([held, case.to_approve()])
    assert case.context.calls.rounds == 3
    await case.port.slots([case.query(), case.query(days=1)])
    assert case.context.calls.rounds == 4


# Bookings


async def test_bookings_of_a_car_are_newest_first_and_a_car_without_has_an_empty_list(case: Case) -> None:
    held, car = case.confirmed()
    lonely = case.free_car()
    found = await case.port.bookings_of([car, lonely])
    mine = found[car]
    assert isinstance(mine, list)
    assert held in [booking.id for booking in mine]
    assert [b.start for b in mine] == sorted((b.start for b in mine), reverse=True)
    assert found[lonely] == []


async def test_a_booking_by_id_is_the_one_of_the_list(case: Case) -> None:
    held, car = case.confirmed()
    unknown = BookingId(origin=case.origin, centre=held.centre, number="NOPE1")
    elsewhere = BookingId(origin=case.origin, centre="XX9999", number=held.number)
    found = await case.port.bookings([held, unknown, elsewhere])
    assert set(found) == {held}
    booking = found[held]
    assert isinstance(booking, Booking)
    assert (booking.id, booking.vehicle.vin) == (held, car.vin)
    assert booking.status is BookingStatus.CONFIRMED
    mine = (await case.port.bookings_of([car]))[car]
    assert isinstance(mine, list)
    assert booking in mine


async def test_times_are_utc(case: Case) -> None:
    held, _ = case.confirmed()
    booking = (await case.port.bookings([held]))[held]
    assert isinstance(booking, Booking)
    assert booking.start.utcoffset() == timedelta(0)


async def test_internal_notes_are_nowhere(case: Case) -> None:
    cars = [case.car(vin) for vin in dict.fromkeys(b.vin for b in case.world.bookings.values())][:30]
    cars += [case.car(vin) for vin in dict.fromkeys(a.vin for a in case.world.appointments.values())][:30]
    shown = str(await case.port.bookings_of(cars))
    notes = {b.internal_notes for b in case.world.bookings.values()}
    notes |= {a.internal_notes for a in case.world.appointments.values()}
    notes |= {order.internal_notes for order in case.world.repair_orders.values()}
    assert len(notes - {""}) > 2
    assert not [note for note in notes if note and note in shown]


# Estimates


async def test_the_newest_estimate_is_shown_and_a_booking_without_one_is_absent(case: Case) -> None:
    waiting, (plain, _) = case.to_approve(), case.confirmed()
    found = await case.port.estimates([waiting, plain])
    assert set(found) == {waiting}
    estimate = found[waiting]
    assert not isinstance(estimate, BffError)
    assert (estimate.version, estimate.approved_at) == (2, None)
    assert estimate.total.amount_minor == sum(line.amount.amount_minor for line in estimate.lines)


async def test_only_the_newest_estimate_can_be_approved_and_only_once(case: Case) -> None:
    waiting = case.to_approve()
    outdated = await case.port.approve(waiting, 1, idempotency_key="a1")
    assert [refusal.code for refusal in outdated.refusals] == ["ESTIMATE_OUTDATED"]
    approved = await case.port.approve(waiting, 2, idempotency_key="a2")
    assert approved.entity is not None
    assert approved.entity.approved_at is not None
    again = await case.port.approve(waiting, 2, idempotency_key="a3")
    assert [refusal.code for refusal in again.refusals] == ["ALREADY_APPROVED"]


# Writes


async def test_a_booking_takes_a_place_and_is_found_again(case: Case) -> None:
    request = await case.request()
    slot = (await case.slots())[0]
    before = slot.capacity_left
    made = only(await case.port.book(request))
    assert made.status in (BookingStatus.REQUESTED, BookingStatus.CONFIRMED)
    assert (made.id.origin, made.start, made.vehicle.vin) == (case.origin, request.start, request.vehicle.vin)
    assert made.note == "请检查刹车"
    assert case.world_slot(slot).capacity_left == before - 1
    found = await case.port.bookings([made.id])
    assert isinstance(found[made.id], Booking)
    mine = (await case.port.bookings_of([request.vehicle]))[request.vehicle]
    assert isinstance(mine, list)
    assert [entry.id for entry in mine] == [made.id]


async def test_the_same_key_books_once(case: Case) -> None:
    request = await case.request()
    first, second = only(await case.port.book(request)), only(await case.port.book(request))
    assert first.id == second.id
    mine = (await case.port.bookings_of([request.vehicle]))[request.vehicle]
    assert isinstance(mine, list)
    assert len(mine) == 1


async def test_the_same_key_with_another_request_is_the_callers_mistake(case: Case) -> None:
    request = await case.request()
    only(await case.port.book(request))
    with pytest.raises(InvalidInput):
        await case.port.book(await case.request(op_codes=("1020",), start=request.start, slot_id=request.slot_id))


async def test_a_full_slot_is_taken(case: Case) -> None:
    request = await case.request()
    slot = case.world_slot((await case.slots())[0])
    slot.taken = slot.capacity
    assert codes(await case.port.book(request)) == ["SLOT_TAKEN"]


async def test_the_last_place_goes_to_one_of_two(case: Case) -> None:
    slot = case.world_slot((await case.slots())[0])
    slot.taken = slot.capacity - 1
    one, two = await case.request("k1"), await case.request("k2")
    outcomes = [await case.port.book(one), await case.port.book(two)]
    assert [outcome.entity is not None for outcome in outcomes] == [True, False]
    assert codes(outcomes[1]) in (["SLOT_TAKEN"], ["SLOT_UNKNOWN"])


@pytest.mark.parametrize("slot", ["{other}:nowhere", "{own}:nowhere", "SL-SH0217-D01-1", ""])
async def test_a_slot_that_was_not_offered_is_unknown(case: Case, slot: str) -> None:
    other = next(origin for origin in BookingOrigin if origin is not case.origin)
    named = slot.format(own=case.origin.value, other=other.value)
    assert codes(await case.port.book(await case.request(slot_id=named))) in (["SLOT_UNKNOWN"], ["CENTRE_UNKNOWN"])


async def test_another_time_than_the_slots_is_unknown(case: Case) -> None:
    later = (await case.request()).start + timedelta(minutes=7)
    assert codes(await case.port.book(await case.request(start=later))) == ["SLOT_UNKNOWN"]


async def test_a_car_that_nobody_built_is_refused(case: Case) -> None:
    ghost = VehicleRef(vin="LDCA1AB50ZZ999999", region=case.centre.region, brand="ASTER", model="A5")
    assert codes(await case.port.book(await case.request(vehicle=ghost))) == ["VEHICLE_UNKNOWN"]


async def test_a_moved_booking_leaves_its_place_and_takes_another(case: Case) -> None:
    made = only(await case.port.book(await case.request()))
    old, *_, new = await case.slots()
    freed, taken = case.world_slot(old).capacity_left, new.capacity_left
    moved = only(await case.port.reschedule(made.id, new.id, new.start, idempotency_key="move"))
    assert (moved.id, moved.start) == (made.id, new.start)
    assert case.world_slot(old).capacity_left == freed + 1
    assert case.world_slot(new).capacity_left == taken - 1


async def test_slots_to_move_to_can_be_asked_for_the_booking(case: Case) -> None:
    made = only(await case.port.book(await case.request()))
    query = case.query(moving=made.id)
    slots = (await case.port.slots([query]))[query]
    assert isinstance(slots, list)
    new = slots[-1]
    assert only(await case.port.reschedule(made.id, new.id, new.start, idempotency_key="m")).start == new.start


async def test_a_cancelled_booking_gives_its_place_back(case: Case) -> None:
    made = only(await case.port.book(await case.request()))
    slot = case.world_slot((await case.slots())[0])
    left = slot.capacity_left
    cancelled = only(await case.port.cancel(made.id, reason="行程有变", idempotency_key="c"))
    assert cancelled.status is BookingStatus.CANCELLED
    assert slot.capacity_left == left + 1


async def test_a_car_that_is_in_the_workshop_can_be_neither_cancelled_nor_moved(case: Case) -> None:
    inside, _ = case.checked_in()
    assert codes(await case.port.cancel(inside, reason=None, idempotency_key="c")) == ["NOT_CANCELLABLE"]
    first = case.world.today + timedelta(days=1)
    centre = CentreRef(code=inside.centre, region=case.world.centres[inside.centre].region)
    query = SlotQuery(centre=centre, from_day=first, to_day=first + timedelta(days=5))
    slots = (await case.port.slots([query]))[query]
    assert isinstance(slots, list)
    moved = await case.port.reschedule(inside, slots[0].id, slots[0].start, idempotency_key="m")
    assert codes(moved) == ["NOT_CHANGEABLE"]


async def test_writing_to_a_booking_that_is_not_there_is_not_found(case: Case) -> None:
    nowhere = BookingId(origin=case.origin, centre=case.centre.code, number="NOPE1")
    with pytest.raises(NotFound):
        await case.port.cancel(nowhere, reason=None, idempotency_key="c")


# Bad days


async def test_maintenance_is_an_error_of_each_key_that_names_the_system(case: Case) -> None:
    held, _ = case.confirmed()
    case.system.faulty.faults = [Fault("maintenance")]
    found = await case.port.bookings([held])
    error = found[held]
    assert isinstance(error, UpstreamError)
    assert error.upstream == case.system.name
    assert "维护" not in error.message


async def test_a_write_whose_answer_is_lost_has_an_unknown_outcome(case: Case) -> None:
    held, _ = case.confirmed()
    case.system.faulty.faults = [Fault("status", status=502)]
    with pytest.raises(OutcomeUnknown):
        await case.port.cancel(held, reason=None, idempotency_key="c")
