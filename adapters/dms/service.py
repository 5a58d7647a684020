"""Workshop bookings on the dealer system.

A booking is an appointment and, once the car has come, the repair order behind it. Both are asked for side by side, so
that every read is one round: a repair order is found by its car or by its appointment, never by way of an answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime

from adapters.dms.client import DmsClient
from adapters.dms.dms_wire import NOT_FOUND, bod_id
from adapters.dms.reads import forget_answers
from adapters.dms.service_wire import (
    approve_estimate,
    availability_criteria,
    cancel_appointment,
    create_appointment,
    move_appointment,
    newest_estimate,
    read_bookings,
    read_slots,
    slot_start,
    the_booking,
)
from adapters.dms.vehicles import GET_REPAIR_ORDER, of_vin
from adapters.transport.soap import BodRefused, Node, Unreadable, Xml, element
from adapters.transport.upstream import Audience, Effect, Operation, Upstream
from bff.calls import in_parallel
from bff.domain.base import Found, Outcome, Refusal
from bff.domain.service import Booking, BookingId, BookingRequest, Estimate, Slot, SlotQuery
from bff.domain.vehicle import VehicleRef
from bff.errors import BffError, InvalidInput, NotFound, OutcomeUnknown

GET_APPOINTMENT = Operation(name="GetServiceAppointment")
GET_AVAILABILITY = Operation(name="GetAppointmentAvailability", audience=Audience.PUBLIC)
PROCESS_APPOINTMENT = Operation(name="ProcessServiceAppointment", effect=Effect.WRITE)
PROCESS_ORDER = Operation(name="ProcessRepairOrder", effect=Effect.WRITE)

_SLOT = ["slotId"]
_TAKEN = Refusal(code="SLOT_TAKEN", message="This slot was just taken. Choose another one.", field=_SLOT)
_NO_SLOT = Refusal(code="SLOT_UNKNOWN", message="The centre offers no such slot. Ask for its slots again.", field=_SLOT)
_REFUSALS = {
    "E3001": _TAKEN,
    "E3002": _NO_SLOT,
    "E3006": Refusal(code="CENTRE_UNKNOWN", message="There is no such service centre.", field=["centreCode"]),
    "E3007": Refusal(code="VEHICLE_UNKNOWN", message="The service centre does not know this car.", field=["vin"]),
}
_NOT_CHANGEABLE = Refusal(code="NOT_CHANGEABLE", message="This booking can no longer be moved.")
_NOT_CANCELLABLE = Refusal(code="NOT_CANCELLABLE", message="This booking can no longer be cancelled.")
_OUTDATED = Refusal(
    code="ESTIMATE_OUTDATED",
    message="There is a newer estimate. Show it and ask for approval again.",
    field=["version"],
)
_APPROVED = Refusal(code="ALREADY_APPROVED", message="This estimate has been approved already.", field=["version"])
_WRONG_STATE = "E3003"
_MISTAKES = {
    "E3008": ("This idempotencyKey was used for another request.", "idempotencyKey"),
    "E3009": ("One of the operation codes does not exist.", "opCodes"),
}


class DmsService:
    """`ServicePort` on the dealer system."""

    def __init__(self, upstream: Upstream) -> None:
        self._dms = DmsClient(upstream)

    async def slots(self, queries: Sequence[SlotQuery]) -> Found[SlotQuery, list[Slot]]:
        async def one(query: SlotQuery) -> list[Slot] | None:
            code = query.centre.code
            area = await self._dms.show(GET_AVAILABILITY, availability_criteria(query), code, dealer=code)
            return None if area is None else read_slots(area, query)

        return await self._dms.each(queries, one)

    async def bookings_of(self, vehicles: Sequence[VehicleRef]) -> Found[VehicleRef, list[Booking]]:
        async def one(ref: VehicleRef) -> list[Booking] | None:
            criteria = of_vin(ref.vin)
            appointments, orders = await self._both(
                self._dms.show(GET_APPOINTMENT, criteria, ref.vin), self._dms.show(GET_REPAIR_ORDER, criteria, ref.vin)
            )
            return None if appointments is None else read_bookings(appointments, orders)

        return await self._dms.each(vehicles, one)

    async def bookings(self, ids: Sequence[BookingId]) -> Found[BookingId, Booking]:
        async def one(booking: BookingId) -> Booking | None:
            criteria = element("Criteria", element("DocumentID", booking.number))
            appointments, orders = await self._both(
                self._dms.show(GET_APPOINTMENT, criteria, booking.number, dealer=booking.centre),
                self._order_of(booking),
            )
            return None if appointments is None else the_booking(appointments, orders)

        return await self._dms.each(ids, one)

    async def estimates(self, ids: Sequence[BookingId]) -> Found[BookingId, Estimate]:
        async def one(booking: BookingId) -> Estimate | None:
            orders = await self._order_of(booking)
            return None if orders is None else newest_estimate(orders)

        return await self._dms.each(ids, one)

    async def book(self, request: BookingRequest) -> Outcome[Booking]:
        """When the answer is lost the appointment is looked up; OutcomeUnknown stands only if that finds nothing yet.

        Booking again with the same idempotency key never makes a second appointment.
        """
        if slot_start(request.slot_id, request.centre.code) != request.start:
            return Outcome(refusals=[_NO_SLOT])
        dealer, key = request.centre.code, request.idempotency_key
        try:
            return await self._change(create_appointment(request), dealer, dealer, key, None)
        except OutcomeUnknown as unknown:
            try:
                booked = await self.booked(dealer, key)
            except BffError:
                raise unknown from None
            if booked is None:
                raise
            return Outcome(entity=booked)

    async def booked(self, centre: str, idempotency_key: str) -> Booking | None:
        """The appointment that `book` made with this key, if it did: the way out of OutcomeUnknown.

        Asked anew each time: what was not there a moment ago may be there now.
        """
        forget_answers()
        criteria = element("Criteria", element("RequestBODID", str(bod_id(idempotency_key))))
        area = await self._dms.show(GET_APPOINTMENT, criteria, centre, dealer=centre)
        try:
            return None if area is None else the_booking(area)
        except Unreadable as error:
            raise self._dms.unreadable(error) from error

    async def reschedule(
        self, booking: BookingId, slot_id: str, start: datetime, *, idempotency_key: str
    ) -> Outcome[Booking]:
        if slot_start(slot_id, booking.centre) != start:
            return Outcome(refusals=[_NO_SLOT])
        data = move_appointment(booking, start)
        return await self._change(data, booking.number, booking.centre, idempotency_key, _NOT_CHANGEABLE)

    async def cancel(self, booking: BookingId, *, reason: str | None, idempotency_key: str) -> Outcome[Booking]:
        data = cancel_appointment(booking, reason)
        return await self._change(data, booking.number, booking.centre, idempotency_key, _NOT_CANCELLABLE)

    async def approve(self, booking: BookingId, version: int, *, idempotency_key: str) -> Outcome[Estimate]:
        refusals = {"E3004": _OUTDATED, "E3005": _APPROVED}
        answer = await self._process(
            PROCESS_ORDER, approve_estimate(booking, version), booking.number, booking.centre, idempotency_key, refusals
        )
        if isinstance(answer, Refusal):
            return Outcome(refusals=[answer])
        try:
            return Outcome(entity=newest_estimate(answer))
        except Unreadable as error:
            raise self._dms.unconfirmed(PROCESS_ORDER, error) from error

    async def _change(
        self, data: tuple[Xml, Xml], key: str, dealer: str, idempotency_key: str, wrong_state: Refusal | None
    ) -> Outcome[Booking]:
        refusals = _REFUSALS | ({_WRONG_STATE: wrong_state} if wrong_state else {})
        answer = await self._process(PROCESS_APPOINTMENT, data, key, dealer, idempotency_key, refusals)
        if isinstance(answer, Refusal):
            return Outcome(refusals=[answer])
        try:
            return Outcome(entity=the_booking(answer))
        except Unreadable as error:
            raise self._dms.unconfirmed(PROCESS_APPOINTMENT, error) from error

    async def _process(
        self,
        operation: Operation,
        data: tuple[Xml, Xml],
        key: str,
        dealer: str,
        idempotency_key: str,
        refusals: dict[str, Refusal],
    ) -> Node | Refusal:
        """The data area, or the refusal that the code stands for."""
        try:
            return await self._dms.process(operation, data, key, dealer=dealer, idempotency_key=idempotency_key)
        except BodRefused as refused:
            if refused.code in refusals:
                return refusals[refused.code]
            if refused.code == NOT_FOUND:
                raise NotFound("There is no such booking.", detail=str(refused)) from refused
            if refused.code in _MISTAKES:
                message, field = _MISTAKES[refused.code]
                raise InvalidInput(message, field=field, detail=str(refused)) from refused
            raise self._dms.failure(operation, refused) from refused

    async def _order_of(self, booking: BookingId) -> Node | None:
        criteria = element("Criteria", element("AppointmentID", booking.number))
        return await self._dms.show(GET_REPAIR_ORDER, criteria, booking.number, dealer=booking.centre)

    async def _both(
        self, appointments: Awaitable[Node | None], orders: Awaitable[Node | None]
    ) -> tuple[Node | None, Node | None]:
        """Two answers of one round; without either of them a booking cannot be told, so either error is the error."""
        first, second = await in_parallel(appointments, orders)
        if isinstance(first, BaseException):
            raise first
        if isinstance(second, BaseException):
            raise second
        return first, second
