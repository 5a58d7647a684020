"""What becomes of the money of a shop order: taken once cars have confirmed, given back for what they have not.

Pure. Only a payment moves money: it is told what to do, and what it was told is remembered here under an id, so that
nothing is asked for twice.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from msgspec.structs import replace

from bff.domain.base import Money
from bff.durability.flow import Planned
from bff.orders.shop_state import FeatureStep, GiveBack, GivenBack, PaidBy, ShopOrderState, ShopPhase, Take

CANCELLED = "order cancelled"
NOT_ACTIVATED = "feature not activated"

Changed = tuple[ShopOrderState, list[Planned]]


def settle(flow: str, state: ShopOrderState, now: datetime) -> Changed:
    """What the payments are to be told now. Nothing while it is open whether the order is cancelled."""
    if state.phase is ShopPhase.CANCELLED:
        return _give_all_back(flow, state, CANCELLED, now)
    if state.phase is not ShopPhase.CONFIRMED:
        return state, []
    if not state.stands:
        return _give_all_back(flow, state, NOT_ACTIVATED, now)
    state, effects = _give_failed_back(flow, state, now)
    state, taken = _take(state)
    return state, effects + taken


def _give_all_back(flow: str, state: ShopOrderState, reason: str, now: datetime) -> Changed:
    effects: list[Planned] = []
    for paid in _standing(state):
        if not any(given.payment == paid.payment and given.amount is None for given in state.given_back):
            state, effect = _ask(flow, state, paid, None, reason, now)
            effects.append(effect)
    return state, effects


def _give_failed_back(flow: str, state: ShopOrderState, now: datetime) -> Changed:
    """The prices of features that failed, less what the order did not take in the first place on their account."""
    standing = _standing(state)
    if not standing:
        return state, []
    paid = standing[0]
    failed = sum(f.price.amount_minor for f in state.features if f.step is FeatureStep.FAILED)
    not_taken = state.total.amount_minor - paid.applied.amount_minor
    asked = sum(given.amount.amount_minor for given in state.given_back if given.amount is not None)
    due = min(failed - not_taken, paid.applied.amount_minor) - asked
    if due <= 0:
        return state, []
    state, effect = _ask(flow, state, paid, state.money(due), NOT_ACTIVATED, now)
    return state, [effect]


def _take(state: ShopOrderState) -> Changed:
    """A hold is taken when every car has answered, and after the payment knows what of it is not to be taken."""
    if not all(feature.is_decided for feature in state.features) or not all(g.is_told for g in state.given_back):
        return state, []
    due = [paid.payment for paid in _standing(state) if paid.is_held and not paid.is_capture_asked]
    payments = tuple(replace(p, is_capture_asked=True) if p.payment in due else p for p in state.payments)
    return replace(state, payments=payments), [Planned(Take(payment=payment)) for payment in due]


def _standing(state: ShopOrderState) -> list[PaidBy]:
    return [paid for paid in state.payments if paid.applied.amount_minor > 0 and not paid.is_returned]


def _ask(
    flow: str, state: ShopOrderState, paid: PaidBy, amount: Money | None, reason: str, now: datetime
) -> tuple[ShopOrderState, Planned]:
    name = hashlib.sha256(f"{flow}:{paid.payment}:{len(state.given_back)}".encode()).hexdigest()
    given = GivenBack(id=f"SR{name[:30]}", payment=paid.payment, amount=amount, at=now)
    effect = GiveBack(id=given.id, payment=paid.payment, amount=amount, reason=reason)
    return replace(state, given_back=(*state.given_back, given)), Planned(effect)
