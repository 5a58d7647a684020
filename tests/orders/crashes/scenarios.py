"""What customers do and what happens then: each scenario is a row of steps, and can be taken up at any of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from resolvers.relay import encode_id
from sandbox.world import World
from sandbox.world.configurations import CURRENT_SHARE_CODE
from sandbox.world.entities import Cart, CartLine
from sandbox.world.orders import TERMS_VERSION
from tests.orders.crashes.board import Board
from tests.orders.crashes.client import PAY, Client
from tests.orders.crashes.service import Service

OWNER, CAR = "C0001", "LDCA1AB57SB000001"
CUP, HEATED = "P1001", "F4001"
INTENT, DEPOSIT = 100_000, 500_000

ERRORS = "userErrors { code message }"
PLACE_CAR = f"""mutation($code: String!, $terms: String!, $key: String!) {{
  placeVehicleOrder(input: {{shareCode: $code, deliveryCentre: "SH0217", termsVersion: $terms,
    idempotencyKey: $key}}) {{
    entity {{ id number status configurationHash total {{ amountMinor }} }} {ERRORS} }} }}"""
LOCK = f"""mutation($order: ID!, $hash: String!, $total: MinorUnits!, $terms: String!, $key: String!) {{
  lockVehicleOrder(input: {{orderId: $order, configurationHash: $hash, total: {{amountMinor: $total}},
    termsVersion: $terms, idempotencyKey: $key}}) {{ entity {{ status }} {ERRORS} }} }}"""
CANCEL_CAR = f"""mutation($order: ID!, $key: String!) {{
  cancelVehicleOrder(input: {{orderId: $order, idempotencyKey: $key}}) {{ entity {{ status }} {ERRORS} }} }}"""
CART = "{ viewer { customer { cart { version total { amountMinor } } } } }"
PLACE_GOODS = f"""mutation($version: Int!, $total: MinorUnits!, $key: String!) {{
  placeMerchandiseOrder(input: {{cartVersion: $version, expectedTotal: {{amountMinor: $total}}, idempotencyKey: $key,
      address: {{recipient: "林晓", phone: "13800000001", province: "上海市", city: "上海市", district: "浦东新区",
                line: "世纪大道1号"}}}}) {{
    entity {{ id number total {{ amountMinor }} }} {ERRORS} }} }}"""
CANCEL_GOODS = f"""mutation($order: ID!, $key: String!) {{
  cancelMerchandiseOrder(input: {{orderId: $order, idempotencyKey: $key}}) {{ entity {{ orderState }} {ERRORS} }} }}"""
CLOSE = f"""mutation($payment: ID!, $key: String!) {{
  closePayment(input: {{paymentId: $payment, idempotencyKey: $key}}) {{ entity {{ status }} {ERRORS} }} }}"""
REFUND = f"""mutation($payment: ID!, $amount: MinorUnits!, $key: String!) {{
  refundPayment(input: {{paymentId: $payment, amount: {{amountMinor: $amount}}, reason: "少了一件",
    idempotencyKey: $key}}) {{ entity {{ status }} {ERRORS} }} }}"""
SLOTS = """query($centre: String!, $vin: String!) { serviceCentre(code: $centre) { slots(vin: $vin) { id start } } }"""
BOOK = f"""mutation($vin: String!, $centre: String!, $slot: ID!, $start: DateTime!, $key: String!) {{
  bookService(input: {{vin: $vin, centreCode: $centre, slotId: $slot, start: $start, idempotencyKey: $key}}) {{
    entity {{ id status }} {ERRORS} }} }}"""
CANCEL_VISIT = f"""mutation($visit: ID!, $key: String!) {{
  cancelServiceBooking(input: {{bookingId: $visit, idempotencyKey: $key}}) {{ entity {{ status }} {ERRORS} }} }}"""
DOCUMENTS = (
    PAY,
    PLACE_CAR,
    LOCK,
    CANCEL_CAR,
    CART,
    PLACE_GOODS,
    CANCEL_GOODS,
    CLOSE,
    REFUND,
    SLOTS,
    BOOK,
    CANCEL_VISIT,
)


class Hands(NamedTuple):
    """What a step is done with."""

    client: Client
    service: Service
    board: Board


Do = Callable[[Hands], Awaitable[None]]


class Step(NamedTuple):
    name: str
    do: Do


class Scenario(NamedTuple):
    """`prepare` changes the world before anybody comes. `days` is how long it takes until all has happened that time
    does by itself. `is_exact`: it ends alike however long things take; else who is quicker decides, the customer who
    pays or what ends the order.
    """

    name: str
    steps: tuple[Step, ...]
    days: int
    prepare: Callable[[World], None] = lambda _world: None
    is_exact: bool = True


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _place_car(hands: Hands) -> None:
    car = await hands.client.make(PLACE_CAR, code=CURRENT_SHARE_CODE, terms=TERMS_VERSION, key="place-car-0001")
    hands.client.know(order=car["id"], hash=car["configurationHash"], total=car["total"]["amountMinor"])


async def _lock(hands: Hands) -> None:
    known = hands.client.known
    given = {"order": known("order"), "hash": known("hash"), "total": known("total"), "terms": TERMS_VERSION}
    await hands.client.make(LOCK, **given, key="lock-car-0001")


async def _place_goods(hands: Hands) -> None:
    """What the customer saw is remembered before the order: it is what is sent again."""
    if "seen" not in hands.board.memory:
        cart = (await hands.client.ask(CART))["data"]["viewer"]["customer"]["cart"]
        hands.client.know(seen={"version": cart["version"], "total": cart["total"]["amountMinor"]})
    order = await hands.client.make(PLACE_GOODS, **hands.client.known("seen"), key="place-goods-0001")
    hands.client.know(order=order["id"], total=order["total"]["amountMinor"])


async def _fail_feature(hands: Hands) -> None:
    """The car says that it cannot."""
    features = (await hands.client.outside("GET", "commerce", f"/entitlements?vin={CAR}")).json()
    mine = [f for f in json_features(features) if f["state"] == "ACTIVATING" and f["productId"] == HEATED]
    for feature in mine:
        await hands.client.outside(
            "POST", "commerce", f"/entitlements/{feature['id']}/_acknowledge", {"result": "FAILED"}
        )


async def _close(hands: Hands) -> None:
    await hands.client.make(CLOSE, payment=encode_id("Payment", hands.client.known("first")), key="close-payment-1")


async def _refund(hands: Hands) -> None:
    """A part of it."""
    payment = encode_id("Payment", hands.client.known("merchandise"))
    await hands.client.make(REFUND, payment=payment, amount=100, key="refund-part-1")


def json_features(body: Any) -> list[dict[str, Any]]:
    return [feature for car in body["items"] for feature in car["entitlements"]]


def _book_at(centre: str) -> Do:
    async def book(hands: Hands) -> None:
        if "slot" not in hands.board.memory:
            free = (await hands.client.ask(SLOTS, centre=centre, vin=CAR))["data"]["serviceCentre"]["slots"][0]
            hands.client.know(slot=free["id"], start=free["start"])
        known = hands.client.known
        given = {"vin": CAR, "centre": centre, "slot": known("slot"), "start": known("start")}
        visit = await hands.client.make(BOOK, **given, key="book-visit-0001")
        hands.client.know(visit=visit["id"])

    return book


def _mutation(query: str, made: str, argument: str, **given: Any) -> Do:
    """A mutation about something that the client knows by the name `made`."""

    async def do(hands: Hands) -> None:
        known = hands.client.known(made)
        await hands.client.make(query, **{argument: known}, **given)

    return do


def _begin(purpose: str, amount: int | None = None, provider: str = "WECHAT_PAY", name: str = "") -> Step:
    async def do(hands: Hands) -> None:
        due = hands.client.known("total") if amount is None else amount
        await hands.client.begin_to_pay(purpose, due, provider, name)

    return Step(f"begin to pay {name or purpose.lower()}", do)


def _pay(name: str) -> Step:
    async def do(hands: Hands) -> None:
        await hands.client.pay(name)

    return Step(f"customer pays {name}", do)


async def _deliver(hands: Hands) -> None:
    await hands.client.deliver()


async def _background(hands: Hands) -> None:
    await hands.service.background()


def _wait(**duration: float) -> Step:
    said = " ".join(f"{amount:g} {unit}" for unit, amount in duration.items())

    async def do(hands: Hands) -> None:
        hands.board.pass_by(**duration)
        await hands.service.background()

    return Step(f"{said} later", do)


TOLD, WORK = Step("provider tells", _deliver), Step("background", _background)


def _paid(purpose: str, amount: int | None = None, provider: str = "WECHAT_PAY") -> tuple[Step, ...]:
    return (_begin(purpose, amount, provider), _pay(purpose.lower()), TOLD, WORK)


def _cart_of(*lines: tuple[str, str | None], is_reachable: bool = True) -> Callable[[World], None]:
    """Nothing else is in the cart; the car, where it cannot be reached, confirms nothing by itself."""

    def prepare(world: World) -> None:
        if not is_reachable:
            world.unreachable.add(CAR)
        for other in world.carts.values():
            if other.customer_id == OWNER:
                other.state = "MERGED"
        cart = Cart("CA-CRASH", OWNER, "ACTIVE", 1, "CNY", world.now)
        for turn, (product, vin) in enumerate(lines, 1):
            cart.lines.append(CartLine(f"CA-CRASH-{turn}", product, 1, world.products[product].price_fen, vin))
            for feature in world.entitlements.values():
                if feature.product_id == product and feature.vin == vin:
                    feature.state = "REVOKED"
        world.carts[cart.id] = cart

    return prepare


# ── scenarios ────────────────────────────────────────────────────────────────────────────────────────────────────────

_REFUSES = Step("car refuses", _fail_feature)
_CAR, _GOODS = Step("place", _place_car), Step("place", _place_goods)
_CANCEL_CAR = Step("cancel", _mutation(CANCEL_CAR, "order", "order", key="cancel-car-0001"))
_CANCEL_GOODS = Step("cancel", _mutation(CANCEL_GOODS, "order", "order", key="cancel-goods-0001"))
_CANCEL_VISIT = Step("cancel", _mutation(CANCEL_VISIT, "visit", "visit", key="cancel-visit-1"))

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "car-locked",
            (_CAR, *_paid("INTENT", INTENT), *_paid("DEPOSIT", DEPOSIT - INTENT), Step("lock", _lock), WORK),
            days=9,
        ),
        Scenario(
            "car-cancelled",
            (
                _CAR, *_paid("INTENT", INTENT), _begin("DEPOSIT", DEPOSIT - INTENT), _CANCEL_CAR, WORK, TOLD, WORK,
                _wait(minutes=3), TOLD, WORK,
            ),
            days=9,
        ),
        Scenario(
            "car-paid-late",
            (
                _CAR, *_paid("INTENT", INTENT), _begin("DEPOSIT", DEPOSIT - INTENT), _pay("deposit"), _CANCEL_CAR, WORK,
                TOLD, WORK, _wait(minutes=3), TOLD, WORK,
            ),
            days=9,
            is_exact=False,
        ),
        Scenario(
            "goods-paid", (_GOODS, *_paid("MERCHANDISE")), days=2, prepare=_cart_of((CUP, None)),
        ),
        Scenario(
            "goods-expired",
            (_GOODS, _begin("MERCHANDISE"), WORK, _wait(minutes=16), TOLD, WORK),
            days=2,
            prepare=_cart_of((CUP, None)),
        ),
        Scenario(
            "goods-paid-late",
            (_GOODS, _begin("MERCHANDISE"), _pay("merchandise"), _wait(minutes=16), TOLD, WORK),
            days=2,
            prepare=_cart_of((CUP, None)),
            is_exact=False,
        ),
        Scenario(
            "goods-cancelled",
            (_GOODS, *_paid("MERCHANDISE"), _CANCEL_GOODS, WORK, TOLD, WORK),
            days=2,
            prepare=_cart_of((CUP, None)),
        ),
        Scenario(
            "payment-refunded",
            (_GOODS, _begin("MERCHANDISE", name="first"), Step("close", _close), *_paid("MERCHANDISE"),
             Step("refund", _refund), WORK, TOLD, WORK),
            days=2,
            prepare=_cart_of((CUP, None)),
        ),
        Scenario(
            "feature-captured",
            (_GOODS, *_paid("MERCHANDISE", provider="CARD"), _wait(seconds=20), TOLD, WORK),
            days=3,
            prepare=_cart_of((HEATED, CAR)),
        ),
        Scenario(
            "feature-released",
            (_GOODS, *_paid("MERCHANDISE", provider="CARD"), _REFUSES, _wait(seconds=20), TOLD, WORK),
            days=3,
            prepare=_cart_of((HEATED, CAR), is_reachable=False),
        ),
        Scenario(
            "feature-revoked",
            (_GOODS, *_paid("MERCHANDISE", provider="CARD"), _wait(hours=25), TOLD, WORK),
            days=3,
            prepare=_cart_of((HEATED, CAR), is_reachable=False),
        ),
        Scenario(
            "feature-refunded",
            (_GOODS, *_paid("MERCHANDISE"), _REFUSES, _wait(seconds=20), TOLD, WORK),
            days=3,
            prepare=_cart_of((HEATED, CAR), is_reachable=False),
        ),
        Scenario("visit-old", (Step("book", _book_at("SH0217")), WORK, _CANCEL_VISIT, WORK), days=1),
        Scenario("visit-new", (Step("book", _book_at("SZ0412")), WORK, _CANCEL_VISIT, WORK), days=1),
    )
}  # fmt: skip
