"""The screens of examples/operations: complete answers, with no more upstream calls and rounds than the wire allows."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from resolvers.relay import encode_id
from tests.estate.house import OPERATIONS, House

pytestmark = pytest.mark.anyio


class Cost(NamedTuple):
    """Calls by system and operation, sequential rounds, and why it cannot be less."""

    rounds: int
    calls: dict[str, int]
    why: str


SCREENS = {
    "AppHome": Cost(
        3,
        {
            "booking GetBookings": 1,
            "booking GetCentres": 1,
            "commerce GetCarts": 1,
            "commerce ListVehicleOrders": 1,
            "community GetFeed": 1,
            "configurator GetModels": 1,
            "configurator GetTrims": 1,
            "content GetSoftware": 1,
            "content GetStates": 1,
            "dms GetRepairOrder": 3,
            "dms GetServiceAppointment": 3,
            "dms GetVehicle": 3,
            "identity GetCustomers": 1,
            "identity GetGarages": 1,
            "otd GetFeed": 1,
        },
        "Customer → cars and orders → centres of bookings. The DMS knows one record a call, and appointments and "
        "repair orders apart: three cars are nine calls. The order's model comes with the cars' models where both are "
        "known at once; orders and garage arrive in the same turn here.",
    ),
    "MiniCheckout": Cost(
        3,
        {
            "commerce GetCarts": 1,
            "commerce GetEntitlements": 1,
            "commerce GetProducts": 2,
            "commerce ListMerchandiseOrders": 1,
            "configurator GetModels": 1,
            "content GetSoftware": 1,
            "identity GetCustomers": 1,
            "identity GetGarages": 1,
            "payment GetIntentsOfOrders": 1,
        },
        "Customer → cart, cars, order → what features and lines are. Products are asked twice: those of the cart are "
        "known a round before those of the cars' features.",
    ),
    "StoreTablet": Cost(
        4,
        {
            "booking GetBookings": 1,
            "booking GetCentres": 2,
            "booking GetEstimates": 1,
            "commerce ListVehicleOrders": 1,
            "configurator GetModels": 1,
            "configurator GetTrims": 1,
            "configurator LoadConfigurations": 1,
            "dms GetAppointmentAvailability": 1,
            "dms GetRepairOrder": 4,
            "dms GetServiceAppointment": 3,
            "dms GetVehicle": 3,
            "dms GetWarranty": 3,
            "erp A_SalesOrder": 1,
            "identity GetCustomers": 1,
            "identity GetGarages": 1,
            "leads GetLeads": 1,
            "leads GetTestDrives": 1,
        },
        "Customer → garage and orders → cars and bills → home centres and estimates. The customer is looked up before "
        "anything hangs on them, since an unknown id must be null. Centres are asked twice: the store's is known at "
        "once.",
    ),
    "OrderTracking": Cost(
        2,
        {
            "booking GetCentres": 1,
            "commerce GetVehicleOrders": 1,
            "configurator GetModels": 1,
            "configurator GetTrims": 1,
            "erp A_SalesOrder": 1,
            "mes GetOperationsPerformance": 1,
            "otd GetFeed": 1,
            "payment GetIntentsOfOrders": 1,
        },
        "The order, then everything that it names, side by side. Options of price lines come with the order.",
    ),
    "HeadUnitSync": Cost(
        2,
        {"configurator GetModels": 1, "content GetSoftware": 1, "content Sync": 1, "dms GetVehicle": 1},
        "The car of the device's VIN is looked up in the DMS, then what it is and runs. Content needs the VIN alone.",
    ),
    "Configure": Cost(
        3,
        {
            "configurator CheckSelections": 1,
            "configurator GetModels": 1,
            "configurator GetOffers": 1,
            "configurator GetTrims": 1,
        },
        "Model → trims → offers: each names the next. The check runs beside them.",
    ),
    "ServiceDesk": Cost(
        4,
        {
            "booking GetBookings": 1,
            "booking GetCentres": 1,
            "configurator GetModels": 1,
            "dms GetAppointmentAvailability": 1,
            "dms GetRepairOrder": 2,
            "dms GetServiceAppointment": 1,
            "dms GetVehicle": 1,
            "dms GetWarranty": 1,
            "identity GetGarages": 1,
        },
        "Garage (is the car the caller's?) → car → home centre → its slots. Repair orders are asked by car and by "
        "appointment: the DMS gives an estimate only with the latter.",
    ),
    "Community": Cost(
        2,
        {
            "community GetComments": 1,
            "community GetFeed": 1,
            "community GetTopics": 1,
            "configurator GetModels": 1,
        },
        "Feed → comments and models of all posts.",
    ),
}


def test_every_example_has_its_cost_written_down() -> None:
    assert {path.stem for path in OPERATIONS.glob("*.graphql")} == SCREENS.keys()


@pytest.mark.parametrize("name", SCREENS)
async def test_screen_is_complete_and_costs_what_the_wire_demands(house: House, name: str) -> None:
    answer = await house.example(name)
    assert answer.status == 200
    assert answer.errors == []
    assert (answer.rounds, answer.count()) == (SCREENS[name].rounds, SCREENS[name].calls), SCREENS[name].why
    assert list(_missing(answer.data)) == [], "a screen of the sandbox has all its parts"


def _missing(value: Any, path: str = "") -> Any:
    """Paths where another system should have answered an object and the answer is null."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if inner is None and key in ("record", "state", "software", "homeCentre", "trim", "production", "progress"):
                yield f"{path}.{key}"
            yield from _missing(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _missing(inner, f"{path}.{index}")


async def test_home_screen_tells_one_story_across_systems(house: House) -> None:
    answer = await house.example("OrderTracking")
    order = answer.data["node"]
    assert order["number"] == "VO00004711"
    assert order["salesOrder"]["number"] == "4711"
    assert order["progress"]["current"] == "IN_PRODUCTION"
    assert order["production"]["state"] == "RUNNING"
    assert order["vehicle"] is None, "no car before it is built"
    assert order["total"]["amountMinor"] == house.world.vehicle_orders["VO00004711"].total_fen
    known = [segment["code"] for segment in order["production"]["segments"]]
    assert known[:3] == ["BS10", "BS90", "PT10"]


async def test_garage_spans_both_booking_systems(house: House) -> None:
    answer = await house.example("AppHome")
    garage = answer.data["viewer"]["customer"]["garage"]
    regions = {entry["vehicle"]["vin"]: len(entry["vehicle"]["serviceBookings"]["items"]) for entry in garage}
    assert regions["LDCA1AB57SB000001"] >= 1, "a booking kept by the DMS"
    assert regions["LDCA1AB5XSB000008"] >= 1, "a booking kept by the booking service"


async def test_second_screen_of_a_process_reads_the_feed_once(house: House) -> None:
    await house.example("OrderTracking")
    again = await house.example("OrderTracking")
    assert "otd GetFeed" not in again.count(), "progress is read from the projection while it is fresh"


async def test_cars_of_one_level_share_one_call(house: House) -> None:
    """Ten times the cars, the same number of calls wherever the upstream has a bulk way."""
    query = "{ viewer { customer { garage { vehicle { model { name } state { rangeKm } software { current } } } } } }"
    answer = await house.ask(query)
    assert len(answer.data["viewer"]["customer"]["garage"]) == 3
    assert answer.count() == {
        "configurator GetModels": 1,
        "content GetSoftware": 1,
        "content GetStates": 1,
        "identity GetGarages": 1,
    }


async def test_outstanding_is_what_the_payments_leave(house: House) -> None:
    query = "query($id: ID!) { node(id: $id) { ... on VehicleOrder { outstanding { amountMinor } } } }"
    order = house.world.vehicle_orders["VO00004711"]
    answer = await house.ask(query, {"id": encode_id("VehicleOrder", order.number)})
    paid = sum(payment.captured_fen for payment in house.world.payments_of(order.number))
    assert answer.data["node"]["outstanding"]["amountMinor"] == order.total_fen - paid
