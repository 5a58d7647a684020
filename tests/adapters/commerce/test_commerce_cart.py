"""What carts and merchandise orders ask of commerce, and what its answers mean."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from adapters.commerce.cart import CommerceCarts
from bff.domain.base import Money, Outcome, PageArgs
from bff.domain.catalogue import ProductKind
from bff.domain.commerce import (
    Address,
    Cart,
    CartState,
    FulfilmentState,
    MerchandiseOrder,
    OrderState,
    PaymentState,
)
from bff.errors import InvalidInput, NotFound, OutcomeUnknown, UpstreamContractBroken, UpstreamRejected
from tests.support import BASE, mocked_upstream

pytestmark = pytest.mark.anyio
FIXTURES = Path(__file__).parent / "fixtures"
ADDRESS = Address(
    recipient="林晓", phone="+8613800000001", province="上海", city="上海", district="浦东新区", line="1 号"
)
LINES = f"{BASE}/customers/C0001/cart/lines"
ORDERS = f"{BASE}/merchandise-orders"


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text())


def refusal(status: int, code: str, **extra: object) -> httpx.Response:
    body = {
        "type": "about:blank",
        "title": code,
        "status": status,
        "detail": "words of commerce",
        "code": code,
        **extra,
    }
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


Act = Callable[[CommerceCarts], Awaitable[Outcome[Any]]]


async def add(carts: CommerceCarts) -> Outcome[Any]:
    return await carts.add_line("C0001", "F4001", 1, vin="LDCA1AB57SB000001", version=7)


async def change(carts: CommerceCarts) -> Outcome[Any]:
    return await carts.set_quantity("C0001", "CA00001-2", 0, version=7)


async def place(carts: CommerceCarts) -> Outcome[Any]:
    return await carts.place_order(
        "C0001", cart_version=7, address=ADDRESS, expected_total=Money(amount_minor=219100), idempotency_key="k-1"
    )


async def cancel(carts: CommerceCarts) -> Outcome[Any]:
    return await carts.cancel_order("MO500007", reason="不想要了", idempotency_key="k-2")


@pytest.fixture
def router() -> respx.Router:
    return respx.Router()


@pytest.fixture
def carts(router: respx.Router) -> CommerceCarts:
    return CommerceCarts(mocked_upstream(router, "commerce"))


async def test_carts_are_read_by_customer(router: respx.Router, carts: CommerceCarts) -> None:
    route = router.get(f"{BASE}/carts").mock(return_value=httpx.Response(200, json=fixture("carts")))
    found = await carts.carts(["C0001", "C9999"])
    assert route.calls.last.request.url.query == b"customerId=C0001&customerId=C9999"
    assert list(found) == ["C0001"]
    cart = found["C0001"]
    assert isinstance(cart, Cart)
    assert (cart.id, cart.state, cart.version) == ("CA00001", CartState.ACTIVE, 7)
    assert cart.total == Money(amount_minor=219100)
    assert cart.shipping == Money(amount_minor=0)
    assert cart.updated_at == datetime(2026, 3, 8, 23, tzinfo=UTC)
    assert sum(line.total.amount_minor for line in cart.lines) == 219100
    assert [line.vin for line in cart.lines if line.product_id == "F4001"] == ["LDCA1AB57SB000001"]


async def test_cart_with_a_broken_line_fails_its_customer_only(router: respx.Router, carts: CommerceCarts) -> None:
    body = fixture("carts")
    other = json.loads(json.dumps(body["items"][0])) | {"customerId": "C0002", "id": "CA00009"}
    body["items"][0]["lines"][0]["quantity"] = "two"
    body["items"].append(other)
    router.get(f"{BASE}/carts").mock(return_value=httpx.Response(200, json=body))
    found = await carts.carts(["C0001", "C0002"])
    assert isinstance(found["C0001"], UpstreamContractBroken)
    assert isinstance(found["C0002"], Cart)


async def test_line_is_added_under_the_version_that_was_seen(router: respx.Router, carts: CommerceCarts) -> None:
    route = router.post(LINES).mock(return_value=httpx.Response(200, json=fixture("carts")["items"][0]))
    outcome = await add(carts)
    request = route.calls.last.request
    assert json.loads(request.content) == {
        "productId": "F4001",
        "quantity": 1,
        "vin": "LDCA1AB57SB000001",
        "version": 7,
    }
    assert len(request.headers["idempotency-key"]) == 36
    assert outcome.entity is not None
    assert outcome.entity.id == "CA00001"


async def test_quantity_is_set_on_the_line(router: respx.Router, carts: CommerceCarts) -> None:
    route = router.patch(f"{LINES}/CA00001-2").mock(return_value=httpx.Response(200, json=fixture("carts")["items"][0]))
    outcome = await change(carts)
    assert json.loads(route.calls.last.request.content) == {"quantity": 0, "version": 7}
    assert outcome.entity is not None


async def test_order_is_placed_with_the_total_that_was_seen(router: respx.Router, carts: CommerceCarts) -> None:
    order = fixture("merchandise_orders")["items"][0]
    route = router.post(ORDERS).mock(return_value=httpx.Response(201, json=order))
    outcome = await place(carts)
    request = route.calls.last.request
    assert request.headers["idempotency-key"] == "k-1"
    assert json.loads(request.content) == {
        "customerId": "C0001",
        "cartVersion": 7,
        "expectedTotal": {"amountMinor": 219100, "currency": "CNY"},
        "address": {
            "recipient": "林晓",
            "phone": "+8613800000001",
            "province": "上海",
            "city": "上海",
            "district": "浦东新区",
            "line": "1 号",
            "postcode": None,
        },
    }
    assert outcome.entity is not None
    assert outcome.entity.number == "MO500007"


async def test_order_is_cancelled_by_number(router: respx.Router, carts: CommerceCarts) -> None:
    order = fixture("merchandise_orders")["items"][0] | {"orderState": "CANCELLED", "paymentState": "REFUNDED"}
    route = router.post(f"{ORDERS}/MO500007/cancel").mock(return_value=httpx.Response(200, json=order))
    outcome = await cancel(carts)
    assert json.loads(route.calls.last.request.content) == {"reason": "不想要了"}
    assert route.calls.last.request.headers["idempotency-key"] == "k-2"
    assert outcome.entity is not None
    assert outcome.entity.order_state is OrderState.CANCELLED
    assert outcome.entity.payment_state is PaymentState.REFUNDED


async def test_end_of_a_reservation_is_not_for_an_order_that_is_paid(
    router: respx.Router, carts: CommerceCarts
) -> None:
    order = fixture("merchandise_orders")["items"][0]
    route = router.post(f"{ORDERS}/MO500007/cancel").mock(return_value=httpx.Response(200, json=order))
    await carts.cancel_order("MO500007", reason=None, idempotency_key="k", only_unpaid=True)
    assert json.loads(route.calls.last.request.content) == {"reason": None, "onlyUnpaid": True}


async def test_unpaid_order_says_until_when_it_is_kept_and_what_its_lines_are(
    router: respx.Router, carts: CommerceCarts
) -> None:
    body = fixture("merchandise_orders")
    body["items"][0]["reservedUntil"] = "2026-03-09T02:15:00Z"
    body["items"][0]["lines"][0]["kind"] = "FEATURE"
    router.get(ORDERS).mock(return_value=httpx.Response(200, json=body))
    order = (await carts.orders(["MO500007"]))["MO500007"]
    assert isinstance(order, MerchandiseOrder)
    assert order.reserved_until == datetime(2026, 3, 9, 2, 15, tzinfo=UTC)
    assert order.lines[0].kind is ProductKind.FEATURE
    assert all(line.kind is ProductKind.UNKNOWN for line in order.lines[1:])
    assert await carts.pending(["MO500007"]) == {"MO500007": []}


async def test_orders_are_read_with_their_three_states(router: respx.Router, carts: CommerceCarts) -> None:
    route = router.get(ORDERS).mock(return_value=httpx.Response(200, json=fixture("merchandise_orders")))
    found = await carts.orders(["MO500007"])
    assert route.calls.last.request.url.query == b"number=MO500007"
    order = found["MO500007"]
    assert isinstance(order, MerchandiseOrder)
    assert (order.order_state, order.payment_state) == (OrderState.CONFIRMED, PaymentState.PAID)
    assert order.fulfilment_state is FulfilmentState.SHIPPED
    assert order.customer_id == "C0001"
    assert order.address is not None
    assert order.address.phone == "+8613800000001"
    summed = order.items_total.amount_minor + order.shipping.amount_minor - order.discount.amount_minor
    assert order.total.amount_minor == summed


async def test_unknown_order_state_is_kept_apart(
    router: respx.Router, carts: CommerceCarts, caplog: pytest.LogCaptureFixture
) -> None:
    body = fixture("merchandise_orders")
    body["items"][0]["fulfilmentState"] = "IN_A_LOCKER"
    router.get(ORDERS).mock(return_value=httpx.Response(200, json=body))
    with caplog.at_level(logging.WARNING):
        order = (await carts.orders(["MO500007"]))["MO500007"]
    assert isinstance(order, MerchandiseOrder)
    assert order.fulfilment_state is FulfilmentState.UNKNOWN
    assert order.order_state is OrderState.CONFIRMED
    assert "IN_A_LOCKER" in caplog.text


async def test_orders_of_a_customer_are_a_page(router: respx.Router, carts: CommerceCarts) -> None:
    node = fixture("merchandise_orders")["items"][0]
    body = {"items": [{"cursor": "bzA", "node": node}], "hasNext": True, "hasPrevious": False, "total": 2}
    route = router.get(f"{BASE}/customers/C0001/merchandise-orders").mock(return_value=httpx.Response(200, json=body))
    page = await carts.orders_of("C0001", PageArgs(first=1))
    assert route.calls.last.request.url.query == b"limit=1"
    assert ([order.number for order in page.items], page.has_next, page.total) == (["MO500007"], True, 2)


async def test_unknown_customer_has_no_orders(router: respx.Router, carts: CommerceCarts) -> None:
    router.get(f"{BASE}/customers/C9999/merchandise-orders").mock(return_value=refusal(404, "NOT_FOUND"))
    assert (await carts.orders_of("C9999", PageArgs(first=1))).items == []


CAR = ["VEHICLE_REQUIRED", "HARDWARE_MISSING", "SOFTWARE_TOO_OLD", "ALREADY_ENTITLED"]
REFUSED: list[tuple[Act, str]] = [
    *((add, code) for code in ["CART_VERSION_CONFLICT", "PRODUCT_NOT_FOUND", "NOT_ON_SALE", "QUANTITY_INVALID", *CAR]),
    *((change, code) for code in ["CART_VERSION_CONFLICT", "QUANTITY_INVALID", "LINE_NOT_FOUND"]),
    *(
        (place, code)
        for code in ["CART_VERSION_CONFLICT", "CART_EMPTY", "ADDRESS_REQUIRED", "NOT_ON_SALE", "OUT_OF_STOCK",
                     "PRICE_CHANGED", *CAR]
    ),
    (cancel, "NOT_CANCELLABLE"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "code"), REFUSED)
async def test_refusal_is_an_outcome_in_our_own_words(
    router: respx.Router, carts: CommerceCarts, act: Act, code: str
) -> None:
    router.route().mock(return_value=refusal(409, code, currentVersion=9, totalMinor=220000))
    outcome = await act(carts)
    assert outcome.entity is None
    assert [refused.code for refused in outcome.refusals] == [code]
    message = outcome.refusals[0].message
    assert "words of commerce" not in message
    assert ("9" in message) == (code == "CART_VERSION_CONFLICT")
    assert ("220000" in message) == (code == "PRICE_CHANGED")


async def test_each_line_that_is_out_of_stock_is_a_refusal(router: respx.Router, carts: CommerceCarts) -> None:
    lines = [
        {"lineId": "CA00001-1", "productId": "P1001", "available": 1},
        {"lineId": "CA00001-2", "productId": "P2001", "available": 0},
    ]
    router.post(ORDERS).mock(return_value=refusal(409, "OUT_OF_STOCK", lines=lines))
    outcome = await place(carts)
    assert [refused.message for refused in outcome.refusals] == [
        "A product in the cart is out of stock; 1 are left.",
        "A product in the cart is out of stock; 0 are left.",
    ]


@pytest.mark.parametrize("act", [add, change, place, cancel])
async def test_unlisted_refusal_is_a_rejection(router: respx.Router, carts: CommerceCarts, act: Act) -> None:
    router.route().mock(return_value=refusal(409, "CUSTOMER_ON_HOLD"))
    with pytest.raises(UpstreamRejected) as caught:
        await act(carts)
    assert "words of commerce" not in caught.value.message


@pytest.mark.parametrize("act", [add, change, place, cancel])
async def test_write_on_what_does_not_exist_is_not_found(router: respx.Router, carts: CommerceCarts, act: Act) -> None:
    router.route().mock(return_value=refusal(404, "NOT_FOUND"))
    with pytest.raises(NotFound):
        await act(carts)


@pytest.mark.parametrize("act", [add, change, place, cancel])
@pytest.mark.parametrize(
    "answer", [httpx.ReadTimeout("late"), httpx.Response(502), httpx.Response(200, content=b'{"number": "MO5')]
)
async def test_write_without_a_readable_answer_has_an_unknown_outcome(
    router: respx.Router, carts: CommerceCarts, act: Act, answer: httpx.Response | Exception
) -> None:
    router.route().mock(side_effect=[answer])
    with pytest.raises(OutcomeUnknown):
        await act(carts)


async def test_card_number_in_free_text_is_never_sent(router: respx.Router, carts: CommerceCarts) -> None:
    with pytest.raises(InvalidInput) as reason:
        await carts.cancel_order("MO500007", reason="refund to 4111 1111 1111 1111", idempotency_key="k")
    address = Address(
        recipient="4111111111111111", phone="+8613800000001", province="上海", city="上海", district="徐汇区", line="1"
    )
    with pytest.raises(InvalidInput) as recipient:
        await carts.place_order(
            "C0001", cart_version=1, address=address, expected_total=Money(amount_minor=1), idempotency_key="k"
        )
    assert (reason.value.field, recipient.value.field) == ("input.reason", "input.address.recipient")
    assert not router.calls
