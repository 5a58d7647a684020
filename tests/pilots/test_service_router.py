"""Splitting, merging and the rounds of the service router, over two fakes that write down what they were asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from bff.context import Caller, CallerKind, RequestContext, current
from bff.domain.base import Found, Outcome, PartialList
from bff.domain.service import (
    Booking,
    BookingId,
    BookingOrigin,
    BookingRequest,
    BookingStatus,
    CentreRef,
    Estimate,
    ServicePort,
    Slot,
    SlotQuery,
    slot_id,
)
from bff.domain.vehicle import VehicleRef
from bff.errors import BffError, UpstreamMaintenance, UpstreamTimeout
from bff.pilots.plan import SERVICE_BOOKING, PilotPlan, PlanHolder
from bff.pilots.service_router import ServiceRouter
from tests.support import entered_context

pytestmark = pytest.mark.anyio

DMS, BOOKING = BookingOrigin.DMS, BookingOrigin.BOOKING
SOUTH = CentreRef(code="SZ0412", region="SOUTH")
EAST = CentreRef(code="SH0217", region="EAST")
A5 = VehicleRef(vin="LDCA1AB57SB000001", region="EAST", brand="ASTER", model="A5")
V3 = VehicleRef(vin="LDCV1AE30SD000003", region="SOUTH", brand="VELA", model="V3")
START = datetime(2026, 3, 12, 1, 30, tzinfo=UTC)
TIMED_OUT = UpstreamTimeout("booking")


def booking(origin: BookingOrigin, number: str, car: VehicleRef = A5, day: int = 12) -> Booking:
    return Booking(
        id=BookingId(origin=origin, centre="SH0217", number=number),
        vehicle=car,
        customer_id="C0001",
        centre=EAST,
        start=START.replace(day=day),
        end=None,
        status=BookingStatus.CONFIRMED,
        raw_status="",
        jobs=[],
        note=None,
        pickup=False,
        repair_order=None,
    )


class FakeSide:
    """A side that holds bookings, or fails; each call is a call of the request, so that rounds are counted."""

    def __init__(self, origin: BookingOrigin, *held: Booking, failing: BffError | None = None) -> None:
        self.origin, self.held, self.failing = origin, held, failing
        self.asked: list[tuple[str, Any]] = []

    async def _call(self, name: str, what: Any) -> None:
        self.asked.append((name, what))
        log = current().calls
        record = log.begin(self.origin.value, name, [], 1)
        await asyncio.sleep(0)
        log.end(record, "200")
        if self.failing is not None:
            raise self.failing

    async def slots(self, queries: Sequence[SlotQuery]) -> Found[SlotQuery, list[Slot]]:
        await self._call("slots", list(queries))
        return {
            query: [Slot(id=slot_id(self.origin, "1"), centre=query.centre, start=START, end=START, capacity_left=1)]
            for query in queries
        }

    async def bookings_of(self, vehicles: Sequence[VehicleRef]) -> Found[VehicleRef, list[Booking]]:
        await self._call("bookings_of", list(vehicles))
        return {car: [held for held in self.held if held.vehicle == car] for car in vehicles}

    async def bookings(self, ids: Sequence[BookingId]) -> Found[BookingId, Booking]:
        await self._call("bookings", list(ids))
        return {held.id: held for held in self.held if held.id in ids}

    async def estimates(self, ids: Sequence[BookingId]) -> Found[BookingId, Estimate]:
        await self._call("estimates", list(ids))
        return {}

    async def book(self, request: BookingRequest) -> Outcome[Booking]:
        await self._call("book", request.slot_id)
        return Outcome(entity=booking(self.origin, "new"))

    async def reschedule(
        self, booking: BookingId, slot_id: str, start: datetime, *, idempotency_key: str
    ) -> Outcome[Booking]:
        await self._call("reschedule", (booking.number, slot_id, start, idempotency_key))
        return Outcome()

    async def cancel(self, booking: BookingId, *, reason: str | None, idempotency_key: str) -> Outcome[Booking]:
        await self._call("cancel", (booking.number, reason, idempotency_key))
        return Outcome()

    async def approve(self, booking: BookingId, version: int, *, idempotency_key: str) -> Outcome[Estimate]:
        await self._call("approve", (booking.number, version, idempotency_key))
        return Outcome()


@pytest.fixture
def context() -> RequestContext:
    return entered_context()


def router_over(dms: FakeSide, new: FakeSide, *rules: dict[str, object]) -> tuple[ServicePort, PlanHolder]:
    plans = PlanHolder(PilotPlan.of({SERVICE_BOOKING: list(rules)}))
    return ServiceRouter(plans, dms=dms, booking=new), plans


SOUTH_IS_NEW: dict[str, object] = {"system": "booking", "region": "SOUTH"}


def query(centre: CentreRef, **more: Any) -> SlotQuery:
    return SlotQuery(centre=centre, from_day=date(2026, 3, 10), to_day=date(2026, 3, 12), **more)


def request_for(slot: str) -> BookingRequest:
    return BookingRequest(
        vehicle=A5,
        customer_id="C0001",
        slot_id=slot,
        centre=EAST,
        start=START,
        op_codes=(),
        note=None,
        pickup=False,
        idempotency_key="key",
    )


async def test_slots_are_split_by_rule_and_asked_in_one_round(context: RequestContext) -> None:
    dms, new = FakeSide(DMS), FakeSide(BOOKING)
    router, _ = router_over(dms, new, SOUTH_IS_NEW)
    found = await router.slots([query(EAST), query(SOUTH)])
    assert [slots[0].id for slots in found.values() if isinstance(slots, list)] == ["DMS:1", "BOOKING:1"]
    assert dms.asked == [("slots", [query(EAST)])]
    assert new.asked == [("slots", [query(SOUTH)])]
    assert (len(context.calls.records), context.calls.rounds) == (2, 1)


async def test_a_side_that_no_key_needs_is_not_asked(context: RequestContext) -> None:
    dms, new = FakeSide(DMS), FakeSide(BOOKING)
    router, _ = router_over(dms, new, SOUTH_IS_NEW)
    await router.slots([query(EAST)])
    await router.bookings([BookingId(origin=DMS, centre="SH0217", number="A")])
    assert new.asked == []
    assert await router.slots([]) == {}
    assert [name for name, _ in dms.asked] == ["slots", "bookings"]


async def test_percent_is_by_customer_and_a_guest_is_in_no_part(context: RequestContext) -> None:
    dms, new = FakeSide(DMS), FakeSide(BOOKING)
    router, _ = router_over(dms, new, {"system": "booking", "percent": 50})
    await router.slots([query(SOUTH)])
    assert [name for name, _ in dms.asked] == ["slots"]
    seen: dict[str, int] = {}
    for number in range(40):
        customer = f"C{number:04d}"
        context.caller = Caller(kind=CallerKind.CUSTOMER, subject=customer, customer_id=customer)
        before = len(new.asked)
        for _ in range(3):
            await router.slots([query(SOUTH)])
        seen[customer] = len(new.asked) - before
    assert set(seen.values()) == {0, 3}


async def test_slots_to_move_a_booking_come_from_the_system_that_holds_it(context: RequestContext) -> None:
    dms, new = FakeSide(DMS), FakeSide(BOOKING)
    router, _ = router_over(dms, new, SOUTH_IS_NEW)
    await router.slots([query(SOUTH, moving=BookingId(origin=DMS, centre="SZ0412", number="A"))])
    assert (len(dms.asked), len(new.asked)) == (1, 0)


async def test_a_list_that_spans_both_systems_merges_newest_first_in_one_round(context: RequestContext) -> None:
    dms = FakeSide(DMS, booking(DMS, "old", day=1), booking(DMS, "next", day=20))
    new = FakeSide(BOOKING, booking(BOOKING, "now", day=12))
    router, _ = router_over(dms, new, SOUTH_IS_NEW)
    found = await router.bookings_of([A5])
    assert [entry.id.number for entry in cast_list(found[A5])] == ["next", "now", "old"]
    assert not isinstance(found[A5], PartialList)
    assert (len(context.calls.records), context.calls.rounds) == (2, 1)


async def test_many_cars_cost_no_more_calls_than_one(context: RequestContext) -> None:
    dms, new = FakeSide(DMS), FakeSide(BOOKING, booking(BOOKING, "b", V3))
    router, _ = router_over(dms, new, SOUTH_IS_NEW)
    found = await router.bookings_of([A5, V3])
    assert [entry.id.number for entry in cast_list(found[V3])] == ["b"]
    assert found[A5] == []
    assert (len(context.calls.records), context.calls.rounds) == (2, 1)


async def test_without_a_pilot_only_the_dealer_system_is_asked(context: RequestContext) -> None:
    dms, new = FakeSide(DMS, booking(DMS, "a")), FakeSide(BOOKING)
    router, _ = router_over(dms, new)
    assert len(cast_list((await router.bookings_of([A5]))[A5])) == 1
    assert new.asked == []


async def test_a_drained_system_is_not_asked(context: RequestContext) -> None:
    dms, new = FakeSide(DMS), FakeSide(BOOKING, booking(BOOKING, "b", V3))
    router, _ = router_over(dms, new, {**SOUTH_IS_NEW, "history": "own"})
    await router.bookings_of([V3])
    assert dms.asked == []
    assert len(context.calls.records) == 1


async def test_one_system_failing_leaves_a_partial_list_that_says_so(context: RequestContext) -> None:
    dms, new = FakeSide(DMS, booking(DMS, "a")), FakeSide(BOOKING, failing=TIMED_OUT)
    router, _ = router_over(dms, new, SOUTH_IS_NEW)
    found = await router.bookings_of([A5, V3])
    partial = found[A5]
    assert isinstance(partial, PartialList)
    assert [entry.id.number for entry in partial] == ["a"]
    assert partial.missing is TIMED_OUT
    assert found[V3] is TIMED_OUT, "an empty list would say that there is no booking"


async def test_both_systems_failing_is_an_error_for_each_car(context: RequestContext) -> None:
    down = UpstreamMaintenance("dms")
    router, _ = router_over(FakeSide(DMS, failing=down), FakeSide(BOOKING, failing=TIMED_OUT), SOUTH_IS_NEW)
    assert isinstance((await router.bookings_of([A5]))[A5], BffError)


async def test_a_failing_system_leaves_the_slots_of_the_other(context: RequestContext) -> None:
    router, _ = router_over(FakeSide(DMS), FakeSide(BOOKING, failing=TIMED_OUT), SOUTH_IS_NEW)
    found = await router.slots([query(EAST), query(SOUTH)])
    assert found[query(SOUTH)] is TIMED_OUT
    assert len(cast_list(found[query(EAST)])) == 1


async def test_a_programming_error_in_a_side_is_not_swallowed(context: RequestContext) -> None:
    class Broken(FakeSide):
        async def slots(self, queries: Sequence[SlotQuery]) -> Found[SlotQuery, list[Slot]]:
            raise ZeroDivisionError

    router, _ = router_over(FakeSide(DMS), Broken(BOOKING), SOUTH_IS_NEW)
    with pytest.raises(ZeroDivisionError):
        await router.slots([query(EAST), query(SOUTH)])


async def test_a_booking_stays_on_its_system_when_the_rule_flips(context: RequestContext) -> None:
    dms, new = FakeSide(DMS), FakeSide(BOOKING)
    router, plans = router_over(dms, new, SOUTH_IS_NEW)
    offered = cast_list((await router.slots([query(SOUTH)]))[query(SOUTH)])[0].id
    plans.swap(PilotPlan.of({SERVICE_BOOKING: [{"system": "dms", "region": "SOUTH"}]}))
    made = (await router.book(request_for(offered))).entity
    assert made is not None
    assert made.id.origin is BOOKING
    await router.reschedule(made.id, "BOOKING:2", START, idempotency_key="k1")
    await router.cancel(made.id, reason="ill", idempotency_key="k2")
    await router.approve(made.id, 2, idempotency_key="k3")
    await router.bookings([made.id])
    await router.estimates([made.id])
    assert dms.asked == []
    assert new.asked[1:] == [
        ("book", "BOOKING:1"),
        ("reschedule", ("new", "BOOKING:2", START, "k1")),
        ("cancel", ("new", "ill", "k2")),
        ("approve", ("new", 2, "k3")),
        ("bookings", [made.id]),
        ("estimates", [made.id]),
    ]
    assert "BOOKING" in {record.system for record in await calls_of(context, router.bookings_of([A5]))}


async def calls_of(context: RequestContext, work: Any) -> list[Any]:
    before = len(context.calls.records)
    await work
    return context.calls.records[before:]


@pytest.mark.parametrize("slot", ["BOOKING:1", "SL-1", "", "ERP:1", "DMS:"])
async def test_a_booking_is_not_moved_to_a_slot_of_another_system(context: RequestContext, slot: str) -> None:
    dms, new = FakeSide(DMS), FakeSide(BOOKING)
    router, _ = router_over(dms, new, SOUTH_IS_NEW)
    held = BookingId(origin=DMS, centre="SH0217", number="A")
    outcome = await router.reschedule(held, slot, START, idempotency_key="k")
    assert [refusal.code for refusal in outcome.refusals] == ["SLOT_UNKNOWN"]
    assert dms.asked == new.asked == []


async def test_a_slot_that_nobody_offered_is_refused_without_a_call(context: RequestContext) -> None:
    dms, new = FakeSide(DMS), FakeSide(BOOKING)
    router, _ = router_over(dms, new, SOUTH_IS_NEW)
    outcome = await router.book(request_for("SL-SH0217-D01-1"))
    assert [refusal.code for refusal in outcome.refusals] == ["SLOT_UNKNOWN"]
    assert dms.asked == new.asked == []


def cast_list(value: Any) -> list[Any]:
    assert isinstance(value, list)
    return value
