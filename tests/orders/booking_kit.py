"""A workshop desk on the two simulated systems: router, flows over it, and what the world knows of a car."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from adapters.booking.client import BookingAdapter
from adapters.dms.service import DmsService
from adapters.transport.http import HttpxEngine
from adapters.transport.upstream import Upstream
from bff.domain.base import Outcome
from bff.domain.service import Booking, BookingOrigin, BookingRequest, CentreRef, Slot, SlotQuery
from bff.domain.vehicle import VehicleRef
from bff.durability.database import Database, Script
from bff.durability.flow import DomainEvent
from bff.durability.flows import Flows
from bff.orders.booking_facts import BOOKING, BookingState
from bff.orders.booking_flow import BookingFlow
from bff.orders.booking_service import FlowService, flow_of_key
from bff.pilots.plan import PilotPlan, PlanHolder
from bff.pilots.service_router import ServiceRouter
from sandbox.booking import app as booking_system
from sandbox.dms import app as dms_system
from sandbox.kit.server import System
from sandbox.world import World
from tests.orders.outbox_kit import Clock
from tests.support import BASE

SOUTH_IS_NEW = PilotPlan.parse('service_booking = [{system = "booking", region = "SOUTH"}]')
SOUTH_IS_OLD = PilotPlan.parse('service_booking = [{system = "dms", region = "SOUTH"}]')
CENTRE = CentreRef(code="SZ0412", region="SOUTH")
CAR = VehicleRef(vin="LDCA1AB57SB000001", region="EAST", brand="ASTER", model="A5")
CREATE, LOOK = "ProcessServiceAppointment", "GetServiceAppointment"


class Wire(httpx.AsyncBaseTransport):
    """The way to a system in this process. `lost` are words in requests, each with how often it strikes: `before` the
    system sees the request, or `after` it has done what was asked. `seen` are the requests that arrived.
    """

    def __init__(self, system: System) -> None:
        self._inner = httpx.ASGITransport(app=system)
        self.before: dict[str, int] = {}
        self.after: dict[str, int] = {}
        self.is_down = False
        self.seen: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = (await request.aread()).decode("latin-1")
        said = f"{request.method} {request.url.path} {body}"
        if self.is_down:
            raise httpx.ConnectError("nobody is there", request=request)
        if self._strikes(self.before, said):
            raise httpx.ReadError("the connection broke", request=request)
        reply = await self._inner.handle_async_request(request)
        self.seen.append(said)
        if self._strikes(self.after, said):
            await reply.aread()
            raise httpx.ReadTimeout("no answer", request=request)
        return reply

    def _strikes(self, lost: dict[str, int], said: str) -> bool:
        for word in lost:
            if word in said and lost[word] > 0:
                lost[word] -= 1
                return True
        return False

    def count(self, word: str) -> int:
        return sum(word in said for said in self.seen)

    def heal(self) -> None:
        self.is_down = False
        self.before.clear()
        self.after.clear()

    def upstream(self, name: str) -> Upstream:
        return Upstream(name, BASE, HttpxEngine(httpx.AsyncClient(transport=self)), simulated=True)


class Process:
    """One process of the service: flows over the systems, and the port that requests see."""

    def __init__(self, desk: Desk) -> None:
        self.flows = Flows(desk.database, clock=desk.clock, ambient=contextlib.nullcontext)
        kind = BookingFlow(desk.router, {BookingOrigin.DMS: desk.dms.booked}, clock=desk.clock)
        self.flows.add(kind)
        self.port = FlowService(self.flows, kind, desk.router)


class Desk:
    def __init__(self, world: World, database: Database, plan: PilotPlan = SOUTH_IS_OLD) -> None:
        self.world, self.database, self.clock = world, database, Clock()
        self.new, self.old = booking_system.create(world), dms_system.create(world)
        self.plans = PlanHolder(plan)
        self.origin = BookingOrigin.BOOKING if plan is SOUTH_IS_NEW else BookingOrigin.DMS
        self.to_new, self.to_old = Wire(self.new), Wire(self.old)
        self.dms = DmsService(self.to_old.upstream("dms"))
        booking = BookingAdapter(self.to_new.upstream("booking"))
        self.router = ServiceRouter(self.plans, dms=self.dms, booking=booking)
        self.process = Process(self)
        self.known = self._ids()

    async def slots(self) -> list[Slot]:
        day = self.world.today + timedelta(days=2)
        query = SlotQuery(centre=CENTRE, from_day=day, to_day=day + timedelta(days=2), brand="ASTER", model="A5")
        found = (await self.router.slots([query]))[query]
        assert isinstance(found, list)
        return found

    async def request(self, key: str = "key-1", slot: Slot | None = None, **changes: Any) -> BookingRequest:
        wanted = slot or (await self.slots())[0]
        values: dict[str, Any] = {
            "vehicle": CAR,
            "customer_id": "C0001",
            "slot_id": wanted.id,
            "centre": CENTRE,
            "start": wanted.start,
            "op_codes": ("1020",),
            "note": "刹车有异响",
            "pickup": False,
            "idempotency_key": key,
        }
        return BookingRequest(**(values | changes))

    async def book(self, key: str = "key-1", **changes: Any) -> Outcome[Booking]:
        return await self.process.port.book(await self.request(key, **changes))

    async def state(self, key: str = "key-1") -> BookingState:
        found = await self.find_state(key)
        assert found is not None
        return found

    async def find_state(self, key: str) -> BookingState | None:
        return (await self.process.flows.states(BOOKING, [flow_of_key(key)])).get(flow_of_key(key))

    async def later(self, seconds: float) -> None:
        """Time goes by, a second at a time, and what falls due is done in the background."""
        for _ in range(round(seconds)):
            self.clock.move(1)
            await self.process.flows.run_due()

    def made(self, origin: BookingOrigin) -> list[str]:
        """Numbers of the bookings that this test made there."""
        return sorted(number for system, number in self._ids() - self.known if system is origin)

    def _ids(self) -> set[tuple[BookingOrigin, str]]:
        old = {(BookingOrigin.DMS, number) for number in self.world.appointments}
        return old | {(BookingOrigin.BOOKING, number) for number in self.world.bookings}

    async def events(self) -> list[DomainEvent]:
        def read() -> Script[list[DomainEvent]]:
            rows = yield "SELECT body FROM bff_outbox ORDER BY position", ()
            return [msgspec.json.decode(row[0], type=DomainEvent) for row in rows]

        return await self.database.run(read)

    async def stored(self) -> str:
        """All that flows remember, as text."""

        def read() -> Script[str]:
            rows = yield "SELECT state FROM bff_flow UNION ALL SELECT body FROM bff_effect", ()
            return "\n".join(bytes(row[0]).decode() for row in rows)

        return await self.database.run(read)

    def lose_answers(self, times: int = 1) -> None:
        """The dealer system does it, and its answer never arrives; nor can it be asked for `times` times."""
        self.to_old.after = {CREATE: 1}
        self.to_old.before = {LOOK: times}

    def heal(self) -> None:
        self.to_old.heal()
        self.to_new.heal()
        self.old.faulty.faults = []
        self.new.faulty.faults = []


def only(outcome: Outcome[Booking]) -> Booking:
    assert outcome.refusals == []
    assert outcome.entity is not None
    return outcome.entity


def codes(outcome: Outcome[Booking]) -> Sequence[str]:
    assert outcome.entity is None
    return [refusal.code for refusal in outcome.refusals]
