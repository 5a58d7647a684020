"""The flow of a visit to the workshop: its rules (`booking_rules.py`), and how its effects are performed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bff.context import current_or_none
from bff.domain.base import Outcome, PartialList, Refusal
from bff.domain.service import (
    Booking,
    BookingId,
    BookingOrigin,
    BookingRequest,
    BookingStatus,
    ServicePort,
    split_slot_id,
)
from bff.durability.flow import Decision, Fact
from bff.errors import (
    BffError,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    UpstreamRejected,
)
from bff.orders import booking_facts as facts
from bff.orders import booking_rules
from bff.orders.booking_facts import BookingState, Change, ChangeKind, Visit

Booked = Callable[[str, str], Awaitable[Booking | None]]
"""Centre and idempotency key → the booking that was made with this key, if one was."""

MARGIN_SECONDS = 0.5
"""More than `FlowService` keeps of a request's time."""

_FOR_GOOD = (NotFound, InvalidInput, UpstreamRejected)
"""What a system says of a request that is as wrong tomorrow: nothing was done."""


class BookingFlow:
    """`FlowKind` of visits. `booked` are the systems that can be asked what became of a key; of another, the car's list
    says whether it has a visit there at that time.
    """

    name = facts.BOOKING
    state_type = BookingState
    fact_type: Any = facts.BookingFact
    effect_type: Any = facts.BookingEffect

    def __init__(
        self, service: ServicePort, booked: Mapping[BookingOrigin, Booked], *, clock: Callable[[], datetime]
    ) -> None:
        self._service = service
        self._booked = booked
        self._clock = clock
        self._shown: dict[tuple[str, str], Booking | None] = {}

    def decide(
        self, flow: str, state: BookingState | None, fact: facts.BookingFact, now: datetime
    ) -> Decision[BookingState] | None:
        return booking_rules.decide(flow, state, fact, now)

    async def perform(self, flow: str, effect: Any) -> Fact | None:
        if isinstance(effect, facts.Book):
            return await self._book(flow, effect)
        assert isinstance(effect, facts.MakeChange)
        return await self._change(flow, effect)

    @contextmanager
    def shown(self, flow: str, effect: str) -> Iterator[Callable[[], Booking | None]]:
        """What a system shows in answer to this effect while somebody waits for it here: it need not be read again."""
        key = (flow, effect)
        self._shown[key] = None
        try:
            yield lambda: self._shown.get(key)
        finally:
            self._shown.pop(key, None)

    def _show(self, flow: str, effect: str, booking: Booking) -> Visit:
        if (flow, effect) in self._shown:
            self._shown[flow, effect] = booking
        return Visit.of(booking)

    # ── booking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _book(self, flow: str, effect: facts.Book) -> Fact:
        """The first to try asks at once. Everybody else looks first: whoever tried may have died over the answer."""
        now, request = self._clock(), effect.request
        is_over = now > effect.until
        if is_over or effect.is_repeated or (flow, effect.name) not in self._shown:
            found = await self._find(request)
            if found is not None:
                return facts.Booked(visit=self._show(flow, effect.name, found))
            settled = effect.until + facts.SETTLED if is_over else effect.again_after
            if settled is not None and now < settled:
                raise OutcomeUnknown(system_of(request), detail="it may still come")
            if is_over:
                return facts.BookFailed()
        try:
            async with asyncio.timeout(_seconds()):
                outcome = await self._service.book(request)
        except _FOR_GOOD as error:
            return facts.BookRefused(refusals=[_refusal(error)])
        except (OutcomeUnknown, DeadlineExceeded, TimeoutError) as error:
            if effect.again_after is None and _may_be_done(error):
                return facts.BookUncertain()
            if isinstance(error, TimeoutError):
                raise OutcomeUnknown(system_of(request), detail="the request's time was up") from error
            raise
        if outcome.entity is None:
            return facts.BookRefused(refusals=outcome.refusals)
        return facts.Booked(visit=self._show(flow, effect.name, outcome.entity))

    async def _find(self, request: BookingRequest) -> Booking | None:
        """The booking that was made for this request, if one was. Raises BffError."""
        offered = split_slot_id(request.slot_id)
        if offered is None:
            return None
        origin = offered[0]
        if (booked := self._booked.get(origin)) is not None:
            return await booked(request.centre.code, request.idempotency_key)
        found = (await self._service.bookings_of([request.vehicle])).get(request.vehicle, [])
        if isinstance(found, BffError):
            raise found
        for booking in found:
            is_same = booking.id.origin is origin and booking.id.centre == request.centre.code
            if is_same and booking.start == request.start and booking.status is not BookingStatus.CANCELLED:
                return booking
        if isinstance(found, PartialList):
            raise found.missing
        return None

    # ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _change(self, flow: str, effect: facts.MakeChange) -> Fact:
        now = self._clock()
        if now > effect.until + facts.SETTLED:
            return await self._look(flow, effect)
        if now > effect.until:
            raise OutcomeUnknown(effect.change.booking.origin.value.lower(), detail="it may still come")
        try:
            outcome = await self._ask(effect.change)
        except _FOR_GOOD as error:
            return facts.ChangeRefused(id=effect.id, refusals=[_refusal(error)])
        if outcome.entity is None:
            return facts.ChangeRefused(id=effect.id, refusals=outcome.refusals)
        return facts.ChangeDone(id=effect.id, visit=self._show(flow, effect.name, outcome.entity))

    async def _ask(self, change: Change) -> Outcome[Booking]:
        if change.kind is ChangeKind.CANCEL:
            return await self._service.cancel(change.booking, reason=change.reason, idempotency_key=change.key)
        assert change.start is not None
        return await self._service.reschedule(change.booking, change.slot_id, change.start, idempotency_key=change.key)

    async def _look(self, flow: str, effect: facts.MakeChange) -> Fact:
        """Whether it was done, when it is no longer wanted if it was not."""
        change = effect.change
        booking = await read(self._service, change.booking)
        if change.kind is ChangeKind.CANCEL:
            is_done = booking.status is BookingStatus.CANCELLED
        else:
            is_done = booking.start == change.start
        if not is_done:
            return facts.ChangeFailed(id=effect.id)
        return facts.ChangeDone(id=effect.id, visit=self._show(flow, effect.name, booking))


async def read(service: ServicePort, booking: BookingId) -> Booking:
    """Raises BffError; one that is not there is not known yet, or no longer."""
    found = (await service.bookings([booking])).get(booking)
    if isinstance(found, BffError):
        raise found
    if found is None:
        raise OutcomeUnknown(booking.origin.value.lower(), detail=f"booking {booking.number} is not there")
    return found


def system_of(request: BookingRequest) -> str:
    offered = split_slot_id(request.slot_id)
    return offered[0].value.lower() if offered else BookingOrigin.DMS.value.lower()


def _seconds() -> float | None:
    """How long a system may take while a request waits: less than the request has, so that what is told is kept."""
    context = current_or_none()
    return None if context is None else max(0.0, context.remaining_seconds - MARGIN_SECONDS)


def _may_be_done(error: Exception) -> bool:
    return not isinstance(error, DeadlineExceeded) or error.began_write


def _refusal(error: BffError) -> Refusal:
    """An error that is for good, as a flow remembers it; `FlowService` raises it again."""
    field = [error.field] if isinstance(error, InvalidInput) and error.field else None
    return Refusal(code=error.code, message=error.message, field=field)
