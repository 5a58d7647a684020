"""What the payment service says and accepts. The OpenAPI document is made of these types."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from sandbox.world.entities import PaymentProvider, PaymentPurpose, PaymentScene, PaymentStatus, RefundStatus


class Shown(msgspec.Struct, rename="camel", kw_only=True):
    """An answer."""


class Asked(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """A request body: a member that is not known is refused."""


class Money(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    amount_minor: int
    currency: str = "CNY"


class Refund(Shown):
    id: str
    payment_id: str
    amount: Money
    status: RefundStatus
    reason: str
    created_at: datetime


class WechatJsapi(Shown, tag="WECHAT_JSAPI", tag_field="type"):
    """For `wx.requestPayment`; `paySign` is SHA256-RSA over appId, timeStamp, nonceStr and package, a line each."""

    app_id: str
    time_stamp: str
    nonce_str: str
    package: str
    pay_sign: str
    sign_type: Literal["RSA"] = "RSA"


class Redirect(Shown, tag="REDIRECT", tag_field="type"):
    url: str


class QrCode(Shown, tag="QR_CODE", tag_field="type"):
    content: str


class AppOrder(Shown, tag="APP", tag_field="type"):
    order_string: str


ClientAction = WechatJsapi | Redirect | QrCode | AppOrder


class Intent(Shown):
    """`clientAction` is there while the status is REQUIRES_ACTION."""

    id: str
    order_number: str
    customer_id: str
    purpose: PaymentPurpose
    provider: PaymentProvider
    scene: PaymentScene
    amount: Money
    captured: Money
    status: PaymentStatus
    failure_code: str | None
    client_action: ClientAction | None
    created_at: datetime
    expires_at: datetime
    refunds: list[Refund]


class OrderIntents(Shown):
    """Newest first; empty where nobody began to pay."""

    order_number: str
    intents: list[Intent]


class CreateIntent(Asked):
    customer_id: str
    order_number: str
    purpose: PaymentPurpose
    provider: PaymentProvider
    scene: PaymentScene
    amount: Money


class Close(Asked):
    """Nothing to say."""


class CreateRefund(Asked):
    amount: Money
    reason: str


class Simulate(Asked):
    """What the simulated customer and provider do."""

    result: Literal["SUCCEEDED", "FAILED"]
