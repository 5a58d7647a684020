"""What answers of WeChat Pay mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bff.domain.base import Money
from bff.domain.payment import PaymentScene, RefundStatus
from bff.domain.providers import ChargeStatus
from bff.errors import OutcomeUnknown, UpstreamContractBroken
from tests.adapters.wechatpay.support import (
    CHARGE_ID,
    CNY,
    PREPAY,
    SETTINGS,
    Wechat,
    act,
    charge,
    refund,
    sent,
    transaction,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def wechat() -> Wechat:
    return Wechat()


@pytest.mark.parametrize("method", ["query", "capture"])
async def test_a_paid_charge_says_what_was_paid(wechat: Wechat, method: str) -> None:
    state = await act(wechat, method, wechat.reply(200, transaction()))
    assert dict(sent(wechat).url.params) == {"mchid": SETTINGS.merchant_id}
    assert (state.id, state.status, state.raw_status) == (CHARGE_ID, ChargeStatus.SUCCEEDED, "SUCCESS")
    assert state.amount == state.captured == CNY, "the order's total, not what is left after the customer's coupon"
    assert state.transaction == "4200001234202603091234567890"
    assert state.succeeded_at == datetime(2026, 3, 9, 2, 34, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("SUCCESS", ChargeStatus.SUCCEEDED),
        ("REFUND", ChargeStatus.SUCCEEDED),
        ("NOTPAY", ChargeStatus.OPEN),
        ("CLOSED", ChargeStatus.CLOSED),
        ("REVOKED", ChargeStatus.CLOSED),
        ("USERPAYING", ChargeStatus.PROCESSING),
        ("PAYERROR", ChargeStatus.FAILED),
        ("HELD_BY_REGULATOR", ChargeStatus.UNKNOWN),
    ],
)
async def test_trade_states(wechat: Wechat, raw: str, status: ChargeStatus) -> None:
    state = await act(wechat, "query", wechat.reply(200, transaction(trade_state=raw)))
    assert (state.status, state.raw_status) == (status, raw)
    assert (state.captured is not None) == (status is ChargeStatus.SUCCEEDED)
    assert state.failure_code == ("PAYERROR" if status is ChargeStatus.FAILED else None)


async def test_an_open_charge_needs_neither_sum_nor_transaction(wechat: Wechat) -> None:
    said = transaction(trade_state="NOTPAY")
    for name in ("transaction_id", "amount", "success_time", "payer"):
        del said[name]
    state = await act(wechat, "query", wechat.reply(200, said))
    assert (state.status, state.amount, state.transaction) == (ChargeStatus.OPEN, None, None)


async def test_another_currency_is_told_as_it_is(wechat: Wechat) -> None:
    state = await act(wechat, "query", wechat.reply(200, transaction(amount={"total": 500000, "currency": "HKD"})))
    assert state.amount == Money(amount_minor=500000, currency="HKD")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("SUCCESS", RefundStatus.SUCCEEDED),
        ("PROCESSING", RefundStatus.PROCESSING),
        ("CLOSED", RefundStatus.CLOSED),
        ("ABNORMAL", RefundStatus.ABNORMAL),
        ("ON_THE_MOON", RefundStatus.UNKNOWN),
    ],
)
@pytest.mark.parametrize("method", ["repay", "query_repayment"])
async def test_refund_states(wechat: Wechat, method: str, raw: str, status: RefundStatus) -> None:
    answer = await act(wechat, method, wechat.reply(200, refund(status=raw)))
    state = answer.entity if method == "repay" else answer
    assert (state.status, state.raw_status, state.amount) == (status, raw, Money(amount_minor=20000))


BROKEN_CHARGES = {
    "another charge": transaction(out_trade_no="CH20260309000002"),
    "another merchant": transaction(mchid="1900000001"),
    "another app": transaction(appid="wx0000000000000000"),
    "a total that is text": transaction(amount={"total": "500000", "currency": "CNY"}),
    "a total with a fraction": transaction(amount={"total": 5000.0, "currency": "CNY"}),
    "a total below nothing": transaction(amount={"total": -1, "currency": "CNY"}),
    "a success without a sum": transaction(amount=None),
    "a success without a transaction": transaction(transaction_id=""),
    "no state": {name: value for name, value in transaction().items() if name != "trade_state"},
    "a time without a zone": transaction(success_time="2026-03-09T10:34:56"),
    "a list": [],
}


@pytest.mark.parametrize("said", BROKEN_CHARGES.values(), ids=BROKEN_CHARGES)
async def test_a_charge_that_cannot_be_read_breaks_the_contract(wechat: Wechat, said: Any) -> None:
    with pytest.raises(UpstreamContractBroken):
        await act(wechat, "query", wechat.reply(200, said))


BROKEN_REFUNDS = {
    "another refund": refund(out_refund_no="RF20260309000002"),
    "another charge": refund(out_trade_no="CH20260309000002"),
    "a sum that is text": refund(amount={"refund": "20000", "total": 500000, "currency": "CNY"}),
    "no sum": refund(amount={}),
    "no state": {name: value for name, value in refund().items() if name != "status"},
}


@pytest.mark.parametrize("said", BROKEN_REFUNDS.values(), ids=BROKEN_REFUNDS)
async def test_a_refund_that_cannot_be_read_has_an_unknown_outcome(wechat: Wechat, said: Any) -> None:
    with pytest.raises(OutcomeUnknown):
        await act(wechat, "repay", wechat.reply(200, said))
    with pytest.raises(UpstreamContractBroken):
        await act(wechat, "query_repayment", wechat.reply(200, said))


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        (PaymentScene.JSAPI, {}),
        (PaymentScene.APP, {"prepay_id": ""}),
        (PaymentScene.NATIVE, {"prepay_id": "wx1"}),
        (PaymentScene.H5, {"h5_url": "javascript:alert(1)"}),
        (PaymentScene.H5, {"h5_url": 7}),
    ],
)
async def test_a_prepay_without_what_the_scene_needs_is_unknown(wechat: Wechat, scene: PaymentScene, said: Any) -> None:
    wechat.router.post(f"{PREPAY}/{scene.value.lower()}").mock(return_value=wechat.reply(200, said))
    with pytest.raises(OutcomeUnknown):
        await wechat.pay.begin(charge(scene))
