"""Carts and merchandise orders on the wire of commerce (docs/contracts/commerce.openapi.json)."""

from __future__ import annotations

import msgspec

from adapters.transport.records import Codes, Moment, Records, Refusals, utc, utc_or_none
from bff.domain.base import Int, Money, Text
from bff.domain.catalogue import ProductKind
from bff.domain.commerce import (
    Address,
    Cart,
    CartLine,
    CartState,
    FulfilmentState,
    MerchandiseOrder,
    OrderLine,
    OrderState,
    PaymentState,
)

cart_state = Codes("commerce", CartState)
order_state = Codes("commerce", OrderState)
payment_state = Codes("commerce", PaymentState)
fulfilment_state = Codes("commerce", FulfilmentState)
line_kind = Codes("commerce", ProductKind)

_VERSION = ["input", "version"]
_VIN = ["input", "vin"]
_QUANTITY = ["input", "quantity"]
_CONFLICT = "The cart was changed elsewhere and is now at version {currentVersion}. Read it again."
_CAR_REFUSALS = {
    "VEHICLE_REQUIRED": "This product is for a car: name the VIN of a car in the customer's garage.",
    "HARDWARE_MISSING": "The car does not carry the hardware that this feature needs.",
    "SOFTWARE_TOO_OLD": "The car needs newer software before it can use this feature.",
    "ALREADY_ENTITLED": "The car has this feature already.",
}

ADD_REFUSALS = Refusals(
    {
        "CART_VERSION_CONFLICT": (_CONFLICT, _VERSION),
        "PRODUCT_NOT_FOUND": ("There is no such product.", ["input", "productId"]),
        "NOT_ON_SALE": ("This product is not sold any more.", ["input", "productId"]),
        "QUANTITY_INVALID": ("The quantity of this line is 1 to {most}.", _QUANTITY),
        **{code: (message, _VIN) for code, message in _CAR_REFUSALS.items()},
    }
)
QUANTITY_REFUSALS = Refusals(
    {
        "CART_VERSION_CONFLICT": (_CONFLICT, _VERSION),
        "QUANTITY_INVALID": ("The quantity of this line is 1 to {most}, or 0 to take it out.", _QUANTITY),
        "LINE_NOT_FOUND": ("The cart has no such line.", ["input", "lineId"]),
    }
)
PLACE_REFUSALS = Refusals(
    {
        "CART_VERSION_CONFLICT": (_CONFLICT, ["input", "cartVersion"]),
        "CART_EMPTY": ("The cart is empty.", None),
        "ADDRESS_REQUIRED": ("The cart holds goods: say where to send them.", ["input", "address"]),
        "NOT_ON_SALE": ("A product in the cart is not sold any more. Take it out.", None),
        "OUT_OF_STOCK": ("A product in the cart is out of stock; {available} are left.", None),
        "PRICE_CHANGED": ("The cart costs {totalMinor} in minor units now.", ["input", "expectedTotal"]),
        **{code: (message, None) for code, message in _CAR_REFUSALS.items()},
    }
)
CANCEL_REFUSALS = Refusals({"NOT_CANCELLABLE": ("This order cannot be cancelled any more.", ["input", "orderId"])})


class WireCartLine(msgspec.Struct, rename="camel"):
    id: str
    product_id: str
    quantity: Int
    unit_price: Money
    added_price: Money
    total: Money
    vin: str | None


class WireCart(msgspec.Struct, rename="camel"):
    id: str
    customer_id: str
    state: str
    version: Int
    lines: list[WireCartLine]
    shipping: Money
    total: Money
    updated_at: Moment


class WireOrderLine(msgspec.Struct, rename="camel"):
    id: str
    product_id: str
    name: Text
    quantity: Int
    unit_price: Money
    total: Money
    vin: str | None
    kind: str | None = None


class WireMerchandiseOrder(msgspec.Struct, rename="camel"):
    number: str
    customer_id: str
    lines: list[WireOrderLine]
    items_total: Money
    shipping: Money
    discount: Money
    total: Money
    order_state: str
    payment_state: str
    fulfilment_state: str
    address: Address | None
    carrier: str | None
    tracking_number: str | None
    created_at: Moment
    reserved_until: Moment | None = None


class AddLineBody(msgspec.Struct, rename="camel"):
    product_id: str
    quantity: int
    vin: str | None
    version: int | None


class SetQuantityBody(msgspec.Struct, rename="camel"):
    quantity: int
    version: int | None


class PlaceOrderBody(msgspec.Struct, rename="camel"):
    customer_id: str
    cart_version: int
    expected_total: Money
    address: Address | None


class CancelBody(msgspec.Struct, rename="camel"):
    reason: str | None


class CancelOrderBody(CancelBody, rename="camel", omit_defaults=True):
    only_unpaid: bool = False


def read_cart(wire: WireCart) -> tuple[str, Cart]:
    """The cart and whose it is."""
    lines = [
        CartLine(
            id=line.id,
            product_id=line.product_id,
            quantity=line.quantity,
            unit_price=line.unit_price,
            added_price=line.added_price,
            total=line.total,
            vin=line.vin,
        )
        for line in wire.lines
    ]
    cart = Cart(
        id=wire.id,
        state=cart_state(wire.state),
        version=wire.version,
        lines=lines,
        total=wire.total,
        updated_at=utc(wire.updated_at),
        shipping=wire.shipping,
    )
    return wire.customer_id, cart


def read_own_cart(wire: WireCart) -> Cart:
    return read_cart(wire)[1]


def read_merchandise_order(wire: WireMerchandiseOrder) -> MerchandiseOrder:
    lines = [
        OrderLine(
            id=line.id,
            product_id=line.product_id,
            name=line.name,
            quantity=line.quantity,
            unit_price=line.unit_price,
            total=line.total,
            vin=line.vin,
            kind=line_kind(line.kind) if line.kind is not None else ProductKind.UNKNOWN,
        )
        for line in wire.lines
    ]
    return MerchandiseOrder(
        number=wire.number,
        customer_id=wire.customer_id,
        lines=lines,
        items_total=wire.items_total,
        shipping=wire.shipping,
        discount=wire.discount,
        total=wire.total,
        order_state=order_state(wire.order_state),
        payment_state=payment_state(wire.payment_state),
        fulfilment_state=fulfilment_state(wire.fulfilment_state),
        address=wire.address,
        carrier=wire.carrier,
        tracking_number=wire.tracking_number,
        created_at=utc(wire.created_at),
        reserved_until=utc_or_none(wire.reserved_until),
    )


CARTS = Records(WireCart, read_cart, key="customerId")
OWN_CART = Records(WireCart, read_own_cart, key="customerId")
MERCHANDISE_ORDER = Records(WireMerchandiseOrder, read_merchandise_order, key="number")
