"""The rules of a payment: what follows from each fact. Pure; `decide` is the only way in.

    CREATED ──▶ REQUIRES_ACTION ──▶ PROCESSING ──▶ SUCCEEDED ──▶ settled with the order ──▶ kept, or given back
       │               │                 │ (also: held)
       └───────────────┴──── FAILED ◀────┘         any of them ──▶ CLOSED, unless somebody was quicker

- Only the provider says that money moved, and only the full amount in the right currency counts; another amount is
  given back and never reaches the order.
- What the order does not take, and what comes after it was cancelled, is given back without anybody asking.
- The sum of refunds never exceeds what was taken: it is checked here, under the payment's lock.
- Whatever is said twice, late or out of order changes nothing that has been said before.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from bff.domain.base import Money, Refusal
from bff.domain.payment import PaymentStatus, RefundStatus
from bff.domain.providers import Charge, ChargeState, ChargeStatus, Repayment, RepaymentState
from bff.durability.flow import Decision, DomainEvent, Effect, LedgerEntry, Planned, Tell, Wake, Woken
from bff.orders import payment_facts as facts
from bff.orders.payment_state import (
    Begin,
    Capture,
    Close,
    PaymentFlowState,
    Query,
    QueryRepay,
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


def decide(flow: str, state: PaymentFlowState | None, fact: facts.PaymentFact, now: datetime) -> Decided | None:
    """What follows; None where nothing does. `flow` is the payment's id."""
    if isinstance(fact, facts.Opened):
        return _open(flow, fact, now) if state is None else None
    if state is None:
        return None
    match fact:
        case facts.ChargeBegun():
            return _begun(state, fact, now)
        case facts.ChargeRefused():
            return _refused(state, fact)
        case facts.ProviderSaid():
            return _said(flow, state, fact.charge, now)
        case facts.OrderSettled():
            return _settled(flow, state, fact, now)
        case facts.CloseAsked():
            return _close(state)
        case facts.CaptureAsked():
            return _capture(state)
        case facts.RefundAsked():
            return _refund(flow, state, fact, now)
        case facts.RepaymentSaid():
            return _repayment_said(flow, state, fact.repayment, now)
        case facts.RepaymentRefused():
            return _repayment_refused(state, fact)
        case facts.OrderToldOfRefund():
            return _with_refund(state, fact.id, is_told=True)
        case Woken():
            return None if state.is_final or state.is_held else _decision(state, _close_effect(state))


# ── beginning ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _open(flow: str, wish: facts.Opened, now: datetime) -> Decided:
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


def _begun(state: PaymentFlowState, fact: facts.ChargeBegun, now: datetime) -> Decided:
    begun = fact.begun
    state = replace(state, reference=begun.reference or state.reference)
    if state.is_closing or state.status is PaymentStatus.CLOSED:
        return _decision(state, _close_effect(state))  # begun after it was closed: closed again
    if state.status is not PaymentStatus.CREATED:
        return _decision(state)  # a notification was quicker than the answer
    state = replace(state, status=PaymentStatus.REQUIRES_ACTION, client_action=begun.client_action)
    return _decision(state, _query(state), at=now + FIRST_LOOK)


def _refused(state: PaymentFlowState, fact: facts.ChargeRefused) -> Decided | None:
    if state.status is not PaymentStatus.CREATED:
        return None
    code = fact.refusals[0].code if fact.refusals else "REFUSED"
    if code == "ALREADY_PAID":
        return _decision(state, _query(state))
    closed = replace(state, status=PaymentStatus.FAILED, failure_code=code, refusals=tuple(fact.refusals))
    return Decision(state=closed, dropped=ASKING)


# ── what the provider says of the charge ─────────────────────────────────────────────────────────────────────────────


def _said(flow: str, state: PaymentFlowState, said: ChargeState, now: datetime) -> Decided | None:
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
        return _decision(state)
    if state.is_closing or now >= state.opened.expires_at + EXPIRY_GRACE:
        return _decision(state, _close_effect(state), at=now + FIRST_LOOK)
    pause = min(SLOWEST_LOOK, max(FIRST_LOOK, (now - state.created_at) / 2))
    return _decision(state, _query(state), at=now + pause)


def _succeeded(flow: str, state: PaymentFlowState, said: ChargeState, now: datetime) -> Decided:
    """Money moved. What is not the amount that was asked for goes back whole, and the order never hears of it."""
    took = said.captured or said.amount
    if took is None:
        return _decision(state, _query(state))  # a notice without an amount: the query tells
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
    entry = _entry(flow, state, "CAPTURE", took, said.transaction or "", flow)
    if took != expected:
        state = replace(state, status=PaymentStatus.FAILED, failure_code=AMOUNT_MISMATCH)
        return _give_back(flow, state, "M1", took.amount_minor, "another amount than asked for", now, entry)
    succeeded = _event(flow, state, "payment.succeeded.v1", took)
    if state.returns_all:
        return _give_back(flow, state, "G1", took.amount_minor, "not due any more", now, entry, succeeded)
    if not was_held or state.applied is None:
        effects = [Planned(_settle(state))]
    else:
        state, effects = _finish_releases(state)
    return Decision(state=state, effects=effects, dropped=ASKING, entries=[entry], events=[succeeded])


def _finish_releases(state: PaymentFlowState) -> tuple[PaymentFlowState, list[Planned]]:
    """The hold was taken in part: the parts let go are the customer's again."""
    refunds = tuple(replace(r, status=RefundStatus.SUCCEEDED) if r.is_release else r for r in state.refunds)
    return replace(state, refunds=refunds), [
        Planned(_tell_refund(r)) for r in refunds if r.is_release and not r.is_told
    ]


def _held(flow: str, state: PaymentFlowState, said: ChargeState, now: datetime) -> Decided | None:
    if state.is_held:
        return None
    if said.amount is not None and said.amount != state.opened.amount:
        state = replace(state, failure_code=AMOUNT_MISMATCH, returns_all=True)
    state = replace(state, status=PaymentStatus.PROCESSING, is_held=True, transaction=said.transaction)
    if state.returns_all or state.is_closing:
        return _decision(state, _close_effect(state))
    return Decision(state=state, effects=[Planned(_settle(state))], dropped=ASKING)


def _closed_unheard(flow: str, state: PaymentFlowState, now: datetime) -> Decided | None:
    """The provider knows of no charge that could be closed. One may still be on its way: it is closed again later."""
    closed = _closed(flow, state, now)
    if closed is None:
        return None
    return replace(closed, effects=[*closed.effects, Planned(_close_effect(state), now + STRAGGLERS)])


def _closed(flow: str, state: PaymentFlowState, now: datetime) -> Decided | None:
    if state.status is PaymentStatus.CLOSED:
        return None
    effects: list[Planned] = []
    if state.is_held and state.applied is not None:  # let go, or run out at the provider: the order's books follow
        left = state.money(state.opened.amount.amount_minor - state.returned_minor)
        refunds = tuple(replace(r, status=RefundStatus.SUCCEEDED) if r.is_release else r for r in state.refunds)
        if left.amount_minor > 0:
            refunds = (*refunds, _let_go(flow, left, now))
        state = replace(state, refunds=refunds)
        effects += [Planned(_tell_refund(r)) for r in refunds if r.is_release and not r.is_told]
    status = PaymentStatus.FAILED if state.failure_code == AMOUNT_MISMATCH else PaymentStatus.CLOSED
    state = replace(state, status=status, is_held=False)
    return Decision(state=state, effects=effects + _tell_returned(flow, state), dropped=ASKING)


# ── what the order does with it ──────────────────────────────────────────────────────────────────────────────────────


def _settled(flow: str, state: PaymentFlowState, fact: facts.OrderSettled, now: datetime) -> Decided | None:
    if state.applied is not None:
        return None
    state = replace(state, applied=fact.applied)
    if state.captured is None and not state.is_held:  # a hold that was let go while the order was being told of it
        rest = _let_go(flow, fact.applied, now)
        told = [Planned(_tell_refund(rest))] if rest.amount.amount_minor > 0 else []
        return Decision(state=replace(state, refunds=(*state.refunds, rest)), effects=told)
    effects = [Planned(_tell_refund(r)) for r in state.refunds if r.status is RefundStatus.SUCCEEDED and not r.is_told]
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
    returned = _refund(flow, state, asked, now)
    if returned is None:
        return Decision(state=state, effects=effects)
    return replace(returned, effects=[*effects, *returned.effects])


def _close(state: PaymentFlowState) -> Decided | None:
    if state.is_final or state.is_closing or state.is_held:
        return None
    return _decision(replace(state, is_closing=True), _close_effect(state))


def _capture(state: PaymentFlowState) -> Decided | None:
    if not state.is_held or state.is_capture_asked or state.is_closing:
        return None
    amount = state.money(state.left_minor)
    capture = Capture(provider=state.opened.provider, reference=state.reference, amount=amount)
    return _decision(replace(state, is_capture_asked=True), capture)


# ── giving back ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _refund(flow: str, state: PaymentFlowState, asked: facts.RefundAsked, now: datetime) -> Decided | None:
    if any(refund.id == asked.id for refund in state.refunds):
        return None
    if state.captured is None and not state.is_held:
        if asked.amount is not None:
            return Decision(state=state, refusal=refusal("NOT_REFUNDABLE", "Nothing was taken that could go back."))
        if state.status is PaymentStatus.CLOSED or state.returns_all:
            return Decision(state=replace(state, returns_all=True))
        return _decision(replace(state, returns_all=True, is_closing=True), _close_effect(state))
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
    return _give_back(flow, state, None, wanted, asked.reason, now, refund_id=asked.id)


def _release(state: PaymentFlowState, asked: facts.RefundAsked, wanted: int, now: datetime) -> Decided:
    """Not taken yet: that part is not going to be; a hold of which nothing is left is let go."""
    if state.is_capture_asked:  # on its way: given back when it has arrived
        return Decision(state=state, refusal=refusal("NOT_REFUNDABLE", "It is just being taken: try again."))
    record = RefundRecord(
        id=asked.id, amount=state.money(wanted), reason=asked.reason, status=RefundStatus.REQUESTED, created_at=now,
        is_release=True,
    )  # fmt: skip
    state = replace(state, refunds=(*state.refunds, record))
    if state.left_minor > 0:
        return _decision(state)
    state = replace(state, is_closing=True, returns_all=True)
    return _decision(state, _close_effect(state))


def _give_back(
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
) -> Decided:
    record = RefundRecord(
        id=refund_id or f"{flow}{suffix}",
        amount=state.money(minor),
        reason=reason,
        status=RefundStatus.REQUESTED,
        created_at=now,
    )
    state = replace(state, refunds=(*state.refunds, record))
    repay = Repay(provider=state.opened.provider, reference=state.reference, repayment=_repayment(flow, state, record))
    return Decision(
        state=state,
        effects=[Planned(repay)],
        dropped=ASKING,
        entries=[entry] if entry is not None else (),
        events=[event] if event is not None else (),
    )


def _repayment_said(flow: str, state: PaymentFlowState, said: RepaymentState, now: datetime) -> Decided | None:
    record = next((refund for refund in state.refunds if refund.id == said.id), None)
    if record is None or record.status is RefundStatus.CLOSED:
        return None
    if record.status is RefundStatus.SUCCEEDED:
        return _came_back(flow, state, record, said)
    repayment = _repayment(flow, state, record)
    provider, reference = state.opened.provider, state.reference
    if said.status is None:  # never heard of: ask for it (again)
        return _decision(state, Repay(provider=provider, reference=reference, repayment=repayment))
    status = said.status
    if said.amount is not None and said.amount != record.amount:
        status = RefundStatus.ABNORMAL
    changed = replace(record, status=status, raw_status=said.raw_status, transaction=said.transaction)
    state = replace(state, refunds=tuple(changed if refund.id == record.id else refund for refund in state.refunds))
    if status is RefundStatus.SUCCEEDED:
        return _repaid(flow, state, changed)
    if status is RefundStatus.CLOSED:
        return _decision(state)
    pause = min(timedelta(hours=1), max(FIRST_LOOK, (now - record.created_at) / 2))
    query = QueryRepay(provider=provider, reference=reference, repayment=repayment, transaction=said.transaction)
    return _decision(state, query, at=now + pause)


def _repaid(flow: str, state: PaymentFlowState, record: RefundRecord) -> Decided:
    entry = _entry(flow, state, "REFUND", record.amount, record.transaction or "", record.id)
    refunded = _event(flow, state, "payment.refunded.v1", record.amount, record.id)
    effects = [Planned(_tell_refund(record))] if state.applied is not None else []
    done = sum(r.amount.amount_minor for r in state.refunds if r.status is RefundStatus.SUCCEEDED and not r.is_release)
    if state.captured is not None and done >= state.captured.amount_minor:
        effects += _tell_returned(flow, state)
    return Decision(
        state=state, effects=effects, dropped=[f"query-repay:{record.id}", f"repay:{record.id}"], entries=[entry],
        events=[refunded],
    )  # fmt: skip


def _came_back(flow: str, state: PaymentFlowState, record: RefundRecord, said: RepaymentState) -> Decided | None:
    """Days later the customer's bank would not have it: the money lies with us, and people find another way."""
    if said.status is not RefundStatus.ABNORMAL:
        return None
    changed = replace(record, status=RefundStatus.ABNORMAL, raw_status=said.raw_status)
    refunds = tuple(changed if refund.id == record.id else refund for refund in state.refunds)
    entry = _entry(flow, state, "REVERSAL", record.amount, said.transaction or "", record.id)
    return Decision(state=replace(state, refunds=refunds), entries=[entry])


def _repayment_refused(state: PaymentFlowState, fact: facts.RepaymentRefused) -> Decided | None:
    """The provider will not: staff has to find another way, and sees it in the reconciliation."""
    code = fact.refusals[0].code if fact.refusals else "REFUSED"
    return _with_refund(state, fact.id, status=RefundStatus.ABNORMAL, raw_status=code)


def _with_refund(
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
    return None if changed == state.refunds else _decision(replace(state, refunds=changed))


# ── pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _decision(state: PaymentFlowState, effect: Effect | None = None, *, at: datetime | None = None) -> Decided:
    return Decision(state=state, effects=[Planned(effect, at)] if effect is not None else ())


def _query(state: PaymentFlowState) -> Query:
    return Query(provider=state.opened.provider, reference=state.reference)


def _close_effect(state: PaymentFlowState) -> Close:
    return Close(provider=state.opened.provider, reference=state.reference)


def _settle(state: PaymentFlowState) -> Settle:
    opened = state.opened
    return Settle(order_number=opened.order_number, purpose=opened.purpose.value, amount=opened.amount)


def _tell_refund(record: RefundRecord) -> TellOrderOfRefund:
    return TellOrderOfRefund(id=record.id, amount=record.amount)


def _let_go(flow: str, amount: Money, now: datetime) -> RefundRecord:
    """What was held of the customer's money and is theirs again."""
    return RefundRecord(
        id=flow + "H1",
        amount=amount,
        reason="the hold was let go",
        status=RefundStatus.SUCCEEDED,
        created_at=now,
        is_release=True,
    )


def _tell_returned(flow: str, state: PaymentFlowState) -> list[Planned]:
    if state.opened.order_flow is None:
        return []
    kind, order = state.opened.order_flow
    return [Planned(Tell.of(kind, order, facts.PaymentReturned(payment_id=flow), f"returned:{flow}"))]


def _repayment(flow: str, state: PaymentFlowState, record: RefundRecord) -> Repayment:
    return Repayment(
        id=record.id,
        charge_id=flow,
        reference=state.reference,
        amount=record.amount,
        total=state.captured or state.opened.amount,
        reason=record.reason,
    )


def _entry(flow: str, state: PaymentFlowState, kind: str, amount: Money, movement: str, entry_id: str) -> LedgerEntry:
    return LedgerEntry(
        id=f"{kind}:{entry_id}",
        order_number=state.opened.order_number,
        payment_id=flow,
        kind=kind,
        amount=amount,
        movement=movement,
    )


def _event(flow: str, state: PaymentFlowState, kind: str, amount: Money, refund: str | None = None) -> DomainEvent:
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
