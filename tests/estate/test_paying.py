"""Paying through the whole service, at providers that speak their own protocols: WeChat Pay, Alipay, Stripe."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from resolvers.relay import decode_id
from tests.estate.house import House

pytestmark = pytest.mark.anyio

CART = "{ viewer { customer { cart { version total { amountMinor } } } } }"
PLACE = """mutation($version: Int!, $total: MinorUnits!, $key: String!) {
  placeMerchandiseOrder(input: {cartVersion: $version, idempotencyKey: $key,
      expectedTotal: {amountMinor: $total},
      address: {recipient: "林晓", phone: "13812345678", province: "上海", city: "上海", district: "徐汇",
        line: "1"}}) {
    entity { id total { amountMinor } } userErrors { code } } }"""
PAY = """mutation($order: ID!, $provider: PaymentProvider!, $scene: PaymentScene!, $amount: MinorUnits!,
      $key: String!) {
  createPayment(input: {orderId: $order, purpose: MERCHANDISE, provider: $provider, scene: $scene,
      amount: {amountMinor: $amount}, idempotencyKey: $key}) {
    entity { id status clientAction { __typename ... on RedirectAction { url } ... on AppAction { orderString } } }
    warnings { code } userErrors { code message } } }"""
STATE = """query($order: ID!) { node(id: $order) { ... on MerchandiseOrder { orderState paymentState
  payments { id status captured { amountMinor } refunds { status amount { amountMinor } } } } } }"""
REFUND = """mutation($payment: ID!, $amount: MinorUnits!, $key: String!) {
  refundPayment(input: {paymentId: $payment, amount: {amountMinor: $amount}, reason: "too many",
      idempotencyKey: $key}) {
    entity { id status amount { amountMinor } } userErrors { code message } } }"""
CANCEL = """mutation($order: ID!, $key: String!) {
  cancelMerchandiseOrder(input: {orderId: $order, idempotencyKey: $key}) {
    entity { orderState } userErrors { code } } }"""

WAYS = [
    ("WECHAT_PAY", "JSAPI", "WechatJsapiAction"),
    ("WECHAT_PAY", "APP", "AppAction"),
    ("WECHAT_PAY", "H5", "RedirectAction"),
    ("WECHAT_PAY", "NATIVE", "QrCodeAction"),
    ("ALIPAY", "APP", "AppAction"),
    ("ALIPAY", "H5", "RedirectAction"),
    ("ALIPAY", "NATIVE", "QrCodeAction"),
    ("CARD", "H5", "RedirectAction"),
    ("CARD", "APP", "AppAction"),
]
SYSTEMS = {"WECHAT_PAY": "wechatpay", "ALIPAY": "alipay", "CARD": "stripe"}


async def ordered(house: House, key: str = "order-0001") -> dict[str, Any]:
    cart = (await house.ask(CART)).data["viewer"]["customer"]["cart"]
    given = {"version": cart["version"], "total": cart["total"]["amountMinor"], "key": key}
    payload = (await house.ask(PLACE, given)).data["placeMerchandiseOrder"]
    assert payload["userErrors"] == []
    order: dict[str, Any] = payload["entity"]
    return order


async def begun(
    house: House, order: dict[str, Any], provider: str = "WECHAT_PAY", scene: str = "JSAPI", key: str = "pay-000001"
) -> dict[str, Any]:
    given = {"order": order["id"], "provider": provider, "scene": scene, "key": key}
    payload = (await house.ask(PAY, given | {"amount": order["total"]["amountMinor"]})).data["createPayment"]
    assert (payload["userErrors"], payload["warnings"]) == ([], [])
    payment: dict[str, Any] = payload["entity"]
    return payment


async def state(house: House, order: dict[str, Any]) -> dict[str, Any]:
    node: dict[str, Any] = (await house.ask(STATE, {"order": order["id"]})).data["node"]
    return node


@pytest.mark.parametrize(("provider", "scene", "action"), WAYS, ids=[f"{w[0]}-{w[1]}" for w in WAYS])
async def test_every_way_to_pay_settles_the_order(house: House, provider: str, scene: str, action: str) -> None:
    order = await ordered(house)
    payment = await begun(house, order, provider, scene)
    assert (payment["status"], payment["clientAction"]["__typename"]) == ("REQUIRES_ACTION", action)
    await house.pay(payment["id"], at=SYSTEMS[provider], action=payment["clientAction"])
    paid = await state(house, order)
    assert (paid["paymentState"], paid["payments"][0]["status"]) == ("PAID", "SUCCEEDED")
    assert paid["payments"][0]["captured"] == order["total"]


@pytest.mark.parametrize("notify", ["twice", "parallel", "never"])
async def test_trap_1_notifications_that_repeat_or_never_come_count_once(house: House, notify: str) -> None:
    order = await ordered(house)
    payment = await begun(house, order)
    await house.pay(payment["id"], notify=notify)
    if notify == "never":
        assert (await state(house, order))["paymentState"] == "UNPAID"
        await house.reconcile()
    paid = await state(house, order)
    assert (paid["paymentState"], paid["payments"][0]["captured"]) == ("PAID", order["total"])
    assert (await house.reconcile()).findings == []


async def test_trap_2_the_notification_overtakes_the_answer_of_the_mutation(house: House) -> None:
    order = await ordered(house)
    given = {"order": order["id"], "provider": "WECHAT_PAY", "scene": "NATIVE", "amount": order["total"]["amountMinor"]}
    await house.fault(
        "wechatpay", {"kind": "delay", "milliseconds": 300, "match": "/v3/pay/transactions/native", "times": 1}
    )
    asking = asyncio.create_task(house.ask(PAY, given | {"key": "pay-000001"}))
    while not (charges := await house.charges()):  # noqa: ASYNC110 - another task opens it
        await asyncio.sleep(0.001)
    await house.pay_charge(charges[0], at="wechatpay")
    await house.until_told(charges[0])
    payload = (await asking).data["createPayment"]
    assert payload["entity"]["status"] in ("SUCCEEDED", "REQUIRES_ACTION")
    await house.settle()
    assert (await state(house, order))["paymentState"] == "PAID"


@pytest.mark.parametrize("answer_lost", [False, True], ids=["not-done", "done-but-unheard"])
async def test_provider_that_does_not_answer_leaves_a_payment_that_goes_on_by_itself(
    house: House, answer_lost: bool
) -> None:
    order = await ordered(house)
    kind = {"kind": "truncate"} if answer_lost else {"kind": "drop"}
    await house.fault("wechatpay", kind | {"match": "/v3/pay/transactions/jsapi", "times": 1})
    given = {"order": order["id"], "provider": "WECHAT_PAY", "scene": "JSAPI", "amount": order["total"]["amountMinor"]}
    payload = (await house.ask(PAY, given | {"key": "pay-000001"})).data["createPayment"]
    assert (payload["entity"]["status"], payload["warnings"]) == ("CREATED", [{"code": "PENDING"}])
    await asyncio.sleep(0.8)
    await house.settle()
    again = await house.ask(
        "query($id: ID!) { node(id: $id) { ... on Payment { status } } }", {"id": payload["entity"]["id"]}
    )
    assert again.data["node"]["status"] == "REQUIRES_ACTION"


async def test_late_success_on_a_cancelled_order_comes_back_by_itself(house: House) -> None:
    order = await ordered(house)
    payment = await begun(house, order, scene="NATIVE")
    await house.pay(payment["id"], notify="never")
    cancelled = (await house.ask(CANCEL, {"order": order["id"], "key": "cancel-0001"})).data["cancelMerchandiseOrder"]
    assert cancelled["userErrors"] == []
    await house.settle()
    await house.reconcile()
    after = await state(house, order)
    assert after["orderState"] == "CANCELLED"
    assert [refund["status"] for refund in after["payments"][0]["refunds"]] == ["SUCCEEDED"]
    assert after["payments"][0]["refunds"][0]["amount"] == order["total"]


async def test_refunds_cannot_exceed_what_was_taken(house: House) -> None:
    order = await ordered(house)
    payment = await begun(house, order)
    await house.pay(payment["id"])
    total = order["total"]["amountMinor"]
    most = {"payment": payment["id"], "amount": total + 1, "key": "refund-0001"}
    refused = (await house.ask(REFUND, most)).data["refundPayment"]
    assert [error["code"] for error in refused["userErrors"]] == ["REFUND_EXCEEDS_CAPTURED"]
    parts = [
        (await house.ask(REFUND, {"payment": payment["id"], "amount": amount, "key": f"refund-{amount:08d}"}))
        for amount in (100, total - 100, 1)
    ]
    codes = [[error["code"] for error in part.data["refundPayment"]["userErrors"]] for part in parts]
    assert codes == [[], [], ["REFUND_EXCEEDS_CAPTURED"]]
    await house.settle()
    assert (await state(house, order))["paymentState"] == "REFUNDED"
    assert (await house.reconcile()).findings == []


async def test_trap_8_payment_that_began_at_the_payment_service_stays_there(tmp_path: Path) -> None:
    """Providers are moved over one by one; what is open stays where it began, what is new goes the new way."""
    state_url = f"sqlite:///{tmp_path}/state.sqlite3"
    before = House(BFF_PAYMENTS="service", BFF_STATE_URL=state_url)
    order = await ordered(before)
    old = await begun(before, order, scene="NATIVE")
    after = House(beside=before, BFF_STATE_URL=state_url)
    number = decode_id(old["id"], "Payment", "id")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(after.systems["payment"])) as service:
        await service.post(f"http://payment.test/intents/{number}/_simulate", json={"result": "SUCCEEDED"})
    paid = await state(after, order)
    assert (paid["paymentState"], [payment["id"] for payment in paid["payments"]]) == ("PAID", [old["id"]])
    back = await after.ask(
        REFUND, {"payment": old["id"], "amount": order["total"]["amountMinor"], "key": "refund-0001"}
    )
    assert back.data["refundPayment"]["entity"]["status"] == "SUCCEEDED"
    assert (not number.startswith("BP"), await after.charges()) == (True, [])
    await before.aclose()
    await after.aclose()


async def test_what_looks_like_a_card_number_is_refused_and_told_nowhere(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    order = await ordered(house)
    payment = await begun(house, order)
    await house.pay(payment["id"])
    query = REFUND.replace("too many", "card 4111 1111 1111 1111")
    answer = await house.ask(query, {"payment": payment["id"], "amount": 1, "key": "refund-0001"})
    assert answer.codes() == {"refundPayment": "BAD_USER_INPUT"}
    assert "4111" not in caplog.text + str(answer.errors)
