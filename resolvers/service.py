"""The workshop: centres, slots, bookings, estimates. Two systems keep bookings; nothing here knows which."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import Enum
from typing import Annotated
from zoneinfo import ZoneInfo

import strawberry

from bff.calls import both
from bff.context import CallerKind, RequestContext
from bff.domain import service as domain
from bff.domain.base import Outcome, PartialList
from bff.domain.vehicle import parse_vin
from bff.errors import InvalidInput, NotFound
from resolvers import loads
from resolvers.commerce import optional_reason
from resolvers.common import Money, Request, customer_id_of, enum, field, localised, mutation, prop, text_of
from resolvers.fields import batch_field, load_one
from resolvers.payloads import IDEMPOTENCY_KEY, UserError, entity, idempotency, payload, refusal_code
from resolvers.privacy import FREE_TEXT, VIN
from resolvers.relay import Node, decode_id, global_id, node_of
from resolvers.rights import Owner, owned, scopes
from resolvers.vehicle import Vehicle, vehicle_by_vin

SHANGHAI = ZoneInfo("Asia/Shanghai")
MOST_DAYS = 31

enum(domain.CentreService, "What a centre offers.", {"BODYWORK": "Body and paint.", "PICKUP": "Fetches the car."})
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


@strawberry.type(description="A time at which work can begin.")
class ServiceSlot:
    id: strawberry.ID = prop("`bookService` takes it. It can be taken by somebody else meanwhile.")
    start: datetime = prop("When the car is to be there.")
    end: datetime = prop("Until when the slot lasts.")
    capacity_left: int = prop("How many cars can still come.")


async def _centre_by_key(context: RequestContext, key: str) -> domain.Centre | None:
    return await load_one(context, loads.centres, key)


@strawberry.type(description="A place of ours: sales, service, delivery.")
@node_of(domain.Centre, _centre_by_key)
class ServiceCentre(Node):
    id: strawberry.ID = global_id("ServiceCentre", lambda centre: centre.code)
    code: str = prop("The centre's code, for example `SH0217`.")
    name: str = localised("Name.", "name")
    region: str = prop("Sales region, for example `EAST`.")
    city: str = localised("City.", "city")
    address: str = localised("Street address.", "address")
    phone: str = prop("Phone.")
    latitude: float = prop("Degrees north (GCJ-02, as maps in China use).")
    longitude: float = prop("Degrees east (GCJ-02).")
    brands: list[str] = prop("Brands that it looks after.")
    services: list[domain.CentreService] = prop("What it offers.")
    opening_hours: str = localised("When it is open.", "opening_hours")

    @field(
        f"Free slots for a car, by start. At most {MOST_DAYS} days; a week from tomorrow by default. With "
        "`forBooking`, slots that this booking can be moved to.",
        returns=list[ServiceSlot] | None,
    )
    @staticmethod
    async def slots(
        root: strawberry.Parent[domain.Centre],
        info: Request,
        from_day: date | None = None,
        to_day: date | None = None,
        vin: Annotated[str | None, strawberry.argument(directives=[VIN])] = None,
        for_booking: strawberry.ID | None = None,
    ) -> list[domain.Slot]:
        first, last = days(from_day, to_day)
        vehicle = await vehicle_by_vin(info.context, parse_vin(vin)) if vin is not None else None
        wanted = domain.SlotQuery(
            centre=domain.CentreRef(code=root.code, region=root.region),
            from_day=first,
            to_day=last,
            brand=vehicle.brand if vehicle else None,
            model=vehicle.model if vehicle else None,
            moving=parse_booking_key(decode_id(for_booking, "ServiceBooking", "forBooking")) if for_booking else None,
        )
        return await load_one(info.context, loads.slots, wanted) or []


def days(from_day: date | None, to_day: date | None) -> tuple[date, date]:
    """A span of days in Shanghai. Raises InvalidInput where it is empty or too long."""
    first = from_day or datetime.now(SHANGHAI).date() + timedelta(days=1)
    last = to_day or first + timedelta(days=6)
    if not first <= last < first + timedelta(days=MOST_DAYS):
        raise InvalidInput(f"toDay is on or after fromDay, and within {MOST_DAYS} days of it.", field="toDay")
    return first, last


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


def booking_key(booking: domain.BookingId) -> str:
    return f"{booking.origin.value}/{booking.centre}/{booking.number}"


def parse_booking_key(key: str) -> domain.BookingId | None:
    origin, centre, number, *rest = [*key.split("/"), "", ""]
    if origin not in domain.BookingOrigin.__members__ or not centre or not number or any(rest):
        return None
    return domain.BookingId(origin=domain.BookingOrigin[origin], centre=centre, number=number)


async def booking_by_key(context: RequestContext, key: str) -> domain.Booking | None:
    """The booking, where its car is the caller's to see."""
    booking_id = parse_booking_key(key)
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
    id: strawberry.ID = global_id("ServiceBooking", lambda booking: booking_key(booking.id))
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


@strawberry.type
class ServiceQuery:
    @field("Our places. What is left out does not narrow the list.", returns=list[ServiceCentre] | None)
    @staticmethod
    async def service_centres(
        info: Request, region: str | None = None, brand: str | None = None, service: domain.CentreService | None = None
    ) -> list[domain.Centre]:
        return await info.context.ports.centres.search(region=region, brand=brand, service=service)

    @field("A place by its code.", returns=ServiceCentre | None)
    @staticmethod
    async def service_centre(info: Request, code: str) -> domain.Centre | None:
        return await load_one(info.context, loads.centres, code)


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


def _aware(moment: datetime, argument: str) -> datetime:
    if moment.tzinfo is None:
        raise InvalidInput("A time needs its zone, as in 2026-01-31T09:30:00+08:00.", field=argument)
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
        start = _aware(input.start, "input.start")
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
        start = _aware(input.start, "input.start")
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
