"""The order of a car as a client of the whole service sees it, at every moment of a bad day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from resolvers.relay import encode_id
from sandbox.world.configurations import CURRENT_SHARE_CODE
from tests.conftest import TODAY
from tests.estate.house import House
from tests.orders.bank import Time

pytestmark = pytest.mark.anyio

PLACE = """mutation($code: String!, $key: String!) {
  placeVehicleOrder(input: {shareCode: $code, deliveryCentre: "SH0217", termsVersion: "2025-10", idempotencyKey: $key})
  { entity { id number status reservedUntil } userErrors { code } } }"""
PLACING = """{ viewer { customer { vehicleOrdersBeingPlaced {
  shareCode deliveryCentre pending { step outcome attempts } } } } }"""
ORDER = """query($id: ID!) { node(id: $id) { ... on VehicleOrder {
  status reservedUntil paid { amountMinor } salesOrder { number } pending { step outcome } payments { status } } } }"""
PAY = """mutation($order: ID!, $amount: MinorUnits!) { createPayment(input: {orderId: $order, purpose: DEPOSIT,
  provider: WECHAT_PAY, scene: JSAPI, amount: {amountMinor: $amount}, idempotencyKey: "pay-a-car"})
  { entity { id } userErrors { code message } } }"""
CANCEL = """mutation($order: ID!) { cancelVehicleOrder(input: {orderId: $order, idempotencyKey: "cancel-a-car"})
  { entity { status pending { step } } userErrors { code } } }"""


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def house(time: Time) -> AsyncIterator[House]:
    house = House(today=TODAY, clock=time)
    time.now = house.world.now
    yield house
    await house.aclose()


async def place(house: House, key: str = "place-a-car") -> dict[str, Any]:
    payload = (await house.ask(PLACE, {"code": CURRENT_SHARE_CODE, "key": key})).data["placeVehicleOrder"]
    assert payload["userErrors"] == []
    entity: dict[str, Any] = payload["entity"]
    return entity


async def shown(house: House, order: str) -> dict[str, Any]:
    answer = await house.ask(ORDER, {"id": order})
    assert answer.errors == []
    node: dict[str, Any] = answer.data["node"]
    return node


async def test_an_order_whose_placing_is_not_certain_is_shown_as_such(house: House, time: Time) -> None:
    await house.fault("commerce", {"kind": "truncate", "bytes": 0, "times": 1, "match": "shareCode"})
    lost = await house.ask(PLACE, {"code": CURRENT_SHARE_CODE, "key": "place-a-car"})
    assert lost.codes() == {"placeVehicleOrder": "OUTCOME_UNKNOWN"}
    [placement] = (await house.ask(PLACING)).data["viewer"]["customer"]["vehicleOrdersBeingPlaced"]
    assert placement == {
        "shareCode": CURRENT_SHARE_CODE,
        "deliveryCentre": "SH0217",
        "pending": [{"step": "PLACING", "outcome": "UNKNOWN", "attempts": 1}],
    }
    time.pass_by(seconds=2)
    order = await place(house)
    assert order["status"] == "DRAFT"
    assert (await house.ask(PLACING)).data["viewer"]["customer"]["vehicleOrdersBeingPlaced"] == []
    assert sum(o.number == order["number"] for o in house.world.vehicle_orders.values()) == 1


async def test_a_day_on_which_the_erp_is_away(house: House, time: Time) -> None:
    """Paid and cancelled while it is: each step is shown until it is done."""
    order = await place(house)
    assert (await shown(house, order["id"]))["pending"] == []
    await house.fault("erp", {"kind": "status", "status": 503})
    payment = (await house.ask(PAY, {"order": order["id"], "amount": 500_000})).data["createPayment"]
    assert payment["userErrors"] == []
    await house.pay(payment["entity"]["id"])
    paid = await shown(house, order["id"])
    assert (paid["status"], paid["paid"], paid["reservedUntil"]) == ("DEPOSIT_PAID", {"amountMinor": 500_000}, None)
    assert (paid["salesOrder"], [step["step"] for step in paid["pending"]]) == (None, ["CREATING_SALES_ORDER"])
    cancelled = (await house.ask(CANCEL, {"order": order["id"]})).data["cancelVehicleOrder"]
    assert (cancelled["entity"]["status"], cancelled["userErrors"]) == ("CANCELLED", [])
    await house.settle()
    owed = await shown(house, order["id"])
    assert {step["step"] for step in owed["pending"]} == {"CANCELLING_SALES_ORDER"}
    assert owed["paid"] == {"amountMinor": 0}, "money does not wait for an ERP that sleeps"
    await house.fault("erp")
    for _ in range(6):
        time.pass_by(minutes=2)
        await house.settle()
    after = await shown(house, order["id"])
    assert (after["status"], after["paid"], after["pending"]) == ("CANCELLED", {"amountMinor": 0}, [])
    number = house.world.vehicle_orders[order["number"]].number
    assert all(o.rejected for o in house.world.sales_orders.values() if o.customer_reference == number)


async def test_what_is_pending_of_a_strangers_order_is_nobodys_business(house: House) -> None:
    stranger = next(o for o in house.world.vehicle_orders.values() if o.customer_id != "C0001")
    answer = await house.ask(ORDER, {"id": encode_id("VehicleOrder", stranger.number)})
    assert answer.data == {"node": None}


async def test_orders_are_shown_while_the_state_database_is_away(house: House) -> None:
    order = await place(house)
    await house.services.state.aclose()
    answer = await house.ask(ORDER, {"id": order["id"]})
    assert answer.data["node"]["status"] == "DRAFT"
    assert answer.data["node"]["pending"] is None
    assert answer.codes()["node.pending"] == "STATE_UNAVAILABLE"
