"""Buying a feature for a car through the whole service: held, activated or given back, and shown at any moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from resolvers.relay import encode_id
from tests.estate.house import House
from tests.orders.bank import Time

pytestmark = pytest.mark.anyio

CAR = "LDCA1AB57SB000001"
CART = "{ viewer { customer { cart { version total { amountMinor } } } } }"
ADD = """mutation($product: ID!, $vin: String) { addCartLine(input: {productId: $product, vin: $vin}) {
  entity { version } userErrors { code } } }"""
PLACE = """mutation($version: Int!, $total: MinorUnits!, $key: String!) {
  placeMerchandiseOrder(input: {cartVersion: $version, idempotencyKey: $key, expectedTotal: {amountMinor: $total}}) {
    entity { id number total { amountMinor } orderState reservedUntil pending { step } }
    userErrors { code message } } }"""
PAY = """mutation($order: ID!, $amount: MinorUnits!, $key: String!) {
  createPayment(input: {orderId: $order, purpose: FEATURE, provider: CARD, scene: APP,
      amount: {amountMinor: $amount}, idempotencyKey: $key}) {
    entity { id expiresAt } userErrors { code message } } }"""
STATE = """query($order: ID!, $car: ID!) {
  order: node(id: $order) { ... on MerchandiseOrder { orderState paymentState reservedUntil
    pending { step outcome since attempts nextTryAt } payments { status captured { amountMinor } } } }
  car: node(id: $car) { ... on Vehicle { features { state activationDeadline product { code } } } } }"""
CANCEL = """mutation($order: ID!, $key: String!) {
  cancelMerchandiseOrder(input: {orderId: $order, idempotencyKey: $key}) {
    entity { orderState } userErrors { code } } }"""


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def house(time: Time) -> AsyncIterator[House]:
    built = House(clock=time, today=time.now.date())
    for cart in built.world.carts.values():
        cart.lines.clear()
    yield built
    await built.aclose()


async def order(house: House, key: str = "order-0001") -> dict[str, Any]:
    await house.ask(ADD, {"product": encode_id("Product", "F4001"), "vin": CAR})
    cart = (await house.ask(CART)).data["viewer"]["customer"]["cart"]
    given = {"version": cart["version"], "total": cart["total"]["amountMinor"], "key": key}
    payload = (await house.ask(PLACE, given)).data["placeMerchandiseOrder"]
    assert payload["userErrors"] == []
    placed: dict[str, Any] = payload["entity"]
    return placed


async def begin(house: House, placed: dict[str, Any]) -> dict[str, Any]:
    given = {"order": placed["id"], "amount": placed["total"]["amountMinor"], "key": "pay-000001"}
    payload = (await house.ask(PAY, given)).data["createPayment"]
    assert payload["userErrors"] == []
    begun: dict[str, Any] = payload["entity"]
    return begun


async def pay(house: House, placed: dict[str, Any]) -> None:
    await house.pay((await begin(house, placed))["id"], at="stripe")


async def look(house: House, placed: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The order, and the feature on its car."""
    found = (await house.ask(STATE, {"order": placed["id"], "car": encode_id("Vehicle", CAR)})).data
    features = [e for e in found["car"]["features"] if e["product"]["code"] == "F4001"]
    return found["order"], features[-1]


async def wait(house: House, time: Time, **duration: float) -> None:
    time.pass_by(**duration)
    await house.settle()


async def silence(house: House) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.systems["commerce"])) as commerce:
        reply = await commerce.put(f"http://commerce.test/_vehicles/{CAR}", json={"reachable": False})
        assert reply.status_code == 200


async def test_feature_is_paid_when_the_car_has_it(house: House, time: Time) -> None:
    placed = await order(house)
    assert placed["pending"] == []
    kept = datetime.fromisoformat(placed["reservedUntil"]) - time.now
    assert kept.total_seconds() == 900
    await pay(house, placed)
    shown, feature = await look(house, placed)
    assert (shown["orderState"], shown["paymentState"], shown["reservedUntil"]) == ("CONFIRMED", "PAID", None)
    assert [(step["step"], step["outcome"]) for step in shown["pending"]] == [("ACTIVATING", "PENDING")]
    assert (shown["payments"][0]["status"], shown["payments"][0]["captured"]["amountMinor"]) == ("PROCESSING", 0)
    assert feature["state"] == "ACTIVATING"
    assert (datetime.fromisoformat(feature["activationDeadline"]) - time.now).total_seconds() == 86_400
    await wait(house, time, seconds=6)
    shown, feature = await look(house, placed)
    assert (shown["pending"], feature["state"], feature["activationDeadline"]) == ([], "ACTIVE", None)
    assert shown["payments"][0]["status"] == "SUCCEEDED"
    assert shown["payments"][0]["captured"] == placed["total"]
    refused = (await house.ask(CANCEL, {"order": placed["id"], "key": "cancel-01"})).data["cancelMerchandiseOrder"]
    assert [error["code"] for error in refused["userErrors"]] == ["NOT_CANCELLABLE"]


async def test_feature_that_no_car_confirms_costs_nothing(house: House, time: Time) -> None:
    await silence(house)
    placed = await order(house)
    await pay(house, placed)
    await wait(house, time, hours=25)
    shown, feature = await look(house, placed)
    assert (feature["state"], shown["paymentState"], shown["pending"]) == ("REVOKED", "REFUNDED", [])
    assert (shown["payments"][0]["status"], shown["payments"][0]["captured"]["amountMinor"]) == ("CLOSED", 0)


async def test_payment_lives_as_long_as_what_it_is_for_is_kept(house: House, time: Time) -> None:
    placed = await order(house)
    payment = await begin(house, placed)
    assert payment["expiresAt"] == placed["reservedUntil"]
    await wait(house, time, minutes=16)
    shown, feature = await look(house, placed)
    assert (shown["orderState"], feature["state"]) == ("CANCELLED", "REVOKED")
    assert (shown["payments"][0]["status"], shown["pending"]) == ("CLOSED", [])


async def test_order_that_is_being_cancelled_says_so(house: House, time: Time) -> None:
    await silence(house)
    placed = await order(house)
    await pay(house, placed)
    await house.fault("commerce", {"kind": "status", "status": 503, "match": "/cancel"})
    answer = await house.ask(CANCEL, {"order": placed["id"], "key": "cancel-01"})
    assert answer.errors
    shown, _ = await look(house, placed)
    assert shown["orderState"] == "CONFIRMED"
    assert "CANCELLING" in [step["step"] for step in shown["pending"]]
    await house.fault("commerce")
    await wait(house, time, minutes=1)
    shown, feature = await look(house, placed)
    assert (shown["orderState"], feature["state"], shown["pending"]) == ("CANCELLED", "REVOKED", [])
    assert shown["payments"][0]["captured"]["amountMinor"] == 0
    again = (await house.ask(CANCEL, {"order": placed["id"], "key": "cancel-01"})).data["cancelMerchandiseOrder"]
    assert again["entity"] == {"orderState": "CANCELLED"}
