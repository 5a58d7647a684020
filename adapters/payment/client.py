"""Payments from the payment service, which alone speaks to providers.

Every method is one call, or one for each hundred keys, side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.transport.records import RecordClient
from adapters.transport.rest import segment
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.domain.base import Found, Money, Outcome
from bff.domain.payment import PaymentIntent, PaymentRequest, Refund, refuse_card_number
from bff.errors import BffError

from .payment_wire import (
    CLOSE_REFUSALS,
    CREATE_REFUSALS,
    INTENT,
    ORDER_INTENTS,
    REFUND,
    REFUND_REFUSALS,
    CloseBody,
    RefundBody,
    create_body,
)

GET_INTENTS = Operation(name="GetIntents")
GET_INTENTS_OF_ORDERS = Operation(name="GetIntentsOfOrders")
CREATE_INTENT = Operation(name="CreateIntent", effect=Effect.WRITE)
CLOSE_INTENT = Operation(name="CloseIntent", effect=Effect.WRITE)
CREATE_REFUND = Operation(name="CreateRefund", effect=Effect.WRITE)

_NO_PAYMENT = "There is no such payment."


class PaymentClient:
    """`PaymentPort` over the payment service."""

    def __init__(self, upstream: Upstream) -> None:
        self._client = RecordClient(upstream)

    async def intents(self, ids: Sequence[str]) -> Found[str, PaymentIntent]:
        return await self._client.found(GET_INTENTS, "/intents", "id", ids, INTENT, lambda intent: intent.id)

    async def intents_of(self, order_numbers: Sequence[str]) -> Found[str, list[PaymentIntent]]:
        answered = await self._client.found(
            GET_INTENTS_OF_ORDERS,
            "/intents/by-order",
            "orderNumber",
            order_numbers,
            ORDER_INTENTS,
            lambda entry: entry[0],
        )
        return {number: entry if isinstance(entry, BffError) else entry[1] for number, entry in answered.items()}

    async def create(self, request: PaymentRequest) -> Outcome[PaymentIntent]:
        return await self._client.write(
            CREATE_INTENT,
            "POST",
            "/intents",
            create_body(request),
            INTENT,
            CREATE_REFUSALS,
            idempotency_key=request.idempotency_key,
            missing="There is no such order of this customer.",
            keys=[request.order_number],
        )

    async def close(self, intent_id: str, *, idempotency_key: str) -> Outcome[PaymentIntent]:
        return await self._client.write(
            CLOSE_INTENT,
            "POST",
            f"/intents/{segment(intent_id)}/close",
            CloseBody(),
            INTENT,
            CLOSE_REFUSALS,
            idempotency_key=idempotency_key,
            missing=_NO_PAYMENT,
            keys=[intent_id],
        )

    async def refund(self, intent_id: str, amount: Money, *, reason: str, idempotency_key: str) -> Outcome[Refund]:
        refuse_card_number(reason, "input.reason")
        return await self._client.write(
            CREATE_REFUND,
            "POST",
            f"/intents/{segment(intent_id)}/refunds",
            RefundBody(amount=amount, reason=reason),
            REFUND,
            REFUND_REFUSALS,
            idempotency_key=idempotency_key,
            missing=_NO_PAYMENT,
            keys=[intent_id],
        )
