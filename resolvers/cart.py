"""The cart."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry

from bff.domain import commerce as domain
from bff.domain.base import Outcome
from bff.domain.vehicle import parse_vin
from bff.errors import InvalidInput
from resolvers import loads
from resolvers.admission import WAITING
from resolvers.catalogue import Product
from resolvers.common import LONGEST_KEY, Money, Request, customer_id_of, enum, mutation, prop, text_of
from resolvers.fields import batch_field
from resolvers.payloads import UserError, entity, payload, refusal_code
from resolvers.privacy import VIN
from resolvers.relay import decode_id
from resolvers.rights import scopes

MOST_OF_ONE = 99

enum(
    domain.CartState,
    "What a cart is.",
    {"FROZEN": "Being ordered; it cannot be changed.", "MERGED": "Went into another."},
)


@strawberry.type(description="An article in the cart.")
class CartLine:
    id: strawberry.ID = prop("The line's number within the cart.")
    product: Product | None = batch_field(loads.products, key="product_id", description="The article.")
    quantity: int = prop("How many.")
    unit_price: Money = prop("Price of one, today.")
    added_price: Money = prop("Price of one when it was put in; show it where it differs.")
    total: Money = prop("Today's price of all.")
    vin: str | None = prop("The car that a feature or service is for.", directives=[VIN])


@strawberry.type(description="A shopping cart. Every change raises `version`; a change names the version that it saw.")
class Cart:
    id: strawberry.ID = prop("The cart's number.")
    state: domain.CartState = prop("What can be done with it.")
    version: int = prop("Send it with the next change, so that two devices do not overwrite each other.")
    lines: list[CartLine] = prop("What is in it, in the order of adding.")
    shipping: Money = prop("Shipping, were it ordered today.")
    total: Money = prop("Today's price of everything, with shipping; `placeMerchandiseOrder` repeats it.")
    updated_at: datetime = prop("When it was changed last.")


class CartErrorCode(Enum):
    CART_VERSION_CONFLICT = "CART_VERSION_CONFLICT"
    PRODUCT_NOT_FOUND = "PRODUCT_NOT_FOUND"
    NOT_ON_SALE = "NOT_ON_SALE"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    PRICE_CHANGED = "PRICE_CHANGED"
    CART_EMPTY = "CART_EMPTY"
    QUANTITY_INVALID = "QUANTITY_INVALID"
    LINE_NOT_FOUND = "LINE_NOT_FOUND"
    VEHICLE_REQUIRED = "VEHICLE_REQUIRED"
    HARDWARE_MISSING = "HARDWARE_MISSING"
    SOFTWARE_TOO_OLD = "SOFTWARE_TOO_OLD"
    ALREADY_ENTITLED = "ALREADY_ENTITLED"
    ADDRESS_REQUIRED = "ADDRESS_REQUIRED"
    NOT_CANCELLABLE = "NOT_CANCELLABLE"
    WAITING = "WAITING"
    OTHER = "OTHER"


enum(
    CartErrorCode,
    "Why the shop did not do it.",
    {
        "CART_VERSION_CONFLICT": "The cart was changed elsewhere: read it again and try again.",
        "PRICE_CHANGED": "The total is not the one the customer saw: show the new one and ask again.",
        "VEHICLE_REQUIRED": "A feature or service needs the VIN that it is for.",
        "HARDWARE_MISSING": "The car lacks the hardware that the feature needs.",
        "SOFTWARE_TOO_OLD": "The car needs newer software first.",
        "ALREADY_ENTITLED": "The car has this feature.",
        "WAITING": WAITING,
        "OTHER": "Read the message.",
    },
)


@strawberry.type(description="Why the shop did not do it.")
class CartUserError(UserError):
    code: CartErrorCode = refusal_code(CartErrorCode)


@payload("What became of a change to the cart.", errors=CartUserError)
class CartPayload:
    entity: Cart | None = entity("The cart as it is now.")


VERSION = "The version of the cart that the customer saw; leave it out to change whatever is there."


@strawberry.input(description="An article to put into the cart.")
class AddCartLineInput:
    product_id: strawberry.ID = strawberry.field(description="`id` of a Product.")
    quantity: int = strawberry.field(description=f"1 to {MOST_OF_ONE}.", default=1)
    vin: str | None = strawberry.field(
        description="The car that a feature or service is for.", default=None, directives=[VIN]
    )
    version: int | None = strawberry.field(description=VERSION, default=None)


@strawberry.input(description="How many of a line are wanted.")
class ChangeCartLineInput:
    line_id: strawberry.ID = strawberry.field(description="`id` of the line.")
    quantity: int = strawberry.field(description=f"0 to {MOST_OF_ONE}; 0 takes the line out.")
    version: int | None = strawberry.field(description=VERSION, default=None)


def _quantity(value: int, least: int) -> int:
    if not least <= value <= MOST_OF_ONE:
        raise InvalidInput(f"quantity is {least} to {MOST_OF_ONE}; {value} was sent.", field="input.quantity")
    return value


@strawberry.type
class CartMutation:
    @mutation(
        "Put an article into the cart.",
        returns=CartPayload,
        directives=[scopes("order:write")],
    )
    @staticmethod
    async def add_cart_line(info: Request, input: AddCartLineInput) -> Outcome[domain.Cart]:
        return await info.context.ports.commerce.add_line(
            customer_id_of(info),
            decode_id(input.product_id, "Product", "input.productId"),
            _quantity(input.quantity, 1),
            vin=parse_vin(input.vin) if input.vin is not None else None,
            version=input.version,
        )

    @mutation(
        "Change how many of an article are in the cart, or take it out.",
        returns=CartPayload,
        directives=[scopes("order:write")],
    )
    @staticmethod
    async def change_cart_line(info: Request, input: ChangeCartLineInput) -> Outcome[domain.Cart]:
        return await info.context.ports.commerce.set_quantity(
            customer_id_of(info),
            text_of(input.line_id, "input.lineId", most=LONGEST_KEY),
            _quantity(input.quantity, 0),
            version=input.version,
        )
