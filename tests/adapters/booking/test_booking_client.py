"""The booking adapter at the wire: what it sends, what replies mean, refusals, and replies that are broken."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from adapters.booking.client import BookingAdapter
from bff.domain.base import Outcome, PartialList
from bff.domain.service import (
    Booking,
    BookingId,
    BookingOrigin,
    BookingRequest,
    BookingStatus,
    Centre,
    CentreRef,
    CentreService,
    Estimate,
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
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.support import mocked_upstream

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parent / "fixtures"
CAR = VehicleRef(vin="LDCA1AB5XSB000008", region="SOUTH", brand="ASTER", model="A5")
OTHER = VehicleRef(vin="LDCV1AE30SD000003", region="SOUTH", brand="VELA", model="V3")
CENTRE = CentreRef(code="SZ0412", region="SOUTH")
QUERY = SlotQuery(centre=CENTRE, from_day=date(2026, 3, 10), to_day=date(2026, 3, 12), brand="ASTER", model="A5")
START = datetime(2026, 3, 10, 1, 0, tzinfo=UTC)
OURS = BookingId(origin=BookingOrigin.BOOKING, centre="SZ0412", number="BK300001")
HTML = httpx.Response(200, headers={"content-type": "text/html"}, text="<html>Down</html>")
TRUNCATED = httpx.Response(200, headers={"content-type": "application/json"}, text='{"items": [{"id": "BK3')


@pytest.fixture
def router() -> respx.Router:
    return respx.Router(assert_all_called=False)


@pytest.fixture
def adapter(router: respx.Router) -> BookingAdapter:
    return BookingAdapter(mocked_upstream(router, "booking"))


def fixture(name: str) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "application/json"}, content=(FIXTURES / name).read_bytes())


def items_of(name: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads((FIXTURES / name).read_bytes())["items"]
    return items


def problem(status: int, code: str) -> httpx.Response:
    body = {"type": "about:blank", "title": code, "status": status, "detail": "内部说明", "code": code}
    return httpx.Response(status, headers={"content-type": "application/problem+json"}, json=body)


def request(slot_id: str = "BOOKING:SL-SZ0412-D01-1") -> BookingRequest:
    return BookingRequest(
        vehicle=CAR,
        customer_id="C0001",
        slot_id=slot_id,
        centre=CENTRE,
        start=START,
        op_codes=("1010", "1020"),
        note="轻微异响",
        pickup=True,
        idempotency_key="key-1",
    )


# Requests


async def test_slots_of_many_centres_are_one_call_and_each_query_is_named(
    router: respx.Router, adapter: BookingAdapter
) -> None:
    route = router.post("/slot-queries").mock(return_value=httpx.Response(200, json={"items": []}))
    second = SlotQuery(centre=CentreRef(code="GZ0106", region="SOUTH"), from_day=QUERY.from_day, to_day=QUERY.from_day)
    assert await adapter.slots([QUERY, second, QUERY]) == {}
    assert route.call_count == 1
    days = {"from": "2026-03-10", "to": "2026-03-12"}
    assert json.loads(route.calls.last.request.content)["queries"] == [
        {"id": "0", "centre": "SZ0412", **days, "brand": "ASTER", "model": "A5"},
        {"id": "1", "centre": "GZ0106", "from": "2026-03-10", "to": "2026-03-10", "brand": None, "model": None},
    ]


async def test_bulk_reads_repeat_a_parameter(router: respx.Router, adapter: BookingAdapter) -> None:
    route = router.get(url__regex=r".*").mock(return_value=httpx.Response(200, json={"items": []}))
    second = BookingId(origin=BookingOrigin.BOOKING, centre="SZ0412", number="BK 2")
    foreign = BookingId(origin=BookingOrigin.DMS, centre="SH0217", number="AP1")
    await adapter.bookings_of([CAR, OTHER, CAR])
    await adapter.bookings([OURS, second, foreign])
    await adapter.estimates([OURS, foreign])
    await adapter.centres(["SZ0412", "GZ0106"])
    await adapter.search(region="SOUTH", brand="VELA", service=CentreService.SERVICE)
    assert [str(call.request.url.raw_path, "ascii") for call in route.calls] == [
        "/bookings?vin=LDCA1AB5XSB000008&vin=LDCV1AE30SD000003",
        "/bookings?id=BK300001&id=BK%202",
        "/estimates?booking=BK300001",
        "/centres?code=SZ0412&code=GZ0106",
        "/centres?region=SOUTH&brand=VELA&service=MAINTENANCE&service=REPAIR",
    ]


async def test_more_keys_than_a_call_takes_are_spread_over_calls(router: respx.Router, adapter: BookingAdapter) -> None:
    route = router.get("/centres").mock(return_value=httpx.Response(200, json={"items": []}))
    await adapter.centres([f"C{number}" for number in range(150)])
    assert sorted(len(call.request.url.params.get_list("code")) for call in route.calls) == [50, 100]


async def test_nothing_asked_is_no_call(router: respx.Router, adapter: BookingAdapter) -> None:
    foreign = BookingId(origin=BookingOrigin.DMS, centre="SH0217", number="AP1")
    assert await adapter.bookings([foreign]) == {}
    assert await adapter.slots([]) == {}
    assert await adapter.bookings_of([]) == {}
    assert await adapter.search(service=CentreService.CHARGING) == []
    assert router.calls.call_count == 0


async def test_a_booking_is_sent_with_its_idempotency_key_and_the_services_own_slot_id(
    router: respx.Router, adapter: BookingAdapter
) -> None:
    made = httpx.Response(201, json=items_of("bookings.json")[1])
    route = router.post("/bookings").mock(return_value=made)
    outcome = await adapter.book(request())
    assert outcome.entity is not None
    assert outcome.entity.id == OURS
    sent = route.calls.last.request
    assert sent.headers["idempotency-key"] == "key-1"
    assert json.loads(sent.content) == {
        "vin": CAR.vin,
        "customerId": "C0001",
        "centre": "SZ0412",
        "slotId": "SL-SZ0412-D01-1",
        "startsAt": "2026-03-10T01:00:00Z",
        "opCodes": ["1010", "1020"],
        "note": "轻微异响",
        "pickup": True,
    }


async def test_changes_of_a_booking_are_sent_to_it(router: respx.Router, adapter: BookingAdapter) -> None:
    booking, estimate = items_of("bookings.json")[1], items_of("estimates.json")[0]
    move = router.post("/bookings/BK300001/reschedule").mock(return_value=httpx.Response(200, json=booking))
    cancel = router.post("/bookings/BK300001/cancel").mock(return_value=httpx.Response(200, json=booking))
    approve = router.post("/bookings/BK300001/estimates/2/approval").mock(
        return_value=httpx.Response(200, json=estimate)
    )
    await adapter.reschedule(OURS, "BOOKING:SL-9", START, idempotency_key="m")
    await adapter.cancel(OURS, reason="行程有变", idempotency_key="c")
    approved = await adapter.approve(OURS, 2, idempotency_key="a")
    assert json.loads(move.calls.last.request.content) == {"slotId": "SL-9", "startsAt": "2026-03-10T01:00:00Z"}
    assert json.loads(cancel.calls.last.request.content) == {"reason": "行程有变"}
    assert [route.calls.last.request.headers["idempotency-key"] for route in (move, cancel, approve)] == ["m", "c", "a"]
    assert approved.entity is not None
    assert approved.entity.version == 2


# Replies


async def test_slots_are_by_start_without_full_ones_and_carry_their_origin(
    router: respx.Router, adapter: BookingAdapter
) -> None:
    router.post("/slot-queries").mock(return_value=fixture("slots.json"))
    slots = (await adapter.slots([QUERY]))[QUERY]
    assert isinstance(slots, list)
    assert [(slot.id, slot.capacity_left) for slot in slots] == [
        ("BOOKING:SL-SZ0412-D01-1", 1),
        ("BOOKING:SL-SZ0412-D01-2", 3),
    ]
    assert (slots[0].start, slots[0].centre) == (START, CENTRE)


async def test_bookings_of_a_car_are_newest_first_in_utc(router: respx.Router, adapter: BookingAdapter) -> None:
    router.get("/bookings").mock(return_value=fixture("bookings.json"))
    found = await adapter.bookings_of([CAR, OTHER])
    mine = found[CAR]
    assert isinstance(mine, list)
    assert [booking.id.number for booking in mine] == ["BK300001", "BK300002"]
    assert (mine[0].start, mine[0].end) == (
        datetime(2026, 3, 14, 3, 0, tzinfo=UTC),
        datetime(2026, 3, 14, 4, 0, tzinfo=UTC),
    )
    assert (mine[0].vehicle, mine[0].note, mine[0].pickup) == (CAR, "需要上门取车，谢谢。", True)
    job = mine[1].jobs[0]
    assert (job.op_code, job.tenths_of_hours, job.pay_type) == ("5000", 45, PayType.CUSTOMER)
    assert found[OTHER] == []


async def test_an_id_with_another_centre_is_not_a_booking_of_ours(
    router: respx.Router, adapter: BookingAdapter
) -> None:
    router.get("/bookings").mock(return_value=fixture("bookings.json"))
    elsewhere = BookingId(origin=BookingOrigin.BOOKING, centre="GZ0106", number="BK300001")
    assert set(await adapter.bookings([OURS, elsewhere])) == {OURS}


async def test_a_centre_is_read_with_services_and_hours_in_words(
    router: respx.Router, adapter: BookingAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    router.get("/centres").mock(return_value=fixture("centres.json"))
    with caplog.at_level(logging.WARNING):
        found = await adapter.centres(["SZ0412", "GZ0106"])
    centre = found["SZ0412"]
    assert isinstance(centre, Centre)
    assert centre.services == [CentreService.SERVICE, CentreService.UNKNOWN, CentreService.PICKUP]
    assert "HOVERCRAFT" in caplog.text
    assert centre.opening_hours.zh == "周一至周五 08:30–18:30；周日 09:00–17:30；周一、周三 20:00–22:00"
    assert centre.opening_hours.en == "Mon–Fri 08:30–18:30; Sun 09:00–17:30; Mon, Wed 20:00–22:00"
    assert isinstance(found["GZ0106"], UpstreamContractBroken)


async def test_an_unreadable_centre_is_left_out_of_a_search(router: respx.Router, adapter: BookingAdapter) -> None:
    router.get("/centres").mock(return_value=fixture("centres.json"))
    assert [centre.code for centre in await adapter.search(region="SOUTH")] == ["SZ0412"]


async def test_an_unknown_status_and_payer_are_kept_as_unknown(router: respx.Router, adapter: BookingAdapter) -> None:
    strange = items_of("bookings.json")[1] | {"status": "TELEPORTED"}
    router.get("/bookings").mock(return_value=httpx.Response(200, json={"items": [strange]}))
    router.get("/estimates").mock(return_value=fixture("estimates.json"))
    booking = (await adapter.bookings([OURS]))[OURS]
    assert isinstance(booking, Booking)
    assert (booking.status, booking.raw_status) == (BookingStatus.UNKNOWN, "TELEPORTED")
    closed = BookingId(origin=BookingOrigin.BOOKING, centre="SZ0412", number="BK300002")
    estimate = (await adapter.estimates([closed]))[closed]
    assert isinstance(estimate, Estimate)
    assert (estimate.lines[0].pay_type, estimate.total.amount_minor) == (PayType.UNKNOWN, 186000)


# Business errors


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("SLOT_TAKEN", ["slotId"]),
        ("SLOT_UNKNOWN", ["slotId"]),
        ("CENTRE_UNKNOWN", ["centreCode"]),
        ("VEHICLE_UNKNOWN", ["vin"]),
    ],
)
async def test_a_refusal_is_an_outcome_in_our_words(
    router: respx.Router, adapter: BookingAdapter, code: str, field: list[str]
) -> None:
    router.post("/bookings").mock(return_value=problem(409, code))
    outcome = await adapter.book(request())
    assert outcome.entity is None
    (refusal,) = outcome.refusals
    assert (refusal.code, refusal.field) == (code, field)
    assert "内部" not in refusal.message


@pytest.mark.parametrize("slot", ["DMS:SH0217-1", "SL-1", ""])
async def test_a_slot_of_another_origin_is_unknown_without_a_call(
    router: respx.Router, adapter: BookingAdapter, slot: str
) -> None:
    outcomes = [await adapter.book(request(slot)), await adapter.reschedule(OURS, slot, START, idempotency_key="k")]
    assert [outcome.refusals[0].code for outcome in outcomes] == ["SLOT_UNKNOWN"] * 2
    assert router.calls.call_count == 0


Call = Callable[[BookingAdapter], Awaitable[Outcome[Any]]]
CHANGES: dict[str, Call] = {
    "reschedule": lambda adapter: adapter.reschedule(OURS, "BOOKING:SL-9", START, idempotency_key="k"),
    "cancel": lambda adapter: adapter.cancel(OURS, reason=None, idempotency_key="k"),
    "approve": lambda adapter: adapter.approve(OURS, 1, idempotency_key="k"),
}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("reschedule", "NOT_CHANGEABLE"),
        ("reschedule", "SLOT_TAKEN"),
        ("cancel", "NOT_CANCELLABLE"),
        ("approve", "ESTIMATE_OUTDATED"),
        ("approve", "ALREADY_APPROVED"),
    ],
)
async def test_a_change_that_is_not_allowed_is_an_outcome(
    router: respx.Router, adapter: BookingAdapter, change: str, code: str
) -> None:
    router.post(url__regex=r".*/bookings/BK300001/.*").mock(return_value=problem(409, code))
    assert [refusal.code for refusal in (await CHANGES[change](adapter)).refusals] == [code]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_of_nothing_is_not_found(router: respx.Router, adapter: BookingAdapter, change: str) -> None:
    router.post(url__regex=r".*").mock(return_value=problem(404, "NOT_FOUND"))
    with pytest.raises(NotFound):
        await CHANGES[change](adapter)


@pytest.mark.parametrize("change", ["cancel", "approve", "reschedule"])
async def test_a_booking_of_another_origin_is_not_found_without_a_call(
    router: respx.Router, adapter: BookingAdapter, change: str
) -> None:
    foreign = BookingId(origin=BookingOrigin.DMS, centre="SH0217", number="AP1")
    calls: dict[str, Callable[[], Awaitable[Outcome[Any]]]] = {
        "cancel": lambda: adapter.cancel(foreign, reason=None, idempotency_key="k"),
        "approve": lambda: adapter.approve(foreign, 1, idempotency_key="k"),
        "reschedule": lambda: adapter.reschedule(foreign, "BOOKING:SL-9", START, idempotency_key="k"),
    }
    with pytest.raises(NotFound):
        await calls[change]()
    assert router.calls.call_count == 0


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("IDEMPOTENCY_KEY_REUSED", "input.idempotencyKey"),
        ("OPERATION_UNKNOWN", "input.opCodes"),
        ("PICKUP_NOT_OFFERED", "input.pickup"),
    ],
)
async def test_a_mistake_of_the_caller_names_the_argument(
    router: respx.Router, adapter: BookingAdapter, code: str, field: str
) -> None:
    router.post("/bookings").mock(return_value=problem(422, code))
    with pytest.raises(InvalidInput) as mistake:
        await adapter.book(request())
    assert mistake.value.field == field


async def test_a_refusal_that_nobody_agreed_on_is_rejected(router: respx.Router, adapter: BookingAdapter) -> None:
    router.post("/bookings").mock(return_value=problem(409, "FULL_MOON"))
    router.get("/bookings").mock(return_value=problem(400, "BAD_REQUEST"))
    with pytest.raises(UpstreamRejected):
        await adapter.book(request())
    assert isinstance((await adapter.bookings_of([CAR]))[CAR], UpstreamRejected)


async def test_a_span_that_cannot_be_asked_fails_alone(router: respx.Router, adapter: BookingAdapter) -> None:
    router.post("/slot-queries").mock(return_value=fixture("slots.json"))
    long = SlotQuery(centre=CENTRE, from_day=date(2026, 3, 10), to_day=date(2026, 5, 10))
    backwards = SlotQuery(centre=CENTRE, from_day=date(2026, 3, 10), to_day=date(2026, 3, 9))
    found = await adapter.slots([long, backwards])
    assert [type(error) for error in found.values()] == [InvalidInput, InvalidInput]
    assert router.calls.call_count == 0


# Broken replies


READS: dict[str, Callable[[BookingAdapter], Awaitable[Any]]] = {
    "slots": lambda adapter: adapter.slots([QUERY]),
    "bookings_of": lambda adapter: adapter.bookings_of([CAR]),
    "bookings": lambda adapter: adapter.bookings([OURS]),
    "estimates": lambda adapter: adapter.estimates([OURS]),
    "centres": lambda adapter: adapter.centres(["SZ0412"]),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (HTML, UpstreamContractBroken),
        (TRUNCATED, UpstreamContractBroken),
        (httpx.Response(200, json={"items": "none"}), UpstreamContractBroken),
        (httpx.Response(200, json={"items": [17]}), UpstreamContractBroken),
        (httpx.Response(404, text="no such path"), UpstreamContractBroken),
        (httpx.Response(500, text="NullPointerException"), UpstreamUnavailable),
        (httpx.Response(503), UpstreamBusy),
        (httpx.ConnectError("refused"), UpstreamUnavailable),
    ],
)
async def test_a_broken_reply_is_the_error_of_each_key(
    router: respx.Router, adapter: BookingAdapter, read: str, reply: Any, kind: type[BffError]
) -> None:
    router.route().mock(side_effect=[reply])
    (error,) = (await READS[read](adapter)).values()
    assert type(error) is kind
    assert "NullPointer" not in error.message


async def test_one_bad_booking_leaves_the_others_of_its_car_and_of_other_cars(
    router: respx.Router, adapter: BookingAdapter
) -> None:
    good, bad = items_of("bookings.json")
    fine = good | {"id": "BK9", "vin": OTHER.vin}
    router.get("/bookings").mock(return_value=httpx.Response(200, json={"items": [good, bad | {"jobs": 7}, fine]}))
    found = await adapter.bookings_of([CAR, OTHER])
    partial = found[CAR]
    assert isinstance(partial, PartialList)
    assert [booking.id.number for booking in partial] == ["BK300002"]
    assert isinstance(partial.missing, UpstreamContractBroken)
    whole = found[OTHER]
    assert type(whole) is list
    assert [booking.id.number for booking in whole] == ["BK9"]


async def test_a_booking_that_does_not_tell_its_car_may_be_anyones(
    router: respx.Router, adapter: BookingAdapter
) -> None:
    good, _ = items_of("bookings.json")
    router.get("/bookings").mock(return_value=httpx.Response(200, json={"items": [good, {"id": "BK9"}]}))
    found = await adapter.bookings_of([CAR, OTHER])
    assert isinstance(found[CAR], PartialList)
    assert isinstance(found[OTHER], UpstreamContractBroken)


async def test_a_time_without_zone_is_a_broken_contract(router: respx.Router, adapter: BookingAdapter) -> None:
    zoneless = items_of("bookings.json")[1] | {"startsAt": "2026-03-14T11:00:00"}
    router.get("/bookings").mock(return_value=httpx.Response(200, json={"items": [zoneless]}))
    assert isinstance((await adapter.bookings([OURS]))[OURS], UpstreamContractBroken)


@pytest.mark.parametrize("change", [*CHANGES, "book"])
@pytest.mark.parametrize(
    "reply",
    [
        HTML,
        TRUNCATED,
        httpx.Response(200, json={"id": 7}),
        httpx.Response(502, text="bad gateway"),
        httpx.ReadTimeout("late"),
        httpx.RemoteProtocolError("cut"),
    ],
)
async def test_a_write_without_a_readable_answer_has_an_unknown_outcome(
    router: respx.Router, adapter: BookingAdapter, change: str, reply: Any
) -> None:
    router.post(url__regex=r".*").mock(side_effect=[reply])
    with pytest.raises(OutcomeUnknown):
        await (adapter.book(request()) if change == "book" else CHANGES[change](adapter))


async def test_a_write_that_was_never_sent_may_be_tried_again(router: respx.Router, adapter: BookingAdapter) -> None:
    router.post("/bookings").mock(side_effect=httpx.ConnectError("refused"))
    with pytest.raises(UpstreamUnavailable) as failed:
        await adapter.book(request())
    assert failed.value.retryable
