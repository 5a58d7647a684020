"""The booking service's JSON and what it means (docs/contracts/booking.openapi.json). Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from adapters.transport.records import Codes, Moment, Records, utc, utc_or_none
from adapters.transport.rest import Items
from bff.domain.base import Int, Money, PartialList, Text
from bff.domain.service import (
    Booking,
    BookingId,
    BookingOrigin,
    BookingRequest,
    BookingStatus,
    Centre,
    CentreRef,
    CentreService,
    Estimate,
    EstimateLine,
    Job,
    PayType,
    Slot,
    SlotQuery,
    slot_id,
)
from bff.domain.vehicle import VehicleRef
from bff.errors import BffError, UpstreamContractBroken

NAME = "booking"
_WEEKDAYS_ZH = "一二三四五六日"
_WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_SERVICES = {
    "MAINTENANCE": CentreService.SERVICE,
    "REPAIR": CentreService.SERVICE,
    "BODYWORK": CentreService.BODYWORK,
    "TEST_DRIVE": CentreService.TEST_DRIVE,
    "DELIVERY": CentreService.DELIVERY,
    "PICKUP": CentreService.PICKUP,
}
_service = Codes(NAME, CentreService, _SERVICES)
_status = Codes(NAME, BookingStatus)
_pay_type = Codes(NAME, PayType)


class Wire(msgspec.Struct, frozen=True, rename="camel"):
    pass


Weekday = Annotated[int, msgspec.Meta(ge=1, le=7)]
"""ISO 8601: 1 is Monday."""


class WireHours(Wire, frozen=True):
    weekdays: list[Weekday]
    opens: str
    closes: str


class WireCentre(Wire, frozen=True):
    code: str
    name: Text
    region: str
    city: Text
    address: Text
    phone: str
    latitude: float
    longitude: float
    brands: list[str]
    services: list[str]
    opening_hours: list[WireHours]


class WireSlot(Wire, frozen=True):
    id: str
    starts_at: Moment
    ends_at: Moment
    capacity_left: Int


class WireFreeSlots(Wire, frozen=True):
    id: str
    slots: list[WireSlot]


class WireCar(Wire, frozen=True):
    region: str
    brand: str
    model: str


class WireJob(Wire, frozen=True):
    op_code: str
    text: Text
    tenths_of_hours: Int
    pay_type: str


class WireBooking(Wire, frozen=True):
    id: str
    vin: str
    vehicle: WireCar
    customer_id: str | None
    centre: CentreRef
    starts_at: Moment
    ends_at: Moment | None
    status: str
    jobs: list[WireJob]
    note: str | None
    pickup: bool


class WireEstimateLine(Wire, frozen=True):
    text: Text
    quantity: Int
    amount: Money
    pay_type: str


class WireEstimate(Wire, frozen=True):
    booking_id: str
    version: Int
    lines: list[WireEstimateLine]
    total: Money
    issued_at: Moment
    approved_at: Moment | None


def read_centre(wire: WireCentre) -> Centre:
    return Centre(
        code=wire.code,
        name=wire.name,
        region=wire.region,
        city=wire.city,
        address=wire.address,
        phone=wire.phone,
        latitude=wire.latitude,
        longitude=wire.longitude,
        brands=wire.brands,
        services=list(dict.fromkeys(_service(raw) for raw in wire.services)),
        opening_hours=read_hours(wire.opening_hours),
    )


def read_hours(hours: Sequence[WireHours]) -> Text:
    """`周一至周五 08:30–18:30；周六至周日 09:00–17:30`, and the same in English."""
    return Text(
        zh="；".join(f"{_days(part.weekdays, _zh, '至', '、')} {part.opens}–{part.closes}" for part in hours),
        en="; ".join(f"{_days(part.weekdays, _en, '–', ', ')} {part.opens}–{part.closes}" for part in hours),
    )


def _zh(day: int) -> str:
    return "周" + _WEEKDAYS_ZH[day - 1]


def _en(day: int) -> str:
    return _WEEKDAYS_EN[day - 1]


def _days(days: Sequence[int], name: Any, to: str, also: str) -> str:
    if len(days) > 1 and list(days) == list(range(days[0], days[-1] + 1)):
        return f"{name(days[0])}{to}{name(days[-1])}"
    return also.join(name(day) for day in days)


def wire_services(service: CentreService) -> list[str]:
    """The directory's words for a service; none where it does not know such a service."""
    return [word for word, meaning in _SERVICES.items() if meaning is service]


def slot_queries(queries: Iterable[tuple[str, SlotQuery]]) -> dict[str, Any]:
    """The body of a bulk query. Each query is named, so that its answer is found by name."""
    return {
        "queries": [
            {
                "id": name,
                "centre": query.centre.code,
                "from": query.from_day,
                "to": query.to_day,
                "brand": query.brand,
                "model": query.model,
            }
            for name, query in queries
        ]
    }


def read_slots(wire: WireFreeSlots, centre: CentreRef) -> list[Slot]:
    free = [
        Slot(
            id=slot_id(BookingOrigin.BOOKING, slot.id),
            centre=centre,
            start=utc(slot.starts_at),
            end=utc(slot.ends_at),
            capacity_left=slot.capacity_left,
        )
        for slot in wire.slots
        if slot.capacity_left > 0
    ]
    return sorted(free, key=lambda slot: slot.start)


def read_booking(wire: WireBooking) -> Booking:
    car = wire.vehicle
    return Booking(
        id=BookingId(origin=BookingOrigin.BOOKING, centre=wire.centre.code, number=wire.id),
        vehicle=VehicleRef(vin=wire.vin, region=car.region, brand=car.brand, model=car.model),
        customer_id=wire.customer_id,
        centre=wire.centre,
        start=utc(wire.starts_at),
        end=utc_or_none(wire.ends_at),
        status=_status(wire.status),
        raw_status=wire.status,
        jobs=[
            Job(
                op_code=job.op_code,
                text=job.text,
                tenths_of_hours=job.tenths_of_hours,
                pay_type=_pay_type(job.pay_type),
            )
            for job in wire.jobs
        ],
        note=wire.note,
        pickup=wire.pickup,
        repair_order=None,
    )


def read_estimate(wire: WireEstimate) -> tuple[str, Estimate]:
    """The booking's number and its estimate."""
    return wire.booking_id, Estimate(
        version=wire.version,
        lines=[
            EstimateLine(
                text=line.text,
                quantity=line.quantity,
                amount=line.amount,
                pay_type=_pay_type(line.pay_type),
            )
            for line in wire.lines
        ],
        total=wire.total,
        issued_at=utc(wire.issued_at),
        approved_at=utc_or_none(wire.approved_at),
    )


def booking_body(request: BookingRequest, own_slot: str) -> dict[str, Any]:
    return {
        "vin": request.vehicle.vin,
        "customerId": request.customer_id,
        "centre": request.centre.code,
        "slotId": own_slot,
        "startsAt": request.start,
        "opCodes": request.op_codes,
        "note": request.note,
        "pickup": request.pickup,
    }


CENTRES = Records(WireCentre, read_centre, key="code")
FREE_SLOTS = Records(WireFreeSlots, lambda wire: wire, key="id")
BOOKINGS = Records(WireBooking, read_booking, key="id")
ESTIMATES = Records(WireEstimate, read_estimate, key="bookingId")


class _Owner(Wire, frozen=True):
    vin: str


def bookings_by_car(answer: Items[msgspec.Raw], vins: Sequence[str]) -> Mapping[str, list[Booking] | BffError]:
    """Bookings of each car, newest start first. A record that cannot be read makes its car's list partial; if it does
    not even tell its car, it makes all lists partial. A list with nothing to show is the error instead.
    """
    lists: dict[str, list[Booking]] = {vin: [] for vin in vins}
    broken: dict[str, BffError] = {}
    for raw in answer.items:
        try:
            booking = BOOKINGS.one(NAME, raw)
            lists[booking.vehicle.vin].append(booking)
        except KeyError:
            continue  # a car that nobody asked for
        except UpstreamContractBroken as error:
            broken.update(dict.fromkeys(_owners(raw, vins), error))
    for bookings in lists.values():
        bookings.sort(key=lambda booking: booking.start, reverse=True)
    return {vin: _whole_or_partial(bookings, broken.get(vin)) for vin, bookings in lists.items()}


def _owners(raw: msgspec.Raw, vins: Sequence[str]) -> Sequence[str]:
    try:
        return [msgspec.json.decode(raw, type=_Owner).vin]
    except msgspec.MsgspecError:
        return vins


def _whole_or_partial(bookings: list[Booking], error: BffError | None) -> list[Booking] | BffError:
    if error is None:
        return bookings
    return PartialList(bookings, error) if bookings else error
