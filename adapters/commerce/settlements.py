"""What orders owe, and what was paid for them: commerce keeps the books, each method is one call."""

from __future__ import annotations

from adapters.transport.rest import ProblemReply, RestClient, query, segment
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.domain.base import Money, Outcome
from bff.domain.payment import PaymentPurpose
from bff.domain.settlement import Due, Settlement
from bff.errors import NotFound, OutcomeUnknown, UpstreamContractBroken

from .settlements_wire import DUE_REFUSALS, RefundBody, SettleBody, WireDue, WireSettlement, read_due, read_settlement

GET_DUE = Operation(name="GetDue")
SETTLE = Operation(name="Settle", effect=Effect.WRITE)
COUNT_REFUND = Operation(name="CountRefund", effect=Effect.WRITE)

_NO_ORDER = "There is no such order."
_NO_PAYMENT = "There is no such payment."


class CommerceSettlements:
    """`SettlementPort` over commerce."""

    def __init__(self, upstream: Upstream) -> None:
        self._client = RestClient(upstream)

    async def due(self, order_number: str, purpose: PaymentPurpose) -> Outcome[Due]:
        path = "/dues" + query([("orderNumber", order_number), ("purpose", purpose.value)])
        try:
            wire = await self._client.fetch(GET_DUE, "GET", path, WireDue, keys=[order_number])
        except ProblemReply as reply:
            return Outcome(refusals=[DUE_REFUSALS.of(reply)])
        if wire is None:
            raise NotFound(_NO_ORDER)
        due = read_due(wire)
        if (due.order_number, due.purpose) != (order_number, purpose):
            raise UpstreamContractBroken(self._client.upstream.name, detail=f"asked for {order_number}: {due}")
        return Outcome(entity=due)

    async def settle(
        self, payment_id: str, order_number: str, purpose: PaymentPurpose, amount: Money
    ) -> Outcome[Settlement]:
        body = SettleBody(payment_id=payment_id, order_number=order_number, purpose=purpose.value, amount=amount)
        keys = [payment_id, order_number]
        return Outcome(entity=await self._write(SETTLE, "/settlements", body, keys, payment_id, _NO_ORDER))

    async def repaid(self, payment_id: str, refund_id: str, amount: Money) -> Outcome[Settlement]:
        path = f"/settlements/{segment(payment_id)}/refunds"
        body = RefundBody(refund_id=refund_id, amount=amount)
        keys = [payment_id, refund_id]
        return Outcome(entity=await self._write(COUNT_REFUND, path, body, keys, payment_id, _NO_PAYMENT))

    async def _write(
        self, operation: Operation, path: str, body: object, keys: list[str], payment_id: str, missing: str
    ) -> Settlement:
        """Both writes are safe to repeat, and commerce has no reason to refuse one: it is a mistake of ours then."""
        try:
            wire = await self._client.fetch(operation, "POST", path, WireSettlement, keys=keys, body=body)
            if wire is None:
                raise NotFound(missing)
            settlement = read_settlement(wire)
            if settlement.payment_id != payment_id:
                raise UpstreamContractBroken(self._client.upstream.name, detail=f"told {payment_id}: {settlement}")
            return settlement
        except ProblemReply as reply:
            raise reply.rejected() from reply
        except UpstreamContractBroken as error:
            raise OutcomeUnknown(self._client.upstream.name, detail=error.detail) from error
