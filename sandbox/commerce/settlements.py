"""What another party that takes money itself asks and tells: what an order owes, what was paid, what was given back."""

from __future__ import annotations

from typing import get_args

from starlette.requests import Request
from starlette.responses import Response

from sandbox.kit.clock import Clock
from sandbox.kit.openapi import Endpoint, Parameter, body_as, word
from sandbox.kit.rest import Refused
from sandbox.world import World
from sandbox.world.entities import DirectPayment, PaymentPurpose

from . import contract, show
from .settlement import owed, owner_of, refunded, settle_direct

_PURPOSES: tuple[PaymentPurpose, ...] = get_args(contract.PaymentPurpose)


class Settlements:
    """Payments and refunds count once by their ids, which are the other party's."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world, self._clock = world, clock

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                method="GET", path="/dues", id="GetDue", summary="What an order owes for a purpose.", handler=self.due,
                parameters=[Parameter("orderNumber", {"type": "string"}, required=True), word("purpose", *_PURPOSES)],
                answer=contract.Due, refusals=["NOT_FOUND", "ORDER_NOT_PAYABLE", "ALREADY_PAID"],
            ),
            Endpoint(
                method="POST", path="/settlements", id="Settle", handler=self.settle, body=contract.Settle,
                summary="Money was taken for an order, or is held. What the order does not want is to be given back.",
                answer=contract.Settlement, refusals=["NOT_FOUND", "PAYMENT_ID_REUSED"],
            ),
            Endpoint(
                method="POST", path="/settlements/{paymentId}/refunds", id="CountRefund", handler=self.repaid,
                summary="Of a settled payment something was given back: first of what the order did not want.",
                body=contract.CountRefund, answer=contract.Settlement,
                refusals=["NOT_FOUND", "REFUND_EXCEEDS_CAPTURED", "REFUND_ID_REUSED"],
            ),
        ]  # fmt: skip

    async def due(self, request: Request) -> Response:
        number, raw = request.query_params.get("orderNumber", ""), request.query_params.get("purpose")
        purpose = next((known for known in _PURPOSES if known == raw), None)
        if purpose is None:
            raise Refused("BAD_REQUEST", f"purpose is one of {', '.join(_PURPOSES)}", 400)
        owner = self._owner(number)
        amount = owed(self._world, number, purpose, self._clock())
        return show.answer(
            contract.Due(order_number=number, customer_id=owner, purpose=purpose, amount=show.fen(amount))
        )

    async def settle(self, request: Request) -> Response:
        asked = await body_as(request, contract.Settle)
        if asked.amount.amount_minor < 1 or asked.amount.currency != "CNY":
            raise Refused("BAD_REQUEST", "the amount is positive and in CNY", 400)
        self._owner(asked.order_number)
        known = self._world.direct_payments.get(asked.payment_id)
        said = (asked.order_number, asked.purpose, asked.amount.amount_minor)
        if known is None:
            known = settle_direct(self._world, asked.payment_id, *said, self._clock())
        elif (known.order_number, known.purpose, known.amount_fen) != said:
            raise Refused("PAYMENT_ID_REUSED", "this payment was told otherwise", 422)
        return show.answer(_shown(known, known.applied_fen, known.amount_fen - known.applied_fen))

    async def repaid(self, request: Request) -> Response:
        asked = await body_as(request, contract.CountRefund)
        payment = self._world.direct_payments.get(request.path_params["paymentId"])
        if payment is None:
            raise Refused("NOT_FOUND", "there is no such payment", 404)
        known = payment.refunds.get(asked.refund_id)
        if known is None:
            self._count(payment, asked)
        elif known != asked.amount.amount_minor:
            raise Refused("REFUND_ID_REUSED", "this refund was told with another amount", 422)
        left = payment.amount_fen - sum(payment.refunds.values())
        return show.answer(_shown(payment, payment.held_fen, left - payment.held_fen))

    def _count(self, payment: DirectPayment, asked: contract.CountRefund) -> None:
        left = payment.amount_fen - sum(payment.refunds.values())
        if asked.amount.amount_minor < 1 or asked.amount.currency != "CNY":
            raise Refused("BAD_REQUEST", "the amount is positive and in CNY", 400)
        if asked.amount.amount_minor > left:
            raise Refused("REFUND_EXCEEDS_CAPTURED", f"{left} fen can be given back", refundableMinor=left)
        payment.refunds[asked.refund_id] = asked.amount.amount_minor
        refunded(self._world, payment.order_number, self._clock())

    def _owner(self, order_number: str) -> str:
        owner = owner_of(self._world, order_number)
        if owner is None:
            raise Refused("NOT_FOUND", "there is no such order", 404)
        return owner


def _shown(payment: DirectPayment, applied: int, give_back: int) -> contract.Settlement:
    return contract.Settlement(
        payment_id=payment.id,
        order_number=payment.order_number,
        applied=show.fen(applied),
        give_back=show.fen(give_back),
    )
