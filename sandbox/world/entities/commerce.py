"""The shop: categories, products, entitlements, carts, merchandise orders, payments and refunds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from .common import Address, BrandCode, Text

ProductKind = Literal["PHYSICAL", "SERVICE", "FEATURE", "VOUCHER"]
EntitlementState = Literal["PENDING_PAYMENT", "ACTIVATING", "ACTIVE", "EXPIRED", "REVOKED", "ACTIVATION_FAILED"]
CartState = Literal["ACTIVE", "FROZEN", "ORDERED", "MERGED"]
MerchandiseOrderState = Literal["CREATED", "CONFIRMED", "COMPLETED", "CANCELLED"]
PaymentState = Literal["UNPAID", "PAID", "PARTIALLY_REFUNDED", "REFUNDED"]
FulfilmentState = Literal["NONE", "PENDING", "PACKED", "SHIPPED", "DELIVERED", "RETURNED"]
PaymentPurpose = Literal["INTENT", "DEPOSIT", "BALANCE", "MERCHANDISE", "FEATURE", "SERVICE"]
PaymentProvider = Literal["WECHAT_PAY", "ALIPAY", "UNIONPAY", "CARD"]
PaymentScene = Literal["JSAPI", "APP", "H5", "NATIVE"]
PaymentStatus = Literal["CREATED", "REQUIRES_ACTION", "PROCESSING", "SUCCEEDED", "FAILED", "CLOSED"]
RefundStatus = Literal["REQUESTED", "PROCESSING", "SUCCEEDED", "CLOSED", "ABNORMAL"]


@dataclass(frozen=True, slots=True)
class Category:
    id: str
    name: Text
    parent_id: str | None
    sort: int


@dataclass(slots=True)
class Product:
    """Something sold in the shop. ``stock`` is None where nothing is counted (SERVICE, FEATURE).

    FEATURE: needs ``hardware_code`` on the VIN and software ≥ ``minimum_software``; ``term_days`` None means
    bought for good. VOUCHER: ``face_value_fen``. ``brand``/``model_ids`` empty: fits every car.
    """

    id: str
    kind: ProductKind
    category_id: str
    name: Text
    description: Text
    price_fen: int
    images: tuple[str, ...]
    stock: int | None
    on_sale: bool = True
    brand: BrandCode | None = None
    model_ids: tuple[str, ...] = ()
    hardware_code: str | None = None
    minimum_software: str | None = None
    term_days: int | None = None
    face_value_fen: int | None = None
    op_code: str | None = None
    points_price: int | None = None


@dataclass(slots=True)
class Entitlement:
    """A feature on a car; at most one ACTIVE per VIN and product.

    While ACTIVATING, ``confirms_at`` is when the car confirms it if it can be reached, and ``activation_deadline``
    until when the buyer waits.
    """

    id: str
    vin: str
    product_id: str
    customer_id: str
    state: EntitlementState
    starts_at: datetime | None
    ends_at: datetime | None
    order_number: str | None
    confirms_at: datetime | None = None
    activation_deadline: datetime | None = None


@dataclass(slots=True)
class CartLine:
    """``unit_price_fen`` is the price when the line was put in; ``vin`` binds a FEATURE or SERVICE to a car."""

    id: str
    product_id: str
    quantity: int
    unit_price_fen: int
    vin: str | None = None


@dataclass(slots=True)
class Cart:
    """``customer_id`` is None for a guest's cart; ``version`` rises with every write (optimistic lock)."""

    id: str
    customer_id: str | None
    state: CartState
    version: int
    currency: str
    updated_at: datetime
    lines: list[CartLine] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OrderLine:
    id: str
    product_id: str
    name: Text
    quantity: int
    unit_price_fen: int
    vin: str | None = None


@dataclass(slots=True)
class MerchandiseOrder:
    """An order of the shop (``MO…``); order, payment and fulfilment move on their own. What is not paid by
    ``reserved_until`` is cancelled then; None: it waits for ever.
    """

    number: str
    customer_id: str
    lines: tuple[OrderLine, ...]
    items_fen: int
    shipping_fen: int
    discount_fen: int
    total_fen: int
    currency: str
    order_state: MerchandiseOrderState
    payment_state: PaymentState
    fulfilment_state: FulfilmentState
    created_at: datetime
    updated_at: datetime
    address: Address | None
    carrier: str | None = None
    tracking_number: str | None = None
    cart_id: str | None = None
    idempotency_key: str | None = None
    reserved_until: datetime | None = None


@dataclass(slots=True)
class PaymentIntent:
    """A wish to be paid. ``order_number`` names a vehicle order, merchandise order or booking, by ``purpose``.

    ``provider_transaction`` is the provider's id once it settled; refunds may never exceed ``captured_fen``.
    """

    id: str
    order_number: str
    customer_id: str
    purpose: PaymentPurpose
    provider: PaymentProvider
    scene: PaymentScene
    amount_fen: int
    captured_fen: int
    currency: str
    status: PaymentStatus
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    prepay_id: str | None = None
    provider_transaction: str | None = None
    failure_code: str | None = None
    idempotency_key: str | None = None


@dataclass(slots=True)
class DirectPayment:
    """Money for an order that another party took and told commerce of; the payment service knows nothing of it.

    ``applied_fen`` of it went to the order; ``refunds`` are fen by the other party's refund id, and eat up first what
    did not.
    """

    id: str
    order_number: str
    purpose: PaymentPurpose
    amount_fen: int
    applied_fen: int
    settled_at: datetime
    refunds: dict[str, int] = field(default_factory=dict)

    @property
    def held_fen(self) -> int:
        """What the house still holds for the order."""
        return self.applied_fen - max(0, sum(self.refunds.values()) - (self.amount_fen - self.applied_fen))


@dataclass(slots=True)
class Refund:
    id: str
    payment_id: str
    amount_fen: int
    status: RefundStatus
    reason: str
    created_at: datetime
    updated_at: datetime
    provider_refund: str | None = None
    idempotency_key: str | None = None
