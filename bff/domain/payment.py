"""Payment intents and refunds. Card data never passes here: the provider's own page takes it. Source: payment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Protocol

from bff.domain.base import Found, Money, Outcome, Value


class PaymentPurpose(Enum):
    INTENT = "INTENT"
    DEPOSIT = "DEPOSIT"
    BALANCE = "BALANCE"
    MERCHANDISE = "MERCHANDISE"
    FEATURE = "FEATURE"
    SERVICE = "SERVICE"
    UNKNOWN = "UNKNOWN"


class PaymentProvider(Enum):
    WECHAT_PAY = "WECHAT_PAY"
    ALIPAY = "ALIPAY"
    UNIONPAY = "UNIONPAY"
    CARD = "CARD"
    UNKNOWN = "UNKNOWN"


class PaymentScene(Enum):
    """Where the customer pays: JSAPI inside WeChat, APP in our app, H5 in a browser, NATIVE by a code on a screen."""

    JSAPI = "JSAPI"
    APP = "APP"
    H5 = "H5"
    NATIVE = "NATIVE"
    UNKNOWN = "UNKNOWN"


class PaymentStatus(Enum):
    CREATED = "CREATED"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CLOSED = "CLOSED"
    UNKNOWN = "UNKNOWN"


class RefundStatus(Enum):
    REQUESTED = "REQUESTED"
    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    CLOSED = "CLOSED"
    ABNORMAL = "ABNORMAL"
    UNKNOWN = "UNKNOWN"


class Refund(Value, frozen=True, kw_only=True):
    id: str
    payment_id: str
    amount: Money
    status: RefundStatus
    reason: str
    created_at: datetime


class WechatJsapiAction(Value, frozen=True, kw_only=True):
    """Parameters for `wx.requestPayment`, signed by the payment service."""

    app_id: str
    time_stamp: str
    nonce_str: str
    package: str
    sign_type: str
    pay_sign: str


class RedirectAction(Value, frozen=True, kw_only=True):
    """Open this page of the provider."""

    url: str


class QrCodeAction(Value, frozen=True, kw_only=True):
    """Show this text as a QR code."""

    content: str


class AppAction(Value, frozen=True, kw_only=True):
    """Hand this string to the provider's SDK in the app."""

    order_string: str


ClientAction = WechatJsapiAction | RedirectAction | QrCodeAction | AppAction


class PaymentIntent(Value, frozen=True, kw_only=True):
    """A wish to be paid for an order. Only the provider settles it; a client's word never does."""

    id: str
    order_number: str
    customer_id: str
    purpose: PaymentPurpose
    provider: PaymentProvider
    scene: PaymentScene
    amount: Money
    captured: Money
    status: PaymentStatus
    raw_status: str
    failure_code: str | None
    client_action: ClientAction | None
    created_at: datetime
    expires_at: datetime
    refunds: list[Refund]


class PaymentPort(Protocol):
    """Refusal codes: ORDER_NOT_PAYABLE, AMOUNT_MISMATCH, ALREADY_PAID, PROVIDER_NOT_SUPPORTED, CARD_DECLINED,
    NOT_REFUNDABLE, REFUND_EXCEEDS_CAPTURED.
    """

    async def intents(self, ids: Sequence[str]) -> Found[str, PaymentIntent]: ...

    async def intents_of(self, order_numbers: Sequence[str]) -> Found[str, list[PaymentIntent]]:
        """By order number, newest first; an order without payments has an empty list."""
        ...

    async def create(
        self,
        customer_id: str,
        order_number: str,
        *,
        purpose: PaymentPurpose,
        provider: PaymentProvider,
        scene: PaymentScene,
        amount: Money,
        idempotency_key: str,
    ) -> Outcome[PaymentIntent]: ...

    async def close(self, intent_id: str, *, idempotency_key: str) -> Outcome[PaymentIntent]: ...

    async def refund(self, intent_id: str, amount: Money, *, reason: str, idempotency_key: str) -> Outcome[Refund]: ...
