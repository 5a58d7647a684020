"""What settlements ask of commerce, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import respx

from adapters.commerce.settlements import CommerceSettlements
from bff.domain.base import Money
from bff.domain.payment import PaymentPurpose
from bff.errors import BffError, NotFound, OutcomeUnknown, UpstreamContractBroken, UpstreamRejected, UpstreamUnavailable
from tests.support import BASE, mocked_upstream

pytestmark = pytest.mark.anyio
DEPOSIT = Money(amount_minor=500_000)
SETTLED = {
    "paymentId": "BP1",
    "orderNumber": "VO1",
    "applied": {"amountMinor": 100_000, "currency": "CNY"},
    "giveBack": {"amountMinor": 400_000, "currency": "CNY"},
}
DUE = {"orderNumber": "VO1", "customerId": "C1", "purpose": "DEPOSIT", "amount": {"amountMinor": 500_000}}

Act = Callable[[CommerceSettlements], Awaitable[Any]]


async def due(settlements: CommerceSettlements) -> Any:
    return await settlements.due("VO1", PaymentPurpose.DEPOSIT)


async def settle(settlements: CommerceSettlements) -> Any:
    return await settlements.settle("BP1", "VO1", PaymentPurpose.DEPOSIT, DEPOSIT)


async def repaid(settlements: CommerceSettlements) -> Any:
    return await settlements.repaid("BP1", "BR1", DEPOSIT)


def refusal(status: int, code: str) -> httpx.Response:
    body = {"type": "about:blank", "title": code, "status": status, "detail": "words of commerce", "code": code}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


@pytest.fixture
def router() -> respx.Router:
    return respx.Router()


@pytest.fixture
def settlements(router: respx.Router) -> CommerceSettlements:
    return CommerceSettlements(mocked_upstream(router, "commerce"))


async def test_what_is_due_is_asked_by_order_and_purpose(
    router: respx.Router, settlements: CommerceSettlements
) -> None:
    route = router.get(f"{BASE}/dues").mock(return_value=httpx.Response(200, json=DUE))
    found = (await due(settlements)).entity
    assert route.calls.last.request.url.query == b"orderNumber=VO1&purpose=DEPOSIT"
    assert (found.customer_id, found.purpose, found.amount) == ("C1", PaymentPurpose.DEPOSIT, DEPOSIT)


@pytest.mark.parametrize("code", ["ORDER_NOT_PAYABLE", "ALREADY_PAID"])
async def test_nothing_due_is_an_outcome(router: respx.Router, settlements: CommerceSettlements, code: str) -> None:
    router.get(f"{BASE}/dues").mock(return_value=refusal(409, code))
    refusals = (await due(settlements)).refusals
    assert [one.code for one in refusals] == [code]
    assert "words of commerce" not in refusals[0].message


@pytest.mark.parametrize("changed", [{"orderNumber": "VO2"}, {"purpose": "INTENT"}, {"purpose": "GIFT"}])
async def test_an_answer_about_something_else_is_not_believed(
    router: respx.Router, settlements: CommerceSettlements, changed: dict[str, str]
) -> None:
    router.get(f"{BASE}/dues").mock(return_value=httpx.Response(200, json=DUE | changed))
    with pytest.raises(UpstreamContractBroken):
        await due(settlements)


async def test_a_settlement_says_what_was_taken_and_what_is_left(
    router: respx.Router, settlements: CommerceSettlements
) -> None:
    route = router.post(f"{BASE}/settlements").mock(return_value=httpx.Response(200, json=SETTLED))
    settled = (await settle(settlements)).entity
    assert json.loads(route.calls.last.request.content) == {
        "paymentId": "BP1", "orderNumber": "VO1", "purpose": "DEPOSIT",
        "amount": {"amountMinor": 500_000, "currency": "CNY"},
    }  # fmt: skip
    assert (settled.applied.amount_minor, settled.give_back.amount_minor) == (100_000, 400_000)


async def test_a_refund_is_told_under_its_payment(router: respx.Router, settlements: CommerceSettlements) -> None:
    route = router.post(f"{BASE}/settlements/BP1/refunds").mock(return_value=httpx.Response(200, json=SETTLED))
    assert (await repaid(settlements)).entity.payment_id == "BP1"
    assert json.loads(route.calls.last.request.content) == {
        "refundId": "BR1", "amount": {"amountMinor": 500_000, "currency": "CNY"},
    }  # fmt: skip


@pytest.mark.parametrize("act", [due, settle, repaid])
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal(404, "NOT_FOUND"), NotFound),
        (refusal(422, "SOMETHING_NEW"), UpstreamRejected),
        (httpx.Response(503), UpstreamUnavailable),
    ],
)
async def test_failures_are_told_apart(
    router: respx.Router, settlements: CommerceSettlements, act: Act, reply: httpx.Response, error: type[BffError]
) -> None:
    router.route(url__startswith=BASE).mock(return_value=reply)
    with pytest.raises(error):
        await act(settlements)


@pytest.mark.parametrize("act", [settle, repaid])
@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, json={"paymentId": "BP1"}),
        httpx.Response(200, json=SETTLED | {"paymentId": "BP2"}),
        httpx.ReadTimeout("no answer"),
    ],
)
async def test_a_write_that_was_not_confirmed_is_unknown(
    router: respx.Router, settlements: CommerceSettlements, act: Act, reply: httpx.Response | Exception
) -> None:
    if isinstance(reply, Exception):
        router.route(url__startswith=BASE).mock(side_effect=reply)
    else:
        router.route(url__startswith=BASE).mock(return_value=reply)
    with pytest.raises(OutcomeUnknown):
        await act(settlements)
