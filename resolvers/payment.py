"""Paying: intents, what the client must do, refunds."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry

from bff.context import RequestContext
from bff.domain import payment as domain
from bff.domain.base import Money as MoneyValue
from bff.domain.base import Outcome
from bff.domain.commerce import MerchandiseOrder
from bff.domain.vehicle_order import VehicleOrder
from bff.errors import InvalidInput, NotFound
from resolvers import loads
from resolvers.common import (
    Money,
    MoneyInput,
    Request,
    customer_id_of,
    enum,
    known,
    may_see_customer,
    mutation,
    prop,
    text_of,
)
from resolvers.fields import load_one
from resolvers.payloads import IDEMPOTENCY_KEY, UserError, entity, idempotency, payload, refusal_code
from resolvers.privacy import FREE_TEXT, SECRET
from resolvers.relay import Node, decode_id, global_id, node_of, split_id
from resolvers.rights import Owner, owned, scopes, step_up

enum(
    domain.PaymentPurpose,
    "What is paid.",
    {"INTENT": "Intent money of a car (小订).", "DEPOSIT": "Deposit of a car (大定).", "BALANCE": "The rest of a car."},
)
enum(domain.PaymentProvider, "Who takes the money.")
enum(
    domain.PaymentScene,
    "Where the customer pays.",
    {
        "JSAPI": "Inside WeChat: a mini-program or an official account.",
        "APP": "In our app.",
        "H5": "In a browser.",
        "NATIVE": "By scanning a code on a screen.",
    },
)
enum(
    domain.PaymentStatus,
    "Where a payment stands. Only the provider settles it: poll `node(id)` until it is SUCCEEDED, FAILED or CLOSED.",
    {"REQUIRES_ACTION": "Do what `clientAction` says.", "PROCESSING": "The provider has not decided yet."},
)
enum(domain.RefundStatus, "Where a refund stands.", {"ABNORMAL": "The provider could not pay it out; staff will."})


@strawberry.type(description="Parameters for `wx.requestPayment`, already signed.")
class WechatJsapiAction:
    app_id: str = prop("`appId`.")
    time_stamp: str = prop("`timeStamp`.")
    nonce_str: str = prop("`nonceStr`.")
    package: str = prop("`package`.", directives=[SECRET])
    sign_type: str = prop("`signType`.")
    pay_sign: str = prop("`paySign`.", directives=[SECRET])

    @classmethod
    def is_type_of(cls, source: object, _info: object) -> bool:
        return isinstance(source, domain.WechatJsapiAction)


@strawberry.type(description="Open a page of the provider.")
class RedirectAction:
    url: str = prop("The page.", directives=[SECRET])

    @classmethod
    def is_type_of(cls, source: object, _info: object) -> bool:
        return isinstance(source, domain.RedirectAction)


@strawberry.type(description="Show a QR code.")
class QrCodeAction:
    content: str = prop("What the code says.", directives=[SECRET])

    @classmethod
    def is_type_of(cls, source: object, _info: object) -> bool:
        return isinstance(source, domain.QrCodeAction)


@strawberry.type(description="Hand an order string to the provider's SDK in the app.")
class AppAction:
    order_string: str = prop("The string.", directives=[SECRET])

    @classmethod
    def is_type_of(cls, source: object, _info: object) -> bool:
        return isinstance(source, domain.AppAction)


ClientAction = Annotated[
    WechatJsapiAction | RedirectAction | QrCodeAction | AppAction,
    strawberry.union("ClientAction", description="What the client must do so that the customer can pay."),
]


@strawberry.type(description="Money given back.")
class Refund:
    id: strawberry.ID = prop("The refund's number.")
    amount: Money = prop("How much.")
    status: domain.RefundStatus = prop("Where it stands.")
    reason: str = prop("Why.")
    created_at: datetime = prop("When it was asked for.")


async def _payment_by_key(context: RequestContext, key: str) -> domain.PaymentIntent | None:
    intent = await load_one(context, loads.payments, key)
    return intent if intent is not None and may_see_customer(context, intent.customer_id) else None


@strawberry.type(
    description="A payment for an order. It settles when the provider says so, never because a client does.",
    directives=[scopes("order:read"), owned(Owner.CUSTOMER)],
)
@node_of(domain.PaymentIntent, _payment_by_key)
class Payment(Node):
    id: strawberry.ID = global_id("Payment", lambda intent: intent.id)
    purpose: domain.PaymentPurpose = prop("What is paid.")
    provider: domain.PaymentProvider = prop("Who takes the money.")
    scene: domain.PaymentScene = prop("Where the customer pays.")
    amount: Money = prop("How much.")
    captured: Money = prop("How much has been taken.")
    status: domain.PaymentStatus = prop("Where it stands.")
    failure_code: str | None = prop("Why it failed, in the provider's word.")
    client_action: ClientAction | None = prop("What the client must do; null when there is nothing to do.")
    created_at: datetime = prop("When it was begun.")
    expires_at: datetime = prop("When it closes by itself.")
    refunds: list[Refund] = prop("Money given back, newest first.")


class PaymentErrorCode(Enum):
    ORDER_NOT_PAYABLE = "ORDER_NOT_PAYABLE"
    AMOUNT_MISMATCH = "AMOUNT_MISMATCH"
    ALREADY_PAID = "ALREADY_PAID"
    PROVIDER_NOT_SUPPORTED = "PROVIDER_NOT_SUPPORTED"
    CARD_DECLINED = "CARD_DECLINED"
    NOT_CLOSABLE = "NOT_CLOSABLE"
    NOT_REFUNDABLE = "NOT_REFUNDABLE"
    REFUND_EXCEEDS_CAPTURED = "REFUND_EXCEEDS_CAPTURED"
    OTHER = "OTHER"


enum(
    PaymentErrorCode,
    "Why a payment was not begun, closed or refunded.",
    {
        "AMOUNT_MISMATCH": "The order asks for another amount: read it again.",
        "PROVIDER_NOT_SUPPORTED": "This provider cannot be used in this scene.",
        "OTHER": "Read the message.",
    },
)


@strawberry.type(description="Why a payment was not begun, closed or refunded.")
class PaymentUserError(UserError):
    code: PaymentErrorCode = refusal_code(PaymentErrorCode)


@payload("What became of a payment.", errors=PaymentUserError)
class PaymentPayload:
    entity: Payment | None = entity("The payment as it is now.")


@payload("What became of a refund.", errors=PaymentUserError)
class RefundPayload:
    entity: Refund | None = entity("The refund.")


@strawberry.input(description="A payment to begin.")
class CreatePaymentInput:
    order_id: strawberry.ID = strawberry.field(description="`id` of a VehicleOrder or MerchandiseOrder.")
    purpose: domain.PaymentPurpose = strawberry.field(description="What is paid.")
    provider: domain.PaymentProvider = strawberry.field(description="Who takes the money.")
    scene: domain.PaymentScene = strawberry.field(description="Where the customer pays.")
    amount: MoneyInput = strawberry.field(description="The amount that the customer saw.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A payment that is no longer wanted.")
class ClosePaymentInput:
    payment_id: strawberry.ID = strawberry.field(description="`id` of a Payment.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="Money to give back.")
class RefundPaymentInput:
    payment_id: strawberry.ID = strawberry.field(description="`id` of a Payment.")
    amount: MoneyInput = strawberry.field(description="How much; at most what was captured and not yet given back.")
    reason: str = strawberry.field(description="Why.", directives=[FREE_TEXT])
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


def _amount(given: MoneyInput) -> MoneyValue:
    if given.amount_minor <= 0:
        raise InvalidInput("An amount is more than nothing.", field="input.amount.amountMinor")
    if len(given.currency) != 3 or not given.currency.isalpha() or not given.currency.isupper():
        raise InvalidInput("A currency is three capital letters (ISO 4217).", field="input.amount.currency")
    return MoneyValue(amount_minor=given.amount_minor, currency=given.currency)


async def _own_order_number(info: Request, order_id: str) -> str:
    """The number of the caller's order, of a car or from the shop, looked up so that nobody pays a stranger's order."""
    parts = split_id(order_id)
    order: VehicleOrder | MerchandiseOrder | None
    if parts is not None and parts[0] == "VehicleOrder":
        order = await load_one(info.context, loads.vehicle_orders, parts[1])
    elif parts is not None and parts[0] == "MerchandiseOrder":
        order = await load_one(info.context, loads.merchandise_orders, parts[1])
    else:
        raise InvalidInput("orderId is the id of a VehicleOrder or a MerchandiseOrder.", field="input.orderId")
    if order is None or not may_see_customer(info.context, order.customer_id):
        raise NotFound("There is no such order of yours.")
    return parts[1]


async def _own_payment(info: Request, payment_id: str) -> str:
    customer_id_of(info)
    key = decode_id(payment_id, "Payment", "input.paymentId")
    if await _payment_by_key(info.context, key) is None:
        raise NotFound("There is no such payment of yours.")
    return key


FRESH_SECONDS = 1800
"""How old a login may be that pays."""


@strawberry.type
class PaymentMutation:
    @mutation(
        "Begin to pay for an order. Do what `clientAction` says, then poll the payment.",
        returns=PaymentPayload,
        directives=[scopes("payment:write"), step_up(FRESH_SECONDS)],
    )
    @staticmethod
    async def create_payment(info: Request, input: CreatePaymentInput) -> Outcome[domain.PaymentIntent]:
        customer_id = customer_id_of(info)
        key = idempotency(info, input.idempotency_key)
        amount = _amount(input.amount)
        number = await _own_order_number(info, input.order_id)
        request = domain.PaymentRequest(
            customer_id=customer_id,
            order_number=number,
            purpose=known(input.purpose, "input.purpose"),
            provider=known(input.provider, "input.provider"),
            scene=known(input.scene, "input.scene"),
            amount=amount,
            idempotency_key=key,
        )
        return await info.context.ports.payments.create(request)

    @mutation(
        "Close a payment that has not settled.",
        returns=PaymentPayload,
        directives=[scopes("payment:write")],
    )
    @staticmethod
    async def close_payment(info: Request, input: ClosePaymentInput) -> Outcome[domain.PaymentIntent]:
        key = idempotency(info, input.idempotency_key)
        return await info.context.ports.payments.close(await _own_payment(info, input.payment_id), idempotency_key=key)

    @mutation(
        "Give back a part or all of a payment.",
        returns=RefundPayload,
        directives=[scopes("payment:write")],
    )
    @staticmethod
    async def refund_payment(info: Request, input: RefundPaymentInput) -> Outcome[domain.Refund]:
        key = idempotency(info, input.idempotency_key)
        amount = _amount(input.amount)
        reason = text_of(input.reason, "input.reason", most=80)
        payment_id = await _own_payment(info, input.payment_id)
        return await info.context.ports.payments.refund(payment_id, amount, reason=reason, idempotency_key=key)
