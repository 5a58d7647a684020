"""Giving back: wishes for it, what the provider says of it, and the parts of a hold that are not taken.

The sum never exceeds what was taken, or is held: it is checked here, under the lock of the payment.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from bff.domain.payment import PaymentStatus, RefundStatus
from bff.domain.providers import RepaymentState
from bff.durability.flow import Decision, DomainEvent, LedgerEntry, Planned
from bff.orders import payment_facts as facts
from bff.orders.payment_pieces import (
    ASKING,
    FIRST_LOOK,
    Decided,
    close_charge,
    decision,
    entry_of,
    event_of,
    let_go,
    refusal,
    repay,
    repayment_of,
    tell_refund,
    tell_returned,
)
from bff.orders.payment_state import (
    PaymentFlowState,
    QueryRepay,
    RefundRecord,
)


def refund(flow: str, state: PaymentFlowState, asked: facts.RefundAsked, now: datetime) -> Decided | None:
    if any(refund.id == asked.id for refund in state.refunds):
        return None
    if state.captured is None and not state.is_held:
        if asked.amount is not None:
            return Decision(state=state, refusal=refusal("NOT_REFUNDABLE", "Nothing was taken that could go back."))
        if state.status is PaymentStatus.CLOSED or state.returns_all:
            return Decision(state=replace(state, returns_all=True))
        return decision(replace(state, returns_all=True, is_closing=True), close_charge(state))
    left = state.left_minor
    wanted = left if asked.amount is None else asked.amount.amount_minor
    if asked.amount is not None and asked.amount.currency != state.money(0).currency:
        return Decision(state=state, refusal=refusal("NOT_REFUNDABLE", "It was paid in another currency."))
    if wanted > left:
        message = f"At most {left} can be given back, in minor units."
        return Decision(state=state, refusal=refusal("REFUND_EXCEEDS_CAPTURED", message))
    if wanted <= 0:
        return None
    if state.is_held:
        return _release(state, asked, wanted, now)
    return give_back(flow, state, None, wanted, asked.reason, now, refund_id=asked.id)


def _release(state: PaymentFlowState, asked: facts.RefundAsked, wanted: int, now: datetime) -> Decided:
    """Not taken yet: that part is not going to be; a hold of which nothing is left is let go. Where it is just being
    taken, it is given back when it has arrived (`repay_waiting`).
    """
    record = RefundRecord(
        id=asked.id, amount=state.money(wanted), reason=asked.reason, status=RefundStatus.REQUESTED, created_at=now,
        is_release=not state.is_capture_asked,
    )  # fmt: skip
    state = replace(state, refunds=(*state.refunds, record))
    if state.left_minor > 0 or state.is_capture_asked:
        return decision(state)
    state = replace(state, is_closing=True, returns_all=True)
    return decision(state, close_charge(state))


def release(
    flow: str, state: PaymentFlowState, rest_minor: int, now: datetime
) -> tuple[PaymentFlowState, list[Planned]]:
    """A hold is gone: the rest of it is the customer's again, and the order's books are told of every part of it."""
    if rest_minor > 0:
        rest = let_go(flow, state.money(rest_minor), now)
        state = replace(state, refunds=(*state.refunds, rest))
    gone = [r for r in state.refunds if r.status is RefundStatus.SUCCEEDED and r.is_release and not r.is_told]
    return state, [Planned(tell_refund(record)) for record in gone]


def repay_waiting(flow: str, state: PaymentFlowState) -> list[Planned]:
    """What was wanted back while it was being taken: it has arrived, and goes back now."""
    return [Planned(repay(flow, state, record)) for record in state.refunds if not record.is_release]


def give_back(
    flow: str,
    state: PaymentFlowState,
    suffix: str | None,
    minor: int,
    reason: str,
    now: datetime,
    entry: LedgerEntry | None = None,
    event: DomainEvent | None = None,
    *,
    refund_id: str | None = None,
    is_told: bool = False,
) -> Decided:
    """`is_told`: the order's books have counted it already."""
    record = RefundRecord(
        id=refund_id or f"{flow}{suffix}",
        amount=state.money(minor),
        reason=reason,
        status=RefundStatus.REQUESTED,
        created_at=now,
        is_told=is_told,
    )
    state = replace(state, refunds=(*state.refunds, record))
    return Decision(
        state=state,
        effects=[Planned(repay(flow, state, record))],
        dropped=ASKING,
        entries=[entry] if entry is not None else (),
        events=[event] if event is not None else (),
    )


def repayment_said(flow: str, state: PaymentFlowState, said: RepaymentState, now: datetime) -> Decided | None:
    record = next((refund for refund in state.refunds if refund.id == said.id), None)
    if record is None or record.status is RefundStatus.CLOSED:
        return None
    if record.status is RefundStatus.SUCCEEDED:
        return _came_back(flow, state, record, said)
    if said.status is None:  # never heard of: ask for it (again)
        return decision(state, repay(flow, state, record))
    repayment = repayment_of(flow, state, record)
    status = said.status
    if said.amount is not None and said.amount != record.amount:
        status = RefundStatus.ABNORMAL
    changed = replace(record, status=status, raw_status=said.raw_status, transaction=said.transaction)
    state = _with(state, changed)
    if status is RefundStatus.SUCCEEDED:
        return _repaid(flow, state, changed)
    if status is RefundStatus.CLOSED:
        return decision(state)
    pause = min(timedelta(hours=1), max(FIRST_LOOK, (now - record.created_at) / 2))
    query = QueryRepay(
        provider=state.opened.provider, reference=state.reference, repayment=repayment, transaction=said.transaction
    )
    return decision(state, query, at=now + pause)


def _with(state: PaymentFlowState, changed: RefundRecord) -> PaymentFlowState:
    return replace(state, refunds=tuple(changed if each.id == changed.id else each for each in state.refunds))


def _repaid(flow: str, state: PaymentFlowState, record: RefundRecord) -> Decided:
    entry = entry_of(flow, state, "REFUND", record.amount, record.transaction or "", record.id)
    refunded = event_of(flow, state, "payment.refunded.v1", record.amount, record.id)
    effects = [Planned(tell_refund(record))] if state.applied is not None and not record.is_told else []
    done = sum(r.amount.amount_minor for r in state.refunds if r.status is RefundStatus.SUCCEEDED and not r.is_release)
    if state.captured is not None and done >= state.captured.amount_minor:
        effects += tell_returned(flow, state)
    return Decision(
        state=state, effects=effects, dropped=[f"query-repay:{record.id}", f"repay:{record.id}"], entries=[entry],
        events=[refunded],
    )  # fmt: skip


def _came_back(flow: str, state: PaymentFlowState, record: RefundRecord, said: RepaymentState) -> Decided | None:
    """Days later the customer's bank would not have it: the money lies with us, and people find another way."""
    if said.status is not RefundStatus.ABNORMAL:
        return None
    changed = replace(record, status=RefundStatus.ABNORMAL, raw_status=said.raw_status)
    entry = entry_of(flow, state, "REVERSAL", record.amount, said.transaction or "", record.id)
    return Decision(state=_with(state, changed), entries=[entry])


def repayment_refused(state: PaymentFlowState, fact: facts.RepaymentRefused) -> Decided | None:
    """The provider will not: staff has to find another way, and sees it in the reconciliation."""
    code = fact.refusals[0].code if fact.refusals else "REFUSED"
    return with_refund(state, fact.id, status=RefundStatus.ABNORMAL, raw_status=code)


def with_refund(
    state: PaymentFlowState,
    refund_id: str,
    *,
    status: RefundStatus | None = None,
    raw_status: str | None = None,
    is_told: bool | None = None,
) -> Decided | None:
    changed = tuple(
        replace(
            refund,
            status=refund.status if status is None else status,
            raw_status=refund.raw_status if raw_status is None else raw_status,
            is_told=refund.is_told if is_told is None else is_told,
        )
        if refund.id == refund_id
        else refund
        for refund in state.refunds
    )
    return None if changed == state.refunds else decision(replace(state, refunds=changed))
