"""What vehicle orders ask of commerce, and what its answers mean."""

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

from adapters.commerce.vehicle_orders import CommerceVehicleOrders
from bff.domain.base import Money, Outcome, PageArgs
from bff.domain.configurator import PriceLineKind
from bff.domain.vehicle_order import VehicleOrder, VehicleOrderStatus
from bff.errors import InvalidInput, NotFound, OutcomeUnknown, UpstreamContractBroken, UpstreamRejected
from tests.support import BASE, mocked_upstream

pytestmark = pytest.mark.anyio
FIXTURES = Path(__file__).parent / "fixtures"
ORDERS = f"{BASE}/vehicle-orders"
NUMBER = "VO00004721"


def fixture() -> Any:
    return json.loads((FIXTURES / "vehicle_orders.json").read_text())


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


Act = Callable[[CommerceVehicleOrders], Awaitable[Outcome[VehicleOrder]]]


async def place(orders: CommerceVehicleOrders) -> Outcome[VehicleOrder]:
    return await orders.place(
        "C0001", "A7Q2FAM1", delivery_centre="SH0217", terms_version="2025-10", idempotency_key="k-1"
    )


async def lock(orders: CommerceVehicleOrders) -> Outcome[VehicleOrder]:
    return await orders.lock(
        NUMBER,
        configuration_hash="abc",
        total=Money(amount_minor=12140000),
        terms_version="2025-10",
        idempotency_key="k-2",
    )


async def cancel(orders: CommerceVehicleOrders) -> Outcome[VehicleOrder]:
    return await orders.cancel(NUMBER, reason=None, idempotency_key="k-3")


@pytest.fixture
def router() -> respx.Router:
    return respx.Router()


@pytest.fixture
def orders(router: respx.Router) -> CommerceVehicleOrders:
    return CommerceVehicleOrders(mocked_upstream(router, "commerce"))


async def test_orders_are_read_whole_and_in_bulk(router: respx.Router, orders: CommerceVehicleOrders) -> None:
    route = router.get(ORDERS).mock(return_value=httpx.Response(200, json=fixture()))
    found = await orders.orders([NUMBER, "VO00000001"])
    assert route.calls.last.request.url.query == f"number={NUMBER}&number=VO00000001".encode()
    assert list(found) == [NUMBER]
    order = found[NUMBER]
    assert isinstance(order, VehicleOrder)
    assert (order.status, order.raw_status) == (VehicleOrderStatus.DEPOSIT_PAID, "DEPOSIT_PAID")
    assert (order.model_code, order.selection.trim_code, order.selection.market) == ("V3", "V3-JOY", "CN")
    assert len(order.selection.options) > 10
    assert len(order.configuration_hash) == 64
    assert (order.intent, order.deposit) == (Money(amount_minor=100_000), Money(amount_minor=500_000))
    assert order.paid == Money(amount_minor=500_000)
    assert order.cooling_off_ends_at == datetime(2026, 3, 9, 2, 43, 12, tzinfo=UTC)
    assert (order.sales_order, order.otd_number, order.production_order) == ("4721", "SO4721", None)
    assert (order.vin, order.locked_at) == (None, None)
    charged = sum(line.amount.amount_minor for line in order.price_lines if line.kind is not PriceLineKind.TAX)
    assert charged == order.total.amount_minor


async def test_unknown_status_keeps_its_word(
    router: respx.Router, orders: CommerceVehicleOrders, caplog: pytest.LogCaptureFixture
) -> None:
    body = fixture()
    body["items"][0]["status"] = "ON_THE_MOON"
    body["items"][0]["priceLines"][0]["kind"] = "GIFT"
    router.get(ORDERS).mock(return_value=httpx.Response(200, json=body))
    with caplog.at_level(logging.WARNING):
        order = (await orders.orders([NUMBER]))[NUMBER]
    assert isinstance(order, VehicleOrder)
    assert (order.status, order.raw_status) == (VehicleOrderStatus.UNKNOWN, "ON_THE_MOON")
    assert order.price_lines[0].kind is PriceLineKind.UNKNOWN
    assert "ON_THE_MOON" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("total", {"amountMinor": 1.5, "currency": "CNY"}), ("createdAt", "yesterday"), ("configuration", {"hash": "x"})],
)
async def test_broken_order_fails_alone(
    router: respx.Router, orders: CommerceVehicleOrders, name: str, value: object
) -> None:
    body = fixture()
    body["items"].append(body["items"][0] | {"number": "VO00004799", name: value})
    router.get(ORDERS).mock(return_value=httpx.Response(200, json=body))
    found = await orders.orders([NUMBER, "VO00004799"])
    assert isinstance(found[NUMBER], VehicleOrder)
    assert isinstance(found["VO00004799"], UpstreamContractBroken)


async def test_orders_of_a_customer_are_a_page_newest_first(
    router: respx.Router, orders: CommerceVehicleOrders
) -> None:
    node = fixture()["items"][0]
    body = {"items": [{"cursor": "bzA", "node": node}], "hasNext": False, "hasPrevious": False, "total": 1}
    route = router.get(f"{BASE}/customers/C0101/vehicle-orders").mock(return_value=httpx.Response(200, json=body))
    page = await orders.orders_of("C0101", PageArgs(first=5))
    assert route.calls.last.request.url.query == b"limit=5"
    assert [order.number for order in page.items] == [NUMBER]


async def test_draft_is_placed_from_a_share_code(router: respx.Router, orders: CommerceVehicleOrders) -> None:
    route = router.post(ORDERS).mock(return_value=httpx.Response(201, json=fixture()["items"][0]))
    outcome = await place(orders)
    request = route.calls.last.request
    assert json.loads(request.content) == {
        "customerId": "C0001",
        "shareCode": "A7Q2FAM1",
        "deliveryCentre": "SH0217",
        "termsVersion": "2025-10",
    }
    assert request.headers["idempotency-key"] == "k-1"
    assert outcome.entity is not None


async def test_lock_confirms_configuration_price_and_terms(router: respx.Router, orders: CommerceVehicleOrders) -> None:
    locked = fixture()["items"][0] | {"status": "LOCKED", "lockedAt": "2026-03-09T10:00:00+08:00"}
    route = router.post(f"{ORDERS}/{NUMBER}/lock").mock(return_value=httpx.Response(200, json=locked))
    outcome = await lock(orders)
    request = route.calls.last.request
    assert json.loads(request.content) == {
        "configurationHash": "abc",
        "total": {"amountMinor": 12140000, "currency": "CNY"},
        "termsVersion": "2025-10",
    }
    assert request.headers["idempotency-key"] == "k-2"
    assert outcome.entity is not None
    assert outcome.entity.status is VehicleOrderStatus.LOCKED
    assert outcome.entity.locked_at == datetime(2026, 3, 9, 2, tzinfo=UTC)
    assert outcome.entity.locked_at.tzinfo is UTC


async def test_cancel_names_the_order(router: respx.Router, orders: CommerceVehicleOrders) -> None:
    cancelled = fixture()["items"][0] | {"status": "CANCELLED"}
    route = router.post(f"{ORDERS}/{NUMBER}/cancel").mock(return_value=httpx.Response(200, json=cancelled))
    outcome = await cancel(orders)
    assert json.loads(route.calls.last.request.content) == {"reason": None}
    assert outcome.entity is not None
    assert outcome.entity.status is VehicleOrderStatus.CANCELLED


REFUSED: list[tuple[Act, str]] = [
    *((place, code) for code in ["NOT_BUILDABLE", "SOLD_OUT", "CENTRE_UNKNOWN", "TERMS_CHANGED", "PRICE_CHANGED"]),
    *(
        (lock, code)
        for code in ["ALREADY_LOCKED", "NOT_LOCKABLE", "CONFIGURATION_CHANGED", "PRICE_CHANGED", "TERMS_CHANGED",
                     "NOT_AMENDABLE"]
    ),
    *((cancel, code) for code in ["NOT_CANCELLABLE", "NOT_AMENDABLE"]),
]  # fmt: skip


@pytest.mark.parametrize(("act", "code"), REFUSED)
async def test_refusal_is_an_outcome_in_our_own_words(
    router: respx.Router, orders: CommerceVehicleOrders, act: Act, code: str
) -> None:
    router.route().mock(return_value=refusal(409, code))
    outcome = await act(orders)
    assert outcome.entity is None
    assert [refused.code for refused in outcome.refusals] == [code]
    assert "words of commerce" not in outcome.refusals[0].message


@pytest.mark.parametrize("act", [place, lock, cancel])
async def test_other_answers_to_a_write_are_errors(
    router: respx.Router, orders: CommerceVehicleOrders, act: Act
) -> None:
    router.route().mock(
        side_effect=[
            refusal(409, "CUSTOMER_ON_HOLD"),
            refusal(404, "NOT_FOUND"),
            httpx.ReadError("reset"),
            httpx.Response(200, content="<html>系统维护中</html>".encode("gbk")),
        ]
    )
    for error in (UpstreamRejected, NotFound, OutcomeUnknown, OutcomeUnknown):
        with pytest.raises(error):
            await act(orders)


async def test_card_number_in_the_reason_is_never_sent(router: respx.Router, orders: CommerceVehicleOrders) -> None:
    with pytest.raises(InvalidInput):
        await orders.cancel(NUMBER, reason="pay back to 378282246310005", idempotency_key="k")
    assert not router.calls


async def test_a_sales_order_is_attached_under_the_order(router: respx.Router, orders: CommerceVehicleOrders) -> None:
    route = router.put(f"{ORDERS}/{NUMBER}/sales-order").mock(
        return_value=httpx.Response(200, json=fixture()["items"][0])
    )
    attached = (await orders.attach_sales_order(NUMBER, "4721")).entity
    assert json.loads(route.calls.last.request.content) == {"salesOrder": "4721"}
    assert attached is not None
    assert attached.sales_order == "4721"


async def test_a_cancelled_order_takes_no_sales_order(router: respx.Router, orders: CommerceVehicleOrders) -> None:
    router.put(f"{ORDERS}/{NUMBER}/sales-order").mock(return_value=refusal(409, "NOT_AMENDABLE"))
    outcome = await orders.attach_sales_order(NUMBER, "4721")
    assert [one.code for one in outcome.refusals] == ["NOT_AMENDABLE"]


async def test_an_expired_draft_is_cancelled_only_if_nothing_is_paid(
    router: respx.Router, orders: CommerceVehicleOrders
) -> None:
    route = router.post(f"{ORDERS}/{NUMBER}/cancel").mock(return_value=refusal(409, "NOT_CANCELLABLE"))
    outcome = await orders.cancel(NUMBER, reason="late", idempotency_key="k", only_unpaid=True)
    assert json.loads(route.calls.last.request.content) == {"reason": "late", "onlyUnpaid": True}
    assert [one.code for one in outcome.refusals] == ["NOT_CANCELLABLE"]
    await cancel(orders)
    assert json.loads(route.calls.last.request.content) == {"reason": None}, "others cancel as before"


async def test_a_draft_says_until_when_it_is_kept(router: respx.Router, orders: CommerceVehicleOrders) -> None:
    body = fixture()
    body["items"][0] |= {"reservedUntil": "2026-03-10T02:00:00Z", "soldTo": "1000101"}
    router.get(ORDERS).mock(return_value=httpx.Response(200, json=body))
    order = (await orders.orders([NUMBER]))[NUMBER]
    assert isinstance(order, VehicleOrder)
    assert (order.reserved_until, order.sold_to) == (datetime(2026, 3, 10, 2, tzinfo=UTC), "1000101")
