"""The order of a car: what was ordered, how it stands, and what its customer may do."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import strawberry

from bff.context import RequestContext
from bff.domain import vehicle_order as domain
from bff.domain.base import Money as MoneyValue
from bff.domain.base import Outcome
from bff.domain.vehicle import VehicleRef
from bff.errors import NotFound
from resolvers import loads
from resolvers.admission import KEEPS_PLACE, WAITING, WaitAction, admitted, wait
from resolvers.centres import ServiceCentre
from resolvers.common import (
    Money,
    MoneyInput,
    Request,
    customer_id_of,
    enum,
    field,
    may_see_customer,
    mutation,
    optional_reason,
    prop,
    text_of,
)
from resolvers.configuration import ConfigurationSelection, PriceLine, share_code_of
from resolvers.configurator import Trim, VehicleModel
from resolvers.fields import batch_field, load_one
from resolvers.fulfilment import DeliveryProgress, Production, SalesOrder
from resolvers.order_steps import OrderStep
from resolvers.payloads import IDEMPOTENCY_KEY, UserError, entity, idempotency, payload, refusal_code
from resolvers.privacy import FREE_TEXT, SECRET
from resolvers.relay import Node, decode_id, global_id, node_of
from resolvers.rights import Owner, owned, scopes, step_up
from resolvers.vehicle import Vehicle, vehicle_by_vin

if TYPE_CHECKING:
    from resolvers.payment import Payment

enum(
    domain.VehicleOrderStatus,
    "Where the order of a car stands.",
    {
        "DRAFT": "Nothing is paid yet.",
        "INTENT_PAID": "The intent money (小订) is paid; it is always refundable.",
        "DEPOSIT_PAID": "The deposit (大定) is paid; until `coolingOffEndsAt` the order can be changed or cancelled.",
        "LOCKED": "Confirmed: nothing can be changed any more.",
        "BALANCE_DUE": "The car is there; the rest is to be paid.",
    },
)


async def order_by_number(context: RequestContext, number: str) -> domain.VehicleOrder | None:
    """The order, where the caller may see it."""
    order = await load_one(context, loads.vehicle_orders, number)
    return order if order is not None and may_see_customer(context, order.customer_id) else None


@strawberry.type(description="The order of a car.", directives=[scopes("order:read"), owned(Owner.CUSTOMER)])
@node_of(domain.VehicleOrder, order_by_number)
class VehicleOrder(Node):
    id: strawberry.ID = global_id("VehicleOrder", lambda order: order.number)
    number: str = prop("Order number, for people.")
    status: domain.VehicleOrderStatus = prop("Where the order stands.")
    model: VehicleModel | None = batch_field(loads.models, key="model_code", description="The model ordered.")
    trim: Trim | None = batch_field(loads.trims, key="selection.trim_code", description="The equipment line ordered.")
    selection: ConfigurationSelection = prop("What was ordered.")
    configuration_hash: str = prop("Names exactly this configuration; `lockVehicleOrder` repeats it.")
    price_lines: list[PriceLine] = prop("The price in lines.")
    total: Money = prop("The price with VAT; `lockVehicleOrder` repeats it.")
    intent: Money = prop("Intent money (小订).")
    deposit: Money = prop("Deposit (大定).")
    paid: Money = prop("What has been paid so far.")
    terms_version: str = prop("Version of the terms agreed to; `lockVehicleOrder` repeats it.")
    created_at: datetime = prop("When it was placed.")
    reserved_until: datetime | None = prop(
        "Until when an unpaid draft keeps its build place; it is cancelled by itself then. Null once anything is paid."
    )
    cooling_off_ends_at: datetime | None = prop("Until when it can be changed or cancelled; it locks by itself then.")
    locked_at: datetime | None = prop("When it was locked.")
    pending: list[OrderStep] | None = batch_field(
        loads.vehicle_order_steps,
        key="number",
        description=(
            "What is still being done for this order; empty when `status` is all there is to say."
            " Null while that cannot be told."
        ),
    )
    delivery_centre: ServiceCentre | None = batch_field(
        loads.centres, key="delivery_centre", description="Where the car is handed over."
    )
    progress: DeliveryProgress | None = batch_field(
        loads.delivery_progress, key="otd_number", description="Where the car is between order and delivery."
    )
    production: Production | None = batch_field(
        loads.productions, key="production_order", description="The car in the plant; null before it is planned."
    )
    sales_order: SalesOrder | None = batch_field(
        loads.sales_orders, key="sales_order", description="The order as the ERP bills it; null for a draft."
    )
    payments: list[Annotated[Payment, strawberry.lazy("resolvers.payment")]] | None = batch_field(
        loads.payments_of_orders, key="number", description="Payments for this order, newest first."
    )

    @field("What is still to be paid; nothing once the car is paid or the order cancelled.", returns=Money)
    @staticmethod
    def outstanding(root: strawberry.Parent[domain.VehicleOrder]) -> MoneyValue:
        settled = root.status in (domain.VehicleOrderStatus.CANCELLED, domain.VehicleOrderStatus.DELIVERED)
        due = 0 if settled else max(0, root.total.amount_minor - root.paid.amount_minor)
        return MoneyValue(amount_minor=due, currency=root.total.currency)

    @field(
        "The car; null before it is built, and when it has been handed over and is no longer the caller's.",
        returns=Vehicle | None,
        directives=[scopes("vehicle:read")],
    )
    @staticmethod
    async def vehicle(root: strawberry.Parent[domain.VehicleOrder], info: Request) -> VehicleRef | None:
        if root.vin is None:
            return None
        if root.status is domain.VehicleOrderStatus.DELIVERED:
            return await vehicle_by_vin(info.context, root.vin)
        return VehicleRef(vin=root.vin, region=root.region, brand=root.brand, model=root.model_code)


@strawberry.type(
    description="An order of a car that is not certain yet. It becomes a VehicleOrder, or is refused, by itself."
)
class VehicleOrderPlacement:
    share_code: str = prop("The saved configuration.")
    delivery_centre: str = prop("Code of the centre that hands the car over.")
    pending: list[OrderStep] = prop("What is being done.")


class VehicleOrderErrorCode(Enum):
    CONFIGURATION_UNKNOWN = "CONFIGURATION_UNKNOWN"
    NOT_BUILDABLE = "NOT_BUILDABLE"
    SOLD_OUT = "SOLD_OUT"
    CONFIGURATION_CHANGED = "CONFIGURATION_CHANGED"
    PRICE_CHANGED = "PRICE_CHANGED"
    TERMS_CHANGED = "TERMS_CHANGED"
    NOT_LOCKABLE = "NOT_LOCKABLE"
    ALREADY_LOCKED = "ALREADY_LOCKED"
    NOT_CANCELLABLE = "NOT_CANCELLABLE"
    NOT_AMENDABLE = "NOT_AMENDABLE"
    CENTRE_UNKNOWN = "CENTRE_UNKNOWN"
    WAITING = "WAITING"
    OTHER = "OTHER"


enum(
    VehicleOrderErrorCode,
    "Why the order of a car did not go on.",
    {
        "CONFIGURATION_CHANGED": "The configuration is not the one confirmed: show it and ask again.",
        "PRICE_CHANGED": "The price is not the one confirmed: show it and ask again.",
        "TERMS_CHANGED": "Newer terms are in force: show them and ask again.",
        "NOT_LOCKABLE": "It must have its deposit paid to be locked.",
        "WAITING": WAITING,
        "OTHER": "Read the message.",
    },
)


@strawberry.type(description="Why the order of a car did not go on.")
class VehicleOrderUserError(UserError):
    code: VehicleOrderErrorCode = refusal_code(VehicleOrderErrorCode)


@payload("What became of the order of a car.", errors=VehicleOrderUserError)
class VehicleOrderPayload:
    entity: VehicleOrder | None = entity("The order as it is now.")
    wait: WaitAction | None = wait()


@strawberry.input(description="A car to order.")
class PlaceVehicleOrderInput:
    share_code: str = strawberry.field(description="The saved configuration; save one with `saveConfiguration`.")
    delivery_centre: str = strawberry.field(description="Code of the centre that hands the car over.")
    terms_version: str = strawberry.field(description="Version of the terms that the customer agreed to.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
    admission_token: str | None = strawberry.field(description=KEEPS_PLACE, default=None, directives=[SECRET])


@strawberry.input(description="The customer's confirmation of exactly this configuration, price and terms.")
class LockVehicleOrderInput:
    order_id: strawberry.ID = strawberry.field(description="`id` of a VehicleOrder.")
    configuration_hash: str = strawberry.field(description="`configurationHash` as the customer saw it.")
    total: MoneyInput = strawberry.field(description="`total` as the customer saw it.")
    terms_version: str = strawberry.field(description="`termsVersion` as the customer saw it.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="An order that is no longer wanted.")
class CancelVehicleOrderInput:
    order_id: strawberry.ID = strawberry.field(description="`id` of a VehicleOrder.")
    reason: str | None = strawberry.field(
        description="Why, in the customer's words.", default=None, directives=[FREE_TEXT]
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


async def _own_order(info: Request, order_id: str) -> str:
    customer_id_of(info)
    number = decode_id(order_id, "VehicleOrder", "input.orderId")
    if await order_by_number(info.context, number) is None:
        raise NotFound("There is no such order of yours.")
    return number


FRESH_SECONDS = 1800
"""How old a login may be that locks an order."""


@strawberry.type
class VehicleOrderMutation:
    @mutation(
        "Order a saved configuration: a draft until intent money or deposit is paid with `createPayment`.",
        returns=VehicleOrderPayload,
        directives=[scopes("order:write")],
    )
    @staticmethod
    async def place_vehicle_order(info: Request, input: PlaceVehicleOrderInput) -> Outcome[domain.VehicleOrder]:
        place = partial(
            info.context.ports.vehicle_orders.place,
            customer_id_of(info),
            share_code_of(input.share_code, "input.shareCode"),
            delivery_centre=text_of(input.delivery_centre, "input.deliveryCentre", most=16),
            terms_version=text_of(input.terms_version, "input.termsVersion", most=32),
            idempotency_key=idempotency(info, input.idempotency_key),
        )
        return await admitted(info, place)

    @mutation(
        "Confirm the order for good, before the cooling-off time ends.",
        returns=VehicleOrderPayload,
        directives=[scopes("order:write"), step_up(FRESH_SECONDS)],
    )
    @staticmethod
    async def lock_vehicle_order(info: Request, input: LockVehicleOrderInput) -> Outcome[domain.VehicleOrder]:
        key = idempotency(info, input.idempotency_key)
        number = await _own_order(info, input.order_id)
        return await info.context.ports.vehicle_orders.lock(
            number,
            configuration_hash=input.configuration_hash,
            total=MoneyValue(amount_minor=input.total.amount_minor, currency=input.total.currency),
            terms_version=input.terms_version,
            idempotency_key=key,
        )

    @mutation(
        "Cancel the order while that is possible. What was paid is refunded.",
        returns=VehicleOrderPayload,
        directives=[scopes("order:write")],
    )
    @staticmethod
    async def cancel_vehicle_order(info: Request, input: CancelVehicleOrderInput) -> Outcome[domain.VehicleOrder]:
        key = idempotency(info, input.idempotency_key)
        number = await _own_order(info, input.order_id)
        return await info.context.ports.vehicle_orders.cancel(
            number, reason=optional_reason(input.reason), idempotency_key=key
        )
