"""The rules of a car's order: what follows from each fact. Pure; `decide` is the only way in.

    PLACING ──▶ DRAFT ──▶ INTENT_PAID ──▶ DEPOSIT_PAID ──▶ LOCKED ──▶ IN_FULFILMENT ──▶ … ──▶ DELIVERED
       │          │            │               │             ▲
    refused       └────────────┴───────────────┴─ 168 hours ─┘
                               ▼
                           CANCELLED: sales order rejected ──▶ open payments closed, settled ones given back

- Commerce says how the order stands, and decides by compare-and-set whether it is locked or cancelled. The flow sends
  it one wish at a time: the next waits for the answer, and is told it.
- What was seen never goes back to what was before, in whatever order answers arrive.
- The first money makes the sales order. While a cancellation is undecided none is begun, and on a cancelled order none
  is left, not even one that arrives late.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

from msgspec.structs import replace

from bff.domain.base import Refusal
from bff.domain.vehicle_order import VehicleOrderStatus
from bff.durability.flow import Decision, Planned, Woken
from bff.orders import vehicle_facts as facts
from bff.orders.payment_facts import PaymentReturned, PaymentSettled
from bff.orders.vehicle_making import REFRESH, Making
from bff.orders.vehicle_ranks import AUTO_LOCK, DRAFT_EXPIRY
from bff.orders.vehicle_state import Place, Refresh, VehicleOrderState, Wish, WishKind, WishOutcome

Decided = Decision[VehicleOrderState]

TRY_AGAIN = timedelta(minutes=5)
SOON = timedelta(seconds=10)


def decide(flow: str, state: VehicleOrderState | None, fact: facts.VehicleOrderFact, now: datetime) -> Decided | None:
    """What follows; None where nothing does."""
    if isinstance(fact, facts.OrderWanted):
        return _wanted(state, fact, now)
    if state is None:
        return _adopt(flow, fact.order, now) if isinstance(fact, facts.OrderSeen) else None
    making = Making(flow, state, now)
    refusal = _apply(making, fact)
    return making.decision(refusal)


def _wanted(state: VehicleOrderState | None, fact: facts.OrderWanted, now: datetime) -> Decided | None:
    if state is None:
        return Decision(state=VehicleOrderState(since=now, wanted=fact), effects=[Planned(Place(wanted=fact))])
    return None if state.wanted == fact else Decision(state=state, refusal=_reused())


def _adopt(flow: str, order: facts.OrderSnapshot, now: datetime) -> Decided | None:
    making = Making(flow, VehicleOrderState(since=now), now)
    making.see(order)
    return making.decision()


def _apply(making: Making, fact: facts.VehicleOrderFact) -> Refusal | None:
    """What a fact changes at once; what else that makes necessary is found by `Making.decision`."""
    match fact:
        case facts.OrderSeen():
            making.see(fact.order)
        case facts.PlaceRefused():
            if not making.state.is_placed:
                making.change(refusals=tuple(fact.refusals))
        case facts.LockAsked():
            return _wish(making, _lock_wish(fact, making.now))
        case facts.CancelAsked():
            return _wish(making, Wish(id=fact.id, kind=WishKind.CANCEL, since=making.now, reason=fact.reason))
        case facts.WishAnswered():
            _answered(making, fact)
        case facts.SalesOrderMade():
            making.made(fact.number)
        case facts.SalesOrderRefused():
            making.not_made(fact.refusals)
        case facts.SalesOrderRejected():
            making.rejected(fact.number)
        case facts.PaymentsFound():
            making.found(fact.payments)
        case PaymentSettled():
            making.settled(fact)
        case PaymentReturned():
            making.returned(fact.payment_id)
        case Woken():
            _woken(making, fact.reason)
        case facts.OrderWanted():
            pass
        case _:
            assert_never(fact)
    return None


def _wish(making: Making, wish: Wish) -> Refusal | None:
    """A wish is made once; the same id with another content is somebody's mistake."""
    known = making.state.wish(wish.id)
    if known is None:
        making.wish(wish)
        return None
    same = replace(wish, since=known.since, outcome=known.outcome, refusals=known.refusals) == known
    return None if same else _reused()


def _lock_wish(fact: facts.LockAsked, now: datetime) -> Wish:
    return Wish(
        id=fact.id,
        kind=WishKind.LOCK,
        since=now,
        configuration_hash=fact.configuration_hash,
        total=fact.total,
        terms_version=fact.terms_version,
    )


def _answered(making: Making, fact: facts.WishAnswered) -> None:
    """A cancellation that commerce refuses because the order is cancelled already has come true all the same, as has a
    lock that nobody but the time wanted.
    """
    if fact.order is not None:
        making.see(fact.order)
    wish, order = making.state.wish(fact.id), making.state.order
    if wish is None or wish.outcome is not WishOutcome.SENT or order is None:
        return
    cancels = wish.kind in (WishKind.CANCEL, WishKind.EXPIRE)
    holds = making.state.is_cancelled if cancels else wish.is_ours and order.locked_at is not None
    done = not fact.refusals or holds
    making.answer(wish, WishOutcome.DONE if done else WishOutcome.REFUSED, () if done else tuple(fact.refusals))
    if done:
        return
    making.plan(Refresh(number=order.number), making.now + SOON)
    if wish.is_ours and order.status is VehicleOrderStatus.DEPOSIT_PAID:
        making.wake(AUTO_LOCK, making.now + TRY_AGAIN)
    if wish.is_ours and order.status is VehicleOrderStatus.DRAFT:
        making.wake(DRAFT_EXPIRY, making.now + TRY_AGAIN)


def _woken(making: Making, reason: str) -> None:
    order, now = making.state.order, making.now
    if order is None:
        return
    stamp = f"{now:%Y%m%d%H%M%S%f}"
    if reason == REFRESH and not making.state.is_over:
        making.plan(Refresh(number=order.number))
    elif reason == DRAFT_EXPIRY and order.status is VehicleOrderStatus.DRAFT:
        making.wish(Wish(id=f"expiry{stamp}", kind=WishKind.EXPIRE, since=now, reason="not paid in time", is_ours=True))
    elif reason == AUTO_LOCK and order.status is VehicleOrderStatus.DEPOSIT_PAID:
        said = facts.LockAsked(
            id=f"autolock{stamp}",
            configuration_hash=order.configuration_hash,
            total=order.total,
            terms_version=order.terms_version,
        )
        making.wish(replace(_lock_wish(said, now), is_ours=True))


def _reused() -> Refusal:
    return Refusal(code="IDEMPOTENCY_KEY_REUSED", message="This key was used with another input.")
