"""What is still being done for a shop order, as its customer may see it."""

from __future__ import annotations

from collections.abc import Sequence

from bff.domain.order_steps import OrderStepKind, PendingStep
from bff.durability.flow_store import Waiting, moment
from bff.orders.shop_state import FeatureStep, ShopOrderState, ShopPhase

_STEPS = {
    "place": OrderStepKind.PLACING,
    "cancel": OrderStepKind.CANCELLING,
    "look": OrderStepKind.ACTIVATING,
    "revoke": OrderStepKind.REVOKING,
    "close-payments": OrderStepKind.CLOSING_PAYMENT,
    "give-back": OrderStepKind.REFUNDING,
    "take": OrderStepKind.CAPTURING,
}
"""By the first part of an effect's name."""


def pending(state: ShopOrderState, waiting: Sequence[Waiting]) -> list[PendingStep]:
    """One step of each kind, longest wanted first. `waiting` is what the flow's effects wait for."""
    steps = [step for effect in waiting if (step := _step_of(state, effect)) is not None]
    steps += _refunding(state)
    by_kind: dict[OrderStepKind, PendingStep] = {}
    for step in steps:
        known = by_kind.get(step.step)
        by_kind[step.step] = step if known is None else _both(known, step)
    return sorted(by_kind.values(), key=lambda step: step.since)


def _step_of(state: ShopOrderState, effect: Waiting) -> PendingStep | None:
    kind = _STEPS.get(effect.name.partition(":")[0])
    if kind is None:
        return None
    since = moment(effect.since)
    if kind is OrderStepKind.ACTIVATING:  # looked for again and again: what counts is how long it has been waited for
        began = [f.since for f in state.features if f.step is FeatureStep.ACTIVATING and f.since is not None]
        if not began:
            return None
        since = min(began)
    return PendingStep(
        step=kind,
        since=since,
        attempts=effect.attempts,
        error=effect.error or None,
        next_try_at=moment(effect.due_at),
    )


def _refunding(state: ShopOrderState) -> list[PendingStep]:
    """A payment knows that all of it is to go back, and has not said yet that it has arrived."""
    if state.phase not in (ShopPhase.CANCELLED, ShopPhase.CONFIRMED):
        return []
    back = {paid.payment for paid in state.payments if paid.is_returned}
    return [
        PendingStep(step=OrderStepKind.REFUNDING, since=given.at, attempts=0, error=None, next_try_at=given.at)
        for given in state.given_back
        if given.is_told and given.amount is None and given.payment not in back
    ]


def _both(one: PendingStep, other: PendingStep) -> PendingStep:
    return PendingStep(
        step=one.step,
        since=min(one.since, other.since),
        attempts=max(one.attempts, other.attempts),
        error=one.error or other.error,
        next_try_at=min(one.next_try_at, other.next_try_at),
    )
