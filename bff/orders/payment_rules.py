"""The rules of a payment: what follows from each fact. Pure; `decide` is the only way in.

    CREATED ──▶ REQUIRES_ACTION ──▶ PROCESSING ──▶ SUCCEEDED ──▶ settled with the order ──▶ kept, or given back
       │               │                 │ (also: held)
       └───────────────┴──── FAILED ◀────┘         any of them ──▶ CLOSED, unless somebody was quicker

- Only the provider says that money moved, and only the full amount in the right currency counts; another amount is
  given back and never reaches the order.
- What the order does not take, and what comes after it was cancelled, is given back without anybody asking.
- The sum of refunds never exceeds what was taken: it is checked under the payment's lock.
- Whatever is said twice, late or out of order changes nothing that has been said before.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from bff.domain.payment import RefundStatus
from bff.durability.flow import Decision, Planned, Tell, Woken
from bff.orders import payment_facts as facts
from bff.orders.payment_charge import begun, open_payment, refused, said_of_charge
from bff.orders.payment_pieces import Decided, close_charge, decision, tell_refund
from bff.orders.payment_refunds import refund, release, repayment_refused, repayment_said, with_refund
from bff.orders.payment_state import Capture, PaymentFlowState


def decide(flow: str, state: PaymentFlowState | None, fact: facts.PaymentFact, now: datetime) -> Decided | None:
    """What follows; None where nothing does. `flow` is the payment's id."""
    if isinstance(fact, facts.Opened):
        return open_payment(flow, fact, now) if state is None else None
    if state is None:
        return None
    match fact:
        case facts.ChargeBegun():
            return begun(state, fact, now)
        case facts.ChargeRefused():
            return refused(state, fact)
        case facts.ProviderSaid():
            return said_of_charge(flow, state, fact.charge, now)
        case facts.OrderSettled():
            return _settled(flow, state, fact, now)
        case facts.CloseAsked():
            return _close(state)
        case facts.CaptureAsked():
            return _capture(state)
        case facts.RefundAsked():
            return refund(flow, state, fact, now)
        case facts.RepaymentSaid():
            return repayment_said(flow, state, fact.repayment, now)
        case facts.RepaymentRefused():
            return repayment_refused(state, fact)
        case facts.OrderToldOfRefund():
            return with_refund(state, fact.id, is_told=True)
        case Woken():
            return None if state.is_final or state.is_held else decision(state, close_charge(state))


def _settled(flow: str, state: PaymentFlowState, fact: facts.OrderSettled, now: datetime) -> Decided | None:
    if state.applied is not None:
        return None
    state = replace(state, applied=fact.applied)
    if state.captured is None and not state.is_held:  # a hold that was let go while the order was being told of it
        if fact.applied.amount_minor <= 0:
            return decision(state)
        known = sum(r.amount.amount_minor for r in state.refunds if r.status is RefundStatus.SUCCEEDED)
        state, told = release(flow, state, fact.applied.amount_minor - known, now)
        return Decision(state=state, effects=told)
    effects = [Planned(tell_refund(r)) for r in state.refunds if r.status is RefundStatus.SUCCEEDED and not r.is_told]
    if fact.applied.amount_minor > 0 and state.opened.order_flow is not None:
        kind, order = state.opened.order_flow
        settled = facts.PaymentSettled(
            payment_id=flow, purpose=state.opened.purpose, applied=fact.applied, is_held=state.is_held
        )
        effects.append(Planned(Tell.of(kind, order, settled, f"settled:{flow}")))
    unwanted = min(fact.give_back.amount_minor, state.left_minor)
    if unwanted <= 0:
        return Decision(state=state, effects=effects)
    asked = facts.RefundAsked(id=flow + "G1", amount=state.money(unwanted), reason="not due any more")
    returned = refund(flow, state, asked, now)
    if returned is None:
        return Decision(state=state, effects=effects)
    return replace(returned, effects=[*effects, *returned.effects])


def _close(state: PaymentFlowState) -> Decided | None:
    if state.is_final or state.is_closing or state.is_held:
        return None
    return decision(replace(state, is_closing=True), close_charge(state))


def _capture(state: PaymentFlowState) -> Decided | None:
    if not state.is_held or state.is_capture_asked or state.is_closing:
        return None
    amount = state.money(state.left_minor)
    capture = Capture(provider=state.opened.provider, reference=state.reference, amount=amount)
    return decision(replace(state, is_capture_asked=True), capture)
