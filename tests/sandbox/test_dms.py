"""The simulated dealer system: asked by the adapter, held to its contract's schema, and as strict as the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from lxml import etree

from adapters.dms.dms_wire import bod, bod_id
from adapters.dms.service import DmsService
from adapters.dms.vehicles import DmsVehicles
from adapters.transport.http import HttpxEngine
from adapters.transport.soap import ACTION, Xml, element, envelope
from adapters.transport.upstream import Operation, Upstream
from bff.domain.base import Outcome
from bff.domain.service import (
    Booking,
    BookingId,
    BookingOrigin,
    BookingRequest,
    BookingStatus,
    CentreRef,
    Slot,
    SlotQuery,
)
from bff.domain.vehicle import Vehicle, VehicleRef
from bff.errors import (
    BffError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    UpstreamBusy,
    UpstreamMaintenance,
    UpstreamRejected,
)
from sandbox.dms.app import create
from sandbox.kit.server import Estate, System
from sandbox.world import World
from tests.support import BASE, sandbox_upstream

pytestmark = pytest.mark.anyio

WSDL = Path(__file__).parents[2] / "docs" / "contracts" / "dms.wsdl"
XS = "{http://www.w3.org/2001/XMLSchema}"
HEADERS = {"content-type": "text/xml; charset=GBK", "soapaction": f'"{ACTION}"'}
VIN = "LDCA1AB57SB000001"
PUDONG = CentreRef(code="SH0217", region="EAST")
RARE = "𠮷田健㐂"


@pytest.fixture
def system(world: World) -> System:
    return create(world)


@pytest.fixture
def upstream(system: System) -> Upstream:
    return sandbox_upstream(system)


@pytest.fixture
def service(upstream: Upstream) -> DmsService:
    return DmsService(upstream)


def ref(world: World, vin: str = VIN) -> VehicleRef:
    car = world.vehicles[vin]
    return VehicleRef(vin=car.vin, region=car.region, brand=car.brand, model=car.model_id)


async def free_slot(service: DmsService, world: World, number: int = 0) -> Slot:
    query = SlotQuery(centre=PUDONG, from_day=world.today, to_day=world.today + timedelta(days=14))
    found = (await service.slots([query]))[query]
    assert not isinstance(found, BffError)
    return found[number]


def wanted(world: World, slot: Slot, key: str = "key-1", **changes: str) -> BookingRequest:
    return BookingRequest(
        vehicle=ref(world),
        customer_id=changes.get("customer_id", "C0001"),
        slot_id=slot.id,
        centre=slot.centre,
        start=slot.start,
        op_codes=(changes.get("op_code", "1010"),),
        note=changes.get("note"),
        pickup=False,
        idempotency_key=key,
        contact_name=changes.get("contact_name"),
    )


def done(outcome: Outcome[Booking]) -> Booking:
    assert outcome.entity is not None, outcome.refusals
    return outcome.entity


async def control(system: System, method: str, path: str, body: object = None) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url=BASE) as client:
        (await client.request(method, path, json=body)).raise_for_status()


@asynccontextmanager
async def served(system: System) -> AsyncIterator[str]:
    """The system on a real socket; its address."""
    estate = Estate([(system, 0)])
    await estate.start()
    try:
        yield estate.addresses[system.name]
    finally:
        await estate.stop()


# Coherence with the world


async def test_every_car_of_the_world_is_known_by_its_vin(world: World, upstream: Upstream) -> None:
    found = await DmsVehicles(upstream).locate(list(world.vehicles))
    assert found == {vin: ref(world, vin) for vin in world.vehicles}


async def test_a_car_is_as_the_world_has_it(world: World, upstream: Upstream) -> None:
    car = world.vehicles[VIN]
    adapter = DmsVehicles(upstream)
    found = (await adapter.vehicles([ref(world)]))[ref(world)]
    assert isinstance(found, Vehicle)
    assert (found.licence_plate, found.trim_code, found.option_codes) == (
        car.licence_plate,
        car.trim_id,
        list(car.options),
    )
    assert (found.built_on, found.home_centre) == (car.produced_on, car.home_centre_id)
    warranties = (await adapter.warranties([ref(world)]))[ref(world)]
    assert not isinstance(warranties, BffError)
    assert [(w.ends_on, w.limit_km) for w in warranties] == [(w.ends_on, w.limit_km) for w in car.warranties]


async def test_visits_are_the_repair_orders_of_the_world(world: World, upstream: Upstream) -> None:
    visits = (await DmsVehicles(upstream).visits([ref(world)]))[ref(world)]
    assert not isinstance(visits, BffError)
    expected = sorted(world.repair_orders_of(VIN), key=lambda order: (order.opened_at, order.number), reverse=True)
    assert [(v.number, v.opened_at) for v in visits] == [(order.number, order.opened_at) for order in expected]
    assert visits


async def test_bookings_of_every_car_merge_appointments_and_repair_orders(world: World, service: DmsService) -> None:
    refs = [ref(world, vin) for vin in world.vehicles]
    found = await service.bookings_of(refs)
    bookings = [booking for answer in found.values() if not isinstance(answer, BffError) for booking in answer]
    assert {b.id.number for b in bookings} == set(world.appointments)
    assert BookingStatus.UNKNOWN not in {b.status for b in bookings}
    assert {b.status for b in bookings} >= {BookingStatus.AWAITING_APPROVAL, BookingStatus.WAITING_PARTS}
    for booking in bookings:
        appointment = world.appointments[booking.id.number]
        assert (booking.start, booking.repair_order) == (appointment.starts_at, appointment.repair_order)


async def test_internal_notes_are_on_the_wire_and_in_no_value(world: World, service: DmsService) -> None:
    appointment = next(a for a in world.appointments.values() if a.internal_notes and a.repair_order)
    question = bod("GetServiceAppointment", criteria("DocumentID", appointment.number), dealer=appointment.dealer)
    status, text = await post(service, envelope("GetServiceAppointment", question))
    assert (status, appointment.internal_notes in text) == (200, True)
    key = BookingId(origin=BookingOrigin.DMS, centre=appointment.dealer, number=appointment.number)
    found = await service.bookings([key])
    assert appointment.internal_notes not in repr(found)
    assert key in found


# Booking


async def test_a_booking_takes_its_slot_and_a_cancelled_one_gives_it_back(world: World, service: DmsService) -> None:
    slot = await free_slot(service, world)
    booking = done(await service.book(wanted(world, slot)))
    assert (booking.status, booking.start, booking.end) == (BookingStatus.REQUESTED, slot.start, slot.end)
    assert (await free_slot(service, world)).capacity_left == slot.capacity_left - 1
    later = await free_slot(service, world, 5)
    moved = done(await service.reschedule(booking.id, later.id, later.start, idempotency_key="move"))
    assert (moved.id, moved.start) == (booking.id, later.start)
    assert (await free_slot(service, world)).capacity_left == slot.capacity_left
    cancelled = done(await service.cancel(booking.id, reason="出差", idempotency_key="cancel"))
    assert cancelled.status is BookingStatus.CANCELLED
    assert (await free_slot(service, world, 5)).capacity_left == later.capacity_left
    again = await service.cancel(booking.id, reason=None, idempotency_key="cancel-2")
    assert [refused.code for refused in again.refusals] == ["NOT_CANCELLABLE"]


async def test_a_name_that_only_gb18030_can_write_survives_the_round_trip(world: World, service: DmsService) -> None:
    slot = await free_slot(service, world)
    booking = done(await service.book(wanted(world, slot, contact_name=RARE, note=f"请找{RARE} <&>")))
    read = (await service.bookings([booking.id]))[booking.id]
    assert isinstance(read, Booking)
    assert (read.contact_name, read.note) == (RARE, f"请找{RARE} <&>")
    assert world.appointments[booking.id.number].contact_name == RARE
    unnamed = done(await service.book(wanted(world, slot, "key-2", customer_id="C0042")))
    assert unnamed.contact_name == world.customers["C0042"].name_zh


async def test_the_same_key_books_once_and_with_another_content_is_a_mistake(world: World, service: DmsService) -> None:
    slot = await free_slot(service, world)
    first = done(await service.book(wanted(world, slot)))
    assert done(await service.book(wanted(world, slot))) == first
    assert (await service.booked("SH0217", "key-1")) == first
    assert await service.booked("SH0217", "key-2") is None
    assert sum(a.request_id == str(bod_id("key-1")) for a in world.appointments.values()) == 1
    with pytest.raises(InvalidInput):
        await service.book(wanted(world, slot, note="other"))


async def test_a_create_that_happened_though_it_looked_lost_is_found_and_not_made_twice(
    world: World, system: System, service: DmsService
) -> None:
    slot = await free_slot(service, world)
    ordered = {"code": "E9999", "match": "ProcessServiceAppointment", "times": 1, "done": True}
    await control(system, "PUT", "/_refusals", {"refusals": [ordered]})
    before = len(world.appointments)
    booking = done(await service.book(wanted(world, slot)))
    assert done(await service.book(wanted(world, slot))).id == booking.id
    assert len(world.appointments) == before + 1


async def test_a_create_that_times_out_and_happens_later_stays_unknown_until_it_is_asked_again(
    world: World,
) -> None:
    system = create(world)
    slow = {"kind": "delay", "milliseconds": 400, "match": "ProcessServiceAppointment", "times": 1}
    async with served(system) as address:
        upstream = Upstream("dms", address, HttpxEngine(), timeout=0.2)
        service = DmsService(upstream)
        slot = await free_slot(service, world)
        before = len(world.appointments)
        await control(system, "PUT", "/_faults", {"faults": [slow]})
        with pytest.raises(OutcomeUnknown):
            await service.book(wanted(world, slot))
        await asyncio.sleep(0.4)
        assert len(world.appointments) == before + 1
        booking = await service.booked("SH0217", "key-1")
        assert booking is not None
        assert done(await service.book(wanted(world, slot))).id == booking.id
        assert len(world.appointments) == before + 1
        await upstream.aclose()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda world, slot: setattr(slot, "taken", slot.capacity), "SLOT_TAKEN"),
        (lambda world, slot: world.slots.pop(slot.id), "SLOT_UNKNOWN"),
        (lambda world, slot: world.vehicles.pop(VIN), "VEHICLE_UNKNOWN"),
    ],
)
async def test_what_changed_since_the_slots_were_shown_is_a_refusal(
    world: World, service: DmsService, change: Callable[[World, object], object], code: str
) -> None:
    slot = await free_slot(service, world)
    request = wanted(world, slot)
    change(world, next(s for s in world.slots_of("SH0217") if s.starts_at == slot.start))
    assert [refused.code for refused in (await service.book(request)).refusals] == [code]


async def test_estimates_are_approved_once_and_in_their_newest_version(world: World, service: DmsService) -> None:
    order = next(order for order in world.repair_orders.values() if order.status == "A")
    assert order.appointment is not None
    key = BookingId(origin=BookingOrigin.DMS, centre=order.dealer, number=order.appointment)
    estimate = (await service.estimates([key]))[key]
    assert not isinstance(estimate, BffError)
    assert (estimate.version, estimate.total.amount_minor) == (2, order.estimates[-1].total_fen)
    outdated = await service.approve(key, 1, idempotency_key="a")
    approved = await service.approve(key, 2, idempotency_key="b")
    repeated = await service.approve(key, 2, idempotency_key="b")
    again = await service.approve(key, 2, idempotency_key="c")
    assert [r.code for r in outdated.refusals + again.refusals] == ["ESTIMATE_OUTDATED", "ALREADY_APPROVED"]
    assert approved.entity is not None
    assert approved.entity.approved_at is not None
    assert repeated.entity == approved.entity
    booking = (await service.bookings([key]))[key]
    assert isinstance(booking, Booking)
    assert booking.status is BookingStatus.IN_REPAIR


async def test_a_record_that_the_dealer_holds_is_busy_and_another_dealers_is_not_there(
    world: World, service: DmsService
) -> None:
    order = next(order for order in world.repair_orders.values() if order.status == "I" and order.appointment)
    assert order.appointment is not None
    key = BookingId(origin=BookingOrigin.DMS, centre=order.dealer, number=order.appointment)
    with pytest.raises(UpstreamBusy):
        await service.approve(key, 1, idempotency_key="a")
    elsewhere = BookingId(origin=BookingOrigin.DMS, centre="XA0307", number="AP100101")
    assert await service.bookings([elsewhere]) == {}
    with pytest.raises(NotFound):
        await service.cancel(elsewhere, reason=None, idempotency_key="b")


# The contract


def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(WSDL)).findall(f".//{XS}schema")[0])


async def test_requests_and_answers_are_valid_by_the_contracts_schema(world: World, system: System) -> None:
    seen: list[bytes] = []

    class Recording(httpx.ASGITransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            reply = await super().handle_async_request(request)
            seen.extend([request.content, await reply.aread()])
            return reply

    upstream = Upstream("dms", BASE, HttpxEngine(httpx.AsyncClient(transport=Recording(app=system))))
    service, vehicles = DmsService(upstream), DmsVehicles(upstream)
    cars = [ref(world), ref(world, "LDCV1AE37SD000015")]
    await vehicles.vehicles(cars)
    await vehicles.warranties(cars)
    await vehicles.visits(cars)
    await service.bookings_of(cars)
    slot = await free_slot(service, world)
    booking = done(await service.book(wanted(world, slot, note="n", contact_name=RARE)))
    await service.booked("SH0217", "key-1")
    await service.bookings([booking.id])
    await service.reschedule(booking.id, slot.id, slot.start, idempotency_key="m")
    await service.cancel(booking.id, reason="r", idempotency_key="c")
    await service.cancel(booking.id, reason="r", idempotency_key="d")
    order = next(order for order in world.repair_orders.values() if order.status == "A")
    visit = BookingId(origin=BookingOrigin.DMS, centre=order.dealer, number=order.appointment or "")
    await service.approve(visit, 2, idempotency_key="a")
    await service.estimates([visit])

    valid, names = schema(), set()
    for document in seen:
        found = etree.fromstring(document.decode("gb18030").partition("?>")[2]).find(".//{*}content/*")
        assert found is not None
        copy = etree.fromstring(etree.tostring(found))
        valid.assertValid(copy)
        names.add(etree.QName(copy).localname)
    declared = etree.parse(str(WSDL)).findall(f".//{XS}schema")[0].findall(f"{XS}element")
    assert names == {element.get("name") for element in declared}


def criteria(name: str, value: str) -> Xml:
    return element("Criteria", element(name, value))


async def post(adapter: DmsService, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
    reply = await adapter._dms.upstream.call(
        Operation(name="raw"), "POST", "/ws/star", headers=headers or HEADERS, body=body
    )
    return reply.status, reply.body.decode("gb18030")


def question(*inside: Xml) -> bytes:
    return envelope("GetVehicle", bod("GetVehicle", element("Criteria", *inside), dealer="HQ0000"))


RIGHT = question(element("VehicleID", VIN))
SEVERAL = question(element("VehicleID", VIN), element("VehicleID", VIN))
STRANGER = RIGHT.replace(b"<s:VehicleID>", b"<s:Vehicle>").replace(b"</s:VehicleID>", b"</s:Vehicle>")


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (RIGHT, HEADERS | {"soapaction": '"GetVehicle"'}, "Client"),
        (RIGHT, HEADERS | {"content-type": "application/xml; charset=GBK"}, "Client"),
        (RIGHT, HEADERS | {"content-type": "text/xml; charset=utf-8"}, "Client"),
        (RIGHT.replace(b'"GBK"', b'"UTF-8"'), HEADERS, "Client"),
        (RIGHT.replace(VIN.encode(), "沪".encode()), HEADERS, "Client"),
        (RIGHT[:-9], HEADERS, "Client"),
        (RIGHT.replace(b"?>", b"?><!DOCTYPE x>", 1), HEADERS, "Client"),
        (RIGHT.replace(b"schemas.xmlsoap.org/soap/envelope/", b"www.w3.org/2003/05/soap-envelope"), HEADERS, "Version"),
        (RIGHT.replace(b'element="GetVehicle"', b'element="GetWarranty"'), HEADERS, "Client"),
        (RIGHT.replace(b"GetVehicle", b"GetSecrets"), HEADERS, "Client"),
        (RIGHT.replace(b'releaseID="5.6.4"', b'releaseID="4.0"'), HEADERS, "Client"),
        (SEVERAL, HEADERS, "Client"),
        (STRANGER, HEADERS, "Client"),
    ],
)
async def test_a_message_that_is_wrong_is_a_fault(
    service: DmsService, body: bytes, headers: dict[str, str], code: str
) -> None:
    status, text = await post(service, body, headers)
    assert status == 500
    assert f"SOAP-ENV:{code}" in text


async def test_a_right_message_is_answered_and_an_unknown_sender_refused(service: DmsService) -> None:
    assert (await post(service, RIGHT))[0] == 200
    status, text = await post(service, RIGHT.replace(b">BFF<", b">XXX<"))
    assert (status, "E1001" in text, "BODFailureMessage" in text) == (200, True, True)


# Bad days


async def test_maintenance_is_told_as_such_and_ends_when_it_is_over(world: World, system: System) -> None:
    adapter = DmsVehicles(sandbox_upstream(system))
    await control(system, "PUT", "/_faults", {"faults": [{"kind": "maintenance"}]})
    assert isinstance((await adapter.vehicles([ref(world)]))[ref(world)], UpstreamMaintenance)
    await control(system, "DELETE", "/_faults")
    assert isinstance((await adapter.vehicles([ref(world)]))[ref(world)], Vehicle)


async def test_a_fault_on_one_kind_of_question_leaves_the_others(world: World, system: System) -> None:
    await control(system, "PUT", "/_faults", {"faults": [{"kind": "soap-fault", "match": "GetWarranty"}]})
    adapter = DmsVehicles(sandbox_upstream(system))
    broken = (await adapter.warranties([ref(world)]))[ref(world)]
    assert isinstance(broken, BffError)
    assert "Handler" not in broken.message
    assert isinstance((await adapter.vehicles([ref(world)]))[ref(world)], Vehicle)


async def test_days_beyond_a_month_are_rejected(world: World, service: DmsService) -> None:
    query = SlotQuery(centre=PUDONG, from_day=world.today, to_day=world.today + timedelta(days=40))
    assert isinstance((await service.slots([query]))[query], UpstreamRejected)
    nowhere = SlotQuery(
        centre=CentreRef(code="ZZ0001", region="EAST"), from_day=date(2026, 3, 10), to_day=date(2026, 3, 10)
    )
    assert await service.slots([nowhere]) == {}


async def test_a_garage_of_forty_never_opens_more_than_ten_connections(world: World) -> None:
    system = create(world)
    async with served(system) as address:
        upstream = Upstream("dms", address, HttpxEngine(), max_in_flight=10)
        refs = [ref(world, vin) for vin in list(world.vehicles)[:40]]
        found = await DmsVehicles(upstream).vehicles(refs)
        assert all(isinstance(vehicle, Vehicle) for vehicle in found.values())
        assert len(found) == 40
        assert (system.stats.refused, system.stats.most_open <= 10) == (0, True)
        await upstream.aclose()
