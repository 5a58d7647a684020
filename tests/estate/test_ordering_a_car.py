"""A car from the showroom to the lock, and back again: what its customer sees, what the ERP and the bank end with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.estate.house import House

pytestmark = pytest.mark.anyio

INTENT, DEPOSIT = "INTENT", "DEPOSIT"
SAVE = """mutation($selection: SelectionInput!) { saveConfiguration(input: {selection: $selection,
  idempotencyKey: "save-0001"}) { entity { shareCode } } }"""
PLACE = """mutation($code: String!) { placeVehicleOrder(input: {shareCode: $code, deliveryCentre: "SH0217",
  termsVersion: "2025-10", idempotencyKey: "car-order-1"}) {
  entity { id number status reservedUntil } userErrors { code }
  wait { pollAfter } } }"""
READ = """query($id: ID!) { node(id: $id) { ... on VehicleOrder { number status configurationHash termsVersion
  total { amountMinor } intent { amountMinor } deposit { amountMinor } paid { amountMinor } coolingOffEndsAt lockedAt
  reservedUntil pending { step outcome } salesOrder { number } progress { current }
  payments { status refunds { status amount { amountMinor } } } } } }"""
PAY = """mutation($order: ID!, $purpose: PaymentPurpose!, $amount: MinorUnits!, $key: String!) {
  createPayment(input: {orderId: $order, purpose: $purpose, provider: WECHAT_PAY, scene: NATIVE,
      amount: {amountMinor: $amount}, idempotencyKey: $key}) { entity { id } userErrors { code message } } }"""
LOCK = """mutation($order: ID!, $hash: String!, $total: MinorUnits!, $terms: String!, $key: String!) {
  lockVehicleOrder(input: {orderId: $order, configurationHash: $hash, total: {amountMinor: $total},
      termsVersion: $terms, idempotencyKey: $key}) { entity { status lockedAt } userErrors { code } } }"""
CANCEL = """mutation($order: ID!, $key: String!) { cancelVehicleOrder(input: {orderId: $order, idempotencyKey: $key}) {
  entity { status } userErrors { code } } }"""


class Calendar:
    """Everybody's time, moved by the test."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
async def house(calendar: Calendar) -> AsyncIterator[House]:
    built = House(clock=calendar)
    yield built
    await built.aclose()


async def placed(house: House) -> str:
    trim = house.world.trims["A5-PLUS"]
    selection = {"trimCode": trim.id, "options": list(trim.default_options)}
    code = (await house.ask(SAVE, {"selection": selection})).data["saveConfiguration"]["entity"]["shareCode"]
    payload = (await house.ask(PLACE, {"code": code})).data["placeVehicleOrder"]
    assert (payload["userErrors"], payload["wait"]) == ([], None)
    assert payload["entity"]["reservedUntil"] is not None
    order: str = payload["entity"]["id"]
    return order


async def read(house: House, order: str) -> dict[str, Any]:
    answer = await house.ask(READ, {"id": order})
    assert answer.errors == []
    node: dict[str, Any] = answer.data["node"]
    return node


async def pay(house: House, order: str, purpose: str) -> None:
    seen = await read(house, order)
    owed = seen["intent"]["amountMinor"] if purpose == INTENT else seen["deposit"]["amountMinor"]
    amount = owed - seen["paid"]["amountMinor"]
    given = {"order": order, "purpose": purpose, "amount": amount, "key": f"pay-{purpose}-0001"}
    payload = (await house.ask(PAY, given)).data["createPayment"]
    assert payload["userErrors"] == []
    await house.pay(payload["entity"]["id"])


async def with_deposit(house: House) -> str:
    order = await placed(house)
    await pay(house, order, INTENT)
    await pay(house, order, DEPOSIT)
    return order


def confirmation(seen: dict[str, Any], order: str, key: str = "lock-0001", **changed: Any) -> dict[str, Any]:
    given = {
        "order": order, "hash": seen["configurationHash"], "total": seen["total"]["amountMinor"],
        "terms": seen["termsVersion"], "key": key,
    }  # fmt: skip
    return given | changed


def live_sales_orders(house: House, number: str) -> list[str]:
    orders = house.world.sales_orders.values()
    return [each.number for each in orders if each.customer_reference == number and not each.rejected]


async def test_draft_intent_deposit_lock(house: House) -> None:
    order = await placed(house)
    draft = await read(house, order)
    assert (draft["status"], draft["salesOrder"], draft["pending"]) == ("DRAFT", None, [])
    await pay(house, order, INTENT)
    intent = await read(house, order)
    assert (intent["status"], intent["paid"]) == ("INTENT_PAID", draft["intent"])
    assert live_sales_orders(house, draft["number"]) == [intent["salesOrder"]["number"]]
    await pay(house, order, DEPOSIT)
    deposit = await read(house, order)
    assert (deposit["status"], deposit["paid"], deposit["pending"]) == ("DEPOSIT_PAID", draft["deposit"], [])
    assert deposit["progress"] is not None
    locked = (await house.ask(LOCK, confirmation(deposit, order))).data["lockVehicleOrder"]
    assert (locked["entity"]["status"], locked["userErrors"]) == ("LOCKED", [])
    refused = (await house.ask(CANCEL, {"order": order, "key": "cancel-0001"})).data["cancelVehicleOrder"]
    assert [error["code"] for error in refused["userErrors"]] == ["NOT_CANCELLABLE"]
    assert (await house.reconcile()).findings == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"hash": "another"}, "CONFIGURATION_CHANGED"),
        ({"total": 1}, "PRICE_CHANGED"),
        ({"terms": "1999-01"}, "TERMS_CHANGED"),
    ],
    ids=lambda value: str(value),
)
async def test_lock_is_bound_to_configuration_price_and_terms(house: House, changed: dict[str, Any], code: str) -> None:
    order = await with_deposit(house)
    seen = await read(house, order)
    refused = (await house.ask(LOCK, confirmation(seen, order, **changed))).data["lockVehicleOrder"]
    assert [error["code"] for error in refused["userErrors"]] == [code]
    assert (await read(house, order))["status"] == "DEPOSIT_PAID"


async def test_after_168_hours_it_is_locked_by_itself(house: House, calendar: Calendar) -> None:
    order = await with_deposit(house)
    ends = datetime.fromisoformat((await read(house, order))["coolingOffEndsAt"])
    assert ends - calendar.now == timedelta(hours=168)
    calendar.now = ends - timedelta(seconds=1)
    await house.settle()
    assert (await read(house, order))["status"] == "DEPOSIT_PAID"
    calendar.now = ends + timedelta(seconds=1)
    await house.settle()
    assert (await read(house, order))["status"] == "LOCKED"
    refused = (await house.ask(CANCEL, {"order": order, "key": "cancel-0001"})).data["cancelVehicleOrder"]
    assert [error["code"] for error in refused["userErrors"]] == ["NOT_CANCELLABLE"]


async def test_cancelled_order_holds_no_money_no_build_place_and_no_sales_order(house: House) -> None:
    stock = house.world.trims["A5-PLUS"].stock
    order = await with_deposit(house)
    number = (await read(house, order))["number"]
    assert house.world.trims["A5-PLUS"].stock == stock - 1
    cancelled = (await house.ask(CANCEL, {"order": order, "key": "cancel-0001"})).data["cancelVehicleOrder"]
    assert (cancelled["entity"]["status"], cancelled["userErrors"]) == ("CANCELLED", [])
    await house.settle()
    after = await read(house, order)
    assert (after["status"], after["paid"]["amountMinor"], after["pending"]) == ("CANCELLED", 0, [])
    refunds = [refund for payment in after["payments"] for refund in payment["refunds"]]
    assert sum(refund["amount"]["amountMinor"] for refund in refunds) == after["deposit"]["amountMinor"]
    assert {refund["status"] for refund in refunds} == {"SUCCEEDED"}
    assert live_sales_orders(house, number) == []
    assert house.world.trims["A5-PLUS"].stock == stock
    assert (await house.reconcile()).findings == []


async def test_while_the_erp_is_away_the_order_says_what_it_waits_for_and_goes_on_after(
    house: House, calendar: Calendar
) -> None:
    await house.fault("erp", {"kind": "maintenance", "until": "2999-01-01T00:00:00Z"})
    order = await with_deposit(house)
    waiting = await house.ask(READ, {"id": order})
    node = waiting.data["node"]
    assert node["status"] == "DEPOSIT_PAID"
    assert [step["step"] for step in node["pending"]] == ["CREATING_SALES_ORDER"]
    await house.fault("erp")
    calendar.now += timedelta(hours=1)
    await house.settle()
    after = await read(house, order)
    assert (after["pending"], live_sales_orders(house, node["number"])) == ([], [after["salesOrder"]["number"]])


async def test_draft_that_nobody_pays_gives_its_build_place_back(house: House, calendar: Calendar) -> None:
    stock = house.world.trims["A5-PLUS"].stock
    order = await placed(house)
    calendar.now += timedelta(hours=25)
    await house.settle()
    assert (await read(house, order))["status"] == "CANCELLED"
    assert house.world.trims["A5-PLUS"].stock == stock
