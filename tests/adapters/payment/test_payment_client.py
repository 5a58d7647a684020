"""What payments ask of the payment service, and what its answers mean."""

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
from msgspec.structs import replace

from adapters.payment.client import PaymentClient
from bff.domain.base import Money, Outcome
from bff.domain.payment import (
    AppAction,
    ClientAction,
    PaymentIntent,
    PaymentProvider,
    PaymentPurpose,
    PaymentRequest,
    PaymentScene,
    PaymentStatus,
    QrCodeAction,
    RedirectAction,
    Refund,
    RefundStatus,
    WechatJsapiAction,
)
from bff.errors import InvalidInput, NotFound, OutcomeUnknown, UpstreamContractBroken, UpstreamRejected
from tests.support import BASE, mocked_upstream

pytestmark = pytest.mark.anyio
FIXTURES = Path(__file__).parent / "fixtures"
INTENTS = f"{BASE}/intents"
AMOUNT = Money(amount_minor=166300)


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text())


def refusal(status: int, code: str, **extra: object) -> httpx.Response:
    body = {"type": "about:blank", "title": code, "status": status, "detail": "words of payment", "code": code, **extra}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


Act = Callable[[PaymentClient], Awaitable[Outcome[Any]]]


REQUEST = PaymentRequest(
    customer_id="C0004",
    order_number="MO500018",
    purpose=PaymentPurpose.MERCHANDISE,
    provider=PaymentProvider.WECHAT_PAY,
    scene=PaymentScene.JSAPI,
    amount=AMOUNT,
    idempotency_key="k-1",
)


async def create(payments: PaymentClient) -> Outcome[Any]:
    return await payments.create(REQUEST)


async def close(payments: PaymentClient) -> Outcome[Any]:
    return await payments.close("PI700018", idempotency_key="k-2")


async def refund(payments: PaymentClient) -> Outcome[Any]:
    return await payments.refund("PI700010", Money(amount_minor=100), reason="少了一件", idempotency_key="k-3")


@pytest.fixture
def router() -> respx.Router:
    return respx.Router()


@pytest.fixture
def payments(router: respx.Router) -> PaymentClient:
    return PaymentClient(mocked_upstream(router, "payment"))


async def test_intents_are_read_whole_and_in_bulk(router: respx.Router, payments: PaymentClient) -> None:
    route = router.get(INTENTS).mock(return_value=httpx.Response(200, json=fixture("intents")))
    found = await payments.intents(["PI700018", "PI000000"])
    assert route.calls.last.request.url.query == b"id=PI700018&id=PI000000"
    assert list(found) == ["PI700018"]
    intent = found["PI700018"]
    assert isinstance(intent, PaymentIntent)
    assert (intent.order_number, intent.customer_id, intent.amount) == ("MO500018", "C0004", AMOUNT)
    assert (intent.purpose, intent.provider) == (PaymentPurpose.MERCHANDISE, PaymentProvider.WECHAT_PAY)
    assert (intent.status, intent.raw_status) == (PaymentStatus.REQUIRES_ACTION, "REQUIRES_ACTION")
    assert intent.expires_at == datetime(2026, 3, 9, 3, 51, tzinfo=UTC)
    assert intent.client_action == WechatJsapiAction(
        app_id="wx1f0a7c52be3d9804",
        time_stamp="1773021060",
        nonce_str="7fa22e4de7943496a6c03cdb113c338b",
        package="prepay_id=wxb370ddc5184dd98c4cfd5e5c2346de55",
        sign_type="RSA",
        pay_sign="c2lnbmVkIGJ5IHRoZSBzYW5kYm94",
    )


@pytest.mark.parametrize(
    ("wire", "action"),
    [
        ({"type": "REDIRECT", "url": "https://pay.example/1"}, RedirectAction(url="https://pay.example/1")),
        ({"type": "QR_CODE", "content": "weixin://x"}, QrCodeAction(content="weixin://x")),
        ({"type": "APP", "orderString": "a=1"}, AppAction(order_string="a=1")),
        ({"type": "FACE_SCAN", "camera": 1}, None),
        (None, None),
    ],
)
async def test_client_action_is_read_by_its_type(
    router: respx.Router, payments: PaymentClient, wire: object, action: ClientAction | None
) -> None:
    body = fixture("intents")
    body["items"][0]["clientAction"] = wire
    router.get(INTENTS).mock(return_value=httpx.Response(200, json=body))
    intent = (await payments.intents(["PI700018"]))["PI700018"]
    assert isinstance(intent, PaymentIntent)
    assert intent.client_action == action


async def test_refunds_come_with_their_payment(router: respx.Router, payments: PaymentClient) -> None:
    router.get(INTENTS).mock(return_value=httpx.Response(200, json=fixture("intent_refunded")))
    intent = (await payments.intents(["PI700010"]))["PI700010"]
    assert isinstance(intent, PaymentIntent)
    assert intent.captured == Money(amount_minor=367900)
    assert [(r.id, r.amount.amount_minor, r.status) for r in intent.refunds] == [
        ("RF800001", 122633, RefundStatus.SUCCEEDED)
    ]


async def test_unknown_status_keeps_its_word(
    router: respx.Router, payments: PaymentClient, caplog: pytest.LogCaptureFixture
) -> None:
    body = fixture("intent_refunded")
    body["items"][0]["status"] = "ON_HOLD"
    body["items"][0]["refunds"][0]["status"] = "LOST"
    router.get(INTENTS).mock(return_value=httpx.Response(200, json=body))
    with caplog.at_level(logging.WARNING):
        intent = (await payments.intents(["PI700010"]))["PI700010"]
    assert isinstance(intent, PaymentIntent)
    assert (intent.status, intent.raw_status) == (PaymentStatus.UNKNOWN, "ON_HOLD")
    assert intent.refunds[0].status is RefundStatus.UNKNOWN
    assert "ON_HOLD" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount", {"amountMinor": 1663.0, "currency": "CNY"}),
        ("expiresAt", "2026-03-09T03:51:00"),
        ("clientAction", {"type": "WECHAT_JSAPI", "appId": "wx"}),
    ],
)
async def test_broken_intent_fails_alone(
    router: respx.Router, payments: PaymentClient, name: str, value: object
) -> None:
    body = fixture("intents")
    body["items"].append(body["items"][0] | {"id": "PI700999", name: value})
    router.get(INTENTS).mock(return_value=httpx.Response(200, json=body))
    found = await payments.intents(["PI700018", "PI700999"])
    assert isinstance(found["PI700018"], PaymentIntent)
    assert isinstance(found["PI700999"], UpstreamContractBroken)


@pytest.mark.parametrize("body", [b'{"items": [', "<html>维护</html>".encode("gbk"), b"[]"])
async def test_broken_answer_is_an_error_of_each_key(
    router: respx.Router, payments: PaymentClient, body: bytes
) -> None:
    router.get(INTENTS).mock(return_value=httpx.Response(200, content=body))
    assert isinstance((await payments.intents(["PI700018"]))["PI700018"], UpstreamContractBroken)


async def test_intents_of_orders_are_one_call(router: respx.Router, payments: PaymentClient) -> None:
    intents = fixture("intents")["items"]
    items = [{"orderNumber": "MO500018", "intents": intents}, {"orderNumber": "MO500099", "intents": []}]
    route = router.get(f"{INTENTS}/by-order").mock(return_value=httpx.Response(200, json={"items": items}))
    found = await payments.intents_of(["MO500018", "MO500099"])
    assert route.calls.last.request.url.query == b"orderNumber=MO500018&orderNumber=MO500099"
    assert route.call_count == 1
    mine = found["MO500018"]
    assert isinstance(mine, list)
    assert [intent.id for intent in mine] == ["PI700018"]
    assert found["MO500099"] == []


async def test_intent_is_created_for_the_amount_that_was_seen(router: respx.Router, payments: PaymentClient) -> None:
    route = router.post(INTENTS).mock(return_value=httpx.Response(201, json=fixture("intents")["items"][0]))
    outcome = await create(payments)
    request = route.calls.last.request
    assert json.loads(request.content) == {
        "customerId": "C0004",
        "orderNumber": "MO500018",
        "purpose": "MERCHANDISE",
        "provider": "WECHAT_PAY",
        "scene": "JSAPI",
        "amount": {"amountMinor": 166300, "currency": "CNY"},
    }
    assert request.headers["idempotency-key"] == "k-1"
    assert outcome.entity is not None
    assert outcome.entity.id == "PI700018"


async def test_close_and_refund_name_the_payment(router: respx.Router, payments: PaymentClient) -> None:
    closed = router.post(f"{INTENTS}/PI700018/close").mock(
        return_value=httpx.Response(200, json=fixture("intents")["items"][0] | {"status": "CLOSED"})
    )
    given = router.post(f"{INTENTS}/PI700010/refunds").mock(
        return_value=httpx.Response(201, json=fixture("intent_refunded")["items"][0]["refunds"][0])
    )
    first, second = await close(payments), await refund(payments)
    assert closed.calls.last.request.headers["idempotency-key"] == "k-2"
    assert json.loads(given.calls.last.request.content) == {
        "amount": {"amountMinor": 100, "currency": "CNY"},
        "reason": "少了一件",
    }
    assert first.entity is not None
    assert first.entity.status is PaymentStatus.CLOSED
    assert isinstance(second.entity, Refund)
    assert second.entity.amount == Money(amount_minor=122633)


REFUSED: list[tuple[Act, str]] = [
    *(
        (create, code)
        for code in ["ORDER_NOT_PAYABLE", "AMOUNT_MISMATCH", "ALREADY_PAID", "PROVIDER_NOT_SUPPORTED", "CARD_DECLINED"]
    ),
    (close, "ALREADY_PAID"),
    *((refund, code) for code in ["NOT_REFUNDABLE", "REFUND_EXCEEDS_CAPTURED"]),
]


@pytest.mark.parametrize(("act", "code"), REFUSED)
async def test_refusal_is_an_outcome_in_our_own_words(
    router: respx.Router, payments: PaymentClient, act: Act, code: str
) -> None:
    router.route().mock(return_value=refusal(409, code, owedMinor=4711, refundableMinor=42))
    outcome = await act(payments)
    assert outcome.entity is None
    assert [refused.code for refused in outcome.refusals] == [code]
    message = outcome.refusals[0].message
    assert "words of payment" not in message
    assert ("4711" in message) == (code == "AMOUNT_MISMATCH")
    assert ("42" in message) == (code == "REFUND_EXCEEDS_CAPTURED")


@pytest.mark.parametrize("act", [create, close, refund])
async def test_other_answers_to_a_write_are_errors(router: respx.Router, payments: PaymentClient, act: Act) -> None:
    router.route().mock(
        side_effect=[
            refusal(409, "MERCHANT_BLOCKED"),
            refusal(404, "NOT_FOUND"),
            httpx.ReadTimeout("late"),
            httpx.Response(500),
            httpx.Response(200, content=b'{"id": "PI7'),
        ]
    )
    for error in (UpstreamRejected, NotFound, OutcomeUnknown, OutcomeUnknown, OutcomeUnknown):
        with pytest.raises(error):
            await act(payments)


async def test_what_cannot_be_meant_is_never_sent(router: respx.Router, payments: PaymentClient) -> None:
    with pytest.raises(InvalidInput) as scene:
        await payments.create(replace(REQUEST, scene=PaymentScene.UNKNOWN))
    with pytest.raises(InvalidInput) as reason:
        await payments.refund("PI700010", AMOUNT, reason="to card 4111-1111-1111-1111", idempotency_key="k")
    assert (scene.value.field, reason.value.field) == ("input.scene", "input.reason")
    assert not router.calls
