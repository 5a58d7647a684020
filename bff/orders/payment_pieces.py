"""What the rules of a payment are put together from: waits, effects, entries, events."""

from __future__ import annotations

from datetime import datetime, timedelta

from bff.domain.base import Money, Refusal
from bff.domain.payment import RefundStatus
from bff.domain.providers import Repayment
from bff.durability.flow import Decision, DomainEvent, Effect, LedgerEntry, Planned, Tell
from bff.orders import payment_facts as facts
from bff.orders.payment_state import (
    Close,
    PaymentFlowState,
    Query,
    RefundRecord,
    Repay,
    Settle,
    TellOrderOfRefund,
)

EXPIRY = "expiry"
FIRST_LOOK = timedelta(seconds=10)
SLOWEST_LOOK = timedelta(minutes=5)
EXPIRY_GRACE = timedelta(seconds=30)
"""Whoever paid in the last second is given this long to be told of."""

STRAGGLERS = timedelta(minutes=2)
"""After this, what was sent to a provider has arrived or never will."""

AMOUNT_MISMATCH = "AMOUNT_MISMATCH"
ASKING = ("begin", "query", "close", f"wake:{EXPIRY}")
"""Effects that find out about the charge: dropped once all is known."""

Decided = Decision[PaymentFlowState]


def decision(state: PaymentFlowState, effect: Effect | None = None, *, at: datetime | None = None) -> Decided:
    return Decision(state=state, effects=[Planned(effect, at)] if effect is not None else ())


def query(state: PaymentFlowState) -> Query:
    return Query(provider=state.opened.provider, reference=state.reference)


def close_charge(state: PaymentFlowState) -> Close:
    return Close(provider=state.opened.provider, reference=state.reference)


def settle(state: PaymentFlowState) -> Settle:
    opened = state.opened
    return Settle(order_number=opened.order_number, purpose=opened.purpose.value, amount=opened.amount)


def tell_refund(record: RefundRecord) -> TellOrderOfRefund:
    return TellOrderOfRefund(id=record.id, amount=record.amount)


def let_go(flow: str, amount: Money, now: datetime) -> RefundRecord:
    """What was held of the customer's money and is theirs again."""
    return RefundRecord(
        id=flow + "H1",
        amount=amount,
        reason="the hold was let go",
        status=RefundStatus.SUCCEEDED,
        created_at=now,
        is_release=True,
    )


def tell_returned(flow: str, state: PaymentFlowState) -> list[Planned]:
    if state.opened.order_flow is None:
        return []
    kind, order = state.opened.order_flow
    return [Planned(Tell.of(kind, order, facts.PaymentReturned(payment_id=flow), f"returned:{flow}"))]


def repayment_of(flow: str, state: PaymentFlowState, record: RefundRecord) -> Repayment:
    return Repayment(
        id=record.id,
        charge_id=flow,
        reference=state.reference,
        amount=record.amount,
        total=state.captured or state.opened.amount,
        reason=record.reason,
    )


def repay(flow: str, state: PaymentFlowState, record: RefundRecord) -> Repay:
    repayment = repayment_of(flow, state, record)
    return Repay(provider=state.opened.provider, reference=state.reference, repayment=repayment)


def entry_of(flow: str, state: PaymentFlowState, kind: str, amount: Money, movement: str, entry_id: str) -> LedgerEntry:
    return LedgerEntry(
        id=f"{kind}:{entry_id}",
        order_number=state.opened.order_number,
        payment_id=flow,
        kind=kind,
        amount=amount,
        movement=movement,
    )


def event_of(flow: str, state: PaymentFlowState, kind: str, amount: Money, refund: str | None = None) -> DomainEvent:
    opened = state.opened
    data = {
        "paymentId": flow,
        "orderNumber": opened.order_number,
        "purpose": opened.purpose.value,
        "provider": opened.provider.value,
        "amount": {"amountMinor": amount.amount_minor, "currency": amount.currency},
    }
    if refund is not None:
        data["refundId"] = refund
    return DomainEvent(
        id=f"{refund or flow}:{kind}",
        type=kind,
        order_number=opened.order_number,
        customer_id=opened.customer_id,
        data=data,
    )


def refusal(code: str, message: str) -> Refusal:
    return Refusal(code=code, message=message)
