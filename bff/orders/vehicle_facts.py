"""What happens to the order of a car: wishes of its customer, answers of commerce and of the ERP, money."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from bff.domain.base import Money, Refusal, Value
from bff.domain.configurator import PriceLineKind
from bff.domain.payment import PaymentPurpose
from bff.domain.vehicle_order import SalesOrderDraft, SalesOrderLine, VehicleOrder, VehicleOrderStatus
from bff.durability.flow import Fact, Woken
from bff.orders.payment_facts import PaymentReturned, PaymentSettled

VEHICLE_ORDER = "vehicle-order"
"""The kind of flow. Its reference is the order's number; before there is one, `placing(customer)`."""

DELIVERY_DAYS = 60
"""What the ERP is asked for until production is planned, which sets another day."""

_SOLD = (PriceLineKind.BASE, PriceLineKind.OPTION, PriceLineKind.PACKAGE)


def placing(customer_id: str) -> str:
    """The reference of a customer's orders that commerce has not named yet."""
    return f"customer:{customer_id}"


class OrderSnapshot(Value, frozen=True, kw_only=True):
    """The order as commerce showed it last: what the flow needs of it. `materials` are what the ERP sells."""

    number: str
    customer_id: str
    status: VehicleOrderStatus
    configuration_hash: str
    total: Money
    paid: Money
    terms_version: str
    created_at: datetime
    reserved_until: datetime | None
    cooling_off_ends_at: datetime | None
    locked_at: datetime | None
    sales_order: str | None
    sold_to: str
    materials: tuple[str, ...]

    @classmethod
    def of(cls, order: VehicleOrder) -> OrderSnapshot:
        return cls(
            number=order.number,
            customer_id=order.customer_id,
            status=order.status,
            configuration_hash=order.configuration_hash,
            total=order.total,
            paid=order.paid,
            terms_version=order.terms_version,
            created_at=order.created_at,
            reserved_until=order.reserved_until,
            cooling_off_ends_at=order.cooling_off_ends_at,
            locked_at=order.locked_at,
            sales_order=order.sales_order,
            sold_to=order.sold_to,
            materials=tuple(line.code for line in order.price_lines if line.kind in _SOLD),
        )

    def sales_draft(self) -> SalesOrderDraft:
        day: date = (self.created_at + timedelta(days=DELIVERY_DAYS)).date()
        lines = [SalesOrderLine(material=material, quantity=1) for material in self.materials]
        return SalesOrderDraft(reference=self.number, sold_to=self.sold_to, requested_delivery_on=day, lines=lines)


class OrderWanted(Fact, frozen=True, kw_only=True, tag="order-wanted"):
    """A customer orders a saved configuration."""

    customer_id: str
    share_code: str
    delivery_centre: str
    terms_version: str


class PlaceRefused(Fact, frozen=True, kw_only=True, tag="place-refused"):
    refusals: list[Refusal]


class OrderSeen(Fact, frozen=True, kw_only=True, tag="order-seen"):
    """Commerce shows the order. It begins the flow of an order that was made elsewhere."""

    order: OrderSnapshot


class LockAsked(Fact, frozen=True, kw_only=True, tag="lock-asked"):
    """The customer confirms just this. `id` makes it one wish however often it is told."""

    id: str
    configuration_hash: str
    total: Money
    terms_version: str


class CancelAsked(Fact, frozen=True, kw_only=True, tag="cancel-asked"):
    id: str
    reason: str | None = None


class WishAnswered(Fact, frozen=True, kw_only=True, tag="wish-answered"):
    """Commerce has decided about a lock or a cancellation: no refusals, it was done. `order` is as it is now."""

    id: str
    refusals: list[Refusal]
    order: OrderSnapshot | None = None


class SalesOrderMade(Fact, frozen=True, kw_only=True, tag="sales-order-made"):
    number: str


class SalesOrderRefused(Fact, frozen=True, kw_only=True, tag="sales-order-refused"):
    """The ERP will not have it as it is: its master data has to be mended."""

    refusals: list[Refusal]


class SalesOrderRejected(Fact, frozen=True, kw_only=True, tag="sales-order-rejected"):
    """All its items are rejected in the ERP. None: the ERP has no sales order for this order."""

    number: str | None


class PaymentFound(Value, frozen=True, kw_only=True):
    """A payment for the order. `applied` None: it was not settled (yet). `tells_us`: this flow hears how it ends."""

    id: str
    purpose: PaymentPurpose
    applied: Money | None
    is_returned: bool
    tells_us: bool


class PaymentsFound(Fact, frozen=True, kw_only=True, tag="payments-found"):
    payments: list[PaymentFound]


VehicleOrderFact = (
    OrderWanted | PlaceRefused | OrderSeen | LockAsked | CancelAsked | WishAnswered | SalesOrderMade
    | SalesOrderRefused | SalesOrderRejected | PaymentsFound | PaymentSettled | PaymentReturned | Woken
)  # fmt: skip
