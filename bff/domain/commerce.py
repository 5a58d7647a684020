"""Buying from the shop: the cart with its optimistic version, and merchandise orders. Source: commerce."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Protocol

from bff.domain.base import Found, Money, Outcome, Page, PageArgs, Text, Value
from bff.domain.catalogue import ProductKind
from bff.domain.order_steps import PendingStep
from bff.domain.payment import refuse_card_number


class CartState(Enum):
    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"
    ORDERED = "ORDERED"
    MERGED = "MERGED"
    UNKNOWN = "UNKNOWN"


class CartLine(Value, frozen=True, kw_only=True):
    """`unit_price` is today's; `added_price` what it was when the line was put in. `vin` binds a feature to a car."""

    id: str
    product_id: str
    quantity: int
    unit_price: Money
    added_price: Money
    total: Money
    vin: str | None


class Cart(Value, frozen=True, kw_only=True):
    """`version` rises with every change; a write names the version that it saw. `total` is what ordering it costs:
    the lines and `shipping`.
    """

    id: str
    state: CartState
    version: int
    lines: list[CartLine]
    total: Money
    updated_at: datetime
    shipping: Money = Money(amount_minor=0)


class OrderState(Enum):
    CREATED = "CREATED"
    CONFIRMED = "CONFIRMED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


class PaymentState(Enum):
    UNPAID = "UNPAID"
    PAID = "PAID"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    UNKNOWN = "UNKNOWN"


class FulfilmentState(Enum):
    NONE = "NONE"
    PENDING = "PENDING"
    PACKED = "PACKED"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    RETURNED = "RETURNED"
    UNKNOWN = "UNKNOWN"


class Address(Value, frozen=True, kw_only=True):
    recipient: str
    phone: str
    province: str
    city: str
    district: str
    line: str
    postcode: str | None = None


class OrderLine(Value, frozen=True, kw_only=True):
    """`kind` is that of the product when it was ordered."""

    id: str
    product_id: str
    name: Text
    quantity: int
    unit_price: Money
    total: Money
    vin: str | None
    kind: ProductKind = ProductKind.UNKNOWN


class MerchandiseOrder(Value, frozen=True, kw_only=True):
    """Order, payment and fulfilment move on their own. `customer_id` is whose it is.

    What is not paid by `reserved_until` is cancelled, and its goods are free; None: nothing runs out.
    """

    number: str
    customer_id: str
    lines: list[OrderLine]
    items_total: Money
    shipping: Money
    discount: Money
    total: Money
    order_state: OrderState
    payment_state: PaymentState
    fulfilment_state: FulfilmentState
    address: Address | None
    carrier: str | None
    tracking_number: str | None
    created_at: datetime
    reserved_until: datetime | None = None


class CommercePort(Protocol):
    """Refusal codes: CART_VERSION_CONFLICT, PRODUCT_NOT_FOUND, NOT_ON_SALE, OUT_OF_STOCK, PRICE_CHANGED, CART_EMPTY,
    QUANTITY_INVALID, LINE_NOT_FOUND, VEHICLE_REQUIRED, HARDWARE_MISSING, SOFTWARE_TOO_OLD, ALREADY_ENTITLED,
    ADDRESS_REQUIRED, NOT_CANCELLABLE. A cart that cannot be ordered has one refusal for each line that is the reason.
    """

    async def carts(self, customer_ids: Sequence[str]) -> Found[str, Cart]:
        """The ACTIVE cart of each customer; a customer who has none yet gets an empty one."""
        ...

    async def add_line(
        self, customer_id: str, product_id: str, quantity: int, *, vin: str | None, version: int | None
    ) -> Outcome[Cart]: ...

    async def set_quantity(
        self, customer_id: str, line_id: str, quantity: int, *, version: int | None
    ) -> Outcome[Cart]:
        """Quantity 0 removes the line."""
        ...

    async def orders_of(self, customer_id: str, page: PageArgs) -> Page[MerchandiseOrder]:
        """Newest first."""
        ...

    async def orders(self, numbers: Sequence[str]) -> Found[str, MerchandiseOrder]: ...

    async def pending(self, numbers: Sequence[str]) -> Found[str, list[PendingStep]]:
        """What is still being done for orders, longest wanted first; an empty list where nothing is."""
        ...

    async def place_order(
        self,
        customer_id: str,
        *,
        cart_version: int,
        address: Address | None,
        expected_total: Money,
        idempotency_key: str,
    ) -> Outcome[MerchandiseOrder]: ...

    async def cancel_order(
        self, number: str, *, reason: str | None, idempotency_key: str, only_unpaid: bool = False
    ) -> Outcome[MerchandiseOrder]:
        """`only_unpaid`: refused for an order that was paid meanwhile, as when its reservation is over."""
        ...


def refuse_card_in_address(address: Address | None) -> None:
    """The phone is left out: thirteen digits with a country code pass the check of a card number one time in ten."""
    if address is not None:
        for name in ("recipient", "province", "city", "district", "line"):
            refuse_card_number(getattr(address, name), f"input.address.{name}")
