"""What the commerce service says and accepts. The OpenAPI document is made of these types."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

Quantity = Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]


class Shown(msgspec.Struct, rename="camel", kw_only=True):
    """An answer."""


class Asked(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """A request body: a member that is not known is refused."""


class Money(Shown):
    amount_minor: int
    currency: str = "CNY"


class Text(Shown):
    zh: str
    en: str


class Category(Shown):
    id: str
    name: Text
    parent_id: str | None
    sort: int


class Feature(Shown):
    """`termDays` null: bought for good."""

    hardware_code: str
    minimum_software: str
    term_days: int | None


class Product(Shown):
    """`inStock` is null where nothing is counted; `onSale` false: it can still be shown, but not bought."""

    id: str
    kind: Literal["PHYSICAL", "SERVICE", "FEATURE", "VOUCHER"]
    category_id: str
    name: Text
    description: Text
    price: Money
    images: list[str]
    on_sale: bool
    in_stock: bool | None
    brand: str | None
    model_codes: list[str]
    feature: Feature | None
    points_price: int | None


class Entitlement(Shown):
    """`orderNumber` is the order that bought it. One that was paid for directly is ACTIVATING until the car confirms
    it, by `activationDeadline`: after that whoever took the money is to revoke it and give the money back.
    """

    id: str
    vin: str
    product_id: str
    state: Literal["PENDING_PAYMENT", "ACTIVATING", "ACTIVE", "EXPIRED", "REVOKED", "ACTIVATION_FAILED"]
    starts_at: datetime | None
    ends_at: datetime | None
    order_number: str | None
    activation_deadline: datetime | None


class VehicleEntitlements(Shown):
    vin: str
    entitlements: list[Entitlement]


class Revoke(Asked):
    """Nothing to say."""


class Acknowledge(Asked):
    """What the simulated car answers."""

    result: Literal["ACTIVE", "FAILED"]


class CartLine(Shown):
    """`unitPrice` is today's, `addedPrice` what it was when the line was put in."""

    id: str
    product_id: str
    quantity: int
    unit_price: Money
    added_price: Money
    total: Money
    vin: str | None


class Cart(Shown):
    """`version` is 0 for a cart that nothing was put in yet; `total` is the lines and the shipping."""

    id: str
    customer_id: str
    state: Literal["ACTIVE", "FROZEN", "ORDERED", "MERGED"]
    version: int
    lines: list[CartLine]
    shipping: Money
    total: Money
    updated_at: datetime


class AddLine(Asked):
    """`version` is that of the cart that the customer saw; without it the write is unconditional."""

    product_id: str
    quantity: Quantity = 1
    vin: str | None = None
    version: int | None = None


class SetQuantity(Asked):
    """0 takes the line out."""

    quantity: Quantity
    version: int | None = None


class Address(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    recipient: str
    phone: str
    province: str
    city: str
    district: str
    line: str
    postcode: str | None = None


class OrderLine(Shown):
    id: str
    product_id: str
    kind: Literal["PHYSICAL", "SERVICE", "FEATURE", "VOUCHER"]
    name: Text
    quantity: int
    unit_price: Money
    total: Money
    vin: str | None


class MerchandiseOrder(Shown):
    """`reservedUntil` is there while the order waits for its payment: if it is not paid by then, it is CANCELLED, and
    its goods are free. Null then and before: it waits without end.
    """

    number: str
    customer_id: str
    lines: list[OrderLine]
    items_total: Money
    shipping: Money
    discount: Money
    total: Money
    order_state: Literal["CREATED", "CONFIRMED", "COMPLETED", "CANCELLED"]
    payment_state: Literal["UNPAID", "PAID", "PARTIALLY_REFUNDED", "REFUNDED"]
    fulfilment_state: Literal["NONE", "PENDING", "PACKED", "SHIPPED", "DELIVERED", "RETURNED"]
    address: Address | None
    carrier: str | None
    tracking_number: str | None
    created_at: datetime
    reserved_until: datetime | None


class ExpectedMoney(Asked):
    amount_minor: int
    currency: str = "CNY"


class PlaceMerchandiseOrder(Asked):
    """Orders the customer's ACTIVE cart, if it is still at `cartVersion` and still costs `expectedTotal`."""

    customer_id: str
    cart_version: int
    expected_total: ExpectedMoney
    address: Address | None = None


class Cancel(Asked):
    reason: str | None = None


class CancelMerchandiseOrder(Asked):
    """`onlyUnpaid`: the reservation is over; an order that was paid in time is not cancelled."""

    reason: str | None = None
    only_unpaid: bool = False


class Configuration(Shown):
    """`hash` is SHA-256 (hex) over trim, options and packages."""

    trim_code: str
    options: list[str]
    packages: list[str]
    hash: str


class PriceLine(Shown):
    kind: Literal["BASE", "OPTION", "PACKAGE", "DISCOUNT", "TAX"]
    code: str
    text: Text
    amount: Money


class VehicleOrder(Shown):
    """`intent` and `deposit` are what those steps cost; the deposit contains the intent. `paid` is net of refunds.

    A DRAFT that is not paid by `reservedUntil` is CANCELLED then, and its build place free. `soldTo` is the customer as
    the ERP knows them.
    """

    number: str
    customer_id: str
    model_code: str
    configuration: Configuration
    status: Literal[
        "DRAFT", "INTENT_PAID", "DEPOSIT_PAID", "LOCKED", "IN_FULFILMENT", "BALANCE_DUE", "READY", "DELIVERED",
        "CANCELLED",
    ]  # fmt: skip
    price_lines: list[PriceLine]
    total: Money
    intent: Money
    deposit: Money
    paid: Money
    delivery_centre: str
    region: str
    brand: str
    terms_version: str
    created_at: datetime
    reserved_until: datetime | None
    cooling_off_ends_at: datetime | None
    locked_at: datetime | None
    sold_to: str
    sales_order: str | None
    production_order: str | None
    otd_number: str | None
    vin: str | None


class PlaceVehicleOrder(Asked):
    customer_id: str
    share_code: str
    delivery_centre: str
    terms_version: str


class LockVehicleOrder(Asked):
    """What the customer saw and confirmed."""

    configuration_hash: str
    total: ExpectedMoney
    terms_version: str


class CancelVehicleOrder(Cancel):
    """`onlyUnpaid`: refused as NOT_CANCELLABLE where anything was paid."""

    only_unpaid: bool = False


class AttachSalesOrder(Asked):
    sales_order: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,10}$")]


PaymentPurpose = Literal["INTENT", "DEPOSIT", "BALANCE", "MERCHANDISE", "FEATURE", "SERVICE"]


class Due(Shown):
    order_number: str
    customer_id: str
    purpose: PaymentPurpose
    amount: Money


class Settle(Asked):
    """`paymentId` names the payment with whoever took it; the same again is answered alike, and counts once."""

    payment_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    order_number: str
    purpose: PaymentPurpose
    amount: ExpectedMoney


class Settlement(Shown):
    """`applied` went to the order, `giveBack` did not and is the customer's: less what was told as refunded."""

    payment_id: str
    order_number: str
    applied: Money
    give_back: Money


class CountRefund(Asked):
    refund_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    amount: ExpectedMoney
