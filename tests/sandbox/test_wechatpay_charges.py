"""WeChat Pay as the sandbox plays it: charges and refunds, on which adapter and system agree."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from bff.domain.base import Money
from bff.domain.payment import AppAction, PaymentScene, QrCodeAction, RedirectAction, RefundStatus, WechatJsapiAction
from bff.domain.providers import ChargeStatus, RepaymentState
from bff.errors import UpstreamRejected
from tests.adapters.wechatpay.support import (
    BY_CERTIFICATES,
    BY_PUBLIC_KEYS,
    CHARGE_ID,
    REPAYMENT,
    SETTINGS,
    START,
    charge,
)
from tests.sandbox.wechatpay_market import ALL, Market, codes, entity, part

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[BY_PUBLIC_KEYS, BY_CERTIFICATES, SETTINGS], ids=["public keys", "certificates", "both"])
def market(request: pytest.FixtureRequest) -> Market:
    """By every way to know the platform's keys."""
    return Market(request.param)


@pytest.fixture
def pinned() -> Market:
    return Market()


@pytest.mark.parametrize(
    ("scene", "action"),
    [
        (PaymentScene.JSAPI, WechatJsapiAction),
        (PaymentScene.APP, AppAction),
        (PaymentScene.H5, RedirectAction),
        (PaymentScene.NATIVE, QrCodeAction),
    ],
)
async def test_a_charge_from_its_beginning_to_its_notification(
    market: Market, scene: PaymentScene, action: type
) -> None:
    assert isinstance((await market.begun(scene)).client_action, action)
    assert (await market.pay.query(CHARGE_ID, "")).status is ChargeStatus.OPEN
    await market.customer_pays()
    state = await market.pay.query(CHARGE_ID, "")
    assert (state.status, state.amount, state.captured) == (ChargeStatus.SUCCEEDED, ALL, ALL)
    assert state.succeeded_at == START
    (notice,) = market.taken
    assert notice is not None
    assert notice.charge == state


async def test_beginning_again_gives_an_action_that_pays_the_same_charge(pinned: Market) -> None:
    first, second = await pinned.begun(), await pinned.begun()
    assert isinstance(first.client_action, WechatJsapiAction)
    assert isinstance(second.client_action, WechatJsapiAction)
    assert first.client_action.package == second.client_action.package
    await pinned.customer_pays()
    assert codes(await pinned.pay.begin(charge())) == ["ALREADY_PAID"]
    assert len(pinned.taken) == 1


@pytest.mark.parametrize(
    "changed", [{"amount": Money(amount_minor=1)}, {"description": "x"}, {"scene": PaymentScene.NATIVE, "payer": None}]
)
async def test_another_charge_under_the_same_number_is_rejected(pinned: Market, changed: dict[str, Any]) -> None:
    await pinned.begun()
    with pytest.raises(UpstreamRejected):
        await pinned.pay.begin(charge(**changed))
    assert (await pinned.pay.query(CHARGE_ID, "")).amount == ALL


async def test_a_charge_that_nobody_made_is_absent(pinned: Market) -> None:
    assert (await pinned.pay.query(CHARGE_ID, "")).status is ChargeStatus.ABSENT
    assert (await pinned.pay.close(CHARGE_ID, "")).status is ChargeStatus.ABSENT
    assert codes(await pinned.pay.repay(REPAYMENT)) == ["NOT_REFUNDABLE"]
    assert (await pinned.pay.query_repayment(REPAYMENT, None)).status is None


async def test_what_is_closed_is_paid_by_nobody(market: Market) -> None:
    await market.begun()
    for _ in range(2):
        assert (await market.pay.close(CHARGE_ID, "")).status is ChargeStatus.CLOSED
    assert (await market.http.post(f"/_pay/{CHARGE_ID}", json={"result": "SUCCEEDED"})).status_code == 409
    assert (await market.pay.query(CHARGE_ID, "")).status is ChargeStatus.CLOSED
    with pytest.raises(UpstreamRejected):
        await market.pay.begin(charge())


async def test_closing_too_late_says_that_somebody_was_quicker(pinned: Market) -> None:
    await pinned.paid()
    assert (await pinned.pay.close(CHARGE_ID, "")).status is ChargeStatus.SUCCEEDED
    assert (await pinned.pay.query(CHARGE_ID, "")).status is ChargeStatus.SUCCEEDED


async def test_after_its_time_nobody_pays_and_it_stays_open_until_it_is_closed(pinned: Market) -> None:
    await pinned.begun()
    pinned.clock.turn(timedelta(hours=2).total_seconds())
    assert (await pinned.http.post(f"/_pay/{CHARGE_ID}", json={"result": "SUCCEEDED"})).status_code == 409
    assert (await pinned.pay.query(CHARGE_ID, "")).status is ChargeStatus.OPEN
    assert (await pinned.pay.close(CHARGE_ID, "")).status is ChargeStatus.CLOSED


async def test_a_charge_without_time_to_pay_is_rejected(pinned: Market) -> None:
    with pytest.raises(UpstreamRejected):
        await pinned.pay.begin(charge(expires_at=START + timedelta(seconds=59)))


async def test_a_failed_payment_is_told_to_who_asks_and_to_nobody_else(pinned: Market) -> None:
    await pinned.begun()
    await pinned.customer_pays(result="FAILED")
    state = await pinned.pay.query(CHARGE_ID, "")
    assert (state.status, state.failure_code, state.captured) == (ChargeStatus.FAILED, "PAYERROR", None)
    assert await pinned.notified() == []


async def test_capturing_says_what_was_taken(pinned: Market) -> None:
    state = await pinned.paid()
    assert await pinned.pay.capture(CHARGE_ID, "", ALL) == state


async def test_a_person_can_pay_on_the_page(pinned: Market) -> None:
    action = (await pinned.begun(PaymentScene.H5)).client_action
    assert isinstance(action, RedirectAction)
    page = await pinned.http.get(action.url)
    assert "5000.00" in page.text
    assert f"/_pay/{CHARGE_ID}" in page.text
    assert (await pinned.http.get("/cashier/CH404404")).status_code == 404


async def test_a_refund_is_accepted_then_settled_then_notified(market: Market) -> None:
    await market.paid()
    accepted: RepaymentState = entity(await market.pay.repay(REPAYMENT))
    assert (accepted.status, accepted.amount) == (RefundStatus.PROCESSING, REPAYMENT.amount)
    state = await market.pay.query_repayment(REPAYMENT, None)
    assert (state.status, state.transaction) == (RefundStatus.SUCCEEDED, accepted.transaction)
    await market.notified()
    notice = market.taken[-1]
    assert notice is not None
    assert notice.repayment == state
    assert (await market.pay.query(CHARGE_ID, "")).status is ChargeStatus.SUCCEEDED


async def test_asking_again_for_a_refund_gives_it_once(pinned: Market) -> None:
    await pinned.paid()
    first, second = entity(await pinned.pay.repay(REPAYMENT)), entity(await pinned.pay.repay(REPAYMENT))
    assert first.transaction == second.transaction
    await pinned.notified()
    assert [notice.id for notice in pinned.taken if notice and notice.repayment] == [pinned.taken[-1].id]  # type: ignore[union-attr]  # it was taken
    with pytest.raises(UpstreamRejected):
        await pinned.pay.repay(msgspec.structs.replace(REPAYMENT, amount=Money(amount_minor=1)))


async def test_the_sum_of_refunds_never_exceeds_what_was_paid(pinned: Market) -> None:
    await pinned.paid()
    entity(await pinned.pay.repay(part(1, 300000)))
    assert codes(await pinned.pay.repay(part(2, 200001))) == ["REFUND_EXCEEDS_CAPTURED"]
    entity(await pinned.pay.repay(part(3, 200000)))
    assert codes(await pinned.pay.repay(part(4, 1))) == ["REFUND_EXCEEDS_CAPTURED"]


async def test_refunds_at_once_never_exceed_what_was_paid(pinned: Market) -> None:
    await pinned.paid()
    outcomes = await asyncio.gather(*(pinned.pay.repay(part(number, 100000)) for number in range(8)))
    assert sorted(codes(outcome) for outcome in outcomes) == [[]] * 5 + [["REFUND_EXCEEDS_CAPTURED"]] * 3


async def test_a_closed_refund_leaves_the_money_to_another(pinned: Market) -> None:
    await pinned.paid()
    await pinned.handle("/_refunds", settle="CLOSED")
    entity(await pinned.pay.repay(part(1, 500000)))
    assert (await pinned.pay.query_repayment(part(1, 500000), None)).status is RefundStatus.CLOSED
    await pinned.handle("/_refunds", settle="SUCCESS")
    entity(await pinned.pay.repay(part(2, 500000)))


async def test_a_refund_may_wait_and_then_be_abnormal(pinned: Market) -> None:
    await pinned.paid()
    await pinned.handle("/_refunds", settle="NEVER")
    entity(await pinned.pay.repay(REPAYMENT))
    assert (await pinned.pay.query_repayment(REPAYMENT, None)).status is RefundStatus.PROCESSING
    await pinned.handle(f"/_refunds/{REPAYMENT.id}", settle="ABNORMAL")
    await pinned.notified()
    assert (await pinned.pay.query_repayment(REPAYMENT, None)).status is RefundStatus.ABNORMAL
    assert pinned.taken[-1] is not None
    assert pinned.taken[-1].repayment is not None
    assert pinned.taken[-1].repayment.status is RefundStatus.ABNORMAL


async def test_what_was_not_paid_or_not_so_much_is_not_refunded(pinned: Market) -> None:
    await pinned.begun()
    assert codes(await pinned.pay.repay(REPAYMENT)) == ["NOT_REFUNDABLE"]
    await pinned.customer_pays()
    with pytest.raises(UpstreamRejected):
        await pinned.pay.repay(msgspec.structs.replace(REPAYMENT, total=Money(amount_minor=499999)))
