"""Bad input: a clear error that says what to do, and null for what is not there."""

from __future__ import annotations

from datetime import datetime

import pytest

from resolvers.relay import encode_id
from tests.estate.house import House

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("vin", "said"),
    [
        ("LDCA1AB57SB00000", "17 characters"),
        ("LDCA1AB57SB00000I", "no I"),
        ("LDCA1AB58SB000001", "check digit"),
        ("", "17 characters"),
    ],
)
async def test_vin_that_cannot_be_right_is_refused_with_the_reason(house: House, vin: str, said: str) -> None:
    answer = await house.ask("query($vin: String!) { vehicle(vin: $vin) { id } }", {"vin": vin})
    assert answer.codes() == {"vehicle": "BAD_USER_INPUT"}
    assert said in answer.errors[0]["message"]


@pytest.mark.parametrize("connection", ["products", "communityFeed"])
async def test_cursor_that_no_list_gave_is_refused(house: House, connection: str) -> None:
    answer = await house.ask(f'{{ {connection}(first: 2, after: "nonsense") {{ edges {{ cursor }} }} }}')
    assert [error["extensions"]["code"] for error in answer.errors] == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("arguments", ["first: -1", "first: 101", "first: 1, last: 1", "last: 1000"])
async def test_page_out_of_bounds_is_refused(house: House, arguments: str) -> None:
    answer = await house.ask(f"{{ products({arguments}) {{ edges {{ cursor }} }} }}")
    assert [error["extensions"]["code"] for error in answer.errors] == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("text", ["", "x", "!!!", "VmVoaWNsZTo", "Tm90aGluZzoxMjM", encode_id("Product", "P9999")])
async def test_unknown_id_is_null_and_no_error(house: House, text: str) -> None:
    answer = await house.ask("query($id: ID!) { node(id: $id) { id } }", {"id": text})
    assert answer.body["data"] == {"node": None}
    assert answer.errors == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('screenClass: "tv"', "head-unit-12, head-unit-8, phone"),
        ('screenClass: "phone", locale: ""', "locale has 1 to 35 characters"),
        ('screenClass: "phone", software: "seven"', "three numbers, for example 3.2.1"),
        ('screenClass: "phone", held: [{id: "", version: 1}]', "held.id has 1 to 100 characters"),
    ],
)
async def test_sync_that_cannot_be_answered_is_refused_alone(house: House, given: str, said: str) -> None:
    """The content service refuses all requests of a call together: a bad one must not get there."""
    good = 'good: contentSync(input: {screenClass: "phone"}) { asOf }'
    answer = await house.ask(f"{{ bad: contentSync(input: {{{given}}}) {{ asOf }} {good} }}")
    assert answer.codes() == {"bad": "BAD_USER_INPUT"}
    assert said in answer.errors[0]["message"]
    assert answer.data["good"]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
async def test_days_of_no_calendar_in_use_are_refused(house: House, day: str) -> None:
    centre = next(iter(house.world.centres))
    answer = await house.ask(
        f'{{ serviceCentre(code: "{centre}") {{ slots(fromDay: "{day}") {{ id }} }}'
        f' testDriveSlots(centreCode: "{centre}", fromDay: "{day}") {{ start }} }}'
    )
    assert answer.codes() == {"serviceCentre.slots": "BAD_USER_INPUT", "testDriveSlots": "BAD_USER_INPUT"}
    assert {error["message"] for error in answer.errors} == {"fromDay is a day of the years 2000 to 2999."}


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("0001-01-01T00:00:00+14:00", "of the years 2000 to 2999"),
        ("9999-12-31T23:59:59-12:00", "of the years 2000 to 2999"),
    ],
)
async def test_time_that_nothing_begins_at_is_refused(house: House, start: str, said: str) -> None:
    """Also where it is part of what an idempotency key stands for, and no clock can turn it into UTC."""
    answer = await house.ask(
        'mutation($start: DateTime!) { bookService(input: {vin: "LDCA1AB57SB000001", centreCode: "SH0217",'
        ' slotId: "DMS:SH0217-20261130143000", start: $start, opCodes: ["G1A"], idempotencyKey: "12345678"})'
        " { entity { id } } }",
        {"start": start},
    )
    assert answer.codes() == {"bookService": "BAD_USER_INPUT"}
    assert said in answer.errors[0]["message"]


@pytest.mark.parametrize("key", [".", ".."])
async def test_dots_are_no_id(house: House, key: str) -> None:
    """Below us they would be another path: a comment on the post `..` went to what stands above all posts."""
    comment = f'commentOnPost(input: {{postId: "{encode_id("Post", key)}", body: "x", idempotencyKey: "12345678"}})'
    line = f'changeCartLine(input: {{lineId: "{key}", quantity: 2}})'
    answer = await house.ask(f"mutation {{ a: {comment} {{ entity {{ id }} }} b: {line} {{ entity {{ id }} }} }}")
    assert answer.codes() == {"a": "BAD_USER_INPUT", "b": "BAD_USER_INPUT"}
    assert answer.calls == []
    found = await house.ask("query($id: ID!) { node(id: $id) { id } }", {"id": encode_id("Product", key)})
    assert (found.data, found.errors, found.calls) == ({"node": None}, [], [])


@pytest.mark.parametrize("day", ["2026-02-30", "20260130", "2026-W05-5", "2026-01-31T00:00:00Z", "", "٢٠٢٦-٠١-٣١"])
async def test_day_that_is_none_is_refused_where_it_stands(house: House, day: str) -> None:
    answer = await house.ask(f'{{ serviceCentre(code: "SH0217") {{ slots(fromDay: "{day}") {{ id }} }} }}')
    (error,) = answer.errors
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["locations"] == [{"line": 1, "column": 50}]
    assert "a day of the calendar, as in 2026-01-31" in error["message"]


@pytest.mark.parametrize("start", ["2026-11-30T13:30:00", "2026-11-30", "2026-11-30T13:30+08:00", "1764480600", "now"])
async def test_moment_without_a_zone_is_none(house: House, start: str) -> None:
    """RFC 3339: whoever guesses the zone books the wrong slot."""
    query = """mutation($start: DateTime!) { rescheduleServiceBooking(input: {bookingId: "x", slotId: "y",
      start: $start, idempotencyKey: "12345678"}) { entity { id } } }"""
    answer = await house.ask(query, {"start": start})
    (error,) = answer.errors
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "a moment with its zone, as in 2026-01-31T09:30:00+08:00" in error["message"]


@pytest.mark.parametrize(("given", "type_name"), [({"day": "x"}, "Date"), ({"day": 5}, "Date"), ({"n": "x"}, "Int")])
async def test_variable_that_cannot_be_right_has_a_code(house: House, given: dict[str, object], type_name: str) -> None:
    """Nothing is run; clients look at the code, as they do everywhere."""
    query = """query($day: Date, $n: Int) {
      serviceCentre(code: "SH0217") { slots(fromDay: $day) { id } } products(first: $n) { totalCount } }"""
    answer = await house.ask(query, given)
    assert (answer.status, answer.body.get("data")) == (400, None)
    (error,) = answer.errors
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "retryable": False}
    assert f"'${next(iter(given))}'" in error["message"]
    assert type_name in error["message"]
    assert error["locations"]


async def test_unknown_things_are_null_and_no_error(house: House) -> None:
    answer = await house.ask(
        '{ vehicleModel(code: "NOPE") { name } trim(code: "NOPE") { name } serviceCentre(code: "NOPE") { name }'
        ' configuration(shareCode: "00000000") { shareCode } vehicle(vin: "1M8GDM9AXKP042788") { id } }'
    )
    assert answer.errors == []
    assert set(answer.data.values()) == {None}


async def test_strangers_things_are_null(house: House) -> None:
    stranger = next(order for order in house.world.vehicle_orders.values() if order.customer_id != "C0001")
    answer = await house.ask(
        "query($a: ID!, $b: ID!) { order: node(id: $a) { id } customer: node(id: $b) { id } }",
        {"a": encode_id("VehicleOrder", stranger.number), "b": encode_id("Customer", "C0002")},
    )
    assert answer.errors == []
    assert answer.data == {"order": None, "customer": None}


@pytest.mark.parametrize("amount", ["-5", "0"])
async def test_amount_that_cannot_be_paid_is_refused(house: House, amount: str) -> None:
    order = encode_id("VehicleOrder", "VO00004711")
    answer = await house.ask(
        "mutation($order: ID!) { createPayment(input: {orderId: $order, purpose: DEPOSIT, provider: WECHAT_PAY,"
        f' scene: JSAPI, amount: {{amountMinor: {amount}}}, idempotencyKey: "12345678"}}) {{ entity {{ id }} }} }}',
        {"order": order},
    )
    assert answer.codes() == {"createPayment": "BAD_USER_INPUT"}


@pytest.mark.parametrize("key", ["", "short", "with space in it", "x" * 129, "schlüssel-1"])
async def test_idempotency_key_that_cannot_be_one_is_refused(house: House, key: str) -> None:
    answer = await house.ask(
        'mutation($key: String!) { saveConfiguration(input: {selection: {trimCode: "A5-PLUS"}, idempotencyKey: $key})'
        " { entity { shareCode } } }",
        {"key": key},
    )
    assert answer.codes() == {"saveConfiguration": "BAD_USER_INPUT"}


async def test_guest_is_told_to_log_in(house: House) -> None:
    answer = await house.ask(
        f'mutation {{ addCartLine(input: {{productId: "{encode_id("Product", "P1001")}"}}) {{ entity {{ id }} }} }}',
        persona=None,
    )
    assert answer.codes() == {"addCartLine": "UNAUTHENTICATED"}
    assert "Log in" in answer.errors[0]["message"]


async def test_guest_sees_the_public_part(house: House) -> None:
    answer = await house.ask("{ viewer { kind customer { id } } vehicleModels { code } }", persona=None)
    assert answer.data["viewer"] == {"kind": "GUEST", "customer": None}
    assert len(answer.data["vehicleModels"]) == 4


async def test_fractions_of_a_fen_are_refused(house: House) -> None:
    answer = await house.ask(
        "mutation($amount: MinorUnits!) { placeMerchandiseOrder(input: {cartVersion: 1,"
        ' expectedTotal: {amountMinor: $amount}, idempotencyKey: "12345678"}) { entity { id } } }',
        {"amount": 12.5},
    )
    assert answer.status == 400
    assert "whole number" in answer.errors[0]["message"]


async def test_history_before_a_transfer_is_its_former_owners(house: House) -> None:
    """A car that changed hands shows its new owner nothing from before."""
    vin = "LDCV1AE35SD000014"
    entries = [entry for entry in house.world.garage.values() if entry.vin == vin]
    former = next(entry for entry in entries if entry.until is not None)
    owner = next(entry for entry in entries if entry.until is None and entry.role == "OWNER")
    query = (
        "query($vin: String!) { vehicle(vin: $vin) { serviceBookings { items { start } }"
        " serviceHistory { edges { node { openedAt } } } } }"
    )
    answer = await house.ask(query, {"vin": vin}, persona=owner.customer_id)
    vehicle = answer.data["vehicle"]
    told = [edge["node"]["openedAt"] for edge in vehicle["serviceHistory"]["edges"]]
    told += [booking["start"] for booking in vehicle["serviceBookings"]["items"]]
    assert all(datetime.fromisoformat(moment) >= owner.since for moment in told)
    before = await house.ask(query, {"vin": vin}, persona=former.customer_id)
    assert before.data["vehicle"] is None, "and the former owner no longer sees the car"
