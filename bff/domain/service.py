"""Workshop visits to come: centres, slots, bookings, estimates. Two systems serve them, and no caller knows which."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum
from typing import Protocol

from bff.domain.base import Found, Money, Outcome, Text, Value
from bff.domain.vehicle import VehicleRef


class CentreService(Enum):
    SALES = "SALES"
    SERVICE = "SERVICE"
    BODYWORK = "BODYWORK"
    DELIVERY = "DELIVERY"
    TEST_DRIVE = "TEST_DRIVE"
    PICKUP = "PICKUP"
    CHARGING = "CHARGING"
    UNKNOWN = "UNKNOWN"


class Centre(Value, frozen=True, kw_only=True):
    """A place of ours; its code (`SH0217`) is the dealer number in every system. Coordinates are GCJ-02 degrees."""

    code: str
    name: Text
    region: str
    city: Text
    address: Text
    phone: str
    latitude: float
    longitude: float
    brands: list[str]
    services: list[CentreService]
    opening_hours: Text


class CentreRef(Value, frozen=True, kw_only=True):
    """A centre and what routing needs to know of it."""

    code: str
    region: str


class BookingOrigin(Enum):
    """The system a booking was made on, and stays on. Only ids and routing know it; no client sees it."""

    DMS = "DMS"
    BOOKING = "BOOKING"


class BookingId(Value, frozen=True, kw_only=True):
    """`number` is the origin's own; `centre` is needed to ask the DMS, which keeps one ledger a dealer."""

    origin: BookingOrigin
    centre: str
    number: str

    @property
    def key(self) -> str:
        """As text that `parse` reads: `DMS/SZ0412/AP1`."""
        return f"{self.origin.value}/{self.centre}/{self.number}"

    @classmethod
    def parse(cls, key: str) -> BookingId | None:
        origin, centre, number, *rest = [*key.split("/"), "", ""]
        if origin not in BookingOrigin.__members__ or not centre or not number or any(rest):
            return None
        return cls(origin=BookingOrigin[origin], centre=centre, number=number)


def slot_id(origin: BookingOrigin, own: str) -> str:
    """A slot's id as ports know it, `BOOKING:SL-SZ0412-D01-3`; `own` is what the system itself calls the slot."""
    return f"{origin.value}:{own}"


def split_slot_id(slot: str) -> tuple[BookingOrigin, str] | None:
    """The system that offered a slot, and its own id there. None: not an id that we gave."""
    name, colon, own = slot.partition(":")
    if not (colon and own and name in BookingOrigin.__members__):
        return None
    return BookingOrigin[name], own


class SlotQuery(Value, frozen=True, kw_only=True):
    """Slots of one centre on the days `from_day` to `to_day`, both included, for a car of this brand and model.

    With `moving`, slots that this booking can be moved to: they come from the system that holds it.
    """

    centre: CentreRef
    from_day: date
    to_day: date
    brand: str | None = None
    model: str | None = None
    moving: BookingId | None = None


class Slot(Value, frozen=True, kw_only=True):
    """`id` carries its origin (`slot_id`), so that a booking goes to the system that offered it."""

    id: str
    centre: CentreRef
    start: datetime
    end: datetime
    capacity_left: int


class BookingStatus(Enum):
    REQUESTED = "REQUESTED"
    CONFIRMED = "CONFIRMED"
    PICKUP_ASSIGNED = "PICKUP_ASSIGNED"
    PICKED_UP = "PICKED_UP"
    CHECKED_IN = "CHECKED_IN"
    DIAGNOSING = "DIAGNOSING"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    IN_REPAIR = "IN_REPAIR"
    WAITING_PARTS = "WAITING_PARTS"
    QUALITY_CHECK = "QUALITY_CHECK"
    READY = "READY"
    RETURNING = "RETURNING"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"
    NO_SHOW = "NO_SHOW"
    UNKNOWN = "UNKNOWN"


class PayType(Enum):
    CUSTOMER = "CUSTOMER"
    WARRANTY = "WARRANTY"
    INTERNAL = "INTERNAL"
    UNKNOWN = "UNKNOWN"


class Job(Value, frozen=True, kw_only=True):
    """`hours` are tenths of an hour: 15 is an hour and a half."""

    op_code: str
    text: Text
    tenths_of_hours: int
    pay_type: PayType


class EstimateLine(Value, frozen=True, kw_only=True):
    text: Text
    quantity: int
    amount: Money
    pay_type: PayType


class Estimate(Value, frozen=True, kw_only=True):
    """What the work will cost. A higher version needs a new approval."""

    version: int
    lines: list[EstimateLine]
    total: Money
    issued_at: datetime
    approved_at: datetime | None


class Booking(Value, frozen=True, kw_only=True):
    """`raw_status` keeps a code that we do not know; `note` is the customer's own; `contact_name` brings the car."""

    id: BookingId
    vehicle: VehicleRef
    customer_id: str | None
    centre: CentreRef
    start: datetime
    end: datetime | None
    status: BookingStatus
    raw_status: str
    jobs: list[Job]
    note: str | None
    pickup: bool
    repair_order: str | None
    contact_name: str | None = None


class BookingRequest(Value, frozen=True, kw_only=True):
    vehicle: VehicleRef
    customer_id: str
    slot_id: str
    centre: CentreRef
    start: datetime
    op_codes: tuple[str, ...]
    note: str | None
    pickup: bool
    idempotency_key: str
    contact_name: str | None = None


class ServicePort(Protocol):
    """Booking work on a car. The DMS, the booking service and the pilot router all implement it.

    Refusal codes: SLOT_TAKEN, SLOT_UNKNOWN, CENTRE_UNKNOWN, VEHICLE_UNKNOWN, NOT_CANCELLABLE, NOT_CHANGEABLE,
    ESTIMATE_OUTDATED, ALREADY_APPROVED.
    """

    async def slots(self, queries: Sequence[SlotQuery]) -> Found[SlotQuery, list[Slot]]:
        """By start; full slots are left out."""
        ...

    async def bookings_of(self, vehicles: Sequence[VehicleRef]) -> Found[VehicleRef, list[Booking]]:
        """Open and past bookings, newest start first; a car without any has an empty list.

        A `PartialList` where one of two systems failed and the other had something to show.
        """
        ...

    async def bookings(self, ids: Sequence[BookingId]) -> Found[BookingId, Booking]: ...

    async def estimates(self, ids: Sequence[BookingId]) -> Found[BookingId, Estimate]:
        """The newest estimate of a booking that has one."""
        ...

    async def book(self, request: BookingRequest) -> Outcome[Booking]: ...

    async def reschedule(
        self, booking: BookingId, slot_id: str, start: datetime, *, idempotency_key: str
    ) -> Outcome[Booking]: ...

    async def cancel(self, booking: BookingId, *, reason: str | None, idempotency_key: str) -> Outcome[Booking]: ...

    async def approve(self, booking: BookingId, version: int, *, idempotency_key: str) -> Outcome[Estimate]: ...


class CentrePort(Protocol):
    """The directory of our places: public, kept by the booking service."""

    async def centres(self, codes: Sequence[str]) -> Found[str, Centre]: ...

    async def search(
        self, *, region: str | None = None, brand: str | None = None, service: CentreService | None = None
    ) -> list[Centre]: ...
