"""Visits to the workshop: bookings, estimates. Two systems keep them; nothing here knows which."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry

from bff.calls import both
from bff.context import CallerKind, RequestContext
from bff.domain import service as domain
from bff.domain.base import Outcome, PartialList
from bff.domain.vehicle import parse_vin
from bff.errors import InvalidInput, NotFound
from resolvers import loads
from resolvers.centres import YEARS, ServiceCentre
from resolvers.common import (
    Money,
    Request,
    customer_id_of,
    enum,
    field,
    localised,
    mutation,
    optional_reason,
    prop,
    text_of,
)
from resolvers.fields import batch_field, load_one
from resolvers.payloads import IDEMPOTENCY_KEY, UserError, entity, idempotency, payload, refusal_code
from resolvers.privacy import FREE_TEXT, VIN
from resolvers.relay import Node, decode_id, global_id, node_of
from resolvers.rights import Owner, owned, scopes
from resolvers.vehicle import Vehicle, vehicle_by_vin

enum(
    domain.BookingStatus,
    "Where a booking stands.",
    {
        "REQUESTED": "The workshop has not confirmed it yet.",
        "PICKUP_ASSIGNED": "A driver will fetch the car.",
        "AWAITING_APPROVAL": "The customer must approve the estimate.",
        "READY": "The car can be collected.",
        "RETURNING": "The car is being brought back.",
    },
)
enum(domain.PayType, "Who pays for a job.", {"INTERNAL": "Neither customer nor warranty."})


@strawberry.type(description="Work on the car.")
class ServiceJob:
    op_code: str = prop("Operation code.")
    text: str = localised("What is done.", "text")
    tenths_of_hours: int = prop("Planned time in tenths of an hour: 15 is an hour and a half.")
    pay_type: domain.PayType = prop("Who pays.")


@strawberry.type(description="A line of an estimate.")
class EstimateLine:
    text: str = localised("What it is for.", "text")
    quantity: int = prop("How many.")
    amount: Money = prop("Amount with VAT.")
    pay_type: domain.PayType = prop("Who pays.")


@strawberry.type(description="What the work will cost. A newer version needs a new approval.")
class Estimate:
    version: int = prop("Version; `approveEstimate` names the one that the customer saw.")
    lines: list[EstimateLine] = prop("Lines.")
    total: Money = prop("What the customer pays, with VAT.")
    issued_at: datetime = prop("When the workshop made it.")
    approved_at: datetime | None = prop("When the customer approved it.")


async def booking_by_key(context: RequestContext, key: str) -> domain.Booking | None:
    """The booking, where its car is the caller's to see."""
    booking_id = domain.BookingId.parse(key)
    if booking_id is None or (context.caller.customer_id is None and context.caller.kind is not CallerKind.ADVISER):
        return None
    booking = await load_one(context, loads.bookings, booking_id)
    if booking is None:
        return None
    if context.caller.kind is CallerKind.ADVISER:
        return booking
    return booking if await vehicle_by_vin(context, booking.vehicle.vin) is not None else None


@strawberry.type(description="A booking at the workshop.", directives=[scopes("service:read"), owned(Owner.VEHICLE)])
@node_of(domain.Booking, booking_by_key)
class ServiceBooking(Node):
    id: strawberry.ID = global_id("ServiceBooking", lambda booking: booking.id.key)
    vehicle: Vehicle = prop("The car.")
    centre: ServiceCentre | None = batch_field(loads.centres, key="centre.code", description="Where.")
    start: datetime = prop("When the car is to be there.")
    end: datetime | None = prop("When it is expected to be done.")
    status: domain.BookingStatus = prop("Where the booking stands.")
    jobs: list[ServiceJob] = prop("What is to be done.")
    note: str | None = prop("What the customer wrote.", directives=[FREE_TEXT])
    pickup: bool = prop("Whether the car is fetched and brought back.")
    estimate: Estimate | None = batch_field(
        loads.estimates, key="id", description="What it will cost; null before the workshop says."
    )


@strawberry.type(description="Bookings of a car, from every system that keeps them.")
class ServiceBookingList:
    @field("Bookings, the latest first.", returns=list[ServiceBooking])
    @staticmethod
    def items(root: strawberry.Parent[list[domain.Booking]]) -> list[domain.Booking]:
        return root

    @field("False while a system that may hold more cannot be reached: say that some may be missing.")
    @staticmethod
    def is_complete(root: strawberry.Parent[list[domain.Booking]]) -> bool:
        return not isinstance(root, PartialList)


class ServiceErrorCode(Enum):
    SLOT_TAKEN = "SLOT_TAKEN"
    SLOT_UNKNOWN = "SLOT_UNKNOWN"
    CENTRE_UNKNOWN = "CENTRE_UNKNOWN"
    VEHICLE_UNKNOWN = "VEHICLE_UNKNOWN"
    NOT_CANCELLABLE = "NOT_CANCELLABLE"
    NOT_CHANGEABLE = "NOT_CHANGEABLE"
    ESTIMATE_OUTDATED = "ESTIMATE_OUTDATED"
    ALREADY_APPROVED = "ALREADY_APPROVED"
    OTHER = "OTHER"


enum(
    ServiceErrorCode,
    "Why the workshop did not do it.",
    {
        "SLOT_TAKEN": "Somebody was faster: read the slots again.",
        "SLOT_UNKNOWN": "The slot is not offered, or no longer: read the slots again.",
        "ESTIMATE_OUTDATED": "There is a newer estimate: show it and ask again.",
        "OTHER": "Read the message.",
    },
)


@strawberry.type(description="Why the workshop did not do it.")
class ServiceUserError(UserError):
    code: ServiceErrorCode = refusal_code(ServiceErrorCode)


@payload("What became of a booking.", errors=ServiceUserError)
class ServiceBookingPayload:
    entity: ServiceBooking | None = entity("The booking as it is now.")


@payload("What became of approving an estimate.", errors=ServiceUserError)
class EstimatePayload:
    entity: Estimate | None = entity("The estimate as it is now.")


@strawberry.input(description="A visit to the workshop to book.")
class BookServiceInput:
    vin: str = strawberry.field(description="VIN of a car of yours.", directives=[VIN])
    centre_code: str = strawberry.field(description="Code of the centre.")
    slot_id: strawberry.ID = strawberry.field(description="`id` of a free slot of that centre.")
    start: datetime = strawberry.field(description="`start` of that slot, as the customer saw it.")
    op_codes: list[str] = strawberry.field(description="What is to be done, by operation code.", default_factory=list)
    note: str | None = strawberry.field(
        description="A word to the workshop; at most 200 characters.", default=None, directives=[FREE_TEXT]
    )
    pickup: bool = strawberry.field(description="Whether the car is to be fetched and brought back.", default=False)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="Another time for a booking.")
class RescheduleServiceBookingInput:
    booking_id: strawberry.ID = strawberry.field(description="`id` of a ServiceBooking.")
    slot_id: strawberry.ID = strawberry.field(description="`id` of a free slot.")
    start: datetime = strawberry.field(description="`start` of that slot, as the customer saw it.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A booking that is no longer wanted.")
class CancelServiceBookingInput:
    booking_id: strawberry.ID = strawberry.field(description="`id` of a ServiceBooking.")
    reason: str | None = strawberry.field(
        description="Why, in the customer's words.", default=None, directives=[FREE_TEXT]
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The customer's yes to an estimate.")
class ApproveEstimateInput:
    booking_id: strawberry.ID = strawberry.field(description="`id` of a ServiceBooking.")
    version: int = strawberry.field(description="`version` of the estimate that the customer saw.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


async def _own_booking(info: Request, booking_id: str) -> domain.Booking:
    customer_id_of(info)
    booking = await booking_by_key(info.context, decode_id(booking_id, "ServiceBooking", "input.bookingId"))
    if booking is None:
        raise NotFound("There is no such booking of yours.")
    return booking


def _bounded(moment: datetime, argument: str) -> datetime:
    if moment.year not in YEARS:
        raise InvalidInput(f"A time is of the years {YEARS[0]} to {YEARS[-1]}.", field=argument)
    return moment


@strawberry.type
class ServiceMutation:
    @mutation(
        "Book a visit to the workshop.",
        returns=ServiceBookingPayload,
        directives=[scopes("service:write")],
    )
    @staticmethod
    async def book_service(info: Request, input: BookServiceInput) -> Outcome[domain.Booking]:
        customer_id = customer_id_of(info)
        key = idempotency(info, input.idempotency_key)
        start = _bounded(input.start, "input.start")
        if len(input.op_codes) > 10 or not all(0 < len(code) <= 16 for code in input.op_codes):
            raise InvalidInput("At most ten operation codes, each of 1 to 16 characters.", field="input.opCodes")
        vehicle, centre = await both(
            vehicle_by_vin(info.context, parse_vin(input.vin)), load_one(info.context, loads.centres, input.centre_code)
        )
        if vehicle is None:
            raise NotFound("There is no such car in your garage.")
        if centre is None:
            raise NotFound("There is no such centre.")
        return await info.context.ports.service.book(
            domain.BookingRequest(
                vehicle=vehicle,
                customer_id=customer_id,
                slot_id=input.slot_id,
                centre=domain.CentreRef(code=centre.code, region=centre.region),
                start=start,
                op_codes=tuple(input.op_codes),
                note=text_of(input.note, "input.note", most=200) if input.note else None,
                pickup=input.pickup,
                idempotency_key=key,
            )
        )

    @mutation(
        "Move a booking to another slot.",
        returns=ServiceBookingPayload,
        directives=[scopes("service:write")],
    )
    @staticmethod
    async def reschedule_service_booking(
        info: Request,
        input: RescheduleServiceBookingInput,
    ) -> Outcome[domain.Booking]:
        key = idempotency(info, input.idempotency_key)
        start = _bounded(input.start, "input.start")
        booking = await _own_booking(info, input.booking_id)
        return await info.context.ports.service.reschedule(booking.id, input.slot_id, start, idempotency_key=key)

    @mutation(
        "Cancel a booking before the car is checked in.",
        returns=ServiceBookingPayload,
        directives=[scopes("service:write")],
    )
    @staticmethod
    async def cancel_service_booking(info: Request, input: CancelServiceBookingInput) -> Outcome[domain.Booking]:
        key = idempotency(info, input.idempotency_key)
        reason = optional_reason(input.reason)
        booking = await _own_booking(info, input.booking_id)
        return await info.context.ports.service.cancel(booking.id, reason=reason, idempotency_key=key)

    @mutation(
        "Approve the estimate, so that the work can begin.",
        returns=EstimatePayload,
        directives=[scopes("service:write")],
    )
    @staticmethod
    async def approve_estimate(info: Request, input: ApproveEstimateInput) -> Outcome[domain.Estimate]:
        key = idempotency(info, input.idempotency_key)
        booking = await _own_booking(info, input.booking_id)
        return await info.context.ports.service.approve(booking.id, input.version, idempotency_key=key)
