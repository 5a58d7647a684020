"""The rules of a shop order: what follows from each fact. Pure; `decide` is the only way in.

    PLACING ──▶ RESERVED ──▶ CONFIRMED (paid) ──▶ features: ACTIVATING ──▶ ACTIVE: what is held is taken
       │           │  ▲          │  ▲                            └──▶ (REVOKING ──▶) FAILED: its price goes back
       ▼           ▼  │          ▼  │
    REFUSED       CANCELLING (asked for, or not paid in time) ──▶ CANCELLED: payments closed, all money goes back

- Commerce decides: whether cart, price and stock are still what the customer saw; between paying and running out,
  paying and cancelling, confirming and revoking. What it answers is adopted, also where nobody here had asked.
- A reservation that is over is cancelled only where it is not paid; a customer cancels what commerce lets them.
- Whatever is said twice, late or out of order changes nothing that has been decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from bff.domain.base import Refusal
from bff.domain.commerce import OrderState, PaymentState
from bff.durability.flow import Decision, Planned, Wake, Woken
from bff.orders import shop_facts as facts
from bff.orders import shop_features as features
from bff.orders import shop_money as money
from bff.orders import shop_placing as placing
from bff.orders.payment_facts import PaymentReturned, PaymentSettled
from bff.orders.shop_events import event, events_of
from bff.orders.shop_placing import RESERVATION
from bff.orders.shop_state import (
    Cancel,
    ClosePayments,
    PaidBy,
    ShopOrderState,
    ShopPhase,
)

RESERVATION_OVER = "reservation is over"
ASK_AGAIN = timedelta(minutes=5)
"""When commerce is asked again to end a reservation that it did not want to end."""

WAITING = (f"wake:{RESERVATION}", "cancel", *features.WATCHING)
"""What an order that is cancelled waits for no more."""

Decided = Decision[ShopOrderState]


def decide(flow: str, state: ShopOrderState | None, fact: facts.ShopFact, now: datetime) -> Decided | None:
    """What follows; None where nothing does."""
    if state is None:
        return placing.begin(fact, now)
    match fact:
        case facts.PlaceAsked():
            return placing.place_again(state, fact, now)
        case facts.Placed():
            return placing.placed(flow, state, fact)
        case facts.PlaceRefused():
            return placing.refused(state, fact)
        case facts.CancelAsked():
            return _cancel(state, fact)
        case facts.Cancelled():
            return _cancelled(flow, state, now)
        case facts.CancelRefused():
            return _cancel_refused(flow, state, fact, now)
        case facts.Seen():
            return _seen(flow, state, fact, now)
        case facts.Revoked():
            return _revoked(flow, state, fact, now)
        case PaymentSettled():
            return _paid(flow, state, fact, now)
        case PaymentReturned():
            return _returned(flow, state, fact, now)
        case facts.GiveBackTold():
            told = tuple(replace(g, is_told=True) if g.id == fact.id else g for g in state.given_back)
            return _decision(flow, state, replace(state, given_back=told), now)
        case Woken():
            return _woken(flow, state, fact.reason, now)
        case facts.Adopted():
            return None


# ── cancelling ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _cancel(state: ShopOrderState, wish: facts.CancelAsked) -> Decided | None:
    match state.phase:
        case ShopPhase.RESERVED | ShopPhase.CONFIRMED if state.cancel_key == wish.key and state.cancel_refusals:
            return None  # this very wish was refused
        case ShopPhase.CANCELLING if not state.is_expiring:
            if state.cancel_key != wish.key:
                return None  # it hears what comes of the first
            return Decision(state=state, effects=[_cancel_effect(state, wish.reason)])  # tried at once
        case ShopPhase.RESERVED | ShopPhase.CONFIRMED | ShopPhase.CANCELLING:
            state = _cancelling(state, wish.key, is_expiring=False)
            return Decision(state=state, effects=[_cancel_effect(state, wish.reason)])
        case ShopPhase.CANCELLED if state.cancel_key != wish.key:
            said = Refusal(
                code="NOT_CANCELLABLE", message="This order has been cancelled already.", field=["input", "orderId"]
            )
            return Decision(state=state, refusal=said)
        case _:
            return None


def _cancelling(state: ShopOrderState, key: str, *, is_expiring: bool) -> ShopOrderState:
    return replace(
        state,
        phase=ShopPhase.CANCELLING,
        cancel_key=key,
        cancel_refusals=(),
        cancels=state.cancels + 1,
        is_expiring=is_expiring,
    )


def _cancel_effect(state: ShopOrderState, reason: str | None) -> Planned:
    wanted = Cancel(number=state.number, turn=state.cancels, reason=reason, only_unpaid=state.is_expiring)
    return Planned(wanted)


def _cancelled(flow: str, state: ShopOrderState, now: datetime) -> Decided | None:
    """Also where nobody here had asked: commerce ended the reservation itself, or staff cancelled it there."""
    if state.phase in (ShopPhase.CANCELLED, ShopPhase.PLACING, ShopPhase.REFUSED, ShopPhase.MERGED):
        return None
    is_asked = state.phase is ShopPhase.CANCELLING and not state.is_expiring
    ended = features.ended(replace(state, phase=ShopPhase.CANCELLED))
    ended, effects = money.settle(flow, ended, now)
    why = "CUSTOMER" if is_asked else "NOT_PAID" if not state.is_paid else "SHOP"
    revokes = [f"revoke:{feature.line}" for feature in state.features]
    return Decision(
        state=ended,
        effects=[Planned(ClosePayments(number=state.number)), *effects],
        dropped=[*WAITING, *revokes],
        events=[event(flow, state, "order.cancelled.v1", "cancelled", reason=why)],
    )


def _cancel_refused(flow: str, state: ShopOrderState, fact: facts.CancelRefused, now: datetime) -> Decided | None:
    if state.phase is not ShopPhase.CANCELLING or fact.turn != state.cancels:
        return None
    was_paid = state.is_paid or fact.payment_state is not PaymentState.UNPAID
    phase = ShopPhase.CONFIRMED if was_paid else ShopPhase.RESERVED
    refusals = () if state.is_expiring else tuple(fact.refusals)
    changed = replace(state, phase=phase, cancel_refusals=refusals, is_expiring=False)
    effects: list[Planned] = []
    if not was_paid and state.reserved_until is not None:
        effects.append(Planned(Wake(reason=RESERVATION), max(state.reserved_until, now + ASK_AGAIN)))
    elif was_paid and not state.is_paid and state.features:
        effects.append(Planned(features.look(state)))  # paid, but by whom has not been told yet
    return _decision(flow, state, changed, now, effects)


def _woken(flow: str, state: ShopOrderState, reason: str, now: datetime) -> Decided | None:
    if reason == RESERVATION and state.phase is ShopPhase.RESERVED:
        state = _cancelling(state, "", is_expiring=True)
        return Decision(state=state, effects=[_cancel_effect(state, RESERVATION_OVER)])
    if reason == RESERVATION and state.phase is ShopPhase.CANCELLING:
        return Decision(state=state, effects=[Planned(Wake(reason=RESERVATION), now + ASK_AGAIN)])
    if reason == features.ACTIVATION_OVER and state.phase in (ShopPhase.CONFIRMED, ShopPhase.CANCELLING):
        changed, effects = features.give_up(state, now)
        return _decision(flow, state, changed, now, effects)
    return None


# ── money and features ───────────────────────────────────────────────────────────────────────────────────────────────


def _paid(flow: str, state: ShopOrderState, fact: PaymentSettled, now: datetime) -> Decided | None:
    known = next((paid for paid in state.payments if paid.payment == fact.payment_id), None)
    if known is not None and known.applied.amount_minor > 0:
        return None
    paid = PaidBy(
        payment=fact.payment_id, applied=fact.applied, is_held=fact.is_held,
        is_returned=known is not None and known.is_returned,
    )  # fmt: skip
    others = tuple(p for p in state.payments if p.payment != fact.payment_id)
    changed = replace(state, payments=(*others, paid))
    if state.phase is ShopPhase.CANCELLED:
        return _decision(flow, state, changed, now)
    if state.phase is ShopPhase.RESERVED:
        changed = replace(changed, phase=ShopPhase.CONFIRMED)
    changed, effects = features.paid(changed, now)
    if paid.is_returned:
        changed, more = features.give_up(changed, now, is_over=True)
        effects += more
    return _decision(flow, state, changed, now, effects)


def _returned(flow: str, state: ShopOrderState, fact: PaymentReturned, now: datetime) -> Decided | None:
    """All of a payment is back: what it was to pay for is not to be had. It may be told before it was settled."""
    known = next((paid for paid in state.payments if paid.payment == fact.payment_id), None)
    if known is not None and known.is_returned:
        return None
    gone = replace(known or PaidBy(payment=fact.payment_id, applied=state.money(0)), is_returned=True)
    others = tuple(p for p in state.payments if p.payment != fact.payment_id)
    changed, effects = replace(state, payments=(*others, gone)), list[Planned]()
    if known is not None and state.phase in (ShopPhase.CONFIRMED, ShopPhase.CANCELLING):
        changed, effects = features.give_up(changed, now, is_over=True)
    return _decision(flow, state, changed, now, effects)


def _seen(flow: str, state: ShopOrderState, fact: facts.Seen, now: datetime) -> Decided | None:
    if fact.order_state is OrderState.CANCELLED:
        return _cancelled(flow, state, now)
    if state.phase not in (ShopPhase.RESERVED, ShopPhase.CONFIRMED, ShopPhase.CANCELLING):
        return None
    changed, effects = state, list[Planned]()
    was_paid = fact.payment_state not in (PaymentState.UNPAID, PaymentState.UNKNOWN)
    if state.phase is ShopPhase.RESERVED and was_paid:
        changed = replace(changed, phase=ShopPhase.CONFIRMED)
    if fact.features is not None and was_paid:
        is_refunded = fact.payment_state is PaymentState.REFUNDED
        changed, effects = features.seen(changed, fact.features, now, is_refunded=is_refunded)
    elif fact.features is not None:
        changed, effects = features.watch(changed, now)
    return _decision(flow, state, changed, now, effects)


def _revoked(flow: str, state: ShopOrderState, fact: facts.Revoked, now: datetime) -> Decided | None:
    if state.phase not in (ShopPhase.CONFIRMED, ShopPhase.CANCELLING):
        return None
    changed, effects = features.watch(features.revoked(state, fact.line, fact.state), now)
    return _decision(flow, state, changed, now, effects)


# ── pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _decision(
    flow: str, before: ShopOrderState, state: ShopOrderState, now: datetime, effects: Sequence[Planned] = ()
) -> Decided | None:
    """The new state, with what it means for the money, and what others are to be told of it."""
    state, moved = money.settle(flow, state, now)
    if state == before and not effects and not moved:
        return None
    dropped: list[str] = []
    if state.phase is ShopPhase.CONFIRMED:
        dropped.append(f"wake:{RESERVATION}")
    if state.features and all(feature.is_decided for feature in state.features):
        dropped += features.WATCHING
    return Decision(state=state, effects=[*effects, *moved], dropped=dropped, events=events_of(flow, before, state))
