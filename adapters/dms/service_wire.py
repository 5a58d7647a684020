"""Service BODs: availability, appointments, and repair orders with jobs and estimates."""

from __future__ import annotations

from datetime import date, datetime

from adapters.dms.dms_wire import bilingual, iso, maybe_moment, meaning, moment, read_ref, scaled, whole, yuan
from adapters.transport.soap import SHANGHAI, Node, Unreadable, Xml, column, element
from bff.domain.service import (
    Booking,
    BookingId,
    BookingOrigin,
    BookingRequest,
    BookingStatus,
    CentreRef,
    Estimate,
    EstimateLine,
    Job,
    PayType,
    Slot,
    SlotQuery,
    slot_id,
    split_slot_id,
)

APPOINTMENT_STATUS = {
    "10": BookingStatus.REQUESTED,
    "20": BookingStatus.CONFIRMED,
    "30": BookingStatus.CHECKED_IN,
    "80": BookingStatus.NO_SHOW,
    "90": BookingStatus.CANCELLED,
}
# Invoiced means that the work is paid for and the car still stands there: ready, as its owner sees it.
ORDER_STATUS = {
    "O": BookingStatus.CHECKED_IN,
    "D": BookingStatus.DIAGNOSING,
    "A": BookingStatus.AWAITING_APPROVAL,
    "P": BookingStatus.WAITING_PARTS,
    "W": BookingStatus.IN_REPAIR,
    "Q": BookingStatus.QUALITY_CHECK,
    "R": BookingStatus.READY,
    "I": BookingStatus.READY,
    "C": BookingStatus.CLOSED,
    "X": BookingStatus.CANCELLED,
}
_PAY_TYPES = {"C": PayType.CUSTOMER, "W": PayType.WARRANTY, "I": PayType.INTERNAL}
_NEVER_CAME = ("80", "90")


# Slots: the dealer system knows no ids for them, only a centre's starts.


def own_slot(centre: str, start: datetime) -> str:
    return slot_id(BookingOrigin.DMS, f"{centre}-{start.astimezone(SHANGHAI):%Y%m%d%H%M%S}")


def slot_start(slot: str, centre: str) -> datetime | None:
    """When the slot of this id begins; None for an id that this system never gave for this centre."""
    origin_and_own = split_slot_id(slot)
    if origin_and_own is None or origin_and_own[0] is not BookingOrigin.DMS:
        return None
    code, _, start = origin_and_own[1].rpartition("-")
    try:
        return moment(start) if code == centre else None
    except Unreadable:
        return None


def availability_criteria(query: SlotQuery) -> Xml:
    return element(
        "Criteria",
        element("DealerNumberID", query.centre.code),
        element("FromDate", f"{query.from_day:%Y%m%d}"),
        element("ToDate", f"{query.to_day:%Y%m%d}"),
        *([element("MakeCode", query.brand)] if query.brand else []),
    )


def read_slots(area: Node, query: SlotQuery) -> list[Slot]:
    """By start; full ones are left out, and so is whatever lies outside of the days that were asked for."""
    slots = []
    for start_text, end_text, left_text in area.rows("StartDateTime", "EndDateTime", "RemainingCapacity"):
        start, left = moment(start_text), whole(left_text)
        if left > 0 and query.from_day <= _local_day(start) <= query.to_day:
            slots.append(
                Slot(
                    id=own_slot(query.centre.code, start),
                    centre=query.centre,
                    start=start,
                    end=moment(end_text),
                    capacity_left=left,
                )
            )
    slots.sort(key=lambda slot: slot.start)
    return slots


def _local_day(start: datetime) -> date:
    return start.astimezone(SHANGHAI).date()


# Appointments and repair orders


def read_bookings(appointments: Node, orders: Node | None) -> list[Booking]:
    """A car's appointments, each as far as its repair order has brought it; newest start first."""
    found = orders.all("RepairOrder") if orders is not None else []
    by_appointment = {number: order for order in found if (number := order.text("AppointmentID")) is not None}
    bookings = [
        read_booking(node, by_appointment.get(node.required("DocumentID")))
        for node in appointments.all("ServiceAppointment")
    ]
    bookings.sort(key=lambda booking: (booking.start, booking.id.number), reverse=True)
    return bookings


def the_booking(appointments: Node, orders: Node | None = None) -> Booking:
    """The one appointment of an answer about one document."""
    found = read_bookings(appointments, orders)
    if len(found) != 1:
        raise Unreadable(f"{len(found)} appointments where one was asked for")
    return found[0]


def read_booking(node: Node, order: Node | None) -> Booking:
    """An appointment; once the car is in the workshop its repair order tells status and jobs."""
    raw = node.required("AppointmentStatus")
    if order is not None and raw not in _NEVER_CAME:
        raw = order.required("OrderStatus")
        status = meaning(ORDER_STATUS, raw, "repair order state", BookingStatus.UNKNOWN)
    else:
        status = meaning(APPOINTMENT_STATUS, raw, "appointment state", BookingStatus.UNKNOWN)
    dealer = node.required("DealerNumberID")
    return Booking(
        id=BookingId(origin=BookingOrigin.DMS, centre=dealer, number=node.required("DocumentID")),
        vehicle=read_ref(node),
        customer_id=node.text("ExternalPartyID"),
        centre=CentreRef(code=dealer, region=node.required("DealerRegionCode")),
        start=moment(node.required("AppointmentDateTime")),
        end=maybe_moment(node.text("EndDateTime")),
        status=status,
        raw_status=raw,
        jobs=_planned_jobs(node) if order is None else _done_jobs(order),
        note=node.text("CustomerComments"),
        pickup=node.text("PickupIndicator") == "1",
        repair_order=node.text("RepairOrderNumber") if order is None else order.required("DocumentID"),
        contact_name=node.text("ContactName"),
    )


def _planned_jobs(node: Node) -> list[Job]:
    jobs = node.child("Jobs")
    if jobs is None:
        return []
    return [_job(*row) for row in jobs.rows("OpCode", "OpText", "OpTextEN", "Hours", "PayType")]


def _job(op_code: str, zh: str, en: str | None, hours: str, pay_type: str) -> Job:
    return Job(
        op_code=op_code,
        text=bilingual(zh, en),
        tenths_of_hours=scaled(hours, 2) // 10,
        pay_type=meaning(_PAY_TYPES, pay_type, "pay type", PayType.UNKNOWN),
    )


def _done_jobs(order: Node) -> list[Job]:
    return [
        _job(
            job.required("OpCode"),
            job.required("JobDescription"),
            job.text("JobDescriptionEN"),
            job.required("Hours"),
            job.required("PayType"),
        )
        for job in order.all("Job")
    ]


def newest_estimate(area: Node) -> Estimate | None:
    """Of the one repair order of an answer; None: nothing was estimated yet."""
    orders = area.all("RepairOrder")
    if len(orders) != 1:
        raise Unreadable(f"{len(orders)} repair orders where one was asked for")
    estimates = [_estimate(node) for node in orders[0].all("Estimate")]
    return max(estimates, key=lambda estimate: estimate.version, default=None)


def _estimate(node: Node) -> Estimate:
    return Estimate(
        version=whole(node.required("Version")),
        lines=[
            EstimateLine(
                text=bilingual(zh, en),
                quantity=whole(quantity),
                amount=yuan(amount),
                pay_type=meaning(_PAY_TYPES, pay_type, "pay type", PayType.UNKNOWN),
            )
            for zh, en, quantity, amount, pay_type in node.rows(
                "LineText", "LineTextEN", "Quantity", "Amount", "PayType"
            )
        ],
        total=yuan(node.required("TotalAmount")),
        issued_at=moment(node.required("IssuedDateTime")),
        approved_at=maybe_moment(node.text("ApprovedDateTime")),
    )


# Writes


def _process(action: str) -> Xml:
    return element("Process", element("ActionExpression", actionCode=action))


def create_appointment(request: BookingRequest) -> tuple[Xml, Xml]:
    """Asked for through the internet (type I), to be confirmed by the dealer (status 10)."""
    return _process("Add"), element(
        "ServiceAppointment",
        element("DealerNumberID", request.centre.code),
        element("VehicleID", request.vehicle.vin),
        element("ExternalPartyID", request.customer_id),
        *([element("ContactName", request.contact_name)] if request.contact_name else []),
        element("AppointmentDateTime", iso(request.start)),
        element("AppointmentStatus", "10"),
        element("AppointmentType", "I"),
        element("PickupIndicator", "1" if request.pickup else "0"),
        *([element("CustomerComments", request.note)] if request.note else []),
        column("OpCode", request.op_codes),
    )


def move_appointment(booking: BookingId, start: datetime) -> tuple[Xml, Xml]:
    return _process("Change"), element(
        "ServiceAppointment",
        element("DocumentID", booking.number),
        element("DealerNumberID", booking.centre),
        element("AppointmentDateTime", iso(start)),
    )


def cancel_appointment(booking: BookingId, reason: str | None) -> tuple[Xml, Xml]:
    return _process("Cancel"), element(
        "ServiceAppointment",
        element("DocumentID", booking.number),
        element("DealerNumberID", booking.centre),
        element("AppointmentStatus", "90"),
        *([element("CancelReason", reason)] if reason else []),
    )


def approve_estimate(booking: BookingId, version: int) -> tuple[Xml, Xml]:
    return _process("Change"), element(
        "RepairOrder",
        element("AppointmentID", booking.number),
        element("DealerNumberID", booking.centre),
        element("EstimateApproval", element("Version", str(version))),
    )
