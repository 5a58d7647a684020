"""The pilot, flipped while people use it: no client notices, and what began on a system stays there."""

from __future__ import annotations

import json

import pytest

from tests.estate.house import Answer, House

pytestmark = pytest.mark.anyio

VIN = "LDCA1AB57SB000001"  # region EAST: the DMS's, until the pilot comes
BOOKINGS = f'{{ vehicle(vin: "{VIN}") {{ serviceBookings {{ isComplete items {{ id status start }} }} }} }}'
SLOTS = f'{{ serviceCentre(code: "SH0217") {{ slots(vin: "{VIN}") {{ id start }} }} }}'
BOOK = (
    f'mutation($slot: ID!, $start: DateTime!, $key: String!) {{ bookService(input: {{vin: "{VIN}",'
    ' centreCode: "SH0217", slotId: $slot, start: $start, idempotencyKey: $key}) { entity { id }'
    " userErrors { code message } } }"
)


async def _flip(house: House, *regions: str) -> None:
    rules = [{"system": "booking", "region": region} for region in regions]
    reply = await house.client.put("/_dev/pilots", content=json.dumps({"service_booking": rules}))
    assert reply.status_code == 200, reply.text


async def _book_first_slot(house: House, key: str) -> Answer:
    slots = await house.ask(SLOTS)
    slot = slots.data["serviceCentre"]["slots"][0]
    return await house.ask(BOOK, {"slot": slot["id"], "start": slot["start"], "key": key})


async def test_flipping_the_pilot_moves_new_bookings_and_leaves_old_ones(house: House) -> None:
    old = (await _book_first_slot(house, "before-flip")).data["bookService"]["entity"]["id"]
    await _flip(house, "SOUTH", "EAST")
    new = (await _book_first_slot(house, "after-flip")).data["bookService"]["entity"]["id"]
    listed = (await house.ask(BOOKINGS)).data["vehicle"]["serviceBookings"]
    assert listed["isComplete"]
    assert {old, new} <= {booking["id"] for booking in listed["items"]}
    cancel = (
        'mutation($id: ID!) { cancelServiceBooking(input: {bookingId: $id, idempotencyKey: "cancel-old"}) {'
        " entity { id status } userErrors { code } } }"
    )
    cancelled = (await house.ask(cancel, {"id": old})).data["cancelServiceBooking"]
    assert cancelled == {"entity": {"id": old, "status": "CANCELLED"}, "userErrors": []}
    await _flip(house, "SOUTH")
    after = (await house.ask(BOOKINGS)).data["vehicle"]["serviceBookings"]
    assert {old, new} <= {booking["id"] for booking in after["items"]}, "flipped back, nothing is lost"


async def test_flip_changes_who_is_asked_and_nothing_that_a_client_sees(house: House) -> None:
    before = await house.ask(SLOTS)
    await _flip(house, "SOUTH", "EAST")
    after = await house.ask(SLOTS)
    assert {call["system"] for call in before.calls} != {call["system"] for call in after.calls}
    assert before.data.keys() == after.data.keys()
    assert after.errors == []


async def test_slot_offered_before_the_flip_is_booked_where_it_was_offered(house: House) -> None:
    slot = (await house.ask(SLOTS)).data["serviceCentre"]["slots"][0]
    await _flip(house, "SOUTH", "EAST")
    booked = await house.ask(BOOK, {"slot": slot["id"], "start": slot["start"], "key": "old-slot-1"})
    assert booked.data["bookService"]["userErrors"] == []
    assert "dms" in {call["system"] for call in booked.calls}


async def test_plan_that_cannot_be_right_is_refused_and_the_old_one_stays(house: House) -> None:
    reply = await house.client.put("/_dev/pilots", content='{"service_booking": [{"system": "fax"}]}')
    assert reply.status_code == 400
    assert "fax" in reply.json()["errors"][0]["message"]
    assert (await house.client.get("/_dev/pilots")).json()["service_booking"][0]["region"] == "SOUTH"
