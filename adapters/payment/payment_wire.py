"""Intents and refunds on the wire of the payment service (docs/contracts/payment.openapi.json).

A status that is not known becomes UNKNOWN and keeps its word. A client action of a kind that is not known is none:
no client could follow it.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from adapters.transport.records import Codes, Moment, Records, Refusals, utc
from bff.domain.base import Money
from bff.domain.payment import (
    AppAction,
    ClientAction,
    PaymentIntent,
    PaymentProvider,
    PaymentPurpose,
    PaymentRequest,
    PaymentScene,
    PaymentStatus,
    QrCodeAction,
    RedirectAction,
    Refund,
    RefundStatus,
    WechatJsapiAction,
)
from bff.errors import InvalidInput


class ActionKind(Enum):
    WECHAT_JSAPI = "WECHAT_JSAPI"
    REDIRECT = "REDIRECT"
    QR_CODE = "QR_CODE"
    APP = "APP"
    UNKNOWN = "UNKNOWN"


payment_purpose = Codes("payment", PaymentPurpose)
payment_provider = Codes("payment", PaymentProvider)
payment_scene = Codes("payment", PaymentScene)
payment_status = Codes("payment", PaymentStatus)
refund_status = Codes("payment", RefundStatus)

action_kind = Codes("payment", ActionKind)

_ACTIONS: dict[ActionKind, type[ClientAction]] = {
    ActionKind.WECHAT_JSAPI: WechatJsapiAction,
    ActionKind.REDIRECT: RedirectAction,
    ActionKind.QR_CODE: QrCodeAction,
    ActionKind.APP: AppAction,
}

_AMOUNT = ["input", "amount"]
_PAYMENT = ["input", "paymentId"]

CREATE_REFUSALS = Refusals(
    {
        "ORDER_NOT_PAYABLE": ("Nothing can be paid for this order and purpose now.", ["input", "orderId"]),
        "AMOUNT_MISMATCH": ("The order owes {owedMinor} in minor units for this purpose.", _AMOUNT),
        "ALREADY_PAID": ("This has been paid already.", ["input", "orderId"]),
        "PROVIDER_NOT_SUPPORTED": (
            "This provider cannot be used in this scene by this customer. Choose another.",
            ["input", "provider"],
        ),
        "CARD_DECLINED": ("The card was declined. Choose another way to pay.", ["input", "provider"]),
    }
)
CLOSE_REFUSALS = Refusals({"ALREADY_PAID": ("The payment has succeeded: refund it instead.", _PAYMENT)})
REFUND_REFUSALS = Refusals(
    {
        "NOT_REFUNDABLE": ("This payment cannot be refunded. A car's order is cancelled instead.", _PAYMENT),
        "REFUND_EXCEEDS_CAPTURED": ("At most {refundableMinor} in minor units can be given back.", _AMOUNT),
    }
)


class WireRefund(msgspec.Struct, rename="camel"):
    id: str
    payment_id: str
    amount: Money
    status: str
    reason: str
    created_at: Moment


class WireIntent(msgspec.Struct, rename="camel"):
    id: str
    order_number: str
    customer_id: str
    purpose: str
    provider: str
    scene: str
    amount: Money
    captured: Money
    status: str
    failure_code: str | None
    client_action: dict[str, Any] | None
    created_at: Moment
    expires_at: Moment
    refunds: list[WireRefund]


class WireOrderIntents(msgspec.Struct, rename="camel"):
    order_number: str
    intents: list[WireIntent]


class CreateBody(msgspec.Struct, rename="camel"):
    customer_id: str
    order_number: str
    purpose: str
    provider: str
    scene: str
    amount: Money


class CloseBody(msgspec.Struct):
    """Nothing to say."""


class RefundBody(msgspec.Struct, rename="camel"):
    amount: Money
    reason: str


def create_body(request: PaymentRequest) -> CreateBody:
    for name, value in (("purpose", request.purpose), ("provider", request.provider), ("scene", request.scene)):
        if value.value == "UNKNOWN":
            raise InvalidInput(f"UNKNOWN is not a {name} that can be asked for.", field=f"input.{name}")
    return CreateBody(
        customer_id=request.customer_id,
        order_number=request.order_number,
        purpose=request.purpose.value,
        provider=request.provider.value,
        scene=request.scene.value,
        amount=request.amount,
    )


def read_refund(wire: WireRefund) -> Refund:
    return Refund(
        id=wire.id,
        payment_id=wire.payment_id,
        amount=wire.amount,
        status=refund_status(wire.status),
        reason=wire.reason,
        created_at=utc(wire.created_at),
    )


def read_intent(wire: WireIntent) -> PaymentIntent:
    return PaymentIntent(
        id=wire.id,
        order_number=wire.order_number,
        customer_id=wire.customer_id,
        purpose=payment_purpose(wire.purpose),
        provider=payment_provider(wire.provider),
        scene=payment_scene(wire.scene),
        amount=wire.amount,
        captured=wire.captured,
        status=payment_status(wire.status),
        raw_status=wire.status,
        failure_code=wire.failure_code,
        client_action=_action(wire.client_action),
        created_at=utc(wire.created_at),
        expires_at=utc(wire.expires_at),
        refunds=[read_refund(refund) for refund in wire.refunds],
    )


def read_order_intents(wire: WireOrderIntents) -> tuple[str, list[PaymentIntent]]:
    return wire.order_number, [read_intent(intent) for intent in wire.intents]


def _action(wire: dict[str, Any] | None) -> ClientAction | None:
    if wire is None:
        return None
    kind = _ACTIONS.get(action_kind(str(wire.get("type"))))
    if kind is None:
        return None
    return msgspec.convert({name: value for name, value in wire.items() if name != "type"}, kind)


INTENT = Records(WireIntent, read_intent, key="id")
ORDER_INTENTS = Records(WireOrderIntents, read_order_intents, key="orderNumber")
REFUND = Records(WireRefund, read_refund, key="id")
