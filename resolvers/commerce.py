"""Orders from the shop."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import strawberry

from bff.context import RequestContext
from bff.domain import commerce as domain
from bff.domain.base import Money as MoneyValue
from bff.domain.base import Outcome
from bff.errors import NotFound
from resolvers import loads
from resolvers.admission import KEEPS_PLACE, WaitAction, admitted, wait
from resolvers.cart import CartUserError
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
    optional_reason,
    prop,
    text_of,
)
from resolvers.fields import batch_field, load_one
from resolvers.order_steps import OrderStep
from resolvers.payloads import IDEMPOTENCY_KEY, entity, idempotency, payload
from resolvers.privacy import ADDRESS, FREE_TEXT, ID, NAME, PHONE, SECRET, VIN
from resolvers.relay import Node, decode_id, global_id, node_of
from resolvers.rights import Owner, owned, scopes

if TYPE_CHECKING:
    from resolvers.payment import Payment

enum(domain.OrderState, "Where the order stands.")
enum(domain.PaymentState, "Whether it is paid.")
enum(domain.FulfilmentState, "Where the goods are.", {"NONE": "Nothing to send (features, vouchers)."})


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


@payload("What became of an order from the shop.", errors=CartUserError)
class MerchandiseOrderPayload:
    entity: MerchandiseOrder | None = entity("The order as it is now.")
    wait: WaitAction | None = wait()


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


@strawberry.type
class CommerceMutation:
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
