"""Stripe's own client at our simulated Stripe, and its webhook check at what that sends: it is the real protocol."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints

import anyio
import httpx
import pytest

from adapters.stripe import stripe_wire
from adapters.stripe.client import StripePayments
from adapters.stripe.development import SECRET_KEY, SIGNING_SECRET
from adapters.transport.http import HttpxEngine
from adapters.transport.upstream import Upstream
from bff.domain.payment import PaymentScene, RedirectAction
from bff.domain.providers import Charge, ChargeStatus, NoticeRefused
from sandbox.kit.server import Estate, System
from sandbox.stripe.app import create
from sandbox.world import World, build_world
from tests.conftest import TODAY
from tests.real.stripe.others import official_client, stripe
from tests.sandbox_stripe import PRICE, a_refund, development_settings

pytestmark = [pytest.mark.anyio, pytest.mark.real]

Told = tuple[bytes, str]


class Mailbox:
    """Keeps what is sent to it, byte for byte."""

    def __init__(self) -> None:
        self.letters: list[Told] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.letters.append((await request.aread(), request.headers["stripe-signature"]))
        return httpx.Response(200)


@pytest.fixture(scope="module")
def any_world() -> World:
    return build_world(today=TODAY)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def address(any_world: World, mailbox: Mailbox) -> AsyncIterator[str]:
    """Our simulated Stripe, on a socket and in real time."""
    system: System = create(any_world, transport=httpx.MockTransport(mailbox), schedule=(0.0,))
    estate = Estate([(system, 0)])
    await estate.start()
    yield estate.addresses["stripe"]
    await estate.stop()


@pytest.fixture
def theirs(address: str) -> Iterator[Any]:
    with official_client(address, SECRET_KEY) as client:
        yield client


@pytest.fixture
async def ours(address: str) -> AsyncIterator[StripePayments]:
    async with httpx.AsyncClient(trust_env=False) as client:
        upstream = Upstream("stripe", address, HttpxEngine(client))
        yield StripePayments(upstream, development_settings(), lambda: datetime.now(UTC))


async def ask(act: Any, *said: Any) -> Any:
    """Their client waits, so it does it in a thread of its own."""
    return await asyncio.to_thread(act, *said)


def charge(scene: PaymentScene, **changes: Any) -> Charge:
    said: dict[str, Any] = {
        "id": "CH1",
        "order_number": "MO500018",
        "description": "Order MO500018 & 精品",
        "amount": PRICE,
        "scene": scene,
        "expires_at": datetime.now(UTC) + timedelta(hours=2),
    }
    return Charge(**said | changes)


async def settle(address: str, path: str, **said: str) -> None:
    async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
        assert (await client.post(path, json=said)).status_code == 200
        with anyio.fail_after(10):
            while (await client.get("/_notifications")).json()["pending"]:  # noqa: ASYNC110 - over HTTP
                await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("wire", "theirs"),
    [
        (stripe_wire.WireIntent, "PaymentIntent"),
        (stripe_wire.WireSession, "checkout.Session"),
        (stripe_wire.WireCharge, "Charge"),
        (stripe_wire.WireRefund, "Refund"),
    ],
)
def test_all_that_we_read_is_in_their_types(wire: type, theirs: str) -> None:
    kind = stripe
    for name in theirs.split("."):
        kind = getattr(kind, name)
    known = {name for base in kind.__mro__ for name in inspect.get_annotations(base)}
    assert set(get_type_hints(wire)) <= known


async def test_page_that_we_began_is_seen_and_ended_by_their_client(ours: StripePayments, theirs: Any) -> None:
    begun = (await ours.begin(charge(PaymentScene.H5))).entity
    assert begun is not None
    session = await ask(theirs.checkout.sessions.retrieve, begun.reference)
    assert begun.client_action == RedirectAction(url=session.url)
    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", PRICE.amount_minor)
    assert (session.client_reference_id, session.metadata["charge_id"]) == ("CH1", "CH1")
    assert (await ask(theirs.checkout.sessions.expire, begun.reference)).status == "expired"
    assert (await ours.query("CH1", begun.reference)).status is ChargeStatus.CLOSED
    with pytest.raises(stripe.InvalidRequestError, match="expired"):
        await ask(theirs.checkout.sessions.expire, begun.reference)


async def test_page_that_their_client_makes(theirs: Any) -> None:
    line = {
        "quantity": 2,
        "price_data": {"currency": "cny", "unit_amount": 100, "product_data": {"name": "精品"}},
    }
    said = {
        "mode": "payment",
        "line_items": [line],
        "success_url": "https://shop.test/",
        "metadata": {"charge_id": "X"},
    }
    session = await ask(theirs.checkout.sessions.create, said)
    assert (session.amount_total, session.status) == (200, "open")
    soon = int(time.time()) + 60
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await ask(theirs.checkout.sessions.create, said | {"expires_at": soon})
    assert refused.value.param == "expires_at"


async def test_hold_that_we_began_is_confirmed_and_read_by_their_client(ours: StripePayments, theirs: Any) -> None:
    begun = (await ours.begin(charge(PaymentScene.APP, holds=True))).entity
    assert begun is not None
    card = {"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"}
    with pytest.raises(stripe.CardError) as declined:
        await ask(theirs.payment_intents.confirm, begun.reference, card)
    assert (declined.value.code, declined.value.http_status) == ("card_declined", 402)
    await ask(theirs.payment_intents.confirm, begun.reference, {"payment_method": "pm_card_visa"})
    assert (await ours.query("CH1", begun.reference)).status is ChargeStatus.AUTHORISED
    taken = await ours.capture("CH1", begun.reference, PRICE)
    intent = await ask(theirs.payment_intents.retrieve, begun.reference, {"expand": ["latest_charge"]})
    assert (intent.status, intent.amount_received) == ("succeeded", PRICE.amount_minor)
    assert taken.transaction == intent.latest_charge.id
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await ask(theirs.payment_intents.cancel, begun.reference)
    assert refused.value.code == "payment_intent_unexpected_state"


async def test_refunds_are_bounded_and_listed(ours: StripePayments, theirs: Any, address: str) -> None:
    begun = (await ours.begin(charge(PaymentScene.APP))).entity
    assert begun is not None
    await settle(address, "/_pay/CH1")
    for number in range(3):
        assert (await ours.repay(a_refund(begun.reference, 100, id=f"RF{number}"))).entity is not None
    pages = await ask(theirs.refunds.list, {"payment_intent": begun.reference, "limit": 2})
    names = await ask(lambda: [refund.metadata["refund_id"] for refund in pages.auto_paging_iter()])
    assert names == ["RF2", "RF1", "RF0"]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await ask(theirs.refunds.create, {"payment_intent": begun.reference, "amount": PRICE.amount_minor})
    assert refused.value.param == "amount"


async def test_search_by_our_id(ours: StripePayments, theirs: Any) -> None:
    begun = (await ours.begin(charge(PaymentScene.APP))).entity
    assert begun is not None
    found = await ask(theirs.payment_intents.search, {"query": "metadata['charge_id']:'CH1'"})
    assert [intent.id for intent in found.data] == [begun.reference]


async def test_idempotency_keys(theirs: Any) -> None:
    said, options = {"amount": 100, "currency": "cny"}, {"idempotency_key": "one"}
    first = await ask(theirs.payment_intents.create, said, options)
    again = await ask(theirs.payment_intents.create, said, options)
    assert first.id == again.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        await ask(theirs.payment_intents.create, said | {"amount": 101}, options)


async def test_stranger_is_turned_away(address: str) -> None:
    with official_client(address, "sk_test_somebody_else") as stranger, pytest.raises(stripe.AuthenticationError):
        await ask(stranger.payment_intents.retrieve, "pi_1")


async def test_their_check_believes_what_the_sandbox_signs(
    ours: StripePayments, theirs: Any, address: str, mailbox: Mailbox
) -> None:
    said = {"url": "https://another.test/ear", "enabled_events": ["payment_intent.succeeded"]}
    endpoint = await ask(theirs.webhook_endpoints.create, said)
    await ours.begin(charge(PaymentScene.APP))
    await settle(address, "/_pay/CH1")
    assert len(mailbox.letters) == 2, "the service's endpoint, and the other"
    believed = [
        stripe.Webhook.construct_event(body, header, secret).type
        for body, header in mailbox.letters
        for secret in (SIGNING_SECRET, endpoint.secret)
        if genuine(body, header, secret)
    ]
    assert believed == ["payment_intent.succeeded"] * 2
    mailbox.letters.clear()
    for spoilt in ("forged", "changed", "stale"):
        await settle(address, "/_notify/CH1", spoilt=spoilt)
    assert len(mailbox.letters) == 6
    assert not any(genuine(body, header, SIGNING_SECRET) for body, header in mailbox.letters)


def genuine(body: bytes, header: str, secret: str) -> bool:
    try:
        stripe.Webhook.construct_event(body, header, secret)
    except stripe.SignatureVerificationError:
        return False
    return True


@pytest.mark.parametrize(("age", "believed"), [(0, True), (290, True), (400, False), (-400, False)])
async def test_we_believe_what_they_sign(
    ours: StripePayments, theirs: Any, address: str, mailbox: Mailbox, age: int, believed: bool
) -> None:
    """Theirs believes a time to come, ours does not."""
    await ours.begin(charge(PaymentScene.H5))
    await settle(address, "/_pay/CH1")
    body = mailbox.letters[0][0]
    stamp = int(time.time()) - age
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), SIGNING_SECRET, stamp)
    if not believed:
        with pytest.raises(NoticeRefused):
            await ours.read_notice({"stripe-signature": header}, body)
        return
    notice = await ours.read_notice({"stripe-signature": header}, body)
    assert notice is not None
    assert notice.charge is not None
    assert notice.charge.status is ChargeStatus.SUCCEEDED
