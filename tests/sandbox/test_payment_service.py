"""The payment service as the sandbox answers it: what it signs, what it refuses, what it gives back by itself."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import datetime, timedelta
from urllib.parse import parse_qs

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from adapters.payment.client import PaymentClient
from adapters.transport.upstream import Operation
from bff.domain.base import Money, Outcome
from bff.domain.payment import (
    AppAction,
    PaymentIntent,
    PaymentProvider,
    PaymentPurpose,
    PaymentRequest,
    PaymentScene,
    PaymentStatus,
    QrCodeAction,
    RedirectAction,
    RefundStatus,
    WechatJsapiAction,
)
from bff.errors import InvalidInput, NotFound
from sandbox.kit.server import System
from sandbox.payment.app import create
from sandbox.world import World
from tests.sandbox_payment import begin, pay, settle
from tests.support import BASE, entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio


class Hands:
    """A clock that the test turns."""

    def __init__(self, world: World) -> None:
        self.time = world.now

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock(world: World) -> Hands:
    return Hands(world)


@pytest.fixture
def system(world: World, clock: Hands) -> System:
    return create(world, clock)


@pytest.fixture
def payments(system: System) -> PaymentClient:
    return PaymentClient(sandbox_upstream(system))


def codes(outcome: Outcome[PaymentIntent]) -> list[str]:
    return [refusal.code for refusal in outcome.refusals]


def unpaid(world: World) -> tuple[str, str, Money]:
    """An order that waits to be paid, and whose buyer WeChat knows."""
    order = next(
        o
        for o in world.merchandise_orders.values()
        if o.order_state == "CREATED"
        and any(identity.kind == "WECHAT_MINI" for identity in world.customers[o.customer_id].identities)
    )
    return order.customer_id, order.number, Money(amount_minor=order.total_fen)


async def attempt(
    payments: PaymentClient,
    customer_id: str,
    number: str,
    amount: Money,
    *,
    purpose: PaymentPurpose = PaymentPurpose.MERCHANDISE,
    provider: PaymentProvider = PaymentProvider.WECHAT_PAY,
    scene: PaymentScene = PaymentScene.H5,
    key: str = "k",
) -> Outcome[PaymentIntent]:
    request = PaymentRequest(
        customer_id=customer_id,
        order_number=number,
        purpose=purpose,
        provider=provider,
        scene=scene,
        amount=amount,
        idempotency_key=key,
    )
    return await payments.create(request)


async def read(payments: PaymentClient, intent_id: str) -> PaymentIntent:
    intent = (await payments.intents([intent_id]))[intent_id]
    assert isinstance(intent, PaymentIntent)
    return intent


async def test_all_payments_of_the_world_can_be_read_in_bulk(world: World, payments: PaymentClient) -> None:
    context = entered_context()
    found = await payments.intents(list(world.payments))
    assert set(found) == set(world.payments)
    assert all(
        isinstance(intent, PaymentIntent) and intent.status is not PaymentStatus.UNKNOWN for intent in found.values()
    )
    assert (len(context.calls.records), context.calls.rounds) == (3, 1)  # 226 keys, a hundred a call


async def test_payments_of_orders_come_newest_first(payments: PaymentClient) -> None:
    found = await payments.intents_of(["VO00004762", "MO500010", "VO00004783"])
    car, shop = found["VO00004762"], found["MO500010"]
    assert isinstance(car, list)
    assert isinstance(shop, list)
    assert [intent.purpose.value for intent in car] == ["BALANCE", "DEPOSIT", "INTENT"]
    assert [refund.status for refund in shop[0].refunds] == [RefundStatus.SUCCEEDED]
    assert found["VO00004783"] == []


async def test_jsapi_parameters_are_signed_as_wechat_asks(
    world: World, system: System, payments: PaymentClient
) -> None:
    intent = (await attempt(payments, *unpaid(world), scene=PaymentScene.JSAPI)).entity
    assert intent is not None
    action = intent.client_action
    assert isinstance(action, WechatJsapiAction)
    pem = await sandbox_upstream(system).call(Operation(name="SigningKey"), "GET", "/signing-key")
    key = load_pem_public_key(pem.body)
    assert isinstance(key, rsa.RSAPublicKey)
    said = f"{action.app_id}\n{action.time_stamp}\n{action.nonce_str}\n{action.package}\n"
    signature = base64.b64decode(action.pay_sign)
    key.verify(signature, said.encode(), padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        key.verify(signature, said.replace("prepay_id=", "prepay_id=x").encode(), padding.PKCS1v15(), hashes.SHA256())
    assert (action.sign_type, action.package[:12]) == ("RSA", "prepay_id=wx")
    assert (await read(payments, intent.id)).client_action == action


@pytest.mark.parametrize(
    ("provider", "scene", "kind"),
    [
        (PaymentProvider.WECHAT_PAY, PaymentScene.H5, RedirectAction),
        (PaymentProvider.WECHAT_PAY, PaymentScene.NATIVE, QrCodeAction),
        (PaymentProvider.WECHAT_PAY, PaymentScene.APP, AppAction),
        (PaymentProvider.ALIPAY, PaymentScene.APP, AppAction),
        (PaymentProvider.UNIONPAY, PaymentScene.APP, AppAction),
        (PaymentProvider.CARD, PaymentScene.H5, RedirectAction),
    ],
)
async def test_each_scene_has_its_action(
    world: World, payments: PaymentClient, provider: PaymentProvider, scene: PaymentScene, kind: type
) -> None:
    intent = (await attempt(payments, *unpaid(world), provider=provider, scene=scene)).entity
    assert intent is not None
    assert isinstance(intent.client_action, kind)
    assert intent.expires_at - intent.created_at == timedelta(hours=2)
    if isinstance(intent.client_action, RedirectAction):
        assert intent.client_action.url == f"{BASE}/cashier/{intent.id}"
    if isinstance(intent.client_action, AppAction):
        assert len(parse_qs(intent.client_action.order_string)) >= 1


@pytest.mark.parametrize(
    ("provider", "scene"),
    [
        (PaymentProvider.CARD, PaymentScene.JSAPI),
        (PaymentProvider.CARD, PaymentScene.NATIVE),
        (PaymentProvider.ALIPAY, PaymentScene.JSAPI),
    ],
)
async def test_scene_that_a_provider_lacks_is_refused(
    world: World, payments: PaymentClient, provider: PaymentProvider, scene: PaymentScene
) -> None:
    outcome = await attempt(payments, *unpaid(world), provider=provider, scene=scene)
    assert codes(outcome) == ["PROVIDER_NOT_SUPPORTED"]


async def test_jsapi_needs_a_customer_whom_wechat_knows(world: World, payments: PaymentClient) -> None:
    customer_id, number, amount = unpaid(world)
    world.customers[customer_id].identities = []
    outcome = await attempt(payments, customer_id, number, amount, scene=PaymentScene.JSAPI)
    assert codes(outcome) == ["PROVIDER_NOT_SUPPORTED"]


async def test_only_what_is_owed_can_be_paid(world: World, payments: PaymentClient) -> None:
    customer_id, number, amount = unpaid(world)
    less = Money(amount_minor=amount.amount_minor - 1)
    dollars = Money(amount_minor=amount.amount_minor, currency="USD")
    assert codes(await attempt(payments, customer_id, number, less, key="a")) == ["AMOUNT_MISMATCH"]
    assert codes(await attempt(payments, customer_id, number, dollars, key="b")) == ["AMOUNT_MISMATCH"]
    draft = world.vehicle_orders["VO00004783"]
    deposit = Money(amount_minor=500_000)
    for key, order, purpose, code in (
        ("c", draft, PaymentPurpose.BALANCE, "ORDER_NOT_PAYABLE"),
        ("d", draft, PaymentPurpose.SERVICE, "ORDER_NOT_PAYABLE"),
        ("e", world.vehicle_orders["VO00004722"], PaymentPurpose.DEPOSIT, "ALREADY_PAID"),
        ("f", world.vehicle_orders["VO00004778"], PaymentPurpose.DEPOSIT, "ORDER_NOT_PAYABLE"),
    ):
        outcome = await attempt(payments, order.customer_id, order.number, deposit, purpose=purpose, key=key)
        assert codes(outcome) == [code]
    with pytest.raises(NotFound):
        await attempt(payments, "C0002", number, amount, key="g")


async def test_finished_visit_is_paid_by_its_approved_estimate(world: World, payments: PaymentClient) -> None:
    booking = next(b for b in world.bookings.values() if b.state == "READY")
    amount = Money(amount_minor=booking.estimates[-1].total_fen)
    outcome = await attempt(payments, booking.customer_id, booking.id, amount, purpose=PaymentPurpose.SERVICE)
    assert outcome.entity is not None
    assert outcome.entity.amount == amount


async def test_same_key_begins_one_payment(world: World, payments: PaymentClient) -> None:
    first, second = await asyncio.gather(attempt(payments, *unpaid(world)), attempt(payments, *unpaid(world)))
    assert first == second
    assert len(world.payments) == 227
    with pytest.raises(InvalidInput):
        await attempt(payments, *unpaid(world), scene=PaymentScene.NATIVE)


async def test_settlement_that_is_told_five_times_counts_once(
    world: World, system: System, payments: PaymentClient
) -> None:
    customer_id, number, amount = unpaid(world)
    intent = await begin(system, customer_id, number, "MERCHANDISE", amount)
    replies = await asyncio.gather(*(settle(system, intent.id) for _ in range(5)))
    assert [reply.status for reply in replies] == [200] * 5
    paid = await read(payments, intent.id)
    assert (paid.status, paid.captured, paid.refunds, paid.client_action) == (
        PaymentStatus.SUCCEEDED,
        amount,
        [],
        None,
    )
    assert world.merchandise_orders[number].payment_state == "PAID"
    assert codes(await attempt(payments, customer_id, number, amount)) == ["ALREADY_PAID"]


async def test_declined_card_leaves_the_order_unpaid(world: World, system: System, payments: PaymentClient) -> None:
    customer_id, number, amount = unpaid(world)
    intent = (await attempt(payments, customer_id, number, amount, provider=PaymentProvider.CARD)).entity
    assert intent is not None
    await settle(system, intent.id, "FAILED")
    failed = await read(payments, intent.id)
    assert (failed.status, failed.failure_code) == (PaymentStatus.FAILED, "CARD_DECLINED")
    assert world.merchandise_orders[number].payment_state == "UNPAID"
    reply = await settle(system, intent.id, "SUCCEEDED")
    assert (reply.status, json.loads(reply.body)["code"]) == (409, "ALREADY_SETTLED")


async def test_prepay_ends_after_two_hours(world: World, system: System, payments: PaymentClient, clock: Hands) -> None:
    intent = await begin(system, *unpaid(world)[:2], "MERCHANDISE", unpaid(world)[2])
    clock.time += timedelta(hours=2, seconds=-1)
    assert (await read(payments, intent.id)).status is PaymentStatus.REQUIRES_ACTION
    clock.time += timedelta(seconds=1)
    ended = await read(payments, intent.id)
    assert (ended.status, ended.client_action) == (PaymentStatus.CLOSED, None)


async def test_late_success_on_a_paid_order_is_given_back(
    world: World, system: System, payments: PaymentClient
) -> None:
    customer_id, number, amount = unpaid(world)
    late = await begin(system, customer_id, number, "MERCHANDISE", amount)
    await pay(system, customer_id, number, "MERCHANDISE", amount)
    await settle(system, late.id)
    both = await read(payments, late.id)
    assert both.status is PaymentStatus.SUCCEEDED
    assert [refund.amount for refund in both.refunds] == [amount]
    assert world.merchandise_orders[number].payment_state == "PARTIALLY_REFUNDED"


async def test_success_after_close_still_counts_while_the_order_waits(
    world: World, system: System, payments: PaymentClient
) -> None:
    customer_id, number, amount = unpaid(world)
    intent = await begin(system, customer_id, number, "MERCHANDISE", amount)
    closed = await payments.close(intent.id, idempotency_key="c")
    assert closed.entity is not None
    assert closed.entity.status is PaymentStatus.CLOSED
    await settle(system, intent.id)
    assert world.merchandise_orders[number].payment_state == "PAID"
    assert codes(await payments.close(intent.id, idempotency_key="d")) == ["ALREADY_PAID"]


async def test_refunds_never_exceed_what_was_captured(world: World, system: System, payments: PaymentClient) -> None:
    customer_id, number, amount = unpaid(world)
    intent_id = await pay(system, customer_id, number, "MERCHANDISE", amount)
    part = Money(amount_minor=amount.amount_minor // 2)
    rest = Money(amount_minor=amount.amount_minor - part.amount_minor)
    first = await payments.refund(intent_id, part, reason="少了一件", idempotency_key="a")
    assert first.entity is not None
    assert world.merchandise_orders[number].payment_state == "PARTIALLY_REFUNDED"
    outcomes = await asyncio.gather(
        *(payments.refund(intent_id, rest, reason="退货", idempotency_key=key) for key in ("b", "c"))
    )
    assert sorted([refusal.code for refusal in outcome.refusals] for outcome in outcomes) == [
        [],
        ["REFUND_EXCEEDS_CAPTURED"],
    ]
    intent = await read(payments, intent_id)
    assert sum(refund.amount.amount_minor for refund in intent.refunds) == amount.amount_minor
    assert world.merchandise_orders[number].payment_state == "REFUNDED"


async def test_unpaid_payment_and_standing_car_order_are_not_refundable(world: World, payments: PaymentClient) -> None:
    deposit = next(p for p in world.payments_of("VO00004722") if p.purpose == "DEPOSIT")
    for intent_id in ("PI700002", deposit.id):
        outcome = await payments.refund(intent_id, Money(amount_minor=100), reason="x", idempotency_key=intent_id)
        assert [refusal.code for refusal in outcome.refusals] == ["NOT_REFUNDABLE"]


async def test_cashier_page_lets_a_human_pay(world: World, system: System) -> None:
    intent = await begin(system, *unpaid(world)[:2], "MERCHANDISE", unpaid(world)[2])
    page = await sandbox_upstream(system).call(Operation(name="Cashier"), "GET", f"/cashier/{intent.id}")
    assert page.status == 200
    assert f"/intents/{intent.id}/_simulate" in page.body.decode()
