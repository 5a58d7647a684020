"""Asynchronous notifications: built once, sent until they are acknowledged, and sent again as a tester likes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from sandbox.kit.clock import Clock

from .answers import BUYER
from .gateway import show_time, sign, signed_content
from .keys import APP_ID, SELLER_ID
from .trades import Refund, Trade, yuan

AGAIN_AFTER = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between the eight times; Alipay's are 4, 10 and 10 minutes, 1, 2, 6 and 15 hours."""
LATE_SECONDS = 2.0
HOW = ("once", "never", "twice", "parallel", "late")
FORGED = ("signature", "key", "amount", "app_id", "seller_id", "time")


@dataclass(slots=True)
class Attempt:
    """What was answered; `status` 0: nobody did."""

    status: int
    body: str
    forged: str | None = None


@dataclass(slots=True)
class Notification:
    """`parameters` are the same however often it is sent, `notify_id` and `notify_time` among them."""

    out_trade_no: str
    notify_url: str
    parameters: dict[str, str]
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def is_acknowledged(self) -> bool:
        return any(attempt.body == "success" for attempt in self.attempts if attempt.forged is None)


class Notifications:
    """`again_after` and `late` are in seconds."""

    def __init__(
        self,
        key: RSAPrivateKey,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None,
        *,
        again_after: Sequence[float],
        late: float,
    ) -> None:
        self._key, self._clock, self._again_after, self._late = key, clock, again_after, late
        self._transport = transport
        self._tasks: set[asyncio.Task[None]] = set()
        self.all: list[Notification] = []

    def of(self, number: str) -> list[Notification]:
        return [each for each in self.all if each.out_trade_no == number]

    def tell(self, trade: Trade, refund: Refund | None = None, how: str = "once") -> None:
        """Of what has become of the trade, if the merchant wants to hear. `how` is one of HOW."""
        if trade.offer.notify_url is None:
            return
        made = Notification(trade.offer.out_trade_no, trade.offer.notify_url, self._build(trade, refund))
        self.all.append(made)
        if how == "never":
            return
        if how == "parallel":
            for _ in range(4):
                self._start(self._send(made))
        self._start(self._until_acknowledged(made, self._late if how == "late" else 0.0, how == "twice"))

    async def send_again(self, made: Notification, forged: str | None = None) -> Attempt:
        return await self._send(made, forged)

    def shown(self) -> list[dict[str, Any]]:
        return [asdict(each) | {"acknowledged": each.is_acknowledged} for each in self.all]

    def _build(self, trade: Trade, refund: Refund | None) -> dict[str, str]:
        offer, now = trade.offer, show_time(self._clock())
        seed = f"{trade.trade_no} {trade.status} {len(self.all)}"
        told = {
            "notify_id": hashlib.sha256(seed.encode()).hexdigest()[:34],
            "notify_type": "trade_status_sync",
            "notify_time": now,
            "charset": "utf-8",
            "version": "1.0",
            "app_id": APP_ID,
            "auth_app_id": APP_ID,
            "seller_id": SELLER_ID,
            "buyer_id": BUYER,
            "out_trade_no": offer.out_trade_no,
            "trade_no": trade.trade_no,
            "trade_status": trade.status,
            "total_amount": yuan(offer.fen),
            "subject": offer.subject,
            "gmt_create": show_time(trade.created_at),
        }
        if trade.paid_at is not None:
            told |= {"gmt_payment": show_time(trade.paid_at), "receipt_amount": yuan(offer.fen),
                     "buyer_pay_amount": yuan(offer.fen),
                     "fund_bill_list": f'[{{"amount":"{yuan(offer.fen)}","fundChannel":"ALIPAYACCOUNT"}}]'}  # fmt: skip
        if trade.closed_at is not None:
            told["gmt_close"] = show_time(trade.closed_at)
        if refund is not None:
            told |= {"out_biz_no": refund.request_no, "refund_fee": yuan(trade.refunded),
                     "gmt_refund": f"{show_time(refund.at)}.000"}  # fmt: skip
        return self._signed(told, self._key)

    def _signed(self, told: dict[str, str], key: RSAPrivateKey) -> dict[str, str]:
        return told | {"sign_type": "RSA2", "sign": sign(signed_content(told, "sign", "sign_type"), key)}

    def _forge(self, parameters: dict[str, str], how: str) -> dict[str, str]:
        """As somebody without Alipay's key would (`signature`, `key`, `amount`), or for somebody else, or long ago."""
        bare = {name: value for name, value in parameters.items() if name not in ("sign", "sign_type")}
        if how == "signature":
            return parameters | {"sign": parameters["sign"][::-1]}
        if how == "amount":
            return parameters | {"total_amount": "0.01"}
        if how == "key":
            return self._signed(bare, generate_private_key(65537, 2048))
        changed = {"app_id": "2021000000000001", "seller_id": "2088000000000001", "time": "2020-01-01 00:00:00"}[how]
        return self._signed(bare | {"notify_time" if how == "time" else how: changed}, self._key)

    async def _until_acknowledged(self, made: Notification, after: float, is_doubled: bool) -> None:
        await asyncio.sleep(after)
        for pause in (*self._again_after, None):
            await self._send(made)
            if is_doubled:
                is_doubled = False
                await self._send(made)
            if made.is_acknowledged or pause is None:
                return
            await asyncio.sleep(pause)

    async def _send(self, made: Notification, forged: str | None = None) -> Attempt:
        parameters = made.parameters if forged is None else self._forge(made.parameters, forged)
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        try:
            async with httpx.AsyncClient(transport=self._transport, trust_env=False, timeout=5.0) as client:
                reply = await client.post(made.notify_url, content=urlencode(parameters), headers=headers)
            attempt = Attempt(reply.status_code, reply.text[:200], forged)
        except httpx.HTTPError as error:
            attempt = Attempt(0, type(error).__name__, forged)
        made.attempts.append(attempt)
        return attempt

    def _start(self, sending: Any) -> None:
        task = asyncio.create_task(sending)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
