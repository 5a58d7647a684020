"""Visits to the workshop behind their port: writes go through flows, reads come from the systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from bff.context import current_or_none
from bff.domain.base import Found, Outcome, Refusal
from bff.domain.service import Booking, BookingId, BookingRequest, Estimate, ServicePort, Slot, SlotQuery
from bff.domain.vehicle import VehicleRef
from bff.durability.flow import digits_of
from bff.durability.flows import Flows
from bff.errors import (
    BffError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    StateUnavailable,
    UpstreamRejected,
    UpstreamUnavailable,
)
from bff.orders import booking_facts as facts
from bff.orders.booking_facts import BOOKING, BookingState, Change, ChangeKind, Step, WishOutcome
from bff.orders.booking_flow import BookingFlow, read, system_of
from bff.orders.payments import seconds_left

BACKGROUND_SECONDS = 10.0
"""How long is waited where no request says how long."""


def flow_of_key(idempotency_key: str) -> str:
    return "BK" + digits_of(idempotency_key)


def flow_of_booking(booking: BookingId) -> str:
    """The flow of a booking that was made without one."""
    return "BK" + digits_of(f"adopted:{facts.reference_of(booking)}")


class FlowService:
    """`ServicePort` over the flows of visits and the port of the systems themselves.

    A write that is not certain in the request's time raises why. What became of it is found out in the background, and
    told to whoever sends the same key again.
    """

    def __init__(self, flows: Flows, kind: BookingFlow, service: ServicePort) -> None:
        self._flows = flows
        self._kind = kind
        self._service = service

    async def slots(self, queries: Sequence[SlotQuery]) -> Found[SlotQuery, list[Slot]]:
        return await self._service.slots(queries)

    async def bookings_of(self, vehicles: Sequence[VehicleRef]) -> Found[VehicleRef, list[Booking]]:
        return await self._service.bookings_of(vehicles)

    async def bookings(self, ids: Sequence[BookingId]) -> Found[BookingId, Booking]:
        return await self._service.bookings(ids)

    async def estimates(self, ids: Sequence[BookingId]) -> Found[BookingId, Estimate]:
        return await self._service.estimates(ids)

    async def approve(self, booking: BookingId, version: int, *, idempotency_key: str) -> Outcome[Estimate]:
        return await self._service.approve(booking, version, idempotency_key=idempotency_key)

    async def book(self, request: BookingRequest) -> Outcome[Booking]:
        flow = flow_of_key(request.idempotency_key)
        system, asked = system_of(request), facts.BookAsked(request=request)
        with self._kind.shown(flow, "book") as shown:
            told = await self._flows.tell(BOOKING, flow, asked, reference=facts.asking(request.customer_id))
            if told.refusal is not None:
                raise _reused()
            state, error = await self._drive(flow, _is_decided, system)
            if state.booking is not None:
                return Outcome(entity=shown() or await read(self._service, state.booking))
        if state.step is Step.REFUSED:
            return _refused(state.refusals, system)
        if state.step is Step.FAILED:
            raise UpstreamUnavailable(system, detail=f"{flow} was not booked in time")
        if state.again_after is not None or error is None:
            raise OutcomeUnknown(system, detail=f"{flow} is {state.step.value}")
        raise error

    async def reschedule(
        self, booking: BookingId, slot_id: str, start: datetime, *, idempotency_key: str
    ) -> Outcome[Booking]:
        change = Change(kind=ChangeKind.MOVE, booking=booking, key=idempotency_key, slot_id=slot_id, start=start)
        return await self._change(change)

    async def cancel(self, booking: BookingId, *, reason: str | None, idempotency_key: str) -> Outcome[Booking]:
        change = Change(kind=ChangeKind.CANCEL, booking=booking, key=idempotency_key, reason=reason)
        return await self._change(change)

    async def _change(self, change: Change) -> Outcome[Booking]:
        flow, id = await self._flow_of(change.booking), digits_of(change.key)
        asked = facts.ChangeAsked(id=id, change=change)
        told = await self._flows.tell(BOOKING, flow, asked)
        if told.refusal is not None:
            raise _reused()

        def is_answered(state: BookingState) -> bool:
            wish = state.wish(id)
            return wish is not None and wish.outcome is not WishOutcome.PENDING

        system = change.booking.origin.value.lower()
        with self._kind.shown(flow, f"change:{id}") as shown:
            state, error = await self._drive(flow, is_answered, system)
            wish = state.wish(id)
            assert wish is not None
            if wish.outcome is WishOutcome.DONE:
                return Outcome(entity=shown() or await read(self._service, change.booking))
        if wish.outcome is WishOutcome.REFUSED:
            return _refused(wish.refusals, system)
        if wish.outcome is WishOutcome.FAILED:
            raise UpstreamUnavailable(system, detail=f"change {id} of {flow} was not done in time")
        raise error or OutcomeUnknown(system, detail=f"change {id} of {flow}")

    async def _flow_of(self, booking: BookingId) -> str:
        """The booking's flow; one that was made without gets one."""
        reference = facts.reference_of(booking)
        found = (await self._flows.states_of(BOOKING, [reference]))[reference]
        if found:
            return found[0][0]
        context = current_or_none()
        customer_id = (context.caller.customer_id if context is not None else None) or ""
        flow = flow_of_booking(booking)
        adopted = facts.Adopted(booking=booking, customer_id=customer_id)
        await self._flows.tell(BOOKING, flow, adopted, reference=reference)
        return flow

    async def _drive(
        self, flow: str, until: Callable[[BookingState], bool], system: str
    ) -> tuple[BookingState, BffError | None]:
        """In the request's own time. It was asked for: without our state nobody knows how far it has come."""
        context = current_or_none()
        seconds = BACKGROUND_SECONDS if context is None else seconds_left(context)
        try:
            return await self._flows.drive(BOOKING, flow, until, seconds=seconds)
        except StateUnavailable as error:
            raise OutcomeUnknown(system, detail=error.detail) from error


def _is_decided(state: BookingState) -> bool:
    return state.step is not Step.ASKED


def _reused() -> InvalidInput:
    return InvalidInput("This idempotencyKey was used for another request.", field="idempotencyKey")


def _refused(refusals: Sequence[Refusal], system: str) -> Outcome[Booking]:
    """Refusals that are errors are raised as they were."""
    for refusal in refusals:
        if refusal.code == NotFound.code:
            raise NotFound(refusal.message)
        if refusal.code == InvalidInput.code:
            raise InvalidInput(refusal.message, field=refusal.field[0] if refusal.field else None)
        if refusal.code == UpstreamRejected.code:
            raise UpstreamRejected(system)
    return Outcome(refusals=list(refusals))
