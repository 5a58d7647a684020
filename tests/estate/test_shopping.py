"""Ordering, paying and booking through the whole house: payload style, idempotency, what must not happen twice."""

from __future__ import annotations

from typing import Any

import pytest

from resolvers.relay import encode_id
from tests.estate.house import Answer, House

pytestmark = pytest.mark.anyio

CART = "{ viewer { customer { cart { version total { amountMinor } lines { id quantity product { code } } } } } }"
ADD = """mutation($product: ID!, $quantity: Int!, $version: Int, $vin: String) {
  addCartLine(input: {productId: $product, quantity: $quantity, version: $version, vin: $vin}) {
    entity { version lines { quantity product { code } } } userErrors { code message field } warnings { code } } }"""
PLACE = """mutation($version: Int!, $total: MinorUnits!, $key: String!) {
  placeMerchandiseOrder(input: {cartVersion: $version, expectedTotal: {amountMinor: $total}, idempotencyKey: $key,
      address: {recipient: "林晓", phone: "13800000001", province: "上海市", city: "上海市", district: "浦东新区",
                line: "世纪大道1号"}}) {
    entity { id number total { amountMinor } orderState paymentState } userErrors { code message } } }"""
PAY = """mutation($order: ID!, $purpose: PaymentPurpose!, $amount: MinorUnits!, $key: String!) {
  createPayment(input: {orderId: $order, purpose: $purpose, provider: WECHAT_PAY, scene: JSAPI,
      amount: {amountMinor: $amount}, idempotencyKey: $key}) {
    entity { id status clientAction { __typename ... on WechatJsapiAction { package paySign } } }
    userErrors { code message } } }"""


async def _cart(house: House) -> Any:
    return (await house.ask(CART)).data["viewer"]["customer"]["cart"]


async def _place(house: House, key: str, **changed: Any) -> Answer:
    cart = await _cart(house)
    given = {"version": cart["version"], "total": cart["total"]["amountMinor"], "key": key} | changed
    return await house.ask(PLACE, given)


async def test_adding_to_a_cart_that_changed_elsewhere_is_a_user_error(house: House) -> None:
    cart = await _cart(house)
    given = {"product": encode_id("Product", "P1001"), "quantity": 2}
    added = await house.ask(ADD, given | {"version": cart["version"]})
    payload = added.data["addCartLine"]
    assert payload["userErrors"] == []
    assert payload["warnings"] == []
    assert payload["entity"]["version"] > cart["version"]
    again = await house.ask(ADD, given | {"version": cart["version"]})
    assert again.errors == []
    assert again.data["addCartLine"]["entity"] is None
    assert [error["code"] for error in again.data["addCartLine"]["userErrors"]] == ["CART_VERSION_CONFLICT"]


async def test_feature_needs_a_car(house: House) -> None:
    answer = await house.ask(ADD, {"product": encode_id("Product", "F4001"), "quantity": 1})
    assert [error["code"] for error in answer.data["addCartLine"]["userErrors"]] == ["VEHICLE_REQUIRED"]


async def test_same_key_orders_once_and_answers_alike(house: House) -> None:
    before = len(house.world.merchandise_orders)
    cart = await _cart(house)
    given = {"version": cart["version"], "total": cart["total"]["amountMinor"], "key": "order-0001"}
    first, second = await house.ask(PLACE, given), await house.ask(PLACE, given)
    assert first.data["placeMerchandiseOrder"]["userErrors"] == []
    assert first.data == second.data
    assert len(house.world.merchandise_orders) == before + 1


async def test_two_customers_keys_never_meet(house: House) -> None:
    given = {"product": encode_id("Product", "P1001"), "quantity": 1}
    for persona in ("C0002", "C0003"):
        await house.ask(ADD, given, persona=persona)
        cart = (await house.ask(CART, persona=persona)).data["viewer"]["customer"]["cart"]
        placed = await house.ask(
            PLACE,
            {"version": cart["version"], "total": cart["total"]["amountMinor"], "key": "the-same-key"},
            persona=persona,
        )
        assert placed.data["placeMerchandiseOrder"]["userErrors"] == []
    owners = {order.customer_id for order in list(house.world.merchandise_orders.values())[-2:]}
    assert owners == {"C0002", "C0003"}


async def test_price_that_the_customer_did_not_see_is_a_user_error(house: House) -> None:
    answer = await _place(house, "order-0002", total=1)
    assert [error["code"] for error in answer.data["placeMerchandiseOrder"]["userErrors"]] == ["PRICE_CHANGED"]


async def test_paying_an_order_settles_by_the_provider_and_not_by_the_client(house: House) -> None:
    order = (await _place(house, "order-0003")).data["placeMerchandiseOrder"]["entity"]
    given = {
        "order": order["id"],
        "purpose": "MERCHANDISE",
        "amount": order["total"]["amountMinor"],
        "key": "pay-00001",
    }
    payload = (await house.ask(PAY, given)).data["createPayment"]
    assert payload["userErrors"] == []
    assert payload["entity"]["clientAction"]["__typename"] == "WechatJsapiAction"
    state = "query($id: ID!) { node(id: $id) { ... on MerchandiseOrder { paymentState payments { status } } } }"
    assert (await house.ask(state, {"id": order["id"]})).data["node"]["paymentState"] == "UNPAID"
    await house.pay(payload["entity"]["id"])
    paid = (await house.ask(state, {"id": order["id"]})).data["node"]
    assert paid == {"paymentState": "PAID", "payments": [{"status": "SUCCEEDED"}]}


async def test_another_amount_than_owed_is_a_user_error(house: House) -> None:
    order = (await _place(house, "order-0004")).data["placeMerchandiseOrder"]["entity"]
    answer = await house.ask(PAY, {"order": order["id"], "purpose": "MERCHANDISE", "amount": 1, "key": "pay-00002"})
    assert [error["code"] for error in answer.data["createPayment"]["userErrors"]] == ["AMOUNT_MISMATCH"]


async def test_strangers_order_cannot_be_paid(house: House) -> None:
    stranger = next(o for o in house.world.merchandise_orders.values() if o.customer_id != "C0001")
    order = encode_id("MerchandiseOrder", stranger.number)
    answer = await house.ask(PAY, {"order": order, "purpose": "MERCHANDISE", "amount": 100, "key": "pay-00003"})
    assert answer.codes() == {"createPayment": "NOT_FOUND"}


async def test_car_is_configured_saved_and_ordered(house: House) -> None:
    trim = house.world.trims["A5-PLUS"]
    saved = await house.ask(
        "mutation($selection: SelectionInput!) { saveConfiguration(input: {selection: $selection,"
        ' idempotencyKey: "save-0001"}) { entity { shareCode configuration { check { isBuildable } } }'
        " userErrors { code } } }",
        {"selection": {"trimCode": trim.id, "options": list(trim.default_options)}},
    )
    receipt = saved.data["saveConfiguration"]["entity"]
    assert receipt["configuration"]["check"]["isBuildable"]
    placed = await house.ask(
        'mutation($code: String!) { placeVehicleOrder(input: {shareCode: $code, deliveryCentre: "SH0217",'
        ' termsVersion: "2025-10", idempotencyKey: "car-order-1"}) { entity { id number status total { amountMinor }'
        " deliveryCentre { name } salesOrder { number } } userErrors { code message } } }",
        {"code": receipt["shareCode"].lower()},
    )
    payload = placed.data["placeVehicleOrder"]
    assert payload["userErrors"] == []
    assert payload["entity"]["status"] == "DRAFT"
    assert payload["entity"]["salesOrder"] is None


async def test_slot_is_booked_once_moved_and_cancelled(house: House) -> None:
    slots = await house.ask(
        '{ serviceCentre(code: "SZ0412") { slots(vin: "LDCA1AB5XSB000008") { id start capacityLeft } } }'
    )
    free = slots.data["serviceCentre"]["slots"]
    book = (
        'mutation($slot: ID!, $start: DateTime!, $key: String!) { bookService(input: {vin: "LDCA1AB5XSB000008",'
        ' centreCode: "SZ0412", slotId: $slot, start: $start, idempotencyKey: $key}) {'
        " entity { id status centre { code } vehicle { vin } } userErrors { code message } } }"
    )
    given = {"slot": free[0]["id"], "start": free[0]["start"], "key": "book-0001"}
    booked, again = await house.ask(book, given), await house.ask(book, given)
    assert booked.data["bookService"]["userErrors"] == []
    assert booked.data == again.data
    booking = booked.data["bookService"]["entity"]
    moved = await house.ask(
        "mutation($id: ID!, $slot: ID!, $start: DateTime!) { rescheduleServiceBooking(input: {bookingId: $id,"
        ' slotId: $slot, start: $start, idempotencyKey: "move-0001"}) { entity { id start } userErrors { code } } }',
        {"id": booking["id"], "slot": free[1]["id"], "start": free[1]["start"]},
    )
    assert moved.data["rescheduleServiceBooking"]["userErrors"] == []
    cancelled = await house.ask(
        'mutation($id: ID!) { cancelServiceBooking(input: {bookingId: $id, idempotencyKey: "cancel-01"}) {'
        " entity { status } userErrors { code } } }",
        {"id": moved.data["rescheduleServiceBooking"]["entity"]["id"]},
    )
    assert cancelled.data["cancelServiceBooking"] == {"entity": {"status": "CANCELLED"}, "userErrors": []}


async def test_strangers_booking_cannot_be_cancelled(house: House) -> None:
    stranger = next(b for b in house.world.bookings.values() if b.customer_id not in (None, "C0001"))
    key = f"BOOKING/{stranger.centre_id}/{stranger.id}"
    answer = await house.ask(
        'mutation($id: ID!) { cancelServiceBooking(input: {bookingId: $id, idempotencyKey: "cancel-02"}) {'
        " entity { status } } }",
        {"id": encode_id("ServiceBooking", key)},
    )
    assert answer.codes() == {"cancelServiceBooking": "NOT_FOUND"}


async def test_dms_write_without_an_answer_is_reported_as_unknown_and_done_once(house: House) -> None:
    """Trap 6: the appointment was made, but the answer was lost; the same key finds it instead of making another."""
    slots = await house.ask('{ serviceCentre(code: "SH0217") { slots(vin: "LDCA1AB57SB000001") { id start } } }')
    free = slots.data["serviceCentre"]["slots"][0]
    book = (
        'mutation($slot: ID!, $start: DateTime!) { bookService(input: {vin: "LDCA1AB57SB000001",'
        ' centreCode: "SH0217", slotId: $slot, start: $start, idempotencyKey: "book-0002"}) {'
        " entity { id } userErrors { code } } }"
    )
    before = len(house.world.appointments)
    await house.fault("dms", {"kind": "truncate", "match": "ProcessServiceAppointment", "times": 1})
    lost = await house.ask(book, {"slot": free["id"], "start": free["start"]})
    if lost.errors:
        assert lost.codes() == {"bookService": "OUTCOME_UNKNOWN"}
    found = await house.ask(book, {"slot": free["id"], "start": free["start"]})
    assert found.data["bookService"]["entity"] is not None
    assert len(house.world.appointments) == before + 1
