"""What tests of Alipay share: a charge, a clock that the test turns, and answers signed as Alipay signs them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import respx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from adapters.alipay.client import AlipayClient
from adapters.alipay.settings import development_settings
from bff.domain.base import Money
from bff.domain.payment import PaymentScene
from bff.domain.providers import Charge, Repayment
from sandbox.alipay.keys import alipay_private_key
from sandbox.world import World
from tests.support import mocked_upstream

NOTIFY_URL = "https://bff.test/payments/notifications/alipay"
NOW = datetime(2026, 3, 9, 4, 5, 6, tzinfo=UTC)  # 12:05:06 in Shanghai
SETTINGS = development_settings(NOTIFY_URL)
ALIPAY_KEY = alipay_private_key()
WORLD = World(today=NOW.date(), now=NOW, seed=1)
"""Without anybody in it: Alipay knows only what it is asked."""


class Hands:
    """A clock that the test turns."""

    def __init__(self, time: datetime = NOW) -> None:
        self.time = time

    def __call__(self) -> datetime:
        return self.time

    def turn(self, **by: float) -> None:
        self.time += timedelta(**by)


def charge(scene: PaymentScene = PaymentScene.NATIVE, **changed: Any) -> Charge:
    told: dict[str, Any] = {
        "id": "CH01",
        "order_number": "VO00004711",
        "description": "定金 ASTER A5",
        "amount": Money(amount_minor=500050),
        "scene": scene,
        "expires_at": NOW + timedelta(hours=2),
    }
    return Charge(**(told | changed))


def repayment(**changed: Any) -> Repayment:
    told: dict[str, Any] = {
        "id": "RF01",
        "charge_id": "CH01",
        "reference": "",
        "amount": Money(amount_minor=100050),
        "total": Money(amount_minor=500050),
        "reason": "not wanted any more",
    }
    return Repayment(**(told | changed))


def client_of(router: respx.Router, clock: Hands | None = None) -> AlipayClient:
    return AlipayClient(mocked_upstream(router, "alipay"), SETTINGS, clock=clock or Hands())


def signature(text: str, key: RSAPrivateKey = ALIPAY_KEY) -> str:
    return base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()


def answer(method: str, told: Mapping[str, Any], key: RSAPrivateKey = ALIPAY_KEY) -> bytes:
    """An answer of the gateway, signed."""
    text = json.dumps(told, ensure_ascii=False)
    return f'{{"{method.replace(".", "_")}_response":{text},"sign":"{signature(text, key)}"}}'.encode()


def notice_parameters(**changed: str | None) -> dict[str, str]:
    """The parameters of a notification of a paid trade, without its signature; None leaves one out."""
    told: dict[str, str | None] = {
        "notify_id": "2026030900222120506001234500000001",
        "notify_type": "trade_status_sync",
        "notify_time": "2026-03-09 12:05:00",
        "charset": "utf-8",
        "version": "1.0",
        "app_id": SETTINGS.app_id,
        "seller_id": SETTINGS.seller_id,
        "out_trade_no": "CH01",
        "trade_no": "2026030922001400001234567890",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "5000.50",
        "subject": "定金 ASTER A5",
        "gmt_payment": "2026-03-09 12:04:59",
        "fund_bill_list": '[{"amount":"5000.50","fundChannel":"ALIPAYACCOUNT"}]',
    }
    return {name: value for name, value in (told | changed).items() if value is not None}


def notice(parameters: Mapping[str, str], key: RSAPrivateKey = ALIPAY_KEY) -> bytes:
    text = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    return urlencode({**parameters, "sign_type": "RSA2", "sign": signature(text, key)}).encode()
