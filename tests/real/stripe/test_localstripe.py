"""Our adapter at a Stripe that others wrote. Their customer pays with Stripe's own client.

localstripe has no Checkout Sessions, ignores Idempotency-Key and gives back more than was taken; what it leaves open is
held by `tests/sandbox/test_stripe_payments.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.stripe.client import StripePayments
from adapters.stripe.settings import StripeSettings
from adapters.transport.http import HttpxEngine
from adapters.transport.upstream import Upstream
from bff.domain.base import Money
from bff.domain.payment import AppAction, PaymentScene, RefundStatus
from bff.domain.providers import Charge, ChargeState, ChargeStatus, Notice, NoticeRefused, Repayment
from bff.errors import UpstreamRejected
from sandbox.kit.server import Estate, System
from tests.real.stripe.others import localstripe, official_client, stripe

pytestmark = [pytest.mark.anyio, pytest.mark.real]

KEY, SECRET = "sk_test_of_this_test", "whsec_of_this_test"
PRICE = Money(amount_minor=166300)
VISA, DECLINED, STRONG = "4242424242424242", "4000000000000341", "4000002500003155"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with localstripe() as there:
        yield there


@pytest.fixture
def customer(address: str) -> Iterator[Any]:
    with official_client(address, KEY) as client:
        yield client


@pytest.fixture
async def payments(address: str) -> AsyncIterator[StripePayments]:
    async with httpx.AsyncClient(trust_env=False) as client:
        settings = StripeSettings(secret_key=KEY, signing_secrets=(SECRET,), return_url="https://shop.test")
        yield StripePayments(Upstream("stripe", address, HttpxEngine(client)), settings, lambda: datetime.now(UTC))


def charge(charge_id: str, *, holds: bool = False) -> Charge:
    return Charge(
        id=charge_id,
        order_number="MO500018",
        description="Order MO500018",
        amount=PRICE,
        scene=PaymentScene.APP,
        expires_at=datetime.now(UTC) + timedelta(hours=2),
        holds=holds,
    )


def refund(charge_id: str, reference: str, minor: int, refund_id: str) -> Repayment:
    amount = Money(amount_minor=minor)
    return Repayment(
        id=refund_id, charge_id=charge_id, reference=reference, amount=amount, total=PRICE, reason="少了一件"
    )


async def begin(payments: StripePayments, charge_id: str, *, holds: bool = False) -> str:
    begun = (await payments.begin(charge(charge_id, holds=holds))).entity
    assert begun is not None
    assert isinstance(begun.client_action, AppAction)
    assert begun.client_action.order_string.startswith(begun.reference)
    return begun.reference


async def pay(customer: Any, reference: str, number: str = VISA) -> None:
    def act() -> None:
        card = {"number": number, "exp_month": "12", "exp_year": "2030", "cvc": "123"}
        method = customer.payment_methods.create({"type": "card", "card": card})
        customer.payment_intents.update(reference, {"payment_method": method.id})
        customer.payment_intents.confirm(reference)

    await asyncio.to_thread(act)


async def test_payment_is_begun_paid_and_given_back_once(payments: StripePayments, customer: Any) -> None:
    reference = await begin(payments, "CH1")
    before = await payments.query("CH1", reference)
    assert (before.status, before.raw_status, before.amount) == (ChargeStatus.OPEN, "requires_payment_method", PRICE)
    await pay(customer, reference)
    paid = await payments.query("CH1", reference)
    assert (paid.status, paid.amount) == (ChargeStatus.SUCCEEDED, PRICE)
    assert (paid.transaction or "").startswith("ch_")
    assert paid.succeeded_at is not None
    assert await payments.close("CH1", reference) == paid
    first = await payments.repay(refund("CH1", reference, 100, "RF1"))
    assert first.entity is not None
    assert (first.entity.status, first.entity.amount) == (RefundStatus.SUCCEEDED, Money(amount_minor=100))
    again = await payments.repay(refund("CH1", reference, 100, "RF1"))
    assert again.entity == first.entity
    listed = await asyncio.to_thread(lambda: customer.refunds.list({"payment_intent": reference}).data)
    assert [(each.amount, each.metadata["refund_id"]) for each in listed] == [(100, "RF1")]
    assert (
        await payments.query_repayment(refund("CH1", reference, 100, "RF1"), first.entity.transaction) == first.entity
    )


async def test_more_than_was_taken_is_given_back_by_localstripe_and_not_by_us(
    payments: StripePayments, customer: Any
) -> None:
    reference = await begin(payments, "CH2")
    await pay(customer, reference)
    too_much = await payments.repay(refund("CH2", reference, PRICE.amount_minor + 1, "RF2"))
    assert [refusal.code for refusal in too_much.refusals] == ["REFUND_EXCEEDS_CAPTURED"]
    assert (await payments.repay(refund("CH2", reference, PRICE.amount_minor, "RF3"))).entity is not None
    one_more = await payments.repay(refund("CH2", reference, 1, "RF4"))
    assert [refusal.code for refusal in one_more.refusals] == ["REFUND_EXCEEDS_CAPTURED"]
    given = await asyncio.to_thread(lambda: customer.refunds.create({"payment_intent": reference, "amount": 1}))
    assert given.status == "succeeded"


async def test_hold_is_taken_in_part(payments: StripePayments, customer: Any) -> None:
    reference = await begin(payments, "CH3", holds=True)
    await pay(customer, reference)
    assert (await payments.query("CH3", reference)).status is ChargeStatus.AUTHORISED
    taken = await payments.capture("CH3", reference, Money(amount_minor=100000))
    assert taken.status is ChargeStatus.SUCCEEDED
    assert (await payments.capture("CH3", reference, Money(amount_minor=100000))).status is ChargeStatus.SUCCEEDED
    too_much = await payments.repay(refund("CH3", reference, 100001, "RF5"))
    assert [refusal.code for refusal in too_much.refusals] == ["REFUND_EXCEEDS_CAPTURED"]
    assert (await payments.repay(refund("CH3", reference, 100000, "RF6"))).entity is not None


@pytest.mark.parametrize("holds", [True, False])
async def test_charge_is_closed(payments: StripePayments, customer: Any, holds: bool) -> None:
    name = f"CH4{holds:d}"
    reference = await begin(payments, name, holds=holds)
    if holds:
        await pay(customer, reference)
    for _ in range(2):
        assert (await payments.close(name, reference)).status is ChargeStatus.CLOSED


async def test_declined_card_leaves_the_charge_open(payments: StripePayments, customer: Any) -> None:
    reference = await begin(payments, "CH5")
    with pytest.raises(stripe.CardError):
        await pay(customer, reference, DECLINED)
    state = await payments.query("CH5", reference)
    assert (state.status, state.failure_code) == (ChargeStatus.OPEN, "CARD_DECLINED")


async def test_bank_that_wants_to_see_its_customer(payments: StripePayments, customer: Any) -> None:
    reference = await begin(payments, "CH6")
    await pay(customer, reference, STRONG)
    state = await payments.query("CH6", reference)
    assert (state.status, state.raw_status) == (ChargeStatus.OPEN, "requires_action")


async def test_what_is_not_there(payments: StripePayments) -> None:
    assert (await payments.query("CH7", "pi_nowhere")).status is ChargeStatus.ABSENT
    assert (await payments.query_repayment(refund("CH7", "pi_nowhere", 1, "RF7"), "re_nowhere")).status is None


async def test_wrong_key_is_told(address: str) -> None:
    settings = StripeSettings(secret_key="pk_test_x", signing_secrets=(SECRET,), return_url="https://shop.test")
    async with httpx.AsyncClient(trust_env=False) as client:
        stranger = StripePayments(Upstream("stripe", address, HttpxEngine(client)), settings, lambda: datetime.now(UTC))
        with pytest.raises(UpstreamRejected):
            await stranger.begin(charge("CH8"))


async def test_notifications_that_others_signed(
    payments: StripePayments, customer: Any, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Notice] = []
    refused: list[NoticeRefused] = []
    both = anyio.Event()

    async def ear(request: Request) -> Response:
        body = await request.body()
        notice = await payments.read_notice(request.headers, body)
        assert notice is not None
        try:
            await payments.read_notice(request.headers, body.replace(b"166300", b"166301"))
        except NoticeRefused as error:
            refused.append(error)
        heard.append(notice)
        if {"CH9", "CH10"} <= {each.charge.id for each in heard if each.charge is not None}:
            both.set()
        return Response(status_code=payments.reply(None).status)

    estate = Estate([(System("ear", Starlette(routes=[Route("/", ear, methods=["POST"])])), 0)])
    await estate.start()
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            events = ["payment_intent.succeeded", "payment_intent.payment_failed"]
            said = {"url": f"{estate.addresses['ear']}/", "secret": SECRET, "events": events}
            assert (await client.post(f"{address}/_config/webhooks/ours", json=said)).status_code == 200
        reference = await begin(payments, "CH9")
        with pytest.raises(stripe.CardError):
            await pay(customer, reference, DECLINED)
        another = await begin(payments, "CH10")
        await pay(customer, another)
        with anyio.fail_after(20):
            await both.wait()
    finally:
        await estate.stop()
    states: dict[str, ChargeState] = {notice.charge.id: notice.charge for notice in heard if notice.charge is not None}
    assert (states["CH9"].status, states["CH9"].failure_code) == (ChargeStatus.OPEN, "CARD_DECLINED")
    assert (states["CH10"].status, states["CH10"].reference) == (ChargeStatus.SUCCEEDED, another)
    assert len(refused) == len(heard)
    assert "2017-08-15" in caplog.text, "an endpoint of another version is told"
