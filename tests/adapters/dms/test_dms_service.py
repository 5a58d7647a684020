"""Bookings on the dealer system: what is asked, what an answer means, and what becomes of a lost answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from xml.etree import ElementTree as ET

import httpx
import pytest
import respx

from adapters.dms.dms_wire import bod_id
from adapters.dms.service import DmsService
from adapters.dms.vehicles import DmsVehicles
from adapters.transport.soap import STAR
from bff.calls import in_parallel
from bff.domain.base import Money
from bff.domain.service import (
    Booking,
    BookingId,
    BookingOrigin,
    BookingRequest,
    BookingStatus,
    CentreRef,
    PayType,
    SlotQuery,
)
from bff.domain.vehicle import VehicleRef
from bff.errors import (
    BffError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamMaintenance,
    UpstreamRejected,
)
from tests.adapters.dms.documents import answer, fixture, page, refusal
from tests.support import BASE, entered_context, mocked_upstream

pytestmark = pytest.mark.anyio

CAR = VehicleRef(vin="LDCA1AB57SB000001", region="EAST", brand="ASTER", model="A5")
PUDONG = CentreRef(code="SH0217", region="EAST")
START = datetime(2026, 3, 12, 1, 30, tzinfo=UTC)
SLOT = "DMS:SH0217-20260312093000"
BOOKING = BookingId(origin=BookingOrigin.DMS, centre="SH0217", number="AP1")
QUERY = SlotQuery(centre=PUDONG, from_day=date(2026, 3, 12), to_day=date(2026, 3, 13), brand="ASTER")
REQUEST = BookingRequest(
    vehicle=CAR,
    customer_id="C0043",
    slot_id=SLOT,
    centre=PUDONG,
    start=START,
    op_codes=("1010",),
    note="右后门 <异响>",
    pickup=False,
    idempotency_key="key-1",
    contact_name="𠮷田健",
)
APPOINTMENT = fixture("ShowServiceAppointment")
ORDERS = fixture("ShowRepairOrder")
NOTHING = "0"

Reply = httpx.Response | Exception


class Dms:
    """A system that answers each kind of BOD as it is told, and keeps what it was sent."""

    def __init__(self, **replies: Reply | Callable[[], Reply]) -> None:
        self.replies = replies
        self.sent: list[ET.Element] = []
        router = respx.Router()
        router.post(f"{BASE}/ws/star").mock(side_effect=self._respond)
        self.upstream = mocked_upstream(router, "dms")
        self.service = DmsService(self.upstream)

    async def _respond(self, request: httpx.Request) -> httpx.Response:
        bod = ET.fromstring(request.content.decode("gb18030").partition("?>")[2]).find(".//{*}content/*")
        assert bod is not None
        self.sent.append(bod)
        await asyncio.sleep(0)
        given = self.replies[bod.tag.rpartition("}")[2]]
        reply = given() if callable(given) else given
        if isinstance(reply, Exception):
            raise reply
        return reply

    def names(self) -> list[str]:
        return [bod.tag.rpartition("}")[2] for bod in self.sent]

    def said(self, name: str, number: int = -1) -> str | None:
        return self.sent[number].findtext(f".//{{{STAR}}}{name}")


def booked() -> httpx.Response:
    return answer("AcknowledgeServiceAppointment", APPOINTMENT)


# Slots


def availability(starts: str, ends: str, left: str) -> httpx.Response:
    columns = {"StartDateTime": starts, "EndDateTime": ends, "RemainingCapacity": left}
    data = "".join(
        f"<s:{name}>{''.join(f'<s:V>{value}</s:V>' for value in values.split())}</s:{name}>"
        for name, values in columns.items()
    )
    return answer("ShowAppointmentAvailability", data)


async def test_slots_are_asked_for_at_their_centre_for_days_and_brand() -> None:
    dms = Dms(GetAppointmentAvailability=availability("20260312093000", "20260312103000", "2"))
    await dms.service.slots([QUERY])
    said = [dms.said(name) for name in ("DealerNumberID", "FromDate", "ToDate", "MakeCode")]
    assert said == ["SH0217", "20260312", "20260313", "ASTER"]


async def test_free_slots_come_by_start_with_an_id_that_names_their_origin() -> None:
    reply = availability(
        "20260313140000 20260312093000 20260312143000 20260320090000",
        "20260313150000 20260312103000 20260312153000 20260320100000",
        "1 2 0 5",
    )
    found = (await Dms(GetAppointmentAvailability=reply).service.slots([QUERY]))[QUERY]
    assert not isinstance(found, BffError)
    assert [(slot.id, slot.capacity_left) for slot in found] == [(SLOT, 2), ("DMS:SH0217-20260313140000", 1)]
    assert (found[0].start, found[0].end) == (START, datetime(2026, 3, 12, 2, 30, tzinfo=UTC))


async def test_slots_of_a_centre_that_is_not_there_are_absent_and_torn_columns_are_an_error() -> None:
    assert await Dms(GetAppointmentAvailability=refusal("E3006")).service.slots([QUERY]) == {}
    torn = availability("20260312093000 20260312103000", "20260312103000", "2")
    found = await Dms(GetAppointmentAvailability=torn).service.slots([QUERY])
    assert isinstance(found[QUERY], UpstreamContractBroken)


# Bookings


async def test_an_appointment_ahead_is_a_booking_with_its_planned_jobs() -> None:
    dms = Dms(
        GetServiceAppointment=answer("ShowServiceAppointment", APPOINTMENT),
        GetRepairOrder=answer("ShowRepairOrder", code=NOTHING),
    )
    booking = (await dms.service.bookings([BOOKING]))[BOOKING]
    assert isinstance(booking, Booking)
    assert (booking.id, booking.vehicle, booking.centre) == (BOOKING, CAR, PUDONG)
    assert (booking.start, booking.end) == (START, datetime(2026, 3, 12, 2, 30, tzinfo=UTC))
    assert (booking.status, booking.raw_status, booking.repair_order) == (BookingStatus.CONFIRMED, "20", None)
    assert [(job.op_code, job.tenths_of_hours, job.pay_type) for job in booking.jobs] == [
        ("1010", 12, PayType.WARRANTY)
    ]
    assert (booking.customer_id, booking.contact_name, booking.pickup) == ("C0043", "𠮷田健", True)
    assert booking.note == "请提前充电至 80%。"
    assert "等待时间" not in repr(booking)
    assert sorted(dms.names()) == ["GetRepairOrder", "GetServiceAppointment"]
    assert {dms.said("DealerNumberID", 0), dms.said("DealerNumberID", 1)} == {"SH0217"}


@pytest.mark.parametrize(
    ("appointment", "order", "expected", "raw"),
    [
        ("10", None, BookingStatus.REQUESTED, "10"),
        ("30", None, BookingStatus.CHECKED_IN, "30"),
        ("80", None, BookingStatus.NO_SHOW, "80"),
        ("90", None, BookingStatus.CANCELLED, "90"),
        ("30", "O", BookingStatus.CHECKED_IN, "O"),
        ("30", "D", BookingStatus.DIAGNOSING, "D"),
        ("30", "A", BookingStatus.AWAITING_APPROVAL, "A"),
        ("30", "P", BookingStatus.WAITING_PARTS, "P"),
        ("30", "W", BookingStatus.IN_REPAIR, "W"),
        ("30", "Q", BookingStatus.QUALITY_CHECK, "Q"),
        ("30", "R", BookingStatus.READY, "R"),
        ("30", "I", BookingStatus.READY, "I"),
        ("30", "C", BookingStatus.CLOSED, "C"),
        ("30", "X", BookingStatus.CANCELLED, "X"),
        ("90", "X", BookingStatus.CANCELLED, "90"),
        ("80", "O", BookingStatus.NO_SHOW, "80"),
        ("55", None, BookingStatus.UNKNOWN, "55"),
        ("30", "Z", BookingStatus.UNKNOWN, "Z"),
    ],
)
async def test_the_repair_order_tells_how_far_a_car_in_the_workshop_is(
    appointment: str, order: str | None, expected: BookingStatus, raw: str
) -> None:
    visit = APPOINTMENT.replace("AP1<", "AP2<").replace(">20<", f">{appointment}<")
    orders = ORDERS.replace(">A<", f">{order}<") if order else ""
    dms = Dms(
        GetServiceAppointment=answer("ShowServiceAppointment", visit),
        GetRepairOrder=answer("ShowRepairOrder", orders),
    )
    bookings = (await dms.service.bookings_of([CAR]))[CAR]
    assert not isinstance(bookings, BffError)
    [booking] = bookings
    assert (booking.status, booking.raw_status) == (expected, raw)
    assert booking.repair_order == ("RO101" if order else None)
    assert [job.op_code for job in booking.jobs] == (["3020"] if order else ["1010"])


async def test_bookings_of_cars_are_newest_first_in_one_round_of_two_calls_a_car() -> None:
    later = APPOINTMENT.replace("AP1<", "AP9<").replace("2026-03-12T", "2026-04-01T")
    dms = Dms(
        GetServiceAppointment=answer("ShowServiceAppointment", APPOINTMENT + later),
        GetRepairOrder=answer("ShowRepairOrder"),
    )
    context = entered_context()
    other = VehicleRef(vin="LDCA1AB5XSB000008", region="EAST", brand="ASTER", model="A5")
    found = await dms.service.bookings_of([CAR, other])
    bookings = found[CAR]
    assert not isinstance(bookings, BffError)
    assert [booking.id.number for booking in bookings] == ["AP9", "AP1"]
    assert (len(context.calls.records), context.calls.rounds) == (4, 1)


async def test_visits_and_bookings_of_a_car_share_its_repair_orders_within_a_request() -> None:
    dms = Dms(
        GetServiceAppointment=answer("ShowServiceAppointment", APPOINTMENT),
        GetRepairOrder=answer("ShowRepairOrder", ORDERS),
    )
    context = entered_context()
    await in_parallel(dms.service.bookings_of([CAR]), DmsVehicles(dms.upstream).visits([CAR]))
    assert sorted(dms.names()) == ["GetRepairOrder", "GetServiceAppointment"]
    assert context.calls.rounds == 1


async def test_a_reader_who_goes_away_does_not_take_the_answer_from_another() -> None:
    dms = Dms(GetRepairOrder=answer("ShowRepairOrder", ORDERS))
    entered_context()
    vehicles = DmsVehicles(dms.upstream)
    first, second = asyncio.ensure_future(vehicles.visits([CAR])), asyncio.ensure_future(vehicles.visits([CAR]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    visits = (await second)[CAR]
    assert not isinstance(visits, BffError)
    assert len(visits) == 2
    assert dms.names() == ["GetRepairOrder"]


async def test_an_unknown_booking_is_absent_and_an_unreachable_ledger_is_its_error() -> None:
    unknown = Dms(GetServiceAppointment=refusal("E1003"), GetRepairOrder=answer("ShowRepairOrder", code=NOTHING))
    assert await unknown.service.bookings([BOOKING]) == {}
    shut = Dms(GetServiceAppointment=page(), GetRepairOrder=page())
    assert isinstance((await shut.service.bookings([BOOKING]))[BOOKING], UpstreamMaintenance)
    torn = APPOINTMENT.replace("<s:Hours><s:V>1.20</s:V></s:Hours>", "<s:Hours/>")
    broken = Dms(GetServiceAppointment=answer("ShowServiceAppointment", torn), GetRepairOrder=answer("ShowRepairOrder"))
    assert isinstance((await broken.service.bookings_of([CAR]))[CAR], UpstreamContractBroken)


async def test_the_newest_estimate_is_read_to_the_last_fen() -> None:
    newest = ORDERS[ORDERS.index("<s:RepairOrder>", 5) :]
    dms = Dms(GetRepairOrder=answer("ShowRepairOrder", newest))
    context = entered_context()
    estimate = (await dms.service.estimates([BOOKING]))[BOOKING]
    assert not isinstance(estimate, BffError)
    assert (estimate.version, estimate.approved_at) == (2, None)
    assert estimate.total == Money(amount_minor=179250)
    assert [(line.quantity, line.amount.amount_minor, line.pay_type) for line in estimate.lines] == [
        (1, 172800, PayType.CUSTOMER),
        (2, 6450, PayType.WARRANTY),
    ]
    assert [line.text.pick("en") for line in estimate.lines] == ["Charge port repair", "冷却液"]
    assert (len(context.calls.records), dms.said("AppointmentID")) == (1, "AP1")


async def test_a_booking_that_was_not_estimated_yet_has_no_estimate() -> None:
    nothing = Dms(GetRepairOrder=answer("ShowRepairOrder", code=NOTHING))
    assert await nothing.service.estimates([BOOKING]) == {}


# Writes


async def test_booking_sends_the_appointment_with_a_bodid_made_of_the_idempotency_key() -> None:
    dms = Dms(ProcessServiceAppointment=booked())
    outcome = await dms.service.book(REQUEST)
    assert isinstance(outcome.entity, Booking)
    said = {
        name: dms.said(name)
        for name in ("BODID", "VehicleID", "ExternalPartyID", "ContactName", "AppointmentDateTime", "CustomerComments")
    }
    assert said == {
        "BODID": str(bod_id("key-1")),
        "VehicleID": CAR.vin,
        "ExternalPartyID": "C0043",
        "ContactName": "𠮷田健",
        "AppointmentDateTime": "2026-03-12T09:30:00",
        "CustomerComments": "右后门 <异响>",
    }
    assert [(dms.said(name)) for name in ("AppointmentStatus", "AppointmentType", "V")] == ["10", "I", "1010"]


@pytest.mark.parametrize("slot", ["BOOKING:SL-SH0217-D03-1", "DMS:BJ0101-20260312093000", "DMS:SH0217-1", "x", SLOT])
async def test_a_slot_of_another_system_place_or_time_is_refused_without_a_call(slot: str) -> None:
    dms = Dms()
    start = START.replace(hour=5) if slot == SLOT else START
    outcome = await dms.service.reschedule(BOOKING, slot, start, idempotency_key="k")
    assert [refused.code for refused in outcome.refusals] == ["SLOT_UNKNOWN"]
    assert dms.sent == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("E3001", "SLOT_TAKEN"),
        ("E3002", "SLOT_UNKNOWN"),
        ("E3006", "CENTRE_UNKNOWN"),
        ("E3007", "VEHICLE_UNKNOWN"),
    ],
)
async def test_a_business_code_is_data_in_our_words(code: str, expected: str) -> None:
    outcome = await Dms(ProcessServiceAppointment=refusal(code)).service.book(REQUEST)
    assert outcome.entity is None
    [refused] = outcome.refusals
    assert refused.code == expected
    assert "trace" not in refused.message


@pytest.mark.parametrize(
    ("code", "expected"),
    [("E2001", UpstreamBusy), ("E5001", UpstreamBusy), ("E1001", UpstreamRejected), ("E3008", InvalidInput)],
)
async def test_a_code_that_no_payload_says_is_an_error(code: str, expected: type[BffError]) -> None:
    with pytest.raises(expected):
        await Dms(ProcessServiceAppointment=refusal(code)).service.book(REQUEST)


@pytest.mark.parametrize(
    "lost",
    [
        httpx.ReadTimeout("late"),
        httpx.RemoteProtocolError("reset"),
        httpx.Response(502, text="bad gateway"),
        refusal("E9999"),
        answer("AcknowledgeServiceAppointment", code="0"),
        answer("AcknowledgeServiceAppointment", "<s:ServiceAppointment/>"),
    ],
)
async def test_a_booking_whose_answer_was_lost_is_looked_up_by_its_bodid(lost: Reply) -> None:
    dms = Dms(ProcessServiceAppointment=lost, GetServiceAppointment=answer("ShowServiceAppointment", APPOINTMENT))
    context = entered_context()
    outcome = await dms.service.book(REQUEST)
    assert outcome.entity is not None
    assert outcome.entity.id == BOOKING
    assert dms.names() == ["ProcessServiceAppointment", "GetServiceAppointment"]
    assert dms.said("RequestBODID") == str(bod_id("key-1"))
    assert context.calls.rounds == 2


@pytest.mark.parametrize(
    "look_up", [answer("ShowServiceAppointment", code=NOTHING), page(), httpx.ConnectError("refused")]
)
async def test_the_outcome_stays_unknown_while_the_look_up_finds_nothing(look_up: Reply) -> None:
    dms = Dms(ProcessServiceAppointment=httpx.ReadTimeout("late"), GetServiceAppointment=look_up)
    with pytest.raises(OutcomeUnknown):
        await dms.service.book(REQUEST)


async def test_a_booking_that_never_left_us_is_not_looked_up() -> None:
    dms = Dms(ProcessServiceAppointment=page())
    with pytest.raises(UpstreamMaintenance):
        await dms.service.book(REQUEST)
    assert dms.names() == ["ProcessServiceAppointment"]


async def test_a_booking_is_moved_and_cancelled_at_the_dealer_that_keeps_it() -> None:
    dms = Dms(ProcessServiceAppointment=booked())
    await dms.service.reschedule(BOOKING, SLOT, START, idempotency_key="move")
    await dms.service.cancel(BOOKING, reason="出差", idempotency_key="cancel")
    actions = [bod.find(f".//{{{STAR}}}ActionExpression") for bod in dms.sent]
    assert [action.get("actionCode") for action in actions if action is not None] == ["Change", "Cancel"]
    assert [dms.said("DocumentID", number) for number in (0, 1)] == ["AP1", "AP1"]
    assert (dms.said("AppointmentDateTime", 0), dms.said("CancelReason", 1)) == ("2026-03-12T09:30:00", "出差")
    assert dms.said("BODID", 0) != dms.said("BODID", 1)


async def test_a_booking_that_has_begun_can_neither_be_moved_nor_cancelled() -> None:
    service = Dms(ProcessServiceAppointment=refusal("E3003")).service
    moved = await service.reschedule(BOOKING, SLOT, START, idempotency_key="a")
    cancelled = await service.cancel(BOOKING, reason=None, idempotency_key="b")
    assert [refused.code for refused in moved.refusals + cancelled.refusals] == ["NOT_CHANGEABLE", "NOT_CANCELLABLE"]


async def test_a_write_on_a_booking_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        await Dms(ProcessServiceAppointment=refusal("E1003")).service.cancel(BOOKING, reason=None, idempotency_key="b")


async def test_an_approval_names_the_version_and_answers_the_estimate_as_it_now_is() -> None:
    approved = ORDERS[ORDERS.index("<s:RepairOrder>", 5) :].replace(
        "<s:IssuedDateTime>20260309100000</s:IssuedDateTime>",
        "<s:IssuedDateTime>20260309100000</s:IssuedDateTime><s:ApprovedDateTime>20260309101500</s:ApprovedDateTime>",
    )
    dms = Dms(ProcessRepairOrder=answer("AcknowledgeRepairOrder", approved))
    outcome = await dms.service.approve(BOOKING, 2, idempotency_key="yes")
    assert outcome.entity is not None
    assert outcome.entity.approved_at == datetime(2026, 3, 9, 2, 15, tzinfo=UTC)
    assert (dms.said("AppointmentID"), dms.said("Version"), dms.said("BODID")) == ("AP1", "2", str(bod_id("yes")))


@pytest.mark.parametrize(("code", "expected"), [("E3004", "ESTIMATE_OUTDATED"), ("E3005", "ALREADY_APPROVED")])
async def test_an_approval_that_comes_too_late_is_data(code: str, expected: str) -> None:
    outcome = await Dms(ProcessRepairOrder=refusal(code)).service.approve(BOOKING, 1, idempotency_key="yes")
    assert [refused.code for refused in outcome.refusals] == [expected]


async def test_what_was_read_before_a_write_is_read_anew_after_it() -> None:
    dms = Dms(
        GetServiceAppointment=answer("ShowServiceAppointment", APPOINTMENT),
        GetRepairOrder=answer("ShowRepairOrder", code=NOTHING),
        ProcessServiceAppointment=booked(),
    )
    entered_context()
    await dms.service.bookings([BOOKING])
    await dms.service.cancel(BOOKING, reason=None, idempotency_key="c")
    await dms.service.bookings([BOOKING])
    assert dms.names().count("GetServiceAppointment") == 2
