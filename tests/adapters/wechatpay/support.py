"""What tests of WeChat Pay share: our settings, a platform that signs, a clock that the test turns."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import respx

from adapters.wechatpay.client import WechatPay
from adapters.wechatpay.settings import WechatPaySettings, development_settings
from bff.domain.base import Money
from bff.domain.payment import PaymentScene
from bff.domain.providers import Charge, Repayment
from sandbox.wechatpay import keys
from sandbox.wechatpay.platform import Platform, Signer
from tests.support import BASE, mocked_upstream

NOTIFY_URL = "https://bff.example.com/payments/notifications/wechatpay"
SETTINGS = development_settings(NOTIFY_URL)
BY_CERTIFICATES = msgspec.structs.replace(SETTINGS, public_keys={})
BY_PUBLIC_KEYS = msgspec.structs.replace(SETTINGS, certificates=False)
CHARGE_ID = "CH20260309000001"
REFUND_ID = "RF20260309000001"
START = datetime(2026, 3, 9, 2, 0, tzinfo=UTC)
ORDER = f"{BASE}/v3/pay/transactions/out-trade-no/{CHARGE_ID}"
REFUNDS = f"{BASE}/v3/refund/domestic/refunds"
REFUND = f"{REFUNDS}/{REFUND_ID}"
CERTIFICATES = f"{BASE}/v3/certificates"

REPAYMENT = Repayment(
    id=REFUND_ID,
    charge_id=CHARGE_ID,
    reference="",
    amount=Money(amount_minor=200_00),
    total=Money(amount_minor=5_000_00),
    reason="订单取消",
)


class Hands:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def turn(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Wechat:
    """The adapter before a mocked WeChat Pay that signs what the test has it say."""

    def __init__(self, settings: WechatPaySettings = BY_PUBLIC_KEYS) -> None:
        self.clock = Hands()
        self.router = respx.Router()
        self.platform = Platform(self.clock)
        self.pinned = self.platform.signers[keys.PUBLIC_KEY_ID]
        self.pay = WechatPay(mocked_upstream(self.router, "wechatpay"), settings, self.clock)

    def reply(self, status: int, said: Any, signer: Signer | None = None, **changed: Any) -> httpx.Response:
        """A signed reply; `said` is JSON, or bytes. `changed` replaces headers of the signature (`nonce="…"`)."""
        content = said if isinstance(said, bytes) else json.dumps(said, ensure_ascii=False).encode()
        headers = self.platform.signature(content, signer or self.pinned)
        headers |= {f"Wechatpay-{name.title()}": value for name, value in changed.items()}
        return httpx.Response(status, content=content, headers={**headers, "Content-Type": "application/json"})

    def error(self, status: int, code: str, message: str = "words of WeChat Pay") -> httpx.Response:
        return self.reply(status, {"code": code, "message": message})

    def notice(
        self,
        content: Any,
        event_type: str = "TRANSACTION.SUCCESS",
        *,
        signer: Signer | None = None,
        at: float | None = None,
        **envelope: Any,
    ) -> tuple[dict[str, str], bytes]:
        """Headers (lower case) and body of a notification."""
        kind = "transaction" if event_type.startswith("TRANSACTION") else "refund"
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        said = {
            "id": "EV-2018022511223320873",
            "create_time": "2026-03-09T10:00:00+08:00",
            "resource_type": "encrypt-resource",
            "event_type": event_type,
            "summary": "支付成功",
            "resource": {"original_type": kind, **self.platform.seal(raw, kind)},
            **envelope,
        }
        return self.sealed(json.dumps(said, ensure_ascii=False).encode(), signer=signer, at=at)

    def sealed(
        self, body: bytes, *, signer: Signer | None = None, at: float | None = None
    ) -> tuple[dict[str, str], bytes]:
        signed = self.platform.signature(body, signer or self.pinned, at=at)
        return {name.lower(): value for name, value in signed.items()}, body


def charge(scene: PaymentScene = PaymentScene.JSAPI, **changed: Any) -> Charge:
    made = Charge(
        id=CHARGE_ID,
        order_number="VO100001",
        description="定金 VO100001",
        amount=Money(amount_minor=5_000_00),
        scene=scene,
        expires_at=START + timedelta(hours=2),
        payer="oXb83c1f2d7a9e4f60517c8d92a" if scene is PaymentScene.JSAPI else None,
        client_ip="14.23.150.211" if scene is PaymentScene.H5 else None,
    )
    return msgspec.structs.replace(made, **changed)


def transaction(**changed: Any) -> dict[str, Any]:
    """What a query answers of a charge that was paid."""
    return {
        "appid": SETTINGS.app_id,
        "mchid": SETTINGS.merchant_id,
        "out_trade_no": CHARGE_ID,
        "transaction_id": "4200001234202603091234567890",
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功",
        "bank_type": "OTHERS",
        "attach": "",
        "success_time": "2026-03-09T10:34:56+08:00",
        "payer": {"openid": "oXb83c1f2d7a9e4f60517c8d92a"},
        "amount": {"total": 500000, "payer_total": 499000, "currency": "CNY", "payer_currency": "CNY"},
        **changed,
    }


def refund(**changed: Any) -> dict[str, Any]:
    """What WeChat Pay answers of a refund."""
    return {
        "refund_id": "50300807092026030912345678901",
        "out_refund_no": REFUND_ID,
        "transaction_id": "4200001234202603091234567890",
        "out_trade_no": CHARGE_ID,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": "2026-03-09T11:00:00+08:00",
        "status": "PROCESSING",
        "amount": {"total": 500000, "refund": 20000, "payer_total": 499000, "payer_refund": 19960, "currency": "CNY"},
        **changed,
    }


def refund_notice(**changed: Any) -> dict[str, Any]:
    """What the notification of a refund holds: no app, no currency, another name for the status."""
    return {
        "mchid": SETTINGS.merchant_id,
        "transaction_id": "4200001234202603091234567890",
        "out_trade_no": CHARGE_ID,
        "refund_id": "50300807092026030912345678901",
        "out_refund_no": REFUND_ID,
        "refund_status": "SUCCESS",
        "success_time": "2026-03-09T11:05:00+08:00",
        "user_received_account": "支付用户零钱",
        "amount": {"total": 500000, "refund": 20000, "payer_total": 499000, "payer_refund": 19960},
        **changed,
    }


# Every method, how it is answered, and what it asks

PREPAY = f"{BASE}/v3/pay/transactions"
CLOSE = f"{ORDER}/close"
CNY = Money(amount_minor=500000)

Act = Callable[[WechatPay], Awaitable[Any]]
METHODS: dict[str, tuple[str, str, Act]] = {
    "begin": ("POST", f"{PREPAY}/jsapi", lambda pay: pay.begin(charge())),
    "query": ("GET", ORDER, lambda pay: pay.query(CHARGE_ID, "")),
    "close": ("POST", CLOSE, lambda pay: pay.close(CHARGE_ID, "")),
    "capture": ("GET", ORDER, lambda pay: pay.capture(CHARGE_ID, "", CNY)),
    "repay": ("POST", REFUNDS, lambda pay: pay.repay(REPAYMENT)),
    "query_repayment": ("GET", REFUND, lambda pay: pay.query_repayment(REPAYMENT, None)),
}
GOOD: dict[str, tuple[int, Any]] = {
    "begin": (200, {"prepay_id": "wx2613"}),
    "query": (200, transaction()),
    "close": (204, b""),
    "capture": (200, transaction()),
    "repay": (200, refund()),
    "query_repayment": (200, refund()),
}
WRITES = frozenset({"begin", "close", "repay"})


async def act(wechat: Wechat, method: str, reply: httpx.Response) -> Any:
    verb, url, call = METHODS[method]
    wechat.router.route(method=verb, url__startswith=url).mock(return_value=reply)
    return await call(wechat.pay)


def sent(wechat: Wechat) -> httpx.Request:
    request: httpx.Request = wechat.router.calls.last.request
    return request
