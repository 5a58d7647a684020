"""Payment intents and refunds. Card data never passes here: the provider's own page takes it. Source: payment."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Protocol

from bff.domain.base import Found, Money, Outcome, Value
from bff.errors import InvalidInput

_DIGIT_RUN = re.compile(r"\d+(?:[\s.-]{1,3}\d+)*", re.ASCII)
_CARD_LENGTHS = range(13, 20)  # ISO/IEC 7812-1: a primary account number has at most 19 digits


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


class WechatJsapiAction(Value, frozen=True, kw_only=True, tag="wechat-jsapi"):
    """Parameters for `wx.requestPayment`, signed by the payment service."""

    app_id: str
    time_stamp: str
    nonce_str: str
    package: str
    sign_type: str
    pay_sign: str


class RedirectAction(Value, frozen=True, kw_only=True, tag="redirect"):
    """Open this page of the provider."""

    url: str


class QrCodeAction(Value, frozen=True, kw_only=True, tag="qr-code"):
    """Show this text as a QR code."""

    content: str


class AppAction(Value, frozen=True, kw_only=True, tag="app"):
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


class PaymentRequest(Value, frozen=True, kw_only=True):
    """What a customer wants to pay for, how, and how much: `amount` is what they saw that the order asks for."""

    customer_id: str
    order_number: str
    purpose: PaymentPurpose
    provider: PaymentProvider
    scene: PaymentScene
    amount: Money
    idempotency_key: str


class PaymentPort(Protocol):
    """Refusal codes: ORDER_NOT_PAYABLE, AMOUNT_MISMATCH, ALREADY_PAID, PROVIDER_NOT_SUPPORTED, CARD_DECLINED,
    NOT_REFUNDABLE, REFUND_EXCEEDS_CAPTURED.
    """

    async def intents(self, ids: Sequence[str]) -> Found[str, PaymentIntent]: ...

    async def intents_of(self, order_numbers: Sequence[str]) -> Found[str, list[PaymentIntent]]:
        """By order number, newest first; an order without payments has an empty list."""
        ...

    async def create(self, request: PaymentRequest) -> Outcome[PaymentIntent]: ...

    async def close(self, intent_id: str, *, idempotency_key: str) -> Outcome[PaymentIntent]: ...

    async def refund(self, intent_id: str, amount: Money, *, reason: str, idempotency_key: str) -> Outcome[Refund]: ...


def refuse_card_number(text: str | None, field: str) -> None:
    """Free text that may hold a card number must not travel on: card data never touches this service (PCI DSS, SAQ A).

    Raises `InvalidInput` for 13 to 19 digits, also in groups or full width, whose check digit holds (ISO/IEC 7812-1
    annex B). The number is in neither the message nor the detail.
    """
    if text is None:
        return
    for run in _DIGIT_RUN.findall(unicodedata.normalize("NFKC", text)):
        groups = re.findall(r"\d+", run)
        for first in range(len(groups)):
            digits = ""
            for group in groups[first:]:
                digits += group
                if len(digits) >= _CARD_LENGTHS.stop:
                    break
                if len(digits) in _CARD_LENGTHS and _luhn_holds(digits):
                    raise InvalidInput("This text looks like it holds a card number. Leave it out.", field=field)


def _luhn_holds(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
