"""What each method of the gateway answers, as the member that is signed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from .gateway import Refused, show_time
from .trades import Refund, Trade, Trades, yuan

BUYER = "2088102180001234"


def done(**told: Any) -> dict[str, Any]:
    return {"code": "10000", "msg": "Success", **told}


def refused(refusal: Refused) -> dict[str, Any]:
    return {"code": "40004", "msg": "Business Failed", "sub_code": refusal.sub_code, "sub_msg": refusal.sub_msg}


def qr_code(number: str) -> str:
    return f"bax{hashlib.sha256(number.encode()).hexdigest()[:20]}"


def precreated(number: str, base_url: str) -> dict[str, Any]:
    return done(out_trade_no=number, qr_code=f"{base_url.rstrip('/')}/qr/{qr_code(number)}")


def queried(trade: Trade) -> dict[str, Any]:
    paid = trade.paid_at is not None
    amount = yuan(trade.offer.fen if paid else 0)
    told = done(
        buyer_logon_id="cus***@sandbox.test",
        buyer_pay_amount=amount,
        buyer_user_id=BUYER,
        invoice_amount=amount,
        out_trade_no=trade.offer.out_trade_no,
        point_amount="0.00",
        receipt_amount=amount,
        total_amount=yuan(trade.offer.fen),
        trade_no=trade.trade_no,
        trade_status=trade.status,
    )
    if trade.paid_at is not None:
        told["send_pay_date"] = show_time(trade.paid_at)
        told["fund_bill_list"] = [{"amount": amount, "fund_channel": "ALIPAYACCOUNT"}]
    return told


def closed(trade: Trade) -> dict[str, Any]:
    return done(out_trade_no=trade.offer.out_trade_no, trade_no=trade.trade_no)


def gave_back(trade: Trade, made: Refund | None) -> dict[str, Any]:
    """`refund_fee` is all that was given back of the trade, not only now."""
    return done(
        buyer_logon_id="cus***@sandbox.test",
        buyer_user_id=BUYER,
        fund_change="N" if made is None else "Y",
        out_trade_no=trade.offer.out_trade_no,
        refund_fee=yuan(trade.refunded),
        send_back_fee=yuan(0 if made is None else made.fen),
        trade_no=trade.trade_no,
    )


def refund_queried(trades: Trades, content: Mapping[str, Any]) -> dict[str, Any]:
    """A refund that is not known is a success without members."""
    trade = trades.of(content)
    found = trade.refunds.get(str(content.get("out_request_no")))
    if found is None:
        return done()
    return done(
        out_request_no=found.request_no,
        out_trade_no=trade.offer.out_trade_no,
        refund_amount=yuan(found.fen),
        refund_reason=found.reason,
        refund_status="REFUND_SUCCESS",
        total_amount=yuan(trade.offer.fen),
        trade_no=trade.trade_no,
    )
