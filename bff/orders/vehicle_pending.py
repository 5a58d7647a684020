"""What is still being done for a car's order, as an app may show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from bff.domain.order_steps import OrderStepKind, PendingStep
from bff.durability.flow_store import Waiting, moment
from bff.orders.vehicle_state import PaymentRecord, VehicleOrderState, WishKind, WishOutcome

_STEPS = {
    "place": OrderStepKind.PLACING,
    "lock": OrderStepKind.LOCKING,
    "cancel": OrderStepKind.CANCELLING,
    "create-sales-order": OrderStepKind.CREATING_SALES_ORDER,
    "attach-sales-order": OrderStepKind.ATTACHING_SALES_ORDER,
    "cancel-sales-order": OrderStepKind.CANCELLING_SALES_ORDER,
    "find-payments": OrderStepKind.CLOSING_PAYMENT,
}
"""By the kind of effect, which its name begins with."""

_OF_PAYMENTS = {
    OrderStepKind.CLOSING_PAYMENT: ("close", "begin", "query"),
    OrderStepKind.REFUNDING: ("repay", "query-repay", "capture"),
}


def steps(
    state: VehicleOrderState, waiting: Sequence[Waiting], payments_wait: Sequence[Waiting], now: datetime
) -> list[PendingStep]:
    """`waiting` is of the order's flow, `payments_wait` of the flows of its payments."""
    own = [_step(_STEPS[kind], one, state) for one in waiting if (kind := _kind(one)) in _STEPS]
    return [*own, *_queued(state), *_money(state, payments_wait, now)]


def payments_in_motion(state: VehicleOrderState) -> list[PaymentRecord]:
    """Payments of a cancelled order that are not back yet, as far as this flow will hear of it."""
    if not state.is_cancelled:
        return []
    return [payment for payment in state.payments if payment.tells_us and not payment.is_returned]


def _kind(one: Waiting) -> str:
    return one.name.partition(":")[0]


def _step(kind: OrderStepKind, one: Waiting, state: VehicleOrderState) -> PendingStep:
    refused = state.sales.refusals if kind is OrderStepKind.CREATING_SALES_ORDER else ()
    return PendingStep(
        step=kind,
        since=moment(one.since),
        attempts=one.attempts,
        error=one.error or (refused[0].code if refused else None),
        next_try_at=moment(one.due_at),
    )


def _queued(state: VehicleOrderState) -> Iterator[PendingStep]:
    """Wishes that wait until commerce has decided about another."""
    for wish in state.wishes:
        if wish.outcome is WishOutcome.WAITING:
            kind = OrderStepKind.LOCKING if wish.kind is WishKind.LOCK else OrderStepKind.CANCELLING
            yield PendingStep(step=kind, since=wish.since, attempts=0, error=None, next_try_at=wish.since)


def _money(state: VehicleOrderState, payments_wait: Sequence[Waiting], now: datetime) -> Iterator[PendingStep]:
    cancels = [wish.since for wish in state.wishes if wish.kind is not WishKind.LOCK]
    for payment in payments_in_motion(state):
        kind = OrderStepKind.CLOSING_PAYMENT if payment.applied is None else OrderStepKind.REFUNDING
        since = payment.refund_asked_at or payment.close_asked_at or max(cancels, default=now)
        mine = (one for one in payments_wait if one.flow == payment.id and _kind(one) in _OF_PAYMENTS[kind])
        one = next(mine, None)
        if one is None:
            yield PendingStep(step=kind, since=since, attempts=0, error=None, next_try_at=since)
        else:
            error, again = one.error or None, moment(one.due_at)
            yield PendingStep(step=kind, since=since, attempts=one.attempts, error=error, next_try_at=again)
