"""Giving money back, once for each of our ids, and never more than was taken.

Stripe forgets an idempotency key after a day, so what was done already is looked for by our id first.
"""

from __future__ import annotations

import re

from adapters.transport.operation import Effect, Operation
from bff.domain.base import Outcome, Refusal
from bff.domain.providers import ChargeStatus, Repayment, RepaymentState
from bff.errors import InvalidInput

from .amounts import to_stripe
from .api import StripeApi
from .charges import Charges, check_id
from .replies_wire import UNREADABLE, StripeRefusal, unreadable
from .requests_wire import refund_form
from .stripe_wire import (
    CHARGE_ID,
    NOT_GIVEN_BACK,
    REFUND_ID,
    WireIntent,
    WireList,
    WireRefund,
    read_refund,
)

LIST_REFUNDS = Operation(name="ListRefunds")
GET_REFUND = Operation(name="GetRefund")
CREATE_REFUND = Operation(name="CreateRefund", effect=Effect.WRITE)

A_PAGE = 100
MOST_PAGES = 10

NOT_REFUNDABLE = Refusal(
    code="NOT_REFUNDABLE", message="Nothing was taken that could be given back.", field=["input", "paymentId"]
)
EXCEEDS = Refusal(
    code="REFUND_EXCEEDS_CAPTURED", message="That is more than is left of what was taken.", field=["input", "amount"]
)
_DISPUTED = frozenset({"charge_disputed", "refund_disputed_payment"})


class Refunds:
    def __init__(self, api: StripeApi, charges: Charges) -> None:
        self._api = api
        self._charges = charges

    async def repay(self, wanted: Repayment) -> Outcome[RepaymentState]:
        check_id(wanted.id)
        intent, state = await self._charges.find(wanted.charge_id, wanted.reference)
        if intent is None or state.status is not ChargeStatus.SUCCEEDED:
            return Outcome(refusals=[NOT_REFUNDABLE])
        if state.amount is None or state.amount.currency != wanted.amount.currency:
            raise InvalidInput("A refund is in the currency of its charge.", field="amount")
        try:
            refunds = await self._all(wanted, intent.id)
            if (made := _ours(refunds, wanted)) is not None:
                return Outcome(entity=self._read(LIST_REFUNDS, made, wanted))
            if to_stripe(wanted.amount) > refundable(intent, refunds):
                return Outcome(refusals=[EXCEEDS])
            refund, _ = await self._api.post(
                CREATE_REFUND,
                "refunds",
                refund_form(wanted, intent.id),
                WireRefund,
                key=f"refund-{wanted.id}",
                keys=[wanted.id],
            )
        except StripeRefusal as refusal:
            return Outcome(refusals=[_refused(refusal)])
        return Outcome(entity=self._read(CREATE_REFUND, refund, wanted))

    async def query(self, wanted: Repayment, transaction: str | None) -> RepaymentState:
        check_id(wanted.id)
        try:
            if transaction is not None:
                if re.fullmatch(r"\w{4,255}", transaction, re.ASCII) is None:
                    raise InvalidInput("This is no refund of Stripe's.")
                refund = await self._api.get(GET_REFUND, f"refunds/{transaction}", WireRefund, keys=[wanted.id])
                return self._read(GET_REFUND, refund, wanted)
            intent, _ = await self._charges.find(wanted.charge_id, wanted.reference)
            made = None if intent is None else _ours(await self._all(wanted, intent.id), wanted)
        except StripeRefusal as refusal:
            if not refusal.is_absent:
                raise refusal.rejected() from refusal
            made = None
        if made is None:
            return RepaymentState(id=wanted.id, charge_id=wanted.charge_id, status=None, raw_status="")
        return self._read(LIST_REFUNDS, made, wanted)

    async def _all(self, wanted: Repayment, intent_id: str) -> list[WireRefund]:
        """Raises StripeRefusal, or BffError."""
        refunds: list[WireRefund] = []
        for _ in range(MOST_PAGES):
            after = refunds[-1].id if refunds else None
            page = await self._api.get(
                LIST_REFUNDS,
                "refunds",
                WireList[WireRefund],
                ("payment_intent", intent_id),
                ("limit", A_PAGE),
                ("starting_after", after),
                keys=[wanted.id],
            )
            refunds += page.data
            if not page.has_more or not page.data:
                return refunds
        raise unreadable(self._api.name, LIST_REFUNDS, f"more than {A_PAGE * MOST_PAGES} refunds of one charge")

    def _read(self, operation: Operation, refund: WireRefund, wanted: Repayment) -> RepaymentState:
        try:
            named = (refund.metadata or {}).get(REFUND_ID)
            of = (refund.metadata or {}).get(CHARGE_ID)
            if (named, of) != (wanted.id, wanted.charge_id):
                raise ValueError(f"asked for refund {wanted.id}, answered {str(named)[:40]} of {str(of)[:40]}")
            return read_refund(refund, wanted.id, wanted.charge_id)
        except UNREADABLE as error:
            raise unreadable(self._api.name, operation, error) from error


def refundable(intent: WireIntent, refunds: list[WireRefund]) -> int:
    """In Stripe's units. What a capture left of a hold is a refund as well, which nobody named: it counts against the
    whole, ours against what was received.
    """
    given = [refund for refund in refunds if refund.status not in NOT_GIVEN_BACK]
    ours = sum(refund.amount for refund in given if REFUND_ID in (refund.metadata or {}))
    received = intent.amount if intent.amount_received is None else intent.amount_received
    return min(intent.amount - sum(refund.amount for refund in given), received - ours)


def _ours(refunds: list[WireRefund], wanted: Repayment) -> WireRefund | None:
    return next((refund for refund in refunds if (refund.metadata or {}).get(REFUND_ID) == wanted.id), None)


def _refused(refusal: StripeRefusal) -> Refusal:
    """Raises UpstreamRejected for what is no business outcome."""
    error = refusal.error
    if error.code == "charge_already_refunded" or (refusal.status == 400 and error.param == "amount"):
        return EXCEEDS
    if error.code in _DISPUTED:
        return NOT_REFUNDABLE
    raise refusal.rejected() from refusal
