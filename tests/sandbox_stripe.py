"""What tests of card payments share: our adapter at the simulated Stripe, a clock, and an ear for notifications."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from adapters.stripe.client import StripePayments
from adapters.stripe.settings import StripeSettings, read_stripe_settings
from adapters.transport.http import HttpxEngine
from adapters.transport.upstream import Upstream
from bff.domain.base import Money
from bff.domain.payment import PaymentScene
from bff.domain.providers import Begun, Charge, ChargeState, Notice, NoticeRefused, Repayment
from bff.errors import BffError
from sandbox.kit.server import System
from sandbox.stripe.app import create
from sandbox.world import World
from tests.support import BASE

NOW = datetime(2026, 3, 9, 4, 0, tzinfo=UTC)
EAR = "https://bff.test/payments/stripe"
PRICE = Money(amount_minor=166300)


def development_settings() -> StripeSettings:
    problems: list[str] = []
    settings = read_stripe_settings({}, production=False, public_url="https://shop.test", problems=problems)
    assert settings is not None
    assert problems == []
    return settings


def a_charge(**changes: Any) -> Charge:
    said: dict[str, Any] = {
        "id": "CH1",
        "order_number": "MO500018",
        "description": "Order MO500018",
        "amount": PRICE,
        "scene": PaymentScene.H5,
        "expires_at": NOW + timedelta(hours=2),
    }
    return Charge(**said | changes)


def a_refund(reference: str, minor: int = 100, **changes: Any) -> Repayment:
    said: dict[str, Any] = {
        "id": "RF1",
        "charge_id": "CH1",
        "reference": reference,
        "amount": Money(amount_minor=minor),
        "total": PRICE,
        "reason": "少了一件",
    }
    return Repayment(**said | changes)


class Hands:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


@dataclass
class Till:
    """The adapter, the system behind it, and what it was notified of."""

    clock: Hands
    system: System
    payments: StripePayments
    http: httpx.AsyncClient
    heard: list[Notice | None] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def begun(self, charge: Charge | None = None) -> Begun:
        outcome = await self.payments.begin(charge or a_charge())
        assert outcome.entity is not None, outcome.refusals
        return outcome.entity

    async def pay(self, charge_id: str = "CH1", **said: str) -> dict[str, Any]:
        return await self.hand("POST", f"/_pay/{charge_id}", said)

    async def hand(self, method: str, path: str, said: object = None) -> dict[str, Any]:
        reply = await self.http.request(method, path, content=b"" if said is None else json.dumps(said).encode())
        answer: dict[str, Any] = reply.json()
        return answer

    async def paid(self, charge: Charge | None = None) -> tuple[str, ChargeState]:
        begun = await self.begun(charge)
        wanted = charge or a_charge()
        await self.pay(wanted.id)
        return begun.reference, await self.payments.query(wanted.id, begun.reference)


def a_till(world: World) -> Till:
    """Notifications go to `EAR`, which is the adapter's own ear."""
    clock = Hands()

    async def ear(request: httpx.Request) -> httpx.Response:
        refused: NoticeRefused | BffError | None = None
        try:
            till.heard.append(await till.payments.read_notice(request.headers, await request.aread()))
        except (NoticeRefused, BffError) as error:
            refused = error
            till.refused.append(str(error))
        return httpx.Response(till.payments.reply(refused).status)

    system = create(world, clock, transport=httpx.MockTransport(ear), schedule=(0.0, 0.0, 0.0))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url=BASE)
    upstream = Upstream("stripe", BASE, HttpxEngine(client), simulated=True)
    till = Till(clock, system, StripePayments(upstream, development_settings(), clock), client)
    return till
