"""The gate in front of ordering, as a client of the whole service meets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bff.admissions import AdmissionSettings
from bff.durability.once import Once
from bff.orders.admission import OrderAdmission
from bff.serving.incremental import in_one_piece
from resolvers.relay import encode_id
from sandbox.world.configurations import CURRENT_SHARE_CODE
from sandbox.world.orders import TERMS_VERSION
from tests.durability.shop import Clock
from tests.estate.house import Answer, House

pytestmark = pytest.mark.anyio

PAYLOAD = """{ entity { number } userErrors { code message field } wait { pollAfter admissionToken position } }"""
PLACE = (
    """mutation($version: Int!, $total: MinorUnits!, $key: String!, $token: String, $recipient: String! = "林晓") {
  placeMerchandiseOrder(input: {cartVersion: $version, expectedTotal: {amountMinor: $total}, idempotencyKey: $key,
      admissionToken: $token, address: {recipient: $recipient, phone: "13800000001", province: "上海市",
      city: "上海市", district: "浦东新区", line: "世纪大道1号"}}) """
    + PAYLOAD
    + " }"
)
CAR = (
    """mutation($code: String!, $centre: String!, $terms: String!, $key: String!, $token: String) {
  placeVehicleOrder(input: {shareCode: $code, deliveryCentre: $centre, termsVersion: $terms, idempotencyKey: $key,
      admissionToken: $token}) """
    + PAYLOAD
    + " }"
)
ADD = """mutation($product: ID!) { addCartLine(input: {productId: $product}) { entity { version } } }"""
CART = "{ viewer { customer { cart { version total { amountMinor } } } } }"
PRODUCT, CUP = "P1001", "P1002"
RATE = 10
MORE = 0.001
TURN = 1 / RATE + MORE


class Shop:
    """The house behind a gate of which the test moves the clock; customers with a product in their carts."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.clock = Clock()
        self.settings = AdmissionSettings(per_second=RATE, burst=2, keys=(b"k" * 32,), token_seconds=600)
        self.admission = OrderAdmission(house.services.state, self.settings, clock=self.clock)
        once = Once(house.services.state, in_one_piece, admission=self.admission)
        house.app.graphql.stages.mutate = once.run
        for gate in self.admission.gates:
            gate._ticks = self.clock
        self.known: dict[str, dict[str, Any]] = {}
        self.before = len(house.world.merchandise_orders)

    async def customer(self, name: str, product: str = PRODUCT) -> dict[str, Any]:
        """What the customer sends to order a cart with one product."""
        if name not in self.known:
            for cart in self.house.world.carts.values():
                if cart.customer_id == name and cart.state == "ACTIVE":
                    cart.state = "MERGED"
            await self.house.ask(ADD, {"product": encode_id("Product", product)}, persona=name)
            cart = (await self.house.ask(CART, persona=name)).data["viewer"]["customer"]["cart"]
            self.known[name] = {"version": cart["version"], "total": cart["total"]["amountMinor"]}
        return self.known[name]

    async def place(self, name: str, token: str | None = None, *, product: str = PRODUCT, **more: Any) -> Answer:
        given = await self.customer(name, product) | {"key": f"order-of-{name}", "token": token} | more
        return await self.house.ask(PLACE, given, persona=name)

    async def fill(self, count: int = 2, first: int = 100) -> None:
        """Let so many order, as many as the burst has."""
        for number in range(first, first + count):
            assert _payload(await self.place(f"C0{number}"))["userErrors"] == []

    @property
    def orders(self) -> list[str]:
        """Whose orders were placed, oldest first."""
        return [order.customer_id for order in list(self.house.world.merchandise_orders.values())[self.before :]]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    house = House()
    for product in (PRODUCT, CUP):
        house.world.products[product].stock = 500
    yield Shop(house)
    await house.aclose()


def _payload(answer: Answer) -> dict[str, Any]:
    assert answer.errors == [], answer.errors
    payload: dict[str, Any] = next(iter(answer.data.values()))
    return payload


def _codes(answer: Answer) -> list[str]:
    return [error["code"] for error in _payload(answer)["userErrors"]]


async def test_while_there_is_room_an_order_is_an_order(shop: Shop) -> None:
    payload = _payload(await shop.place("C0100"))
    assert payload["entity"]["number"].startswith("MO")
    assert (payload["userErrors"], payload["wait"]) == ([], None)


async def test_who_comes_too_early_is_told_when_to_come_again_and_no_system_is_asked(shop: Shop) -> None:
    await shop.fill()
    await shop.customer("C0110")
    answer = await shop.place("C0110")
    payload = _payload(answer)
    assert answer.count() == {}
    assert payload["entity"] is None
    assert [error["code"] for error in payload["userErrors"]] == ["WAITING"]
    assert payload["wait"]["position"] == 1
    assert 1 <= payload["wait"]["pollAfter"] <= shop.settings.poll_seconds


async def test_turn_comes_by_time_and_the_token_keeps_the_place(shop: Shop) -> None:
    await shop.fill()
    names = [f"C0{number}" for number in range(110, 120)]
    waits = [_payload(await shop.place(name))["wait"] for name in names]
    assert [wait["position"] for wait in waits] == list(range(1, 11))
    shop.clock.now += 0.5 + MORE  # five turns
    answers = [_payload(await shop.place(n, w["admissionToken"])) for n, w in zip(names, waits, strict=True)]
    assert [answer["wait"] is None for answer in answers] == [True] * 5 + [False] * 5
    assert [answer["wait"]["position"] for answer in answers[5:]] == [1, 2, 3, 4, 5]
    shop.clock.now += 0.5 + MORE
    again = [
        _payload(await shop.place(n, a["wait"]["admissionToken"])) for n, a in zip(names[5:], answers[5:], strict=True)
    ]
    assert [answer["userErrors"] for answer in again] == [[]] * 5
    assert shop.orders[2:] == names


async def test_order_of_arrival_is_kept_whoever_asks_most(shop: Shop) -> None:
    await shop.fill()
    first, second = [_payload(await shop.place(name))["wait"]["admissionToken"] for name in ("C0110", "C0111")]
    for _ in range(20):
        assert _codes(await shop.place("C0111", second)) == ["WAITING"]
    shop.clock.now += TURN
    assert _codes(await shop.place("C0111", second)) == ["WAITING"]
    assert _codes(await shop.place("C0110", first)) == []


async def test_waiting_is_no_answer_of_its_key_and_the_order_is(shop: Shop) -> None:
    await shop.fill()
    token = _payload(await shop.place("C0110"))["wait"]["admissionToken"]
    shop.clock.now += 1
    ordered = await shop.place("C0110", token)
    assert _codes(ordered) == []
    await shop.place("C0111", recipient="another")
    # Told again with the token, without it, and with one that is none: the same order.
    shop.clock.now += 3600
    for again in (token, None, "1.nonsense.nonsense"):
        assert (await shop.place("C0110", again)).data == ordered.data
    assert shop.orders.count("C0110") == 1


async def test_retry_of_an_order_that_is_known_never_waits(shop: Shop) -> None:
    await shop.fill()
    assert _codes(await shop.place("C0110")) == ["WAITING"]
    assert _codes(await shop.place("C0100")) == []
    assert shop.orders == ["C0100", "C0101"]


async def test_key_is_free_after_waiting_and_bound_after_ordering(shop: Shop) -> None:
    await shop.fill()
    token = _payload(await shop.place("C0110"))["wait"]["admissionToken"]
    shop.clock.now += 1
    assert _codes(await shop.place("C0110", token, recipient="another")) == []
    reused = await shop.place("C0110", token)
    assert reused.codes() == {"placeMerchandiseOrder": "IDEMPOTENCY_KEY_REUSED"}


@pytest.mark.parametrize("stolen_by", [{"name": "C0112"}, {"name": "C0111", "key": "another-order"}])
async def test_token_of_another_caller_or_order_is_refused(shop: Shop, stolen_by: dict[str, str]) -> None:
    await shop.fill()
    token = _payload(await shop.place("C0111"))["wait"]["admissionToken"]
    shop.clock.now += 5
    answer = await shop.place(token=token, **stolen_by)
    assert answer.codes() == {"placeMerchandiseOrder": "BAD_USER_INPUT"}
    assert answer.errors[0]["extensions"]["argument"] == "input.admissionToken"
    assert "leave it out" in answer.errors[0]["message"]
    assert shop.orders == ["C0100", "C0101"]


async def test_turn_that_nobody_takes_is_over_after_a_while(shop: Shop) -> None:
    await shop.fill()
    token = _payload(await shop.place("C0110"))["wait"]["admissionToken"]
    shop.clock.now += shop.settings.token_seconds + 1
    assert (await shop.place("C0110", token)).codes() == {"placeMerchandiseOrder": "BAD_USER_INPUT"}
    assert _codes(await shop.place("C0110")) == []


async def test_turns_for_goods_are_no_turns_for_cars(shop: Shop) -> None:
    await shop.fill()
    token = _payload(await shop.place("C0110"))["wait"]["admissionToken"]
    given = {"key": "order-of-C0110", "code": CURRENT_SHARE_CODE, "centre": "SH0217", "terms": TERMS_VERSION}
    car = await shop.house.ask(CAR, given | {"token": token}, persona="C0110")
    assert car.codes() == {"placeVehicleOrder": "BAD_USER_INPUT"}


async def test_input_that_cannot_be_right_is_told_at_once_and_gives_its_place_back(shop: Shop) -> None:
    await shop.fill()
    wrong = await shop.place("C0110", recipient="")
    assert wrong.codes() == {"placeMerchandiseOrder": "BAD_USER_INPUT"}
    await shop.admission.aclose()
    token = _payload(await shop.place("C0111"))["wait"]["admissionToken"]
    shop.clock.now += TURN
    assert _codes(await shop.place("C0111", token)) == []


async def test_guest_takes_no_place(shop: Shop) -> None:
    given = await shop.customer("C0110") | {"key": "guest-0001", "token": None}
    answer = await shop.house.ask(PLACE, given, persona="guest")
    assert set(answer.codes().values()) <= {"UNAUTHENTICATED", "FORBIDDEN"}
    assert shop.admission.gates[0].given == 0


async def test_what_is_sold_out_is_told_without_asking_and_found_again_when_it_is_back(shop: Shop) -> None:
    product = shop.house.world.products[PRODUCT]
    await shop.fill(1)
    product.stock = 0
    told = await shop.place("C0110")
    assert told.count()["commerce PlaceMerchandiseOrder"] == 1
    later = await shop.place("C0111")
    assert "commerce PlaceMerchandiseOrder" not in later.count()
    assert later.data == told.data
    assert _codes(later) == ["OUT_OF_STOCK"]
    product.stock = 1
    assert _codes(await shop.place("C0112")) == ["OUT_OF_STOCK"]
    shop.clock.now += shop.settings.sold_out_seconds + 1
    assert _codes(await shop.place("C0113")) == []
    assert (await shop.place("C0111")).data == told.data  # its key has its answer


async def test_only_who_wants_more_than_is_left_is_told_so(shop: Shop) -> None:
    shop.house.world.products[PRODUCT].stock = 1
    for name, quantity in (("C0110", 2), ("C0111", 1)):
        await shop.customer(name)
        cart = shop.house.world.active_cart_of(name)
        assert cart is not None
        unit = shop.known[name]["total"]
        cart.lines[0].quantity = quantity
        total = (await shop.house.ask(CART, persona=name)).data["viewer"]["customer"]["cart"]["total"]["amountMinor"]
        shop.known[name]["total"] = total
        assert unit <= total
    short = _payload(await shop.place("C0110"))
    assert [error["code"] for error in short["userErrors"]] == ["OUT_OF_STOCK"]
    assert "1 are left" in short["userErrors"][0]["message"]
    assert _codes(await shop.place("C0111")) == []


async def test_those_who_wait_for_what_is_gone_leave_the_queue_to_others(shop: Shop) -> None:
    await shop.fill()
    crowd = [f"C0{number}" for number in range(110, 140)]
    tokens = [_payload(await shop.place(name))["wait"]["admissionToken"] for name in crowd]
    shop.house.world.products[PRODUCT].stock = 0
    behind = _payload(await shop.place("C0150", product=CUP))["wait"]
    assert behind["position"] == 31
    shop.clock.now += TURN
    answers = [await shop.place(name, token) for name, token in zip(crowd, tokens, strict=True)]
    assert [_codes(answer) for answer in answers] == [["OUT_OF_STOCK"]] * 30
    placed = [answer for answer in answers if "commerce PlaceMerchandiseOrder" in answer.count()]
    assert len(placed) == 1
    await shop.admission.aclose()
    shop.clock.now += TURN
    assert _codes(await shop.place("C0150", behind["admissionToken"], product=CUP)) == []


async def test_attempt_that_may_have_ordered_is_not_told_that_it_is_sold_out(shop: Shop) -> None:
    given = {"code": CURRENT_SHARE_CODE, "centre": _centre(shop), "terms": TERMS_VERSION}

    async def order(name: str) -> Answer:
        return await shop.house.ask(CAR, given | {"key": f"car-of-{name}"}, persona=name)

    await shop.house.fault("commerce", {"kind": "truncate", "match": "/vehicle-orders", "times": 1})
    lost = await order("C0110")
    assert lost.codes() == {"placeVehicleOrder": "OUTCOME_UNKNOWN"}
    world = shop.house.world
    world.trims[world.saved_configurations[CURRENT_SHARE_CODE].trim_id].stock = 0
    assert _codes(await order("C0111")) == ["SOLD_OUT"]
    again = await order("C0110")
    for _ in range(100):  # its flow asks commerce again after a pause
        if again.codes() != lost.codes():
            break
        await asyncio.sleep(0.05)
        again = await order("C0110")
    found = _payload(again)
    assert found["userErrors"] == []
    assert found["entity"]["number"].startswith("VO")


async def test_many_who_ask_what_a_cart_holds_are_asked_for_in_one_call(shop: Shop) -> None:
    names = [f"C0{number}" for number in range(110, 150)]
    for name in names:
        await shop.customer(name)
    shop.house.world.products[PRODUCT].stock = 0
    assert _codes(await shop.place("C0100")) == ["OUT_OF_STOCK"]
    shop.house.systems["commerce"].stats.paths.clear()
    answers = await asyncio.gather(*[shop.place(name) for name in names])
    assert [_codes(answer) for answer in answers] == [["OUT_OF_STOCK"]] * 40
    paths = shop.house.systems["commerce"].stats.paths
    assert paths.get("/merchandise-orders", 0) == 0
    assert paths["/carts"] <= 3


async def test_sold_out_trim_is_told_without_asking(shop: Shop) -> None:
    world = shop.house.world
    trim = world.trims[world.saved_configurations[CURRENT_SHARE_CODE].trim_id]
    trim.stock = 1
    given = {"code": CURRENT_SHARE_CODE, "centre": _centre(shop), "terms": TERMS_VERSION}
    answers = [
        await shop.house.ask(CAR, given | {"key": f"car-of-{name}"}, persona=name) for name in ("C0110", "C0111")
    ]
    assert [_codes(answer) for answer in answers] == [[], ["SOLD_OUT"]]
    shop.clock.now += 1
    third = await shop.house.ask(CAR, given | {"key": "car-of-C0112"}, persona="C0112")
    assert _codes(third) == ["SOLD_OUT"]
    assert "commerce PlaceVehicleOrder" not in third.count()
    assert trim.stock == 0


def _centre(shop: Shop) -> str:
    world = shop.house.world
    brand = world.models[world.trims[world.saved_configurations[CURRENT_SHARE_CODE].trim_id].model_id].brand
    return next(centre.id for centre in world.centres.values() if brand in centre.brands)


@pytest.mark.parametrize(("rate", "second"), [("1", ["WAITING"]), ("0", [])])
async def test_settings_say_how_many_are_let_in(rate: str, second: list[str]) -> None:
    house = House(BFF_ADMISSION_RATE=rate, BFF_ADMISSION_BURST="1")
    house.world.products[PRODUCT].stock = 500
    try:
        told = []
        for name in ("C0110", "C0111"):
            await house.ask(ADD, {"product": encode_id("Product", PRODUCT)}, persona=name)
            cart = (await house.ask(CART, persona=name)).data["viewer"]["customer"]["cart"]
            given = {"version": cart["version"], "total": cart["total"]["amountMinor"], "key": f"order-of-{name}"}
            told.append((house, given, name))
        answers = await asyncio.gather(*[house.ask(PLACE, given, persona=name) for house, given, name in told])
        assert [_codes(answer) for answer in answers] == [[], second]
    finally:
        await house.aclose()
