"""Offers, trades and refunds, kept by the merchant's numbers.

An offer is what the merchant has signed or had coded: Alipay makes a trade of it when the customer opens it. Until then
the trade does not exist, and cannot be closed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.kit.clock import Clock

from .gateway import Refused, read_time

WAITING, SUCCESS, CLOSED, FINISHED = "WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_CLOSED", "TRADE_FINISHED"
MOST_FEN = 10_000_000_000
_NUMBER = re.compile(r"[0-9A-Za-z_]{1,64}", re.ASCII)
_YUAN = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?", re.ASCII)
_FORBIDDEN = re.compile(r"[/=&]")
PRODUCTS = {
    "alipay.trade.app.pay": ("QUICK_MSECURITY_PAY",),
    "alipay.trade.wap.pay": ("QUICK_WAP_WAY", "QUICK_WAP_PAY"),
    "alipay.trade.page.pay": ("FAST_INSTANT_TRADE_PAY",),
    "alipay.trade.precreate": (None, "FACE_TO_FACE_PAYMENT"),
}


@dataclass(slots=True)
class Refund:
    request_no: str
    fen: int
    reason: str
    at: datetime


@dataclass(slots=True)
class Offer:
    out_trade_no: str
    subject: str
    fen: int
    expires_at: datetime
    notify_url: str | None
    return_url: str | None


@dataclass(slots=True)
class Trade:
    offer: Offer
    trade_no: str
    created_at: datetime
    status: str = WAITING
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    refunds: dict[str, Refund] = field(default_factory=dict)

    @property
    def refunded(self) -> int:
        return sum(refund.fen for refund in self.refunds.values())


class Trades:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offers: dict[str, Offer] = {}
        self.trades: dict[str, Trade] = {}

    def offer(self, method: str, content: Mapping[str, Any], common: Mapping[str, str]) -> Offer:
        """Take note of what could be paid; the same again is the same."""
        number, subject, fen = content.get("out_trade_no"), content.get("subject"), _fen(content.get("total_amount"))
        if not isinstance(number, str) or _NUMBER.fullmatch(number) is None:
            raise _parameter("out_trade_no")
        if not isinstance(subject, str) or not 1 <= len(subject) <= 256 or _FORBIDDEN.search(subject):
            raise _parameter("subject")
        if content.get("product_code") not in PRODUCTS[method]:
            raise _parameter("product_code")
        expires_at = read_time(content.get("time_expire")) if "time_expire" in content else None
        if "time_expire" in content and expires_at is None:
            raise _parameter("time_expire")
        made = Offer(
            out_trade_no=number,
            subject=subject,
            fen=fen,
            expires_at=expires_at or self._clock() + timedelta(days=15),
            notify_url=common.get("notify_url"),
            return_url=common.get("return_url"),
        )
        known = self.offers.get(number)
        if known is not None and (known.fen, known.subject) != (fen, subject):
            raise Refused("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改")
        trade = self.find(number)
        if trade is not None and trade.status in (SUCCESS, FINISHED):
            raise Refused("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
        if trade is not None and trade.status == CLOSED:
            raise Refused("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
        if made.expires_at <= self._clock():
            raise Refused("ACQ.INVALID_PARAMETER", "参数无效: time_expire")
        self.offers[number] = made
        return made

    def open(self, number: str) -> Trade:
        """The customer has opened the offer: now there is a trade."""
        trade = self.find(number)
        if trade is not None:
            return trade
        offer = self.offers.get(number)
        if offer is None or offer.expires_at <= self._clock():
            raise Refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
        digits = int(hashlib.sha256(number.encode()).hexdigest(), 16) % 10**20
        now = self._clock()
        trade = Trade(offer=offer, trade_no=f"{now:%Y%m%d}{digits:020d}", created_at=now)
        self.trades[number] = trade
        return trade

    def find(self, number: str) -> Trade | None:
        trade = self.trades.get(number)
        if trade is not None and trade.status == WAITING and trade.offer.expires_at <= self._clock():
            trade.status, trade.closed_at = CLOSED, trade.offer.expires_at
        return trade

    def of(self, content: Mapping[str, Any]) -> Trade:
        """The trade that a request names: by `trade_no` where both are given."""
        number, trade_no = content.get("out_trade_no"), content.get("trade_no")
        if trade_no:
            number = next((n for n, t in self.trades.items() if t.trade_no == trade_no), None)
        elif not number:
            raise _parameter("out_trade_no")
        trade = self.find(str(number))
        if trade is None:
            raise Refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
        return trade

    def pay(self, trade: Trade) -> None:
        if trade.status != WAITING:
            raise Refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        trade.status, trade.paid_at = SUCCESS, self._clock()

    def close(self, trade: Trade) -> None:
        if trade.status == CLOSED:
            raise Refused("ACQ.REASON_TRADE_STATUS_INVALID", "交易状态异常")
        if trade.status != WAITING:
            raise Refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        trade.status, trade.closed_at = CLOSED, self._clock()

    def refund(self, trade: Trade, content: Mapping[str, Any]) -> Refund | None:
        """What is given back now; None for a repetition."""
        fen = _fen(content.get("refund_amount"))
        request_no, reason = content.get("out_request_no"), content.get("refund_reason", "")
        if trade.paid_at is None:
            raise Refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        if request_no is None and fen != trade.offer.fen:
            raise Refused("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "撤销或退款金额与订单金额不一致")
        request_no = trade.offer.out_trade_no if request_no is None else request_no
        if not isinstance(request_no, str) or _NUMBER.fullmatch(request_no) is None:
            raise _parameter("out_request_no")
        if not isinstance(reason, str) or len(reason) > 256:
            raise _parameter("refund_reason")
        known = trade.refunds.get(request_no)
        if known is not None:
            if known.fen != fen:
                raise Refused("ACQ.DISCORDANT_REPEAT_REQUEST", "请求信息不一致")
            return None
        if trade.status == FINISHED:
            raise Refused("ACQ.TRADE_HAS_FINISHED", "交易已完结")
        if trade.refunded + fen > trade.offer.fen:
            raise Refused("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额无效")
        made = trade.refunds[request_no] = Refund(request_no=request_no, fen=fen, reason=reason, at=self._clock())
        if trade.refunded == trade.offer.fen:
            trade.status, trade.closed_at = CLOSED, made.at
        return made


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def _fen(said: object) -> int:
    match = _YUAN.fullmatch(said) if isinstance(said, str) else None
    fen = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match is not None else 0
    if not 1 <= fen <= MOST_FEN:
        raise _parameter("amount")
    return fen


def _parameter(name: str) -> Refused:
    return Refused("ACQ.INVALID_PARAMETER", f"参数无效: {name}")
