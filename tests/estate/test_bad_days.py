"""Bad days: a system that is down, lies or garbles costs its own fields, each with a code that names it."""

from __future__ import annotations

import pytest

from tests.estate.house import House

pytestmark = pytest.mark.anyio

UPSTREAM_TEXT = ("系统", "maintenance 23:30", "injected fault", "Handler.java", "Traceback", "httpx", "msgspec", "lxml")


async def test_dealer_system_in_maintenance_leaves_the_home_screen_standing(house: House) -> None:
    whole = await house.example("AppHome")
    await house.fault("dms", {"kind": "maintenance"})
    answer = await house.example("AppHome")
    assert answer.status == 200
    customer = answer.data["viewer"]["customer"]
    for entry, before in zip(customer["garage"], whole.data["viewer"]["customer"]["garage"], strict=True):
        vehicle = entry["vehicle"]
        assert vehicle["record"] is None
        assert vehicle["model"] == before["vehicle"]["model"]
        assert vehicle["state"] == before["vehicle"]["state"]
        assert vehicle["software"] == before["vehicle"]["software"]
    assert customer["cart"] == whole.data["viewer"]["customer"]["cart"]
    assert customer["vehicleOrders"] == whole.data["viewer"]["customer"]["vehicleOrders"]
    assert {error["extensions"]["upstream"] for error in answer.errors} == {"dms"}
    assert set(answer.codes().values()) == {"UPSTREAM_MAINTENANCE"}
    assert answer.rounds <= whole.rounds


async def test_bookings_of_the_new_service_are_shown_while_the_dealer_system_is_down(house: House) -> None:
    await house.fault("dms", {"kind": "status", "status": 503})
    answer = await house.example("AppHome")
    bookings = {
        entry["vehicle"]["vin"]: entry["vehicle"]["serviceBookings"]
        for entry in answer.data["viewer"]["customer"]["garage"]
    }
    pilot = bookings["LDCA1AB5XSB000008"]
    assert pilot["items"], "the booking service's part is shown"
    assert pilot["isComplete"] is False, "and the app is told that some may be missing"


BROKEN = [
    {"kind": "html"},
    {"kind": "truncate"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 404},
    {"kind": "soap-fault"},
]


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: f"{fault['kind']}{fault.get('status', '')}")
@pytest.mark.parametrize(
    ("system", "example"),
    [
        ("identity", "AppHome"),
        ("configurator", "AppHome"),
        ("commerce", "AppHome"),
        ("content", "AppHome"),
        ("community", "AppHome"),
        ("booking", "AppHome"),
        ("dms", "AppHome"),
        ("otd", "AppHome"),
        ("mes", "OrderTracking"),
        ("erp", "OrderTracking"),
        ("payment", "OrderTracking"),
        ("leads", "StoreTablet"),
    ],
)
async def test_garbled_system_costs_its_own_fields_only(
    house: House, system: str, example: str, fault: dict[str, object]
) -> None:
    await house.ask("{ viewer { kind } }")  # logins are checked with the identity service's keys, which are kept
    await house.fault(system, fault)
    answer = await house.example(example)
    assert answer.status == 200
    assert answer.body["data"] is not None
    assert answer.errors, "the customer is told"
    for error in answer.errors:
        assert error["extensions"]["upstream"] == system
        assert error["extensions"]["code"].startswith("UPSTREAM_")
    said = str(answer.body["errors"]) if answer.errors else ""
    assert not [text for text in UPSTREAM_TEXT if text in said]


async def test_unknown_code_is_kept_and_shown_as_unknown(house: House) -> None:
    house.world.vehicle_orders["VO00004711"].status = "TELEPORTING"  # type: ignore[assignment]
    answer = await house.example("OrderTracking")
    assert answer.errors == []
    assert answer.data["node"]["status"] == "UNKNOWN"


async def test_one_unreadable_record_leaves_the_others(house: House) -> None:
    orders = house.world.vehicle_orders
    orders["VO00004711"].created_at = "yesterday"  # type: ignore[assignment]
    answer = await house.ask(
        "query($a: ID!, $b: ID!) { broken: node(id: $a) { id } whole: node(id: $b) { id } }",
        {"a": _id("VehicleOrder", "VO00004711"), "b": _id("Product", "P1001")},
    )
    assert answer.data["whole"] is not None


async def test_deadline_of_the_client_ends_a_slow_system_and_keeps_the_rest(house: House) -> None:
    await house.fault("dms", {"kind": "delay", "milliseconds": 3000})
    query = "{ viewer { customer { garage { vehicle { record { licencePlate } state { rangeKm } } } } } }"
    answer = await house.ask(query, headers={"bff-timeout": "600"})
    for entry in answer.data["viewer"]["customer"]["garage"]:
        assert entry["vehicle"]["record"] is None
        assert entry["vehicle"]["state"]["rangeKm"] > 0
    assert set(answer.codes().values()) <= {"UPSTREAM_TIMEOUT", "DEADLINE_EXCEEDED"}


def _id(type_name: str, key: str) -> str:
    from resolvers.relay import encode_id

    return str(encode_id(type_name, key))
