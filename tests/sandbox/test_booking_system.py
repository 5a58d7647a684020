"""The simulated booking service: what it enforces, and that it tells the story of the world and of its contract."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from adapters.booking.client import BookingAdapter
from bff.domain.service import Booking, BookingId, BookingOrigin, CentreService
from sandbox.booking import app, shapes
from sandbox.booking.desk import NEXT
from sandbox.kit.openapi import Items
from sandbox.world import World
from tests.support import BASE, sandbox_upstream

pytestmark = pytest.mark.anyio

CONTRACT = Path(__file__).parents[2] / "docs" / "contracts" / "booking.openapi.json"
SLOT = "SL-SZ0412-D02-1"


class Desk:
    """Raw HTTP to the system, with a clock that a test moves."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = world.now
        system = app.create(world, clock=lambda: self.now)
        self.adapter = BookingAdapter(sandbox_upstream(system))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url=BASE)
        self._keys = 0

    async def post(self, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        self._keys += 1
        return await self.http.post(path, json=body, headers={"idempotency-key": key or f"key-{self._keys}"})

    def wanted(self, customer: str = "C0002", **changes: Any) -> dict[str, Any]:
        starts: datetime = self.world.slots[SLOT].starts_at
        body = {"vin": "LDCA1AB5XSB000008", "customerId": customer, "centre": "SZ0412", "slotId": SLOT}
        return body | {"startsAt": starts.isoformat(), "opCodes": ["1010"], "note": None, "pickup": False} | changes

    def empty(self, places: int) -> None:
        slot = self.world.slots[SLOT]
        slot.taken = slot.capacity - places


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def code_of(reply: httpx.Response) -> str:
    assert reply.headers["content-type"] == "application/problem+json"
    return str(reply.json()["code"])


def test_the_contract_is_what_is_served(world: World) -> None:
    assert json.loads(CONTRACT.read_text()) == json.loads(json.dumps(app.openapi(world)))


async def test_it_says_who_it_is(desk: Desk) -> None:
    assert (await desk.http.get("/_ping")).json() == {"system": "booking", "simulated": True}


async def test_every_booking_of_the_world_is_told_and_fits_the_contract(desk: Desk) -> None:
    vins = list(dict.fromkeys(booking.vin for booking in desk.world.bookings.values()))
    reply = await desk.http.get("/bookings", params={"vin": vins})
    told = msgspec.json.decode(reply.content, type=Items[shapes.Booking]).items
    assert {booking.id: booking.status for booking in told} == {
        booking.id: booking.state for booking in desk.world.bookings.values()
    }
    notes = {booking.internal_notes for booking in desk.world.bookings.values()} - {""}
    assert notes
    assert not any(note in reply.text for note in notes)


async def test_the_directory_is_the_worlds(desk: Desk) -> None:
    found = await desk.adapter.search()
    assert {centre.code: centre.region for centre in found} == {c.id: c.region for c in desk.world.centres.values()}
    south = await desk.adapter.search(region="SOUTH", brand="ASTER", service=CentreService.BODYWORK)
    assert {centre.code for centre in south} == {"GZ0106", "SZ0412"}
    assert await desk.adapter.search(service=CentreService.CHARGING) == []


async def test_several_centres_are_asked_by_repeated_parameters(desk: Desk) -> None:
    days = {"from": "2026-03-10", "to": "2026-03-11"}
    reply = await desk.http.get("/slots", params={"centre": ["SZ0412", "XX0000", "XM0209"], "brand": "ASTER", **days})
    found = msgspec.json.decode(reply.content, type=Items[shapes.FreeSlots]).items
    assert [free.centre for free in found] == ["SZ0412", "XM0209"]
    assert found[0].slots
    assert found[1].slots == [], "Xiamen does not look after this brand"


@pytest.mark.parametrize(
    "path",
    [
        "/bookings",
        "/bookings?vin=A&id=B",
        "/bookings?customer=C0001",
        "/centres?service=HOVERCRAFT",
        "/slots?centre=SZ0412&from=today&to=2026-03-11",
        "/slots?centre=SZ0412&from=2026-03-10&to=2026-05-11",
        "/slots?from=2026-03-10&to=2026-03-11",
        "/estimates",
        "/centres?" + "&".join(f"code=C{number}" for number in range(101)),
    ],
)
async def test_a_question_that_the_contract_does_not_know_is_refused(desk: Desk, path: str) -> None:
    reply = await desk.http.get(path)
    assert (reply.status_code, code_of(reply)) == (400, "BAD_REQUEST")


async def test_a_write_without_a_key_or_with_unknown_members_is_refused(desk: Desk) -> None:
    desk.empty(2)
    assert code_of(await desk.http.post("/bookings", json=desk.wanted())) == "BAD_REQUEST"
    assert code_of(await desk.post("/bookings", desk.wanted(priority="high"))) == "BAD_REQUEST"
    assert code_of(await desk.post("/bookings", desk.wanted(startsAt="2026-03-11T09:00:00"))) == "BAD_REQUEST"
    assert desk.world.slots[SLOT].capacity_left == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"vin": "LDCA1AB50ZZ999999"}, "VEHICLE_UNKNOWN"),
        ({"centre": "XX0000"}, "CENTRE_UNKNOWN"),
        ({"centre": "GZ0106"}, "SLOT_UNKNOWN"),
        ({"slotId": "TD-SZ0412-D02-1"}, "SLOT_UNKNOWN"),
        ({"startsAt": "2026-03-11T09:07:00Z"}, "SLOT_UNKNOWN"),
        ({"customerId": "C9999"}, "CUSTOMER_UNKNOWN"),
        ({"opCodes": ["0000"]}, "OPERATION_UNKNOWN"),
        ({"centre": "XM0209", "slotId": "SL-XM0209-D02-1", "pickup": True}, "PICKUP_NOT_OFFERED"),
    ],
)
async def test_what_does_not_fit_the_world_is_refused(desk: Desk, changes: dict[str, Any], code: str) -> None:
    desk.empty(2)
    assert code_of(await desk.post("/bookings", desk.wanted(**changes))) == code
    assert desk.world.slots[SLOT].capacity_left == 2


async def test_of_twenty_who_want_the_last_three_places_three_get_them(desk: Desk) -> None:
    desk.empty(3)
    replies = await asyncio.gather(*(desk.post("/bookings", desk.wanted()) for _ in range(20)))
    assert sorted(reply.status_code for reply in replies) == [201] * 3 + [409] * 17
    assert {code_of(reply) for reply in replies if reply.status_code == 409} == {"SLOT_TAKEN"}
    assert desk.world.slots[SLOT].capacity_left == 0


async def test_the_same_key_five_times_at_once_is_one_booking(desk: Desk) -> None:
    desk.empty(2)
    before = len(desk.world.bookings)
    replies = await asyncio.gather(*(desk.post("/bookings", desk.wanted(), key="same") for _ in range(5)))
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert len(desk.world.bookings) == before + 1
    other = await desk.post("/bookings", desk.wanted(customer="C0003"), key="same")
    assert (other.status_code, code_of(other)) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_held_place_is_its_holders_for_ten_minutes(desk: Desk) -> None:
    desk.empty(1)
    hold = await desk.post("/slot-holds", {"slotId": SLOT, "customerId": "C0002"})
    assert hold.status_code == 201
    assert datetime.fromisoformat(hold.json()["expiresAt"]) == desk.now + timedelta(minutes=10)
    assert code_of(await desk.post("/bookings", desk.wanted(customer="C0003"))) == "SLOT_TAKEN"
    assert code_of(await desk.post("/slot-holds", {"slotId": SLOT, "customerId": "C0003"})) == "SLOT_TAKEN"
    desk.now += timedelta(minutes=9)
    assert (await desk.post("/bookings", desk.wanted())).status_code == 201
    assert desk.world.slots[SLOT].capacity_left == 0


async def test_a_hold_that_has_run_out_or_was_given_back_frees_its_place(desk: Desk) -> None:
    desk.empty(1)
    await desk.post("/slot-holds", {"slotId": SLOT, "customerId": "C0002"})
    desk.now += timedelta(minutes=10)
    second = await desk.post("/slot-holds", {"slotId": SLOT, "customerId": "C0003"})
    assert second.status_code == 201
    assert (await desk.http.delete(f"/slot-holds/{second.json()['id']}")).status_code == 204
    assert (await desk.post("/bookings", desk.wanted(customer="C0004"))).status_code == 201


async def test_slots_that_have_begun_are_gone(desk: Desk) -> None:
    desk.now = desk.world.slots[SLOT].starts_at
    assert code_of(await desk.post("/bookings", desk.wanted())) == "SLOT_UNKNOWN"


async def advance(desk: Desk, booking: str, status: str) -> httpx.Response:
    return await desk.http.put(f"/workshop/bookings/{booking}/status", json={"status": status})


async def test_a_visit_runs_through_its_states_and_an_increase_needs_a_new_approval(desk: Desk) -> None:
    desk.empty(1)
    made = (await desk.post("/bookings", desk.wanted())).json()["id"]
    for status in ("CONFIRMED", "PICKUP_ASSIGNED", "PICKED_UP", "CHECKED_IN", "DIAGNOSING"):
        assert (await advance(desk, made, status)).json()["status"] == status
    line = {"opCode": "1010", "text": {"zh": "年度保养", "en": "Annual service"}, "amount": {"amountMinor": 59600}}
    first = await desk.http.post(f"/workshop/bookings/{made}/estimates", json={"lines": [line]})
    assert (first.status_code, first.json()["version"], first.json()["approvedAt"]) == (201, 1, None)
    assert code_of(await advance(desk, made, "IN_REPAIR")) == "APPROVAL_MISSING"
    assert (await desk.post(f"/bookings/{made}/estimates/1/approval")).status_code == 200
    assert desk.world.bookings[made].state == "IN_REPAIR"
    more = await desk.http.post(f"/workshop/bookings/{made}/estimates", json={"lines": [line, line]})
    assert more.json()["total"]["amountMinor"] == 119200
    assert desk.world.bookings[made].state == "AWAITING_APPROVAL"
    assert code_of(await desk.post(f"/bookings/{made}/estimates/1/approval")) == "ESTIMATE_OUTDATED"
    assert code_of(await desk.post(f"/bookings/{made}/estimates/7/approval")) == "NOT_FOUND"
    assert (await desk.post(f"/bookings/{made}/estimates/2/approval")).status_code == 200
    assert code_of(await desk.post(f"/bookings/{made}/estimates/2/approval")) == "ALREADY_APPROVED"
    for status in ("WAITING_PARTS", "IN_REPAIR", "QUALITY_CHECK", "READY", "RETURNING", "CLOSED"):
        assert (await advance(desk, made, status)).json()["status"] == status
    found = await desk.adapter.bookings([BookingId(origin=BookingOrigin.BOOKING, centre="SZ0412", number=made)])
    (booking,) = found.values()
    assert isinstance(booking, Booking)
    assert booking.raw_status == "CLOSED"


@pytest.mark.parametrize("state", NEXT)
async def test_no_state_is_skipped_and_only_a_car_outside_can_be_cancelled(desk: Desk, state: Any) -> None:
    booking = next(b for b in desk.world.bookings.values() if b.state == state)
    for wanted in NEXT:
        if wanted not in NEXT[state] or wanted == "CANCELLED":
            assert code_of(await advance(desk, booking.id, wanted)) == "TRANSITION_NOT_ALLOWED"
    cancelled = await desk.post(f"/bookings/{booking.id}/cancel", {"reason": None})
    if state in ("REQUESTED", "CONFIRMED", "PICKUP_ASSIGNED", "PICKED_UP"):
        assert cancelled.json()["status"] == "CANCELLED"
    else:
        assert code_of(cancelled) == "NOT_CANCELLABLE"
