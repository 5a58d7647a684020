"""The service's JSON, as types: bodies are strict, answers are made from the world and never carry internal notes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec

from sandbox.world import World, entities
from sandbox.world.entities.service import BookingState, PayType

Word = Annotated[str, msgspec.Meta(min_length=1)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Shape(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    pass


class Text(Shape):
    zh: str
    en: str

    @classmethod
    def of(cls, text: entities.Text) -> Text:
        return cls(zh=text.zh, en=text.en)


class Money(Shape):
    amount_minor: int
    currency: str = "CNY"


class OpeningHours(Shape):
    """Local time; weekdays are ISO numbers, Monday is 1."""

    weekdays: list[int]
    opens: str
    closes: str


class Centre(Shape):
    """Coordinates are GCJ-02 degrees."""

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
    opening_hours: list[OpeningHours]

    @classmethod
    def of(cls, centre: entities.Centre) -> Centre:
        return cls(
            code=centre.id,
            name=Text.of(centre.name),
            region=centre.region,
            city=Text.of(centre.city),
            address=Text.of(centre.address),
            phone=centre.phone,
            latitude=centre.latitude,
            longitude=centre.longitude,
            brands=list(centre.brands),
            services=list(centre.services),
            opening_hours=[
                OpeningHours(weekdays=list(hours.weekdays), opens=hours.opens, closes=hours.closes)
                for hours in centre.opening_hours
            ],
        )


class SlotQuery(Shape):
    """`id` is the caller's, and comes back with the answer. `from` and `to` are local days, both included."""

    id: Word
    centre: Word
    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")
    brand: str | None = None
    model: str | None = None


class SlotQueries(Shape):
    queries: Annotated[list[SlotQuery], msgspec.Meta(min_length=1, max_length=100)]


class Slot(Shape):
    id: str
    starts_at: datetime
    ends_at: datetime
    capacity_left: int


class FreeSlots(Shape):
    """`id` only where a query gave one."""

    centre: str
    slots: list[Slot]
    id: str | None = None


class HoldRequest(Shape):
    slot_id: Word
    customer_id: Word


class Hold(Shape):
    """A place kept for a customer until `expiresAt`, ten minutes on."""

    id: str
    slot_id: str
    expires_at: datetime


class Car(Shape):
    region: str
    brand: str
    model: str


class Place(Shape):
    code: str
    region: str


class Job(Shape):
    op_code: str
    text: Text
    tenths_of_hours: int
    pay_type: PayType


class Booking(Shape):
    id: str
    vin: str
    vehicle: Car
    customer_id: str
    centre: Place
    slot_id: str | None
    starts_at: datetime
    ends_at: datetime | None
    status: BookingState
    jobs: list[Job]
    note: str | None
    pickup: bool
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, world: World, booking: entities.Booking) -> Booking:
        car, slot = world.vehicles[booking.vin], world.slots.get(booking.slot_id or "")
        return cls(
            id=booking.id,
            vin=car.vin,
            vehicle=Car(region=car.region, brand=car.brand, model=car.model_id),
            customer_id=booking.customer_id,
            centre=Place(code=booking.centre_id, region=world.centres[booking.centre_id].region),
            slot_id=booking.slot_id,
            starts_at=booking.starts_at,
            ends_at=slot.ends_at if slot else None,
            status=booking.state,
            jobs=[
                Job(op_code=j.op_code, text=Text.of(j.text), tenths_of_hours=int(j.hours * 10), pay_type=j.pay_type)
                for j in booking.jobs
            ],
            note=booking.customer_note or None,
            pickup=booking.pickup,
            created_at=booking.created_at,
            updated_at=booking.updated_at,
            version=booking.version,
        )


class BookingRequest(Shape):
    """`startsAt` must be the slot's, so that a customer gets the time that was shown or none."""

    vin: Word
    customer_id: Word
    centre: Word
    slot_id: Word
    starts_at: Moment
    op_codes: list[Word]
    note: str | None
    pickup: bool


class Move(Shape):
    slot_id: Word
    starts_at: Moment


class Cancellation(Shape):
    reason: str | None


class EstimateLine(Shape):
    op_code: str
    text: Text
    quantity: int
    amount: Money
    pay_type: PayType


class Estimate(Shape):
    """One version; only the newest can be approved, and a new one needs a new approval."""

    booking_id: str
    version: int
    lines: list[EstimateLine]
    total: Money
    issued_at: datetime
    approved_at: datetime | None

    @classmethod
    def of(cls, booking: entities.Booking, estimate: entities.Estimate) -> Estimate:
        payers = {job.op_code: job.pay_type for job in booking.jobs}
        return cls(
            booking_id=booking.id,
            version=estimate.version,
            lines=[
                EstimateLine(
                    op_code=line.op_code,
                    text=Text.of(line.text),
                    quantity=1,
                    amount=Money(amount_minor=line.amount_fen),
                    pay_type=payers.get(line.op_code, "CUSTOMER"),
                )
                for line in estimate.lines
            ],
            total=Money(amount_minor=estimate.total_fen),
            issued_at=estimate.created_at,
            approved_at=estimate.approved_at,
        )


class StatusChange(Shape):
    status: BookingState


class NewEstimateLine(Shape):
    op_code: Word
    text: Text
    amount: Money


class NewEstimate(Shape):
    lines: Annotated[list[NewEstimateLine], msgspec.Meta(min_length=1)]
