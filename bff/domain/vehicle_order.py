"""Ordering a car, and following it: the order (commerce), its sales order (ERP), production (MES), progress (OTD)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum
from typing import Protocol

from bff.domain.base import Found, Money, Outcome, Page, PageArgs, Value
from bff.domain.configurator import PriceLine, Selection
from bff.domain.order_steps import PendingStep


class VehicleOrderStatus(Enum):
    DRAFT = "DRAFT"
    INTENT_PAID = "INTENT_PAID"
    DEPOSIT_PAID = "DEPOSIT_PAID"
    LOCKED = "LOCKED"
    IN_FULFILMENT = "IN_FULFILMENT"
    BALANCE_DUE = "BALANCE_DUE"
    READY = "READY"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


class VehicleOrder(Value, frozen=True, kw_only=True):
    """The customer's order. The three other systems know it by `sales_order`, `production_order` and `otd_number`,
    which a DRAFT does not have; `vin` is None before the car is BUILT.

    `intent` and `deposit` are what those steps cost; the deposit contains the intent. `paid` is net of refunds: what
    is left of a deposit is `deposit - paid`, the balance is `total - paid`.

    A DRAFT that is not paid by `reserved_until` loses its build place and is CANCELLED. `sold_to` is the customer as
    the ERP knows them.
    """

    number: str
    customer_id: str
    model_code: str
    selection: Selection
    configuration_hash: str
    status: VehicleOrderStatus
    raw_status: str
    price_lines: list[PriceLine]
    total: Money
    intent: Money
    deposit: Money
    paid: Money
    delivery_centre: str | None
    region: str
    brand: str
    terms_version: str
    created_at: datetime
    cooling_off_ends_at: datetime | None
    locked_at: datetime | None
    sales_order: str | None
    production_order: str | None
    otd_number: str | None
    vin: str | None
    reserved_until: datetime | None = None
    sold_to: str = ""


class VehicleOrderPlacement(Value, frozen=True, kw_only=True):
    """An order that was asked for, and of which it is not certain yet whether commerce has made it."""

    id: str
    share_code: str
    delivery_centre: str
    pending: list[PendingStep]


class VehicleOrderPort(Protocol):
    """Refusal codes: NOT_BUILDABLE, SOLD_OUT, CONFIGURATION_CHANGED, PRICE_CHANGED, TERMS_CHANGED, NOT_LOCKABLE,
    ALREADY_LOCKED, NOT_CANCELLABLE, NOT_AMENDABLE, CENTRE_UNKNOWN.
    """

    async def orders_of(self, customer_id: str, page: PageArgs) -> Page[VehicleOrder]:
        """Newest first."""
        ...

    async def orders(self, numbers: Sequence[str]) -> Found[str, VehicleOrder]: ...

    async def place(
        self, customer_id: str, share_code: str, *, delivery_centre: str, terms_version: str, idempotency_key: str
    ) -> Outcome[VehicleOrder]:
        """A DRAFT from a saved configuration; paying its intent or deposit moves it on."""
        ...

    async def lock(
        self, number: str, *, configuration_hash: str, total: Money, terms_version: str, idempotency_key: str
    ) -> Outcome[VehicleOrder]:
        """The customer confirms exactly this configuration, price and terms; afterwards nothing can be changed."""
        ...

    async def cancel(self, number: str, *, reason: str | None, idempotency_key: str) -> Outcome[VehicleOrder]: ...

    async def placements(self, customer_id: str) -> list[VehicleOrderPlacement]:
        """The customer's orders that are still being placed, oldest first."""
        ...

    async def pending(self, numbers: Sequence[str]) -> Found[str, list[PendingStep]]:
        """What is still being done for orders; nothing is an empty list."""
        ...


class VehicleOrderSystem(Protocol):
    """Commerce, as the flow of an order drives it. It decides by compare-and-set how an order moves.

    Refusal codes as `VehicleOrderPort`'s.
    """

    async def orders_of(self, customer_id: str, page: PageArgs) -> Page[VehicleOrder]: ...

    async def orders(self, numbers: Sequence[str]) -> Found[str, VehicleOrder]: ...

    async def place(
        self, customer_id: str, share_code: str, *, delivery_centre: str, terms_version: str, idempotency_key: str
    ) -> Outcome[VehicleOrder]: ...

    async def lock(
        self, number: str, *, configuration_hash: str, total: Money, terms_version: str, idempotency_key: str
    ) -> Outcome[VehicleOrder]: ...

    async def cancel(
        self, number: str, *, reason: str | None, idempotency_key: str, only_unpaid: bool = False
    ) -> Outcome[VehicleOrder]:
        """`only_unpaid`: refused as NOT_CANCELLABLE once anything is paid."""
        ...

    async def attach_sales_order(self, number: str, sales_order: str) -> Outcome[VehicleOrder]:
        """Safe to repeat. NOT_AMENDABLE: the order is cancelled."""
        ...


class SalesOrderStatus(Enum):
    """SAP OverallSDProcessStatus: A, B, C."""

    OPEN = "OPEN"
    IN_PROCESS = "IN_PROCESS"
    COMPLETED = "COMPLETED"
    UNKNOWN = "UNKNOWN"


class SalesOrderItem(Value, frozen=True, kw_only=True):
    number: str
    material: str
    text: str
    quantity: int
    net: Money
    rejected: bool = False


class PriceCondition(Value, frozen=True, kw_only=True):
    """A line of the ERP's pricing: `code` is its condition type (`PR00` base price, `MWST` VAT)."""

    code: str
    amount: Money


class SalesOrder(Value, frozen=True, kw_only=True):
    """The order of record for money and invoice. `etag` is needed to change it (RFC 9110 section 13.1.1).

    `reference` is our order's number; the order is `rejected` when all its items are.
    """

    number: str
    status: SalesOrderStatus
    raw_status: str
    net_total: Money
    created_on: date
    items: list[SalesOrderItem]
    conditions: list[PriceCondition]
    etag: str
    reference: str = ""
    rejected: bool = False
    requested_delivery_on: date | None = None


class SalesOrderLine(Value, frozen=True, kw_only=True):
    """What is sold, by material number; the ERP prices it."""

    material: str
    quantity: int


class SalesOrderDraft(Value, frozen=True, kw_only=True):
    """`reference` (our order's number) makes creating it repeatable; `sold_to` is the ERP's business partner."""

    reference: str
    sold_to: str
    requested_delivery_on: date
    lines: list[SalesOrderLine]


class RejectionReason(Enum):
    CUSTOMER_CANCELLED = "CUSTOMER_CANCELLED"
    NOT_DELIVERABLE = "NOT_DELIVERABLE"


class SalesOrderPort(Protocol):
    """Refusal codes: MATERIAL_UNKNOWN, NOT_AVAILABLE, CUSTOMER_UNKNOWN, CHANGED_MEANWHILE, NOT_CHANGEABLE.

    A change names the order as it was read: if it is another by now, it is refused as CHANGED_MEANWHILE: read it again.
    """

    async def sales_orders(self, numbers: Sequence[str]) -> Found[str, SalesOrder]:
        """By ERP number, in one `$batch`."""
        ...

    async def available_to_promise(self, materials: Sequence[str]) -> Found[str, int]:
        """Units that can still be promised, by material number."""
        ...

    async def find(self, reference: str) -> SalesOrder | None:
        """By our order's number."""
        ...

    async def create(self, draft: SalesOrderDraft) -> Outcome[SalesOrder]:
        """At most one order a reference: after OutcomeUnknown call it again, it looks the reference up first."""
        ...

    async def reschedule(self, order: SalesOrder, requested_delivery_on: date) -> Outcome[SalesOrder]: ...

    async def cancel(self, order: SalesOrder, reason: RejectionReason) -> Outcome[SalesOrder]:
        """Reject every item that is not rejected yet, all or none."""
        ...


class ProductionState(Enum):
    WAITING = "WAITING"
    READY = "READY"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    ABORTED = "ABORTED"
    HELD = "HELD"
    PAUSED = "PAUSED"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"
    UNKNOWN = "UNKNOWN"


class ProductionStage(Enum):
    """Where in the plant: the track points BS10…YD90 by area."""

    BODY = "BODY"
    PAINT = "PAINT"
    ASSEMBLY = "ASSEMBLY"
    TEST = "TEST"
    YARD = "YARD"
    UNKNOWN = "UNKNOWN"


class ProductionSegment(Value, frozen=True, kw_only=True):
    """One track point. `code` and `raw_state` are the plant's, without padding."""

    code: str
    stage: ProductionStage
    state: ProductionState
    started_at: datetime | None
    ended_at: datetime | None
    raw_state: str = ""


class Production(Value, frozen=True, kw_only=True):
    order: str
    state: ProductionState
    segments: list[ProductionSegment]
    paint_code: str | None
    raw_state: str = ""


class ProductionPort(Protocol):
    async def productions(self, orders: Sequence[str]) -> Found[str, Production]:
        """By production order; the MES knows one a call."""
        ...


class Milestone(Enum):
    """Canonical steps from order to delivery, in rank order; QC_HOLD is left and entered beside the others."""

    PLACED = "PLACED"
    ACCEPTED = "ACCEPTED"
    PARTS = "PARTS"
    SCHEDULED = "SCHEDULED"
    IN_PRODUCTION = "IN_PRODUCTION"
    BUILT = "BUILT"
    YARD = "YARD"
    QC_HOLD = "QC_HOLD"
    SHIPPED = "SHIPPED"
    AT_CENTRE = "AT_CENTRE"
    READY = "READY"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


class MilestoneEvent(Value, frozen=True, kw_only=True):
    """`raw_code` is the feed's, `observed_at` when we first saw it, `week` the ISO year-week that the record tells.

    `arrival` counts the order's reports as they came, from 1: whoever reads the feed from its start counts alike.
    """

    milestone: Milestone
    raw_code: str
    week: str
    observed_at: datetime
    arrival: int = 0

    @property
    def id(self) -> str:
        """Unique among the reports on one order."""
        return f"{self.arrival}-{self.raw_code}-{self.week}"


class DeliveryProgress(Value, frozen=True, kw_only=True):
    """Where the car stands by the OTD feed: never moves back, but into and out of QC_HOLD."""

    order: str
    current: Milestone
    events: list[MilestoneEvent]
    vin: str | None
    eta_week: str | None
    as_of: datetime


class DeliveryProgressPort(Protocol):
    async def progress(self, orders: Sequence[str]) -> Found[str, DeliveryProgress]:
        """By OTD order number, from the feed as last pulled."""
        ...
