"""The payment service as a system of the estate.

Nothing but `POST /intents/{id}/_simulate` (and the cashier page, which calls it) stands for the customer and the
provider: it exists in the sandbox only.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.commerce.settlement import owed, owner_of, refunded, settle
from sandbox.kit.clock import Clock, running_from
from sandbox.kit.openapi import Endpoint, Items, body_as, document, key_required, keys, keys_of, routes
from sandbox.kit.rest import HANDLERS, Idempotency, Refused, reply
from sandbox.kit.server import System
from sandbox.world import World
from sandbox.world.entities import PaymentIntent, Refund

from . import contract
from .ledger import OPEN, give_back
from .providers import FAILURES, SCENES, client_action, prepay_id, public_key

NAME = "payment"
PREPAY_HOURS = 2
_REUSED = "IDEMPOTENCY_KEY_REUSED"

CASHIER = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Simulated cashier</title></head><body>
<h1>Simulated cashier</h1><p>{id}: {amount} CNY for {order}</p>
<button onclick="act('SUCCEEDED')">Pay</button> <button onclick="act('FAILED')">Decline</button><p id="said"></p>
<script>async function act(result) {{
  const reply = await fetch("/intents/{id}/_simulate", {{method: "POST", body: JSON.stringify({{result}})}});
  const body = await reply.json(); document.getElementById("said").textContent = body.status || body.code; }}
</script></body></html>"""


def create(world: World, clock: Clock | None = None) -> System:
    """`clock` tells when a prepay expires; by default it runs on from the world's time."""
    extra = [Route("/_ping", _ping, methods=["GET"])]
    return System(NAME, Starlette(routes=[*routes(endpoints(world, clock)), *extra], exception_handlers=HANDLERS))


def openapi(world: World) -> dict[str, Any]:
    """The service's contract, as it is kept in docs/contracts/payment.openapi.json."""
    told = "Intents to be paid and refunds. Card data never passes here. Money is in minor units, times are UTC."
    return document("Payment", told, endpoints(world))


def endpoints(world: World, clock: Clock | None = None) -> list[Endpoint]:
    return Payments(world, clock or running_from(world.now)).endpoints()


async def _ping(_request: Request) -> Response:
    return reply({"system": NAME, "simulated": True})


class Payments:
    def __init__(self, world: World, clock: Clock) -> None:
        self._world, self._clock, self._once = world, clock, Idempotency()

    def endpoints(self) -> list[Endpoint]:
        one = "/intents/{intentId}"
        return [
            Endpoint(
                method="GET", path="/intents", id="GetIntents", summary="Intents by id.", handler=self.intents,
                parameters=[keys("id")], answer=Items[contract.Intent],
            ),
            Endpoint(
                method="GET", path="/intents/by-order", id="GetIntentsOfOrders", handler=self.of_orders,
                summary="Intents by order number: an entry for each that was asked for.",
                parameters=[keys("orderNumber")], answer=Items[contract.OrderIntents],
            ),
            Endpoint(
                method="POST", path="/intents", id="CreateIntent", status=201, idempotent=True,
                summary="Begin to pay exactly what the order owes for this purpose. The prepay lives two hours.",
                handler=self._once(self.begin), body=contract.CreateIntent, answer=contract.Intent,
                refusals=["NOT_FOUND", "ORDER_NOT_PAYABLE", "AMOUNT_MISMATCH", "ALREADY_PAID", "PROVIDER_NOT_SUPPORTED",
                          "CARD_DECLINED", _REUSED],
            ),
            Endpoint(
                method="POST", path=one + "/close", id="CloseIntent", idempotent=True,
                summary="Give up; a success that still arrives is given back.", handler=self._once(self.close),
                body=contract.Close, answer=contract.Intent, refusals=["NOT_FOUND", "ALREADY_PAID", _REUSED],
            ),
            Endpoint(
                method="POST", path=one + "/refunds", id="CreateRefund", status=201, idempotent=True,
                summary="Give back; the sum of refunds never exceeds what was captured.",
                handler=self._once(self.refund), body=contract.CreateRefund, answer=contract.Refund,
                refusals=["NOT_FOUND", "NOT_REFUNDABLE", "REFUND_EXCEEDS_CAPTURED", _REUSED],
            ),
            Endpoint(
                method="POST", path=one + "/_simulate", id="Simulate", body=contract.Simulate,
                summary="Sandbox only: the customer has paid, or the provider has declined.", handler=self.simulate,
                answer=contract.Intent, refusals=["NOT_FOUND", "ALREADY_SETTLED"],
            ),
            Endpoint(
                method="GET", path="/cashier/{intentId}", id="Cashier", summary="Sandbox only: the provider's page.",
                handler=self.cashier, answer=None, media_type="text/html", refusals=["NOT_FOUND"],
            ),
            Endpoint(
                method="GET", path="/signing-key", id="SigningKey", handler=self.key, answer=None,
                summary="Sandbox only: the public key, in PEM, of the parameters that are signed for a client.",
                media_type="text/plain",
            ),
        ]  # fmt: skip

    async def intents(self, request: Request) -> Response:
        found = (self._world.payments.get(key) for key in keys_of(request, "id"))
        return _items([self._shown(intent, request) for intent in found if intent is not None])

    async def of_orders(self, request: Request) -> Response:
        asked: dict[str, list[PaymentIntent]] = {number: [] for number in keys_of(request, "orderNumber")}
        for intent in self._world.payments.values():
            if intent.order_number in asked:
                asked[intent.order_number].append(intent)
        shown = []
        for number, intents in asked.items():
            intents.sort(key=lambda intent: (intent.created_at, intent.id), reverse=True)
            shown.append(contract.OrderIntents(order_number=number, intents=[self._shown(i, request) for i in intents]))
        return _items(shown)

    async def begin(self, request: Request) -> Response:
        key = key_required(request)
        asked = await body_as(request, contract.CreateIntent)
        world, now = self._world, self._clock()
        if asked.customer_id not in world.customers or owner_of(world, asked.order_number) != asked.customer_id:
            raise Refused("NOT_FOUND", "the customer has no such order", 404)
        self._check_provider(asked)
        due = owed(world, asked.order_number, asked.purpose, now)
        if (asked.amount.amount_minor, asked.amount.currency) != (due, "CNY"):
            raise Refused("AMOUNT_MISMATCH", f"the order owes {due}", owedMinor=due)
        intent_id = f"PI{max((int(known[2:]) for known in world.payments), default=700000) + 1}"
        intent = PaymentIntent(
            id=intent_id,
            order_number=asked.order_number,
            customer_id=asked.customer_id,
            purpose=asked.purpose,
            provider=asked.provider,
            scene=asked.scene,
            amount_fen=due,
            captured_fen=0,
            currency="CNY",
            status="REQUIRES_ACTION",
            created_at=now,
            updated_at=now,
            expires_at=now + timedelta(hours=PREPAY_HOURS),
            prepay_id=prepay_id(intent_id) if asked.provider == "WECHAT_PAY" else None,
            idempotency_key=key,
        )
        world.payments[intent_id] = intent
        return reply(msgspec.to_builtins(self._shown(intent, request)), 201)

    def _check_provider(self, asked: contract.CreateIntent) -> None:
        if asked.scene not in SCENES[asked.provider]:
            raise Refused("PROVIDER_NOT_SUPPORTED", f"{asked.provider} has no {asked.scene}", 422)
        identities = self._world.customers[asked.customer_id].identities
        if asked.scene == "JSAPI" and not any(identity.kind == "WECHAT_MINI" for identity in identities):
            raise Refused("PROVIDER_NOT_SUPPORTED", "JSAPI needs a customer who is known to WeChat", 422)

    async def close(self, request: Request) -> Response:
        key_required(request)
        await body_as(request, contract.Close)
        intent = self._intent(request)
        if intent.status == "SUCCEEDED":
            raise Refused("ALREADY_PAID", "the payment has succeeded")
        if intent.status in OPEN:
            intent.status, intent.updated_at = "CLOSED", self._clock()
        return reply(msgspec.to_builtins(self._shown(intent, request)))

    async def refund(self, request: Request) -> Response:
        key = key_required(request)
        asked = await body_as(request, contract.CreateRefund)
        intent, world = self._intent(request), self._world
        order = world.vehicle_orders.get(intent.order_number)
        if intent.status != "SUCCEEDED" or (order is not None and order.status != "CANCELLED"):
            raise Refused("NOT_REFUNDABLE", "not captured, or the car is still on order")
        if asked.amount.amount_minor < 1 or asked.amount.currency != intent.currency:
            raise Refused("BAD_REQUEST", "the amount is positive and in the payment's currency", 400)
        made = give_back(world, intent, asked.amount.amount_minor, asked.reason, self._clock())
        made.idempotency_key = key
        refunded(world, intent.order_number, made.created_at)
        return reply(msgspec.to_builtins(_refund(made)), 201)

    async def simulate(self, request: Request) -> Response:
        asked = await body_as(request, contract.Simulate)
        intent, world, now = self._intent(request), self._world, self._clock()
        if intent.status in ("SUCCEEDED", "FAILED"):
            if intent.status != asked.result:
                raise Refused("ALREADY_SETTLED", f"the payment has {intent.status}")
        elif asked.result == "FAILED":
            intent.status, intent.failure_code, intent.updated_at = "FAILED", FAILURES[intent.provider], now
        else:
            intent.status, intent.captured_fen, intent.updated_at = "SUCCEEDED", intent.amount_fen, now
            intent.provider_transaction = f"42000{int(intent.id[2:]):023d}"
            back = settle(world, intent, now)
            if back:
                give_back(world, intent, back, "not due any more", now)
                refunded(world, intent.order_number, now)
        return reply(msgspec.to_builtins(self._shown(intent, request)))

    async def cashier(self, request: Request) -> Response:
        intent = self._intent(request)
        amount = f"{intent.amount_fen // 100}.{intent.amount_fen % 100:02d}"
        return HTMLResponse(CASHIER.format(id=intent.id, amount=amount, order=intent.order_number))

    async def key(self, _request: Request) -> Response:
        return PlainTextResponse(public_key())

    def _intent(self, request: Request) -> PaymentIntent:
        intent = self._world.payments.get(request.path_params["intentId"])
        if intent is None:
            raise Refused("NOT_FOUND", "there is no such payment", 404)
        self._expire(intent)
        return intent

    def _expire(self, intent: PaymentIntent) -> None:
        if intent.status in ("CREATED", "REQUIRES_ACTION") and intent.expires_at <= self._clock():
            intent.status, intent.updated_at = "CLOSED", intent.expires_at

    def _shown(self, intent: PaymentIntent, request: Request) -> contract.Intent:
        self._expire(intent)
        refunds = sorted(self._world.refunds_of(intent.id), key=lambda r: (r.created_at, r.id), reverse=True)
        return contract.Intent(
            id=intent.id,
            order_number=intent.order_number,
            customer_id=intent.customer_id,
            purpose=intent.purpose,
            provider=intent.provider,
            scene=intent.scene,
            amount=contract.Money(amount_minor=intent.amount_fen, currency=intent.currency),
            captured=contract.Money(amount_minor=intent.captured_fen, currency=intent.currency),
            status=intent.status,
            failure_code=intent.failure_code,
            client_action=client_action(intent, str(request.base_url)),
            created_at=intent.created_at,
            expires_at=intent.expires_at,
            refunds=[_refund(refund) for refund in refunds],
        )


def _refund(refund: Refund) -> contract.Refund:
    return contract.Refund(
        id=refund.id,
        payment_id=refund.payment_id,
        amount=contract.Money(amount_minor=refund.amount_fen),
        status=refund.status,
        reason=refund.reason,
        created_at=refund.created_at,
    )


def _items(values: list[Any]) -> Response:
    return reply({"items": msgspec.to_builtins(values)})
