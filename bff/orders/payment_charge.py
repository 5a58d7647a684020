"""The charge itself: begun at the provider, and what the provider says of it since."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from bff.domain.base import Money
from bff.domain.payment import PaymentStatus, RefundStatus
from bff.domain.providers import Charge, ChargeState, ChargeStatus
from bff.durability.flow import Decision, Planned, Wake
from bff.orders import payment_facts as facts
from bff.orders.payment_pieces import (
    AMOUNT_MISMATCH,
    ASKING,
    EXPIRY,
    EXPIRY_GRACE,
    FIRST_LOOK,
    SLOWEST_LOOK,
    STRAGGLERS,
    Decided,
    close_charge,
    decision,
    entry_of,
    event_of,
    query,
    settle,
    tell_returned,
)
from bff.orders.payment_refunds import give_back, release, repay_waiting
from bff.orders.payment_state import (
    Begin,
    PaymentFlowState,
)


def open_payment(flow: str, wish: facts.Opened, now: datetime) -> Decided:
    charge = Charge(
        id=flow,
        order_number=wish.order_number,
        description=wish.description,
        amount=wish.amount,
        scene=wish.scene,
        expires_at=wish.expires_at,
        payer=wish.payer,
        client_ip=wish.client_ip,
        holds=wish.holds,
    )
    # What only the provider needs to know of the customer is in the step that tells it, and gone when that is done.
    kept = replace(wish, payer=None, client_ip=None)
    state = PaymentFlowState(opened=kept, status=PaymentStatus.CREATED, created_at=now)
    expiry = Planned(Wake(reason=EXPIRY), wish.expires_at + EXPIRY_GRACE)
    return Decision(state=state, effects=[Planned(Begin(provider=wish.provider, charge=charge)), expiry])


def begun(state: PaymentFlowState, fact: facts.ChargeBegun, now: datetime) -> Decided:
    begun = fact.begun
    state = replace(state, reference=begun.reference or state.reference)
    if state.is_closing or state.status is PaymentStatus.CLOSED:
        return decision(state, close_charge(state))  # begun after it was closed: closed again
    if state.status is not PaymentStatus.CREATED:
        return decision(state)  # a notification was quicker than the answer
    state = replace(state, status=PaymentStatus.REQUIRES_ACTION, client_action=begun.client_action)
    return decision(state, query(state), at=now + FIRST_LOOK)


def refused(state: PaymentFlowState, fact: facts.ChargeRefused) -> Decided | None:
    if state.status is not PaymentStatus.CREATED:
        return None
    code = fact.refusals[0].code if fact.refusals else "REFUSED"
    if code == "ALREADY_PAID":
        return decision(state, query(state))
    closed = replace(state, status=PaymentStatus.FAILED, failure_code=code, refusals=tuple(fact.refusals))
    return Decision(state=closed, dropped=ASKING)


def said_of_charge(flow: str, state: PaymentFlowState, said: ChargeState, now: datetime) -> Decided | None:
    state = replace(state, reference=said.reference or state.reference)
    if state.captured is not None:
        return None
    match said.status:
        case ChargeStatus.SUCCEEDED:
            return _succeeded(flow, state, said, now)
        case ChargeStatus.AUTHORISED:
            return _held(flow, state, said, now)
        case ChargeStatus.CLOSED:
            return _closed(flow, state, now)
        case ChargeStatus.ABSENT if state.is_closing or now >= state.opened.expires_at + EXPIRY_GRACE:
            return _closed_unheard(flow, state, now)
        case ChargeStatus.FAILED if not state.is_held and state.status is not PaymentStatus.CLOSED:
            failed = replace(state, status=PaymentStatus.FAILED, failure_code=said.failure_code or said.raw_status)
            return _look_again(failed, now)
        case ChargeStatus.PROCESSING if not state.is_held and state.status is not PaymentStatus.CLOSED:
            return _look_again(replace(state, status=PaymentStatus.PROCESSING), now)
        case _:
            return _look_again(state, now)


def _look_again(state: PaymentFlowState, now: datetime) -> Decided:
    """Nothing certain yet: ask again, the less often the longer it lasts; when its time is over, close it."""
    if state.status is PaymentStatus.CLOSED or state.is_held:
        return decision(state)
    if state.is_closing or now >= state.opened.expires_at + EXPIRY_GRACE:
        return decision(state, close_charge(state), at=now + FIRST_LOOK)
    pause = min(SLOWEST_LOOK, max(FIRST_LOOK, (now - state.created_at) / 2))
    return decision(state, query(state), at=now + pause)


def _succeeded(flow: str, state: PaymentFlowState, said: ChargeState, now: datetime) -> Decided:
    """Money moved. What is not the amount that was asked for goes back whole, and the order never hears of it."""
    took = said.captured or said.amount
    if took is None:
        return decision(state, query(state))  # a notice without an amount: the query tells
    released = sum(
        r.amount.amount_minor for r in state.refunds if r.is_release and r.status not in (RefundStatus.CLOSED,)
    )
    expected = Money(amount_minor=state.opened.amount.amount_minor - released, currency=state.opened.amount.currency)
    was_held = state.is_held
    state = replace(
        state,
        status=PaymentStatus.SUCCEEDED,
        captured=took,
        is_held=False,
        transaction=said.transaction or state.transaction,
        failure_code=None,
    )
    entry = entry_of(flow, state, "CAPTURE", took, said.transaction or "", flow)
    succeeded = event_of(flow, state, "payment.succeeded.v1", took)
    if state.applied is not None and not was_held:
        # A hold that had been let go, as the order's books know, was taken after all.
        return give_back(flow, state, "L1", took.amount_minor, "not due any more", now, entry, succeeded, is_told=True)
    if took != expected:
        state = replace(state, status=PaymentStatus.FAILED, failure_code=AMOUNT_MISMATCH)
        return give_back(flow, state, "M1", took.amount_minor, "another amount than asked for", now, entry)
    if state.returns_all:
        return give_back(flow, state, "G1", took.amount_minor, "not due any more", now, entry, succeeded)
    waiting = repay_waiting(flow, state)
    # Of a hold that was taken in part, the parts let go are the customer's again.
    refunds = tuple(replace(r, status=RefundStatus.SUCCEEDED) if r.is_release else r for r in state.refunds)
    state, told = release(flow, replace(state, refunds=refunds), 0, now)
    effects = ([Planned(settle(state))] if state.applied is None else told) + waiting
    return Decision(state=state, effects=effects, dropped=ASKING, entries=[entry], events=[succeeded])


def _held(flow: str, state: PaymentFlowState, said: ChargeState, now: datetime) -> Decided | None:
    if state.is_held:
        return None
    if said.amount is not None and said.amount != state.opened.amount:
        state = replace(state, failure_code=AMOUNT_MISMATCH, returns_all=True)
    state = replace(state, status=PaymentStatus.PROCESSING, is_held=True, transaction=said.transaction)
    if state.returns_all or state.is_closing:
        return decision(state, close_charge(state))
    return Decision(state=state, effects=[Planned(settle(state))], dropped=ASKING)


def _closed_unheard(flow: str, state: PaymentFlowState, now: datetime) -> Decided | None:
    """The provider knows of no charge that could be closed. One may still be on its way: it is closed again later."""
    closed = _closed(flow, state, now)
    if closed is None:
        return None
    return replace(closed, effects=[*closed.effects, Planned(close_charge(state), now + STRAGGLERS)])


def _closed(flow: str, state: PaymentFlowState, now: datetime) -> Decided | None:
    if state.status is PaymentStatus.CLOSED:
        return None
    effects: list[Planned] = []
    if state.is_held:  # let go, or run out at the provider: what was to be given back is let go with the rest
        left = state.left_minor
        refunds = tuple(replace(r, status=RefundStatus.SUCCEEDED, is_release=True) for r in state.refunds)
        state = replace(state, refunds=refunds)
        if state.applied is not None:  # the order's books follow
            state, effects = release(flow, state, left, now)
    status = PaymentStatus.FAILED if state.failure_code == AMOUNT_MISMATCH else PaymentStatus.CLOSED
    state = replace(state, status=status, is_held=False)
    return Decision(state=state, effects=effects + tell_returned(flow, state), dropped=ASKING)
