"""What tests of several systems share: a customer who pays."""

from __future__ import annotations

import json

from adapters.payment.client import PaymentClient
from adapters.transport.http import HttpReply
from adapters.transport.upstream import Effect, Operation
from bff.domain.base import Money
from bff.domain.payment import PaymentIntent, PaymentProvider, PaymentPurpose, PaymentRequest, PaymentScene
from sandbox.kit.server import System
from tests.support import sandbox_upstream

SIMULATE = Operation(name="Simulate", effect=Effect.WRITE)


async def begin(payment: System, customer_id: str, number: str, purpose: str, amount: Money) -> PaymentIntent:
    request = PaymentRequest(
        customer_id=customer_id,
        order_number=number,
        purpose=PaymentPurpose(purpose),
        provider=PaymentProvider.ALIPAY,
        scene=PaymentScene.H5,
        amount=amount,
        idempotency_key=f"{number}-{purpose}-{amount.amount_minor}-{len(payment.stats.paths)}",
    )
    outcome = await PaymentClient(sandbox_upstream(payment)).create(request)
    assert outcome.entity is not None, outcome.refusals
    return outcome.entity


async def settle(payment: System, intent_id: str, result: str = "SUCCEEDED") -> HttpReply:
    """The simulated customer acts."""
    body = json.dumps({"result": result}).encode()
    return await sandbox_upstream(payment).call(SIMULATE, "POST", f"/intents/{intent_id}/_simulate", body=body)


async def pay(payment: System, customer_id: str, number: str, purpose: str, amount: Money) -> str:
    """Pay for an order; answers the intent's id."""
    intent = await begin(payment, customer_id, number, purpose, amount)
    assert (await settle(payment, intent.id)).status == 200
    return intent.id
