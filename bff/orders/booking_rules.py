"""What follows from what happens to a visit. Pure; a fact that comes twice or late changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from bff.domain.base import Refusal
from bff.domain.service import BookingOrigin, BookingStatus, split_slot_id
from bff.durability.flow import Decision, DomainEvent, Planned
from bff.orders import booking_facts as facts
from bff.orders.booking_facts import BookingState, ChangeKind, Step, Visit, Wish, WishOutcome

ANOTHER_REQUEST = Refusal(code="IDEMPOTENCY_KEY_REUSED", message="This idempotencyKey was used for another request.")


def decide(
    flow: str, state: BookingState | None, fact: facts.BookingFact, now: datetime
) -> Decision[BookingState] | None:
    if isinstance(fact, facts.BookAsked):
        return _asked(state, fact, now)
    if isinstance(fact, facts.Adopted):
        known = BookingState(customer_id=fact.customer_id, step=Step.BOOKED, booking=fact.booking)
        return Decision(state=replace(known, origin=fact.booking.origin)) if state is None else None
    if state is None:
        return None
    if isinstance(fact, facts.ChangeAsked):
        return _change_asked(state, fact, now)
    if isinstance(fact, facts.ChangeDone | facts.ChangeRefused | facts.ChangeFailed):
        return _change_answered(flow, state, fact)
    return _answered(flow, state, fact, now)


# ── booking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _asked(state: BookingState | None, fact: facts.BookAsked, now: datetime) -> Decision[BookingState] | None:
    """Asked again while it is open, or after it had failed, it is tried at once, and for longer."""
    request = fact.request
    asked = facts.digest(request)
    if state is not None and state.asked != asked:
        return Decision(state=state, refusal=ANOTHER_REQUEST)
    if state is not None and state.step in (Step.BOOKED, Step.REFUSED):
        return None
    offered = split_slot_id(request.slot_id)
    wanted = BookingState(
        customer_id=request.customer_id,
        step=Step.ASKED,
        origin=offered[0] if offered else None,
        asked=asked,
        wanted=request,
        again_after=state.again_after if state is not None else None,
        wishes=state.wishes if state is not None else [],
    )
    return Decision(
        state=wanted, effects=[_book(wanted, now, is_repeated=state is not None and state.step is Step.ASKED)]
    )


def _book(state: BookingState, now: datetime, *, is_repeated: bool) -> Planned:
    assert state.wanted is not None
    until = now + facts.TRYING
    effect = facts.Book(request=state.wanted, until=until, is_repeated=is_repeated, again_after=state.again_after)
    return Planned(effect)


def _answered(flow: str, state: BookingState, fact: Any, now: datetime) -> Decision[BookingState] | None:
    if state.step is not Step.ASKED:
        return None
    if isinstance(fact, facts.BookUncertain):
        if state.again_after is not None:
            return None
        uncertain = replace(state, again_after=now + facts.SETTLED)
        return Decision(state=uncertain, effects=[_book(uncertain, now, is_repeated=True)])
    ended = replace(state, wanted=None, again_after=None)
    if isinstance(fact, facts.BookRefused):
        return Decision(state=replace(ended, step=Step.REFUSED, refusals=fact.refusals))
    if isinstance(fact, facts.BookFailed):
        return Decision(state=replace(ended, step=Step.FAILED))
    if not isinstance(fact, facts.Booked):
        return None
    visit = fact.visit
    booked = replace(ended, step=Step.BOOKED, visit=visit, booking=visit.id, origin=visit.id.origin)
    # Found late, it may have been cancelled meanwhile: then nothing was confirmed that anybody should act on.
    is_open = visit.status is not BookingStatus.CANCELLED
    events = [_event(f"{flow}:booked", "booking.confirmed.v1", booked, visit)] if is_open else []
    return Decision(state=booked, events=events, reference=facts.reference_of(visit.id))


# ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _change_asked(state: BookingState, fact: facts.ChangeAsked, now: datetime) -> Decision[BookingState] | None:
    asked = facts.digest(fact.change)
    known = state.wish(fact.id)
    if known is not None and known.asked != asked:
        return Decision(state=state, refusal=ANOTHER_REQUEST)
    if known is not None and known.outcome in (WishOutcome.DONE, WishOutcome.REFUSED):
        return None
    wish = Wish(id=fact.id, kind=fact.change.kind, asked=asked)
    effect = facts.MakeChange(id=fact.id, change=fact.change, until=now + facts.TRYING)
    return Decision(state=replace(state, wishes=_with(state.wishes, wish)), effects=[Planned(effect)])


def _change_answered(
    flow: str, state: BookingState, fact: facts.ChangeDone | facts.ChangeRefused | facts.ChangeFailed
) -> Decision[BookingState] | None:
    wish = state.wish(fact.id)
    if wish is None or wish.outcome is not WishOutcome.PENDING:
        return None
    if isinstance(fact, facts.ChangeRefused):
        ended = replace(wish, outcome=WishOutcome.REFUSED, refusals=fact.refusals)
        return Decision(state=replace(state, wishes=_with(state.wishes, ended)))
    if isinstance(fact, facts.ChangeFailed):
        ended = replace(wish, outcome=WishOutcome.FAILED)
        return Decision(state=replace(state, wishes=_with(state.wishes, ended)))
    wishes = _with(state.wishes, replace(wish, outcome=WishOutcome.DONE))
    changed = replace(state, wishes=wishes, visit=fact.visit)
    if wish.kind is ChangeKind.CANCEL:
        event = _event(f"{flow}:cancelled", "booking.cancelled.v1", changed, fact.visit)
    else:
        event = _event(f"{flow}:moved:{wish.id}", "booking.rescheduled.v1", changed, fact.visit)
    return Decision(state=changed, events=[event])


def _with(wishes: Sequence[Wish], wish: Wish) -> list[Wish]:
    return [*(each for each in wishes if each.id != wish.id), wish]


def _event(id: str, type_: str, state: BookingState, visit: Visit) -> DomainEvent:
    origin: BookingOrigin = visit.id.origin
    return DomainEvent(
        id=id,
        type=type_,
        order_number=visit.id.number,
        customer_id=visit.customer_id or state.customer_id,
        data={
            "bookingNumber": visit.id.number,
            "system": origin.value,
            "centre": visit.id.centre,
            "start": visit.start.isoformat(),
            "status": visit.status.value,
        },
    )
