"""Adapter and simulated Alipay: charges paid, closed and given back, and what is told of it."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from adapters.alipay.client import AlipayClient
from adapters.transport.http import HttpxEngine
from adapters.transport.upstream import Upstream
from bff.domain.base import Money
from bff.domain.payment import PaymentScene, RefundStatus
from bff.domain.providers import ChargeStatus
from bff.errors import OutcomeUnknown, UpstreamRejected
from tests.sandbox.alipay_house import House
from tests.sandbox_alipay import NOW, SETTINGS, Hands, charge, repayment
from tests.support import BASE, sandbox_upstream

pytestmark = pytest.mark.anyio

SCENES = [PaymentScene.APP, PaymentScene.H5, PaymentScene.NATIVE]
PRICE = Money(amount_minor=500050)


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize("scene", SCENES)
async def test_a_charge_is_paid_in_every_scene(house: House, scene: PaymentScene) -> None:
    action = await house.begin(charge(scene))
    assert (await house.client.query("CH01", "")).status is ChargeStatus.ABSENT
    assert (await house.open(action)).status_code == 200
    assert (await house.client.query("CH01", "")).status is ChargeStatus.OPEN
    assert (await house.pay()).json()["status"] == "TRADE_SUCCESS"
    state = await house.client.query("CH01", "")
    assert (state.status, state.amount, state.captured) == (ChargeStatus.SUCCEEDED, PRICE, PRICE)
    assert state.succeeded_at == NOW
    await house.until(lambda: len(house.notices) == 1)
    (told,) = house.notices
    assert told is not None
    assert told.charge == state


@pytest.mark.parametrize("scene", SCENES)
async def test_beginning_again_pays_the_same_charge(house: House, scene: PaymentScene) -> None:
    first = await house.begin(charge(scene))
    house.clock.turn(minutes=1)
    second = await house.begin(charge(scene))
    await house.open(second)
    await house.pay(notify="never")
    state = await house.client.query("CH01", "")
    await house.open(first)
    again = await house.pay(notify="never")
    assert (again.status_code, again.json()["code"]) == (409, "ACQ.TRADE_STATUS_ERROR")
    assert await house.client.query("CH01", "") == state


async def test_a_paid_charge_gets_no_second_code(house: House) -> None:
    await house.paid("never")
    outcome = await house.client.begin(charge())
    assert [refusal.code for refusal in outcome.refusals] == ["ALREADY_PAID"]


async def test_another_amount_under_the_same_number_is_refused(house: House) -> None:
    await house.begin(charge())
    with pytest.raises(UpstreamRejected):
        await house.client.begin(charge(amount=Money(amount_minor=1)))


async def test_a_bank_that_says_no_leaves_the_charge_open(house: House) -> None:
    await house.open(await house.begin(charge()))
    assert (await house.pay(result="FAILED")).json()["status"] == "WAIT_BUYER_PAY"
    assert (await house.client.query("CH01", "")).status is ChargeStatus.OPEN
    assert (await house.pay()).json()["status"] == "TRADE_SUCCESS"


# Closing


async def test_what_nobody_opened_cannot_be_closed_and_expires(house: House) -> None:
    action = await house.begin(charge())
    assert (await house.client.close("CH01", "")).status is ChargeStatus.ABSENT
    await house.open(action)  # so it could have been paid
    assert (await house.client.query("CH01", "")).status is ChargeStatus.OPEN
    house.clock.turn(hours=2)
    assert (await house.client.query("CH01", "")).status is ChargeStatus.CLOSED


@pytest.mark.parametrize("scene", SCENES)
async def test_what_has_expired_cannot_be_opened(house: House, scene: PaymentScene) -> None:
    action = await house.begin(charge(scene))
    house.clock.turn(hours=2)
    await house.open(action)
    assert (await house.client.query("CH01", "")).status is ChargeStatus.ABSENT
    assert (await house.pay()).status_code == 404


async def test_a_closed_charge_cannot_be_paid(house: House) -> None:
    await house.open(await house.begin(charge()))
    for _ in range(2):
        assert (await house.client.close("CH01", "")).status is ChargeStatus.CLOSED
    assert (await house.pay()).status_code == 409
    await house.until(lambda: len(house.notices) == 1)
    (told,) = house.notices
    assert told is not None
    assert told.charge is not None
    assert told.charge.status is ChargeStatus.CLOSED


async def test_who_was_quicker_than_closing_has_paid(house: House) -> None:
    await house.paid("never")
    state = await house.client.close("CH01", "")
    assert (state.status, state.captured) == (ChargeStatus.SUCCEEDED, PRICE)
    assert await house.client.capture("CH01", "", PRICE) == state


# Giving back


async def test_a_refund_is_repeatable_and_told_with_its_amount_by_a_query(house: House) -> None:
    await house.paid("never")
    for _ in range(3):
        outcome = await house.client.repay(repayment())
        assert outcome.entity is not None
        assert outcome.entity.status is RefundStatus.SUCCEEDED
    state = await house.client.query_repayment(repayment(), None)
    assert (state.status, state.amount) == (RefundStatus.SUCCEEDED, Money(amount_minor=100050))
    left = await house.client.repay(repayment(id="RF02", amount=Money(amount_minor=400000)))
    assert left.entity is not None
    over = await house.client.repay(repayment(id="RF03", amount=Money(amount_minor=1)))
    assert [refusal.code for refusal in over.refusals] == ["REFUND_EXCEEDS_CAPTURED"]


async def test_a_charge_that_was_given_back_in_full_was_paid(house: House) -> None:
    await house.paid("never")
    await house.client.repay(repayment(amount=PRICE))
    state = await house.client.query("CH01", "")
    assert (state.status, state.raw_status, state.captured) == (ChargeStatus.SUCCEEDED, "TRADE_CLOSED", PRICE)
    assert (await house.client.close("CH01", "")).status is ChargeStatus.SUCCEEDED


async def test_refunds_are_told(house: House) -> None:
    await house.paid("never")
    await house.client.repay(repayment())
    await house.client.repay(repayment(id="RF02", amount=Money(amount_minor=400000)))
    await house.until(lambda: len(house.notices) == 2)
    told = {each.repayment.id: each.repayment for each in house.notices if each is not None and each.repayment}
    assert {number: state.status for number, state in told.items()} == {
        "RF01": RefundStatus.SUCCEEDED,
        "RF02": RefundStatus.SUCCEEDED,
    }
    _, first, second = await house.sent()
    assert [each["parameters"]["refund_fee"] for each in (first, second)] == ["1000.50", "5000.50"]


async def test_more_than_was_paid_cannot_be_given_back(house: House) -> None:
    await house.paid("never")
    outcome = await house.client.repay(repayment(amount=Money(amount_minor=500051)))
    assert [refusal.code for refusal in outcome.refusals] == ["REFUND_EXCEEDS_CAPTURED"]


@pytest.mark.parametrize("begun", [False, True])
async def test_what_was_not_paid_cannot_be_given_back(house: House, begun: bool) -> None:
    if begun:
        await house.open(await house.begin(charge()))
    outcome = await house.client.repay(repayment())
    assert [refusal.code for refusal in outcome.refusals] == ["NOT_REFUNDABLE"]
    assert (await house.client.query_repayment(repayment(), None)).status is None


async def test_a_finished_trade_cannot_be_given_back(house: House) -> None:
    await house.paid("never")
    assert (await house.http.post("/_finish/CH01")).json()["status"] == "TRADE_FINISHED"
    outcome = await house.client.repay(repayment())
    assert [refusal.code for refusal in outcome.refusals] == ["NOT_REFUNDABLE"]
    assert (await house.client.query("CH01", "")).status is ChargeStatus.SUCCEEDED


async def test_another_amount_under_the_same_refund_is_refused(house: House) -> None:
    await house.paid("never")
    await house.client.repay(repayment())
    with pytest.raises(UpstreamRejected):
        await house.client.repay(repayment(amount=Money(amount_minor=1)))


class Losing(httpx.ASGITransport):
    """Loses the answer to what names `method`, once."""

    method: str | None = "alipay.trade.refund&"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        reply = await super().handle_async_request(request)
        if self.method is not None and self.method.encode() in request.content:
            self.method = None
            raise httpx.ReadTimeout("lost")
        return reply


async def test_a_refund_whose_answer_was_lost_is_found(house: House) -> None:
    await house.paid("never")
    upstream = Upstream("alipay", BASE, HttpxEngine(httpx.AsyncClient(transport=Losing(app=house.system))))
    client = AlipayClient(upstream, SETTINGS, clock=house.clock)
    with pytest.raises(OutcomeUnknown):
        await client.repay(repayment())
    assert (await client.query_repayment(repayment(), None)).status is RefundStatus.SUCCEEDED
    outcome = await client.repay(repayment())
    assert outcome.entity is not None
    assert outcome.entity.amount == Money(amount_minor=100050)


# Clocks


@pytest.mark.parametrize("seconds", [-301, 301])
async def test_a_wrong_clock_is_told_so(house: House, seconds: int) -> None:
    client = AlipayClient(sandbox_upstream(house.system), SETTINGS, clock=Hands(NOW + timedelta(seconds=seconds)))
    with pytest.raises(UpstreamRejected) as error:
        await client.query("CH01", "")
    assert error.value.detail == "40002 isv.invalid-timestamp"
