"""The cart, and orders from the shop."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import strawberry

from bff.context import RequestContext
from bff.domain import commerce as domain
from bff.domain.base import Money as MoneyValue
from bff.domain.base import Outcome
from bff.domain.vehicle import parse_vin
from bff.errors import InvalidInput, NotFound
from resolvers import loads
from resolvers.admission import KEEPS_PLACE, WAITING, WaitAction, admitted, wait
from resolvers.catalogue import Product
from resolvers.common import (
    Money,
    MoneyInput,
    Request,
    customer_id_of,
    enum,
    localised,
    may_see_customer,
    mutation,
    prop,
    text_of,
)
from resolvers.fields import batch_field, load_one
from resolvers.order_steps import OrderStep
from resolvers.payloads import IDEMPOTENCY_KEY, UserError, entity, idempotency, payload, refusal_code
from resolvers.privacy import ADDRESS, FREE_TEXT, ID, NAME, PHONE, SECRET, VIN
from resolvers.relay import Node, decode_id, global_id, node_of
from resolvers.rights import Owner, owned, scopes

if TYPE_CHECKING:
    from resolvers.payment import Payment

MOST_OF_ONE = 99

enum(
    domain.CartState,
    "What a cart is.",
    {"FROZEN": "Being ordered; it cannot be changed.", "MERGED": "Went into another."},
)
enum(domain.OrderState, "Where the order stands.")
enum(domain.PaymentState, "Whether it is paid.")
enum(domain.FulfilmentState, "Where the goods are.", {"NONE": "Nothing to send (features, vouchers)."})


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


@strawberry.type(description="Where goods are sent.")
class Address:
    recipient: str = prop("Who receives it.", directives=[NAME])
    phone: str = prop("Phone of the recipient.", directives=[PHONE])
    province: str = prop("Province, or municipality.", directives=[ADDRESS])
    city: str = prop("City.", directives=[ADDRESS])
    district: str = prop("District.", directives=[ADDRESS])
    line: str = prop("Street, number, room.", directives=[ADDRESS])
    postcode: str | None = prop("Postcode.", directives=[ADDRESS])


@strawberry.type(description="An article of an order, with its price and words as they were.")
class MerchandiseOrderLine:
    id: strawberry.ID = prop("The line's number within the order.")
    name: str = localised("Name when it was ordered.", "name")
    product: Product | None = batch_field(
        loads.products, key="product_id", description="The article as it is sold today; null where it no longer is."
    )
    quantity: int = prop("How many.")
    unit_price: Money = prop("Price of one when it was ordered.")
    total: Money = prop("Price of all.")
    vin: str | None = prop("The car that a feature or service is for.", directives=[VIN])


async def _order_by_key(context: RequestContext, key: str) -> domain.MerchandiseOrder | None:
    order = await load_one(context, loads.merchandise_orders, key)
    return order if order is not None and may_see_customer(context, order.customer_id) else None


@strawberry.type(
    description="An order from the shop. Order, payment and fulfilment move on their own.",
    directives=[scopes("order:read"), owned(Owner.CUSTOMER)],
)
@node_of(domain.MerchandiseOrder, _order_by_key)
class MerchandiseOrder(Node):
    id: strawberry.ID = global_id("MerchandiseOrder", lambda order: order.number)
    number: str = prop("Order number, for people.")
    lines: list[MerchandiseOrderLine] = prop("What was ordered.")
    items_total: Money = prop("Price of the articles.")
    shipping: Money = prop("Shipping.")
    discount: Money = prop("Discount; not negative.")
    total: Money = prop("What is to be paid.")
    order_state: domain.OrderState = prop("Where the order stands.")
    payment_state: domain.PaymentState = prop("Whether it is paid.")
    fulfilment_state: domain.FulfilmentState = prop("Where the goods are.")
    address: Address | None = prop("Where it is sent; null where nothing is.")
    carrier: str | None = prop("Who carries it.")
    tracking_number: str | None = prop("The carrier's number for it.", directives=[ID])
    created_at: datetime = prop("When it was placed.")
    reserved_until: datetime | None = prop(
        "Until when the goods are kept for an order that is not paid: then it is cancelled. Null where nothing does."
    )
    pending: list[OrderStep] | None = batch_field(
        loads.merchandise_order_steps,
        key="number",
        description=(
            "What is still being done for this order, longest wanted first; empty when its states say it all."
            " Null while that cannot be told."
        ),
    )
    payments: list[Annotated[Payment, strawberry.lazy("resolvers.payment")]] | None = batch_field(
        loads.payments_of_orders, key="number", description="Payments for this order, newest first."
    )


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


@payload("What became of an order from the shop.", errors=CartUserError)
class MerchandiseOrderPayload:
    entity: MerchandiseOrder | None = entity("The order as it is now.")
    wait: WaitAction | None = wait()


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


@strawberry.input(description="Where goods are sent.")
class AddressInput:
    recipient: str = strawberry.field(description="Who receives it.", directives=[NAME])
    phone: str = strawberry.field(description="Phone of the recipient.", directives=[PHONE])
    province: str = strawberry.field(description="Province, or municipality.", directives=[ADDRESS])
    city: str = strawberry.field(description="City.", directives=[ADDRESS])
    district: str = strawberry.field(description="District.", directives=[ADDRESS])
    line: str = strawberry.field(description="Street, number, room.", directives=[ADDRESS])
    postcode: str | None = strawberry.field(description="Postcode.", default=None, directives=[ADDRESS])

    def to_domain(self) -> domain.Address:
        parts = {
            name: text_of(getattr(self, name), f"input.address.{name}", most=100)
            for name in ("recipient", "phone", "province", "city", "district", "line")
        }
        return domain.Address(**parts, postcode=self.postcode)


@strawberry.input(description="The cart, as the customer agreed to buy it.")
class PlaceMerchandiseOrderInput:
    cart_version: int = strawberry.field(description="The version of the cart that the customer saw.")
    expected_total: MoneyInput = strawberry.field(description="The total of the cart that the customer saw.")
    address: AddressInput | None = strawberry.field(
        description="Where to send goods; not needed for features, services and vouchers.", default=None
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
    admission_token: str | None = strawberry.field(description=KEEPS_PLACE, default=None, directives=[SECRET])


@strawberry.input(description="An order that is no longer wanted.")
class CancelMerchandiseOrderInput:
    order_id: strawberry.ID = strawberry.field(description="`id` of a MerchandiseOrder.")
    reason: str | None = strawberry.field(
        description="Why, in the customer's words.", default=None, directives=[FREE_TEXT]
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


def _quantity(value: int, least: int) -> int:
    if not least <= value <= MOST_OF_ONE:
        raise InvalidInput(f"quantity is {least} to {MOST_OF_ONE}; {value} was sent.", field="input.quantity")
    return value


def optional_reason(reason: str | None) -> str | None:
    return text_of(reason, "input.reason", most=200) if reason else None


@strawberry.type
class CommerceMutation:
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
            customer_id_of(info), input.line_id, _quantity(input.quantity, 0), version=input.version
        )

    @mutation(
        "Order what is in the cart. Pay for it with `createPayment`.",
        returns=MerchandiseOrderPayload,
        directives=[scopes("order:write")],
    )
    @staticmethod
    async def place_merchandise_order(
        info: Request,
        input: PlaceMerchandiseOrderInput,
    ) -> Outcome[domain.MerchandiseOrder]:
        total = input.expected_total
        place = partial(
            info.context.ports.commerce.place_order,
            customer_id_of(info),
            cart_version=input.cart_version,
            address=input.address.to_domain() if input.address else None,
            expected_total=MoneyValue(amount_minor=total.amount_minor, currency=total.currency),
            idempotency_key=idempotency(info, input.idempotency_key),
        )
        return await admitted(info, place)

    @mutation(
        "Cancel an order that has not been sent. What was paid is refunded.",
        returns=MerchandiseOrderPayload,
        directives=[scopes("order:write")],
    )
    @staticmethod
    async def cancel_merchandise_order(
        info: Request,
        input: CancelMerchandiseOrderInput,
    ) -> Outcome[domain.MerchandiseOrder]:
        key = idempotency(info, input.idempotency_key)
        number = decode_id(input.order_id, "MerchandiseOrder", "input.orderId")
        customer_id_of(info)
        if await _order_by_key(info.context, number) is None:
            raise NotFound("There is no such order of yours.")
        return await info.context.ports.commerce.cancel_order(
            number, reason=optional_reason(input.reason), idempotency_key=key
        )
