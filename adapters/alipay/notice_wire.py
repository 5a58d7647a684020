"""Asynchronous notifications: a form, signed over its parameters sorted by name without `sign` and `sign_type`.

Alipay sends one again until it reads `success`: eight times in 25 hours, under one `notify_id`. That `notify_time`
moves with each is not documented, so a notification is taken as long as that goes on; whoever takes it keeps
`Notice.id`, so that none counts twice.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from adapters.alipay.alipay_wire import read_time, read_yuan, trade_state
from adapters.alipay.signing import SIGN_TYPE, content
from bff.domain.payment import RefundStatus
from bff.domain.providers import Notice, NoticeRefused, RepaymentState

TRADE = "trade_status_sync"
RESENT_FOR = timedelta(hours=25)
SKEW = timedelta(seconds=300)
_MOST_MEMBERS = 200


def read_form(body: bytes) -> dict[str, str]:
    """Raises NoticeRefused."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict",
            max_num_fields=_MOST_MEMBERS,
        )  # fmt: skip
    except ValueError as error:
        raise NoticeRefused("not a form in UTF-8") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise NoticeRefused("a parameter comes twice")
    return form


def verify(form: Mapping[str, str], verified: Callable[[str, str], bool]) -> None:
    """`verified(text, signature)`. Raises NoticeRefused."""
    if form.get("sign_type") != SIGN_TYPE:
        raise NoticeRefused(f"not signed with {SIGN_TYPE}")
    signed = {name: value for name, value in form.items() if name not in ("sign", "sign_type")}
    if not verified(content(signed), form.get("sign", "")):
        raise NoticeRefused("the signature does not hold")


def read_notice(form: Mapping[str, str], *, app_id: str, seller_id: str, now: datetime) -> Notice | None:
    """What a verified notification says. Raises NoticeRefused."""
    for name, ours in (("app_id", app_id), ("seller_id", seller_id)):
        if not hmac.compare_digest(form.get(name, "").encode(), ours.encode()):
            raise NoticeRefused(f"for another {name}")
    try:
        _check_time(read_time(form.get("notify_time", "")), now)
        if form.get("notify_type") != TRADE:
            return None
        return _read_trade(form, _required(form, "notify_id"), _required(form, "out_trade_no"))
    except ValueError as error:
        raise NoticeRefused(f"not as agreed: {error}") from error


def _check_time(sent: datetime, now: datetime) -> None:
    if sent > now + SKEW:
        raise NoticeRefused("from the future: is our clock right?")
    if sent < now - RESENT_FOR - SKEW:
        raise NoticeRefused("older than Alipay sends anything again")


def _read_trade(form: Mapping[str, str], notify_id: str, charge_id: str) -> Notice:
    status = _required(form, "trade_status")
    refund_id = form.get("out_biz_no", "")
    if refund_id and form.get("gmt_refund") and status in ("TRADE_SUCCESS", "TRADE_CLOSED"):
        read_yuan(form.get("refund_fee", ""))
        # `refund_fee` is the sum of all refunds of the trade, so it does not say the amount of this one.
        repayment = RepaymentState(
            id=refund_id, charge_id=charge_id, status=RefundStatus.SUCCEEDED, raw_status=status
        )  # fmt: skip
        return Notice(id=notify_id, repayment=repayment)
    charge = trade_state(
        charge_id,
        status,
        total=_required(form, "total_amount"),
        currency=form.get("trans_currency", ""),
        paid_at=form.get("gmt_payment", ""),
        transaction=form.get("trade_no", ""),
    )
    return Notice(id=notify_id, charge=charge)


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name, "")
    if not value:
        raise ValueError(f"{name} is missing")
    return value
