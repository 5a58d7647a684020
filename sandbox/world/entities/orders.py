"""Vehicle orders as each system knows them: order, ERP sales order, MES production order, OTD records."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from .common import Text

VehicleOrderStatus = Literal[
    "DRAFT", "INTENT_PAID", "DEPOSIT_PAID", "LOCKED", "IN_FULFILMENT", "BALANCE_DUE", "READY", "DELIVERED", "CANCELLED"
]
Milestone = Literal[
    "PLACED", "ACCEPTED", "PARTS", "SCHEDULED", "IN_PRODUCTION", "BUILT", "YARD", "QC_HOLD", "SHIPPED", "AT_CENTRE",
    "READY", "DELIVERED", "CANCELLED",
]  # fmt: skip
SegmentState = Literal[
    "Waiting", "Ready", "Running", "Completed", "Aborted", "Held", "Paused", "Suspended", "Closed", "Other"
]


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is to be built; ``options`` holds those of ``packages`` too.

    ``hash`` is SHA-256 (hex) over trim, options and packages in canonical JSON (``pricing.fingerprint``).
    """

    trim_id: str
    options: tuple[str, ...]
    packages: tuple[str, ...]
    hash: str


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One line of the price in fen incl. VAT; DISCOUNT lines are negative, the TAX line is informative (contained in
    the rest).
    """

    kind: Literal["BASE", "OPTION", "PACKAGE", "DISCOUNT", "TAX"]
    code: str
    text: Text
    amount_fen: int


@dataclass(slots=True)
class VehicleOrder:
    """The customer's order. ``number`` (``VO00004711``) is ours, ``sales_order`` (``4711``) is the ERP's,
    ``production_order`` the MES's, ``otd_number`` (``SO4711``) the feed's. A DRAFT has none of the three; ``vin``
    is None before BUILT.

    ``milestone`` is where the car truly is (the OTD feed may say so late, twice or out of order); None while
    DRAFT.
    """

    number: str
    customer_id: str
    model_id: str
    trim_id: str
    configuration: Configuration
    status: VehicleOrderStatus
    milestone: Milestone | None
    price_lines: list[PriceLine]
    total_fen: int
    currency: str
    delivery_centre_id: str
    created_at: datetime
    updated_at: datetime
    terms_version: str
    sales_order: str | None = None
    production_order: str | None = None
    otd_number: str | None = None
    vin: str | None = None
    intent_fen: int = 0
    deposit_fen: int = 0
    intent_paid_at: datetime | None = None
    deposit_paid_at: datetime | None = None
    cooling_off_ends_at: datetime | None = None
    locked_at: datetime | None = None
    cancelled_at: datetime | None = None
    delivered_at: datetime | None = None
    delivery_earliest: date | None = None
    delivery_latest: date | None = None
    sales_order_is_told: bool = False
    """The sales order was made, and is to be rejected, by whoever told commerce its number."""


@dataclass(frozen=True, slots=True)
class OtdRecord:
    """One status record as the feed delivers it: ``order_number`` ≤ 12, ``code`` 4, ``vin`` 17 or blank,
    ``year_week`` 6 characters.

    ``happened_at`` is when it was true, ``received_at`` when the feed carried it; ``sequence`` is the feed's
    position.
    """

    sequence: int
    order_number: str
    code: str
    vin: str | None
    year_week: str
    happened_at: datetime
    received_at: datetime

    def line(self) -> str:
        """The 39 characters on the wire."""
        return f"{self.order_number:<12}{self.code:<4}{self.vin or '':<17}{self.year_week:<6}"


@dataclass(slots=True)
class Segment:
    """A track point of the plant (BS10…YD90). Times are naive Asia/Shanghai, as the MES keeps them; ``data`` values
    are unpadded.
    """

    id: str
    state: SegmentState
    started_at: datetime | None = None
    ended_at: datetime | None = None
    data: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class ProductionOrder:
    """A MES production order (``PO25030917``). ``planned_start`` is local.

    Ten of the eleven track points are always present, those ahead as Waiting; YD50 only on a car that is or was held.
    """

    id: str
    order_number: str
    plant: str
    state: SegmentState
    planned_start: datetime
    vin: str | None
    segments: list[Segment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SalesOrderItem:
    """``item`` counts 10, 20, …; amounts in fen without VAT."""

    item: str
    material: str
    text: str
    quantity: int
    net_fen: int
    tax_fen: int


@dataclass(slots=True)
class SalesOrder:
    """An ERP sales order. ``overall_status`` is SAP's A (open) · B (in process) · C (completed); amounts in fen
    without VAT.

    ``customer_reference`` is the vehicle order's or merchandise order's number; every write sets ``changed_at``
    (it makes the ETag).
    """

    number: str
    order_type: str
    customer_reference: str
    sold_to: str
    sales_organisation: str
    currency: str
    net_fen: int
    tax_fen: int
    overall_status: Literal["A", "B", "C"]
    rejected: bool
    created_at: datetime
    changed_at: datetime
    requested_delivery_on: date
    items: list[SalesOrderItem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PriceCondition:
    """An ERP price condition: ``type`` PR00 (base), VA00 (option), MWST (VAT, ``rate_percent``); amount in fen without
    VAT.
    """

    record: str
    type: Literal["PR00", "VA00", "MWST"]
    material: str
    amount_fen: int
    rate_percent: int | None
    valid_from: date
    valid_to: date


@dataclass(slots=True)
class MaterialStock:
    """What the ERP can promise of a material at a plant."""

    material: str
    plant: str
    on_hand: int
    reserved: int

    @property
    def available(self) -> int:
        return max(0, self.on_hand - self.reserved)
