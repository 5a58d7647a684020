"""Service: records of the dealer systems (DMS) and bookings of the new booking service."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from .common import Text

PayType = Literal["CUSTOMER", "WARRANTY", "INTERNAL"]
AppointmentCode = Literal["10", "20", "30", "80", "90"]
AppointmentType = Literal["A", "I", "P", "S", "W"]
RepairOrderCode = Literal["O", "D", "A", "P", "W", "Q", "R", "I", "C", "X"]
BookingState = Literal[
    "REQUESTED", "CONFIRMED", "PICKUP_ASSIGNED", "PICKED_UP", "CHECKED_IN", "DIAGNOSING", "AWAITING_APPROVAL",
    "IN_REPAIR", "WAITING_PARTS", "QUALITY_CHECK", "READY", "RETURNING", "CLOSED", "CANCELLED", "NO_SHOW",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operation:
    """An entry of the labour catalogue; price per hour is the centre's, so only hours and parts are here."""

    op_code: str
    name: Text
    hours: Decimal
    parts_fen: int


@dataclass(slots=True)
class Job:
    """One job of an appointment, repair order or booking; amounts in fen incl. VAT."""

    op_code: str
    text: Text
    hours: Decimal
    pay_type: PayType
    labour_fen: int
    parts_fen: int


@dataclass(frozen=True, slots=True)
class EstimateLine:
    op_code: str
    text: Text
    amount_fen: int


@dataclass(slots=True)
class Estimate:
    """One version of an estimate, 1 upwards; only the last counts, and a higher total needs its own approval."""

    version: int
    lines: tuple[EstimateLine, ...]
    total_fen: int
    created_at: datetime
    approved_at: datetime | None = None


@dataclass(slots=True)
class DmsCustomer:
    """A customer as one dealer keeps it; ``number`` is the dealer system's own."""

    number: str
    customer_id: str
    dealer: str
    name: str
    phone: str
    language: str
    address: str


@dataclass(slots=True)
class DmsVehicle:
    """A vehicle as one dealer keeps it."""

    vin: str
    dealer: str
    customer_number: str
    licence_plate: str | None
    model_text: str
    odometer_km: int
    sold_on: date
    next_service_on: date
    next_service_km: int


@dataclass(slots=True)
class Appointment:
    """A DMS appointment; status codes as on the wire (10 requested, 20 confirmed, 30 arrived, 80 no-show, 90
    cancelled).

    ``request_id`` is the caller's BODID, so that a caller whose create timed out can ask whether it happened.
    """

    number: str
    dealer: str
    customer_id: str
    vin: str
    starts_at: datetime
    status: AppointmentCode
    type: AppointmentType
    jobs: list[Job]
    created_at: datetime
    confirmation_code: str
    customer_note: str = ""
    internal_notes: str = ""
    slot_id: str | None = None
    repair_order: str | None = None
    request_id: str | None = None
    contact_name: str = ""
    pickup: bool = False


@dataclass(slots=True)
class RepairOrder:
    """A DMS repair order (document id ``number``). ``internal_notes`` must never reach a customer."""

    number: str
    dealer: str
    customer_id: str
    vin: str
    status: RepairOrderCode
    opened_at: datetime
    promised_at: datetime
    closed_at: datetime | None
    in_km: int
    out_km: int | None
    jobs: list[Job]
    internal_notes: str
    adviser_id: str
    estimates: list[Estimate] = field(default_factory=list)
    appointment: str | None = None


@dataclass(slots=True)
class Booking:
    """A booking of the new service (pilot region). ``version`` rises with every write; ``internal_notes`` never reach
    a customer.
    """

    id: str
    centre_id: str
    slot_id: str | None
    customer_id: str
    vin: str
    state: BookingState
    starts_at: datetime
    jobs: list[Job]
    created_at: datetime
    updated_at: datetime
    version: int = 1
    pickup: bool = False
    customer_note: str = ""
    internal_notes: str = ""
    estimates: list[Estimate] = field(default_factory=list)
    idempotency_key: str | None = None


@dataclass(slots=True)
class SlotHold:
    """A slot kept for a customer for 10 minutes."""

    id: str
    slot_id: str
    customer_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """One closed visit in a vehicle's history; ``source_id`` is the DMS repair order or booking behind it."""

    id: str
    vin: str
    centre_id: str
    customer_id: str
    on: date
    odometer_km: int
    summary: Text
    op_codes: tuple[str, ...]
    total_fen: int
    system: Literal["DMS", "BOOKING"]
    source_id: str
