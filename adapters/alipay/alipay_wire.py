"""What is asked of Alipay, and what its answers mean (open platform API, `alipay.trade.*`).

Amounts are yuan with two decimals, as text; times are Asia/Shanghai's, without a zone. Anything else is no answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from adapters.transport.codes import report_unknown
from bff.domain.base import Money
from bff.domain.payment import RefundStatus
from bff.domain.providers import Charge, ChargeState, ChargeStatus, Repayment, RepaymentState

SUCCESS, IN_PROCESS, UNAVAILABLE, BUSINESS, TOO_MANY = "10000", "10003", "20000", "40004", "40005"
"""`code`: done; accepted and not done yet; nobody knows; see `sub_code`; asked too often."""

ABSENT = "ACQ.TRADE_NOT_EXIST"
PAID = "ACQ.TRADE_HAS_SUCCESS"
CLOSED = "ACQ.TRADE_HAS_CLOSE"
UNCERTAIN = frozenset({"ACQ.SYSTEM_ERROR", "AQC.SYSTEM_ERROR", "SYSTEM_ERROR"})
"""Business failures after which it may have been done all the same. The second is Alipay's own misspelling."""
NOT_WAITING = frozenset(
    {PAID, CLOSED, "ACQ.TRADE_STATUS_ERROR", "ACQ.REASON_TRADE_STATUS_INVALID", "ACQ.REASON_ILLEGAL_STATUS"}
)
"""A trade that cannot be closed: it is paid, or closed already. Only a query tells which."""
NOT_REFUNDABLE = frozenset(
    {ABSENT, CLOSED, "ACQ.TRADE_HAS_FINISHED", "ACQ.TRADE_STATUS_ERROR", "ACQ.REASON_TRADE_STATUS_INVALID",
     "ACQ.REASON_ILLEGAL_STATUS", "ACQ.TRADE_NOT_ALLOW_REFUND", "ACQ.REFUND_CHARGE_ERROR"}
)  # fmt: skip
TOO_MUCH = frozenset(
    {"ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "ACQ.REASON_TRADE_REFUND_FEE_ERR", "ACQ.REFUND_FEE_ERROR",
     "ACQ.REFUND_AMOUNT_EXCEED"}
)  # fmt: skip

TRADES = {
    "WAIT_BUYER_PAY": ChargeStatus.OPEN,
    "TRADE_SUCCESS": ChargeStatus.SUCCEEDED,
    "TRADE_FINISHED": ChargeStatus.SUCCEEDED,
    "TRADE_CLOSED": ChargeStatus.CLOSED,
}
REFUNDS = {"REFUND_SUCCESS": RefundStatus.SUCCEEDED, "REFUND_PROCESSING": RefundStatus.PROCESSING}

CURRENCY = "CNY"
MOST_SUBJECT, MOST_REASON = 256, 256
SHANGHAI = ZoneInfo("Asia/Shanghai")
_TIME = "%Y-%m-%d %H:%M:%S"
_YUAN = re.compile(r"(0|[1-9][0-9]{0,8})\.([0-9]{2})")
_FORBIDDEN = str.maketrans("/=&", "   ")  # Alipay refuses them in a subject


class Answer(msgspec.Struct, frozen=True):
    """A `<method>_response`: what any of our methods reads of it. A member that is not there is empty."""

    code: str
    sub_code: str = ""
    out_trade_no: str = ""
    trade_no: str = ""
    trade_status: str = ""
    total_amount: str = ""
    trans_currency: str = ""
    send_pay_date: str = ""
    qr_code: str = ""
    fund_change: str = ""
    refund_fee: str = ""
    out_request_no: str = ""
    refund_status: str = ""
    refund_amount: str = ""


# Asking


def parameters(
    app_id: str, method: str, content: Mapping[str, str], now: datetime, **more: str | None
) -> dict[str, str]:
    """All that is signed of a request. The content is JSON in ASCII: no charset on the way can change it."""
    told = {
        "app_id": app_id,
        "method": method,
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": wire_time(now),
        "version": "1.0",
        "biz_content": json.dumps(content, separators=(",", ":")),
    }
    return told | {name: value for name, value in more.items() if value}


def charge_content(charge: Charge, product: str | None) -> dict[str, str]:
    """`product` is the code of the product that a page or the app needs; a QR code has none."""
    content = {
        "subject": charge.description.translate(_FORBIDDEN)[:MOST_SUBJECT],
        "out_trade_no": charge.id,
        "total_amount": yuan(charge.amount),
    }
    if product is not None:
        content["product_code"] = product
    return content | {"time_expire": wire_time(charge.expires_at)}


def refund_content(wanted: Repayment) -> dict[str, str]:
    return {
        "out_trade_no": wanted.charge_id,
        "refund_amount": yuan(wanted.amount),
        "out_request_no": wanted.id,
        "refund_reason": wanted.reason[:MOST_REASON],
    }


def yuan(amount: Money) -> str:
    """12345 fen are `123.45`. Raises ValueError for what Alipay cannot take."""
    if amount.currency != CURRENCY or amount.amount_minor < 1:
        raise ValueError(f"Alipay takes {CURRENCY} from 0.01 on")
    return f"{amount.amount_minor // 100}.{amount.amount_minor % 100:02d}"


def wire_time(moment: datetime) -> str:
    """Parts of a second are cut off: what expires does so no later than was said."""
    return moment.astimezone(SHANGHAI).strftime(_TIME)


# Reading: ValueError says that it is not as agreed


def read_yuan(said: str) -> Money:
    match = _YUAN.fullmatch(said)
    if match is None:
        raise ValueError(f"{said[:20]!r} is no amount in yuan with two decimals")
    return Money(amount_minor=int(match[1]) * 100 + int(match[2]), currency=CURRENCY)


def read_time(said: str) -> datetime:
    if len(said) != 19 or not said.isascii():  # strptime is lenient about digits
        raise ValueError(f"{said[:30]!r} is no time")
    return datetime.strptime(said, _TIME).replace(tzinfo=SHANGHAI).astimezone(UTC)


def trade_state(
    charge_id: str, status: str, *, total: str, currency: str, paid_at: str, transaction: str
) -> ChargeState:
    """A trade as a query or a notification has it.

    TRADE_CLOSED is said of a trade that was never paid, and of one that was given back in full: then it has the time of
    its payment, and the charge SUCCEEDED.
    """
    if currency not in ("", CURRENCY):
        raise ValueError(f"in {currency[:10]!r}, where {CURRENCY} was asked for")
    if not status:
        raise ValueError("no trade_status")
    known = TRADES.get(status)
    if known is None:
        report_unknown("alipay", "trade status", status)
    if known is ChargeStatus.CLOSED and paid_at:
        known = ChargeStatus.SUCCEEDED
    is_paid = known is ChargeStatus.SUCCEEDED
    if is_paid and not transaction:
        raise ValueError("paid, but without a trade_no")
    amount = read_yuan(total) if total or is_paid else None
    return ChargeState(
        id=charge_id,
        status=known or ChargeStatus.UNKNOWN,
        raw_status=status,
        amount=amount,
        captured=amount if is_paid else None,
        transaction=transaction or None,
        succeeded_at=read_time(paid_at) if is_paid and paid_at else None,
    )


def read_trade(charge_id: str, answer: Answer) -> ChargeState:
    """The answer to `alipay.trade.query`."""
    if answer.code == BUSINESS and answer.sub_code == ABSENT:
        return ChargeState(id=charge_id, status=ChargeStatus.ABSENT, raw_status=ABSENT)
    if answer.code == IN_PROCESS:
        return ChargeState(id=charge_id, status=ChargeStatus.PROCESSING, raw_status=IN_PROCESS)
    same(answer.out_trade_no, charge_id)
    return trade_state(
        charge_id,
        answer.trade_status,
        total=answer.total_amount,
        currency=answer.trans_currency,
        paid_at=answer.send_pay_date,
        transaction=answer.trade_no,
    )


def read_refund(wanted: Repayment, answer: Answer) -> RepaymentState | None:
    """The answer to `alipay.trade.refund`; None where only a query tells.

    `refund_fee` is the sum of all refunds of the trade, so it is not the amount of this one. `fund_change` N: no money
    was moved by this request, since an earlier one did, or since it has not been done yet.
    """
    if answer.code == IN_PROCESS:
        return _repayment(wanted, RefundStatus.PROCESSING, IN_PROCESS)
    same(answer.out_trade_no, wanted.charge_id)
    if answer.fund_change != "Y":
        return None
    if read_yuan(answer.refund_fee).amount_minor < wanted.amount.amount_minor:
        raise ValueError("less was given back than was asked for")
    return _repayment(wanted, RefundStatus.SUCCEEDED, "fund_change=Y")


def read_refund_query(wanted: Repayment, answer: Answer) -> RepaymentState:
    """The answer to `alipay.trade.fastpay.refund.query`. No status: never asked for, or come to nothing."""
    if answer.code == BUSINESS and answer.sub_code == ABSENT:
        return _repayment(wanted, None, ABSENT)
    if answer.code == IN_PROCESS:
        return _repayment(wanted, RefundStatus.PROCESSING, IN_PROCESS)
    if not answer.refund_status:
        return _repayment(wanted, None, "")
    same(answer.out_trade_no, wanted.charge_id)
    same(answer.out_request_no, wanted.id)
    status = REFUNDS.get(answer.refund_status)
    if status is None:
        report_unknown("alipay", "refund status", answer.refund_status)
    amount = read_yuan(answer.refund_amount) if answer.refund_amount or status is RefundStatus.SUCCEEDED else None
    return _repayment(wanted, status or RefundStatus.UNKNOWN, answer.refund_status, amount)


def same(said: str, asked: str) -> None:
    if said != asked:
        raise ValueError(f"asked for {asked}, answered {said[:64]!r}")


def processing(wanted: Repayment, raw: str) -> RepaymentState:
    return _repayment(wanted, RefundStatus.PROCESSING, raw)


def _repayment(wanted: Repayment, status: RefundStatus | None, raw: str, amount: Money | None = None) -> RepaymentState:
    return RepaymentState(id=wanted.id, charge_id=wanted.charge_id, status=status, raw_status=raw, amount=amount)
