"""A pilot that is switched while visits are open, on the simulated dealer system and booking service themselves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.booking.client import BookingAdapter
from adapters.dms.service import DmsService
from bff.context import RequestContext
from bff.domain.base import PartialList
from bff.domain.service import Booking, BookingOrigin, BookingRequest, CentreRef, Slot, SlotQuery
from bff.domain.vehicle import VehicleRef
from bff.errors import UpstreamMaintenance
from bff.pilots.plan import PilotPlan, PlanHolder
from bff.pilots.service_router import ServiceRouter
from sandbox.booking import app as booking_system
from sandbox.dms import app as dms_system
from sandbox.kit.faults import Fault
from sandbox.world import World
from tests.support import entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio

SOUTH_IS_NEW = PilotPlan.parse('service_booking = [{system = "booking", region = "SOUTH"}]')
SOUTH_IS_OLD = PilotPlan.parse('service_booking = [{system = "dms", region = "SOUTH"}]')
CENTRE = CentreRef(code="SZ0412", region="SOUTH")
CAR = VehicleRef(vin="LDCA1AB57SB000001", region="EAST", brand="ASTER", model="A5")
"""It lives in Shanghai, where the dealer system keeps a visit of it, and travels to Shenzhen."""


class Pilot:
    def __init__(self, world: World) -> None:
        self.world = world
        self.new, self.old = booking_system.create(world), dms_system.create(world)
        self.plans = PlanHolder(SOUTH_IS_NEW)
        self.router = ServiceRouter(
            self.plans,
            dms=DmsService(sandbox_upstream(self.old)),
            booking=BookingAdapter(sandbox_upstream(self.new)),
        )

    async def slots(self) -> list[Slot]:
        day = self.world.today + timedelta(days=2)
        query = SlotQuery(centre=CENTRE, from_day=day, to_day=day + timedelta(days=2), brand="ASTER", model="A5")
        found = (await self.router.slots([query]))[query]
        assert isinstance(found, list)
        return found

    async def book(self, slot: Slot, key: str) -> Booking:
        outcome = await self.router.book(
            BookingRequest(
                vehicle=CAR,
                customer_id="C0001",
                slot_id=slot.id,
                centre=CENTRE,
                start=slot.start,
                op_codes=("1020",),
                note=None,
                pickup=False,
                idempotency_key=key,
            )
        )
        assert outcome.entity is not None, outcome.refusals
        return outcome.entity

    async def list(self) -> list[Booking]:
        found = (await self.router.bookings_of([CAR]))[CAR]
        assert isinstance(found, list)
        return found


@pytest.fixture(autouse=True)
def context() -> RequestContext:
    """A request of its own for each test: an adapter may remember an answer as long as its request lives."""
    return entered_context()


@pytest.fixture
def pilot(world: World) -> Pilot:
    return Pilot(world)


async def test_visits_stay_where_they_were_made_and_all_are_in_the_list(pilot: Pilot) -> None:
    before = {booking.id.origin for booking in await pilot.list()}
    assert before == {BookingOrigin.DMS}
    on_new = await pilot.book((await pilot.slots())[0], "first")
    offered_by_new = (await pilot.slots())[1]
    pilot.plans.swap(SOUTH_IS_OLD)
    on_old = await pilot.book((await pilot.slots())[2], "second")
    late = await pilot.book(offered_by_new, "third")
    assert [made.id.origin for made in (on_new, on_old, late)] == [
        BookingOrigin.BOOKING,
        BookingOrigin.DMS,
        BookingOrigin.BOOKING,
    ]
    assert {on_new.id, on_old.id, late.id} < {booking.id for booking in await pilot.list()}
    cancelled = await pilot.router.cancel(on_new.id, reason=None, idempotency_key="cancel")
    assert cancelled.entity is not None
    assert cancelled.entity.status.value == "CANCELLED"
    assert pilot.world.bookings[on_new.id.number].state == "CANCELLED"


async def test_a_list_over_both_systems_is_three_calls_in_one_round(pilot: Pilot, context: RequestContext) -> None:
    """One of the booking service for all cars; of the dealer system, appointments and repair orders for each car."""
    await pilot.list()
    calls = [(record.system, record.operation, record.round) for record in context.calls.records]
    assert sorted(calls) == [
        ("booking", "GetBookings", 1),
        ("dms", "GetRepairOrder", 1),
        ("dms", "GetServiceAppointment", 1),
    ]


async def test_the_dealer_system_in_maintenance_leaves_what_the_booking_service_holds(pilot: Pilot) -> None:
    made = await pilot.book((await pilot.slots())[0], "first")
    pilot.old.faulty.faults = [Fault("maintenance")]
    found = await pilot.list()
    assert [booking.id for booking in found] == [made.id]
    assert isinstance(found, PartialList)
    assert isinstance(found.missing, UpstreamMaintenance)


async def test_with_nothing_to_show_the_failure_is_shown(pilot: Pilot) -> None:
    pilot.old.faulty.faults = [Fault("maintenance")]
    assert isinstance((await pilot.router.bookings_of([CAR]))[CAR], UpstreamMaintenance)
