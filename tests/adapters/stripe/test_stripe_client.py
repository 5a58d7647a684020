"""What is asked of Stripe, and what its answers mean, errors and rubbish included."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx

from adapters.stripe.client import StripePayments
from adapters.stripe.settings import StripeSettings
from bff.domain.base import Money
from bff.domain.payment import AppAction, PaymentProvider, PaymentScene, RefundStatus
from bff.domain.providers import ChargeStatus
from bff.errors import (
    BffError,
    InvalidInput,
    OutcomeUnknown,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.adapters.stripe.documents import INTENT, REFUND, SESSION
from tests.sandbox_stripe import NOW, PRICE, a_charge, a_refund, development_settings
from tests.support import BASE, mocked_upstream

pytestmark = pytest.mark.anyio

INTENTS, SESSIONS, REFUNDS = f"{BASE}/v1/payment_intents", f"{BASE}/v1/checkout/sessions", f"{BASE}/v1/refunds"
CARD = "4242 4242 4242 4242"


@pytest.fixture
def router() -> respx.Router:
    return respx.Router()


@pytest.fixture
def payments(router: respx.Router) -> StripePayments:
    return StripePayments(mocked_upstream(router, "stripe"), development_settings(), lambda: NOW)


def error(status: int, kind: str = "invalid_request_error", **more: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"type": kind, "message": "words of Stripe", **more}})


def app(**changes: Any) -> Any:
    return a_charge(scene=PaymentScene.APP, **changes)


def sent(route: respx.Route) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(route.calls.last.request.content.decode()).items()}


def test_it_is_for_cards_in_browsers_and_in_the_app(payments: StripePayments) -> None:
    assert payments.provider is PaymentProvider.CARD
    assert payments.scenes == {PaymentScene.H5, PaymentScene.APP}
    assert payments.can_hold


async def test_intent_is_asked_for_in_the_words_of_stripe(router: respx.Router, payments: StripePayments) -> None:
    fresh = INTENT | {"status": "requires_payment_method", "latest_charge": None, "amount_received": 0}
    route = router.post(INTENTS).mock(return_value=httpx.Response(200, json=fresh))
    outcome = await payments.begin(app(holds=True))
    assert outcome.entity is not None
    assert outcome.entity.client_action == AppAction(order_string="pi_1_secret_x")
    assert outcome.entity.reference == "pi_1"
    headers = route.calls.last.request.headers
    assert headers["authorization"] == "Bearer sk_test_development_only"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["idempotency-key"] == "charge-CH1"
    assert headers["stripe-version"] == "2026-10-28.endive"
    assert sent(route) == {
        "amount": "166300",
        "currency": "cny",
        "capture_method": "manual",
        "payment_method_types[0]": "card",
        "metadata[charge_id]": "CH1",
        "metadata[order_number]": "MO500018",
        "metadata[scene]": "APP",
        "metadata[holds]": "1",
        "metadata[description]": "Order MO500018",
    }


async def test_page_is_asked_for_in_the_words_of_stripe(router: respx.Router, payments: StripePayments) -> None:
    fresh = SESSION | {"status": "open", "payment_intent": None, "payment_status": "unpaid", "url": "https://c.test/x"}
    route = router.post(SESSIONS).mock(return_value=httpx.Response(200, json=fresh))
    first = await payments.begin(a_charge())
    body = route.calls.last.request.content
    assert first.entity is not None
    assert sent(route) | {"mode": "payment", "expires_at": "1773036000"} == sent(route)
    assert sent(route)["line_items[0][price_data][product_data][name]"] == "Order MO500018"
    assert sent(route)["payment_intent_data[capture_method]"] == "automatic"
    await payments.begin(a_charge())
    assert route.calls.last.request.content == body, "a repetition under the same key must be the same"


@pytest.mark.parametrize("scene", [PaymentScene.JSAPI, PaymentScene.NATIVE, PaymentScene.UNKNOWN])
async def test_other_scenes_are_not_supported(payments: StripePayments, scene: PaymentScene) -> None:
    outcome = await payments.begin(a_charge(scene=scene))
    assert [refusal.code for refusal in outcome.refusals] == ["PROVIDER_NOT_SUPPORTED"]


@pytest.mark.parametrize("charge_id", ["", "a-b", "x" * 33, "CH1/../x", "ＣＨ１"])
async def test_ids_that_are_not_ours_never_leave(payments: StripePayments, charge_id: str) -> None:
    with pytest.raises(InvalidInput):
        await payments.begin(a_charge(id=charge_id))
    with pytest.raises(InvalidInput):
        await payments.query(charge_id, "")
    with pytest.raises(InvalidInput):
        await payments.repay(a_refund("pi_1", id=charge_id))


@pytest.mark.parametrize("reference", ["pi_1/../../refunds", "cs_1?x=1", "pi_", "cs_é111"])
async def test_references_cannot_lead_elsewhere(payments: StripePayments, reference: str) -> None:
    with pytest.raises(InvalidInput):
        await payments.query("CH1", reference)
    with pytest.raises(InvalidInput):
        await payments.query_repayment(a_refund("pi_1"), reference.replace("pi_1", "re_1"))


async def test_foreign_reference_is_rejected(payments: StripePayments) -> None:
    with pytest.raises(UpstreamRejected):
        await payments.query("CH1", "prepay_id=wx1")


async def test_card_numbers_in_texts_are_refused(payments: StripePayments) -> None:
    with pytest.raises(InvalidInput) as first:
        await payments.begin(a_charge(description=f"for {CARD}"))
    with pytest.raises(InvalidInput) as second:
        await payments.repay(a_refund("pi_1", reason=f"wrong card {CARD}"))
    assert CARD not in f"{first.value}{first.value.detail}{second.value}{second.value.detail}"


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("requires_payment_method", ChargeStatus.OPEN),
        ("requires_confirmation", ChargeStatus.OPEN),
        ("requires_action", ChargeStatus.OPEN),
        ("processing", ChargeStatus.PROCESSING),
        ("requires_capture", ChargeStatus.AUTHORISED),
        ("succeeded", ChargeStatus.SUCCEEDED),
        ("canceled", ChargeStatus.CLOSED),
        ("requires_a_séance", ChargeStatus.UNKNOWN),
    ],
)
async def test_status_of_an_intent(
    router: respx.Router, payments: StripePayments, status: str, meaning: ChargeStatus
) -> None:
    route = router.get(f"{INTENTS}/pi_1").mock(return_value=httpx.Response(200, json=INTENT | {"status": status}))
    state = await payments.query("CH1", "pi_1")
    assert (state.status, state.raw_status) == (meaning, status)
    assert state.amount == PRICE
    assert state.captured == PRICE
    assert state.reference == "pi_1"
    assert state.transaction == ("ch_1" if status in ("succeeded", "requires_capture") else None)
    assert state.succeeded_at == (datetime.fromtimestamp(1773028800, UTC) if status == "succeeded" else None)
    assert route.calls.last.request.url.query == b"expand%5B%5D=latest_charge"
    assert "idempotency-key" not in route.calls.last.request.headers


@pytest.mark.parametrize(
    ("page", "intent", "meaning", "raw"),
    [
        ("open", None, ChargeStatus.OPEN, "open"),
        ("open", "requires_payment_method", ChargeStatus.OPEN, "open"),
        ("open", "processing", ChargeStatus.PROCESSING, "processing"),
        ("complete", "succeeded", ChargeStatus.SUCCEEDED, "succeeded"),
        ("complete", "requires_capture", ChargeStatus.AUTHORISED, "requires_capture"),
        ("complete", "canceled", ChargeStatus.CLOSED, "canceled"),
        ("complete", None, ChargeStatus.SUCCEEDED, "complete/paid"),
        ("expired", None, ChargeStatus.CLOSED, "expired"),
        ("expired", "requires_payment_method", ChargeStatus.CLOSED, "expired"),
        ("expired", "succeeded", ChargeStatus.SUCCEEDED, "succeeded"),
        ("lost", "requires_payment_method", ChargeStatus.UNKNOWN, "lost"),
        ("lost", None, ChargeStatus.UNKNOWN, "lost"),
    ],
)
async def test_status_of_a_page(
    router: respx.Router, payments: StripePayments, page: str, intent: str | None, meaning: ChargeStatus, raw: str
) -> None:
    inner = None if intent is None else INTENT | {"status": intent}
    body = SESSION | {"status": page, "payment_intent": inner}
    route = router.get(f"{SESSIONS}/cs_1").mock(return_value=httpx.Response(200, json=body))
    state = await payments.query("CH1", "cs_1")
    assert (state.status, state.raw_status, state.reference) == (meaning, raw, "cs_1")
    assert route.calls.last.request.url.query == b"expand%5B%5D=payment_intent.latest_charge"


async def test_decline_tells_its_code_and_not_the_banks_reason(router: respx.Router, payments: StripePayments) -> None:
    declined = {"code": "card_declined", "decline_code": "stolen_card", "message": "x", "type": "card_error"}
    body = INTENT | {"status": "requires_payment_method", "last_payment_error": declined}
    router.get(f"{INTENTS}/pi_1").mock(return_value=httpx.Response(200, json=body))
    state = await payments.query("CH1", "pi_1")
    assert (state.status, state.failure_code) == (ChargeStatus.OPEN, "CARD_DECLINED")
    assert "stolen" not in repr(state)


async def test_decline_is_forgotten_once_another_card_has_paid(router: respx.Router, payments: StripePayments) -> None:
    body = INTENT | {"last_payment_error": {"code": "card_declined"}}
    router.get(f"{INTENTS}/pi_1").mock(return_value=httpx.Response(200, json=body))
    state = await payments.query("CH1", "pi_1")
    assert (state.status, state.failure_code) == (ChargeStatus.SUCCEEDED, None)


@pytest.mark.parametrize("status", ["succeeded", "requires_payment_method", "canceled", "processing", "moonlit"])
async def test_only_a_hold_is_captured(router: respx.Router, payments: StripePayments, status: str) -> None:
    """The router expects no POST."""
    router.get(f"{INTENTS}/pi_1").mock(return_value=httpx.Response(200, json=INTENT | {"status": status}))
    assert (await payments.capture("CH1", "pi_1", PRICE)).raw_status == status


async def test_decline_of_begin_is_a_refusal(router: respx.Router, payments: StripePayments) -> None:
    router.post(INTENTS).mock(return_value=error(402, "card_error", code="card_declined", decline_code="lost_card"))
    outcome = await payments.begin(app())
    assert [refusal.code for refusal in outcome.refusals] == ["CARD_DECLINED"]


# Broken answers

Act = Callable[[StripePayments], Awaitable[Any]]


async def begin(payments: StripePayments) -> Any:
    return await payments.begin(app())


async def query(payments: StripePayments) -> Any:
    return await payments.query("CH1", "pi_1")


async def query_refund(payments: StripePayments) -> Any:
    return await payments.query_repayment(a_refund("pi_1"), "re_1")


def answer_everything(router: respx.Router, reply: httpx.Response) -> None:
    router.route().mock(return_value=reply)


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, html="<html>maintenance</html>"),
        httpx.Response(200, content=json.dumps(INTENT).encode()[:200]),
        httpx.Response(200, json=[]),
        httpx.Response(200, json=INTENT | {"object": "charge"}),
        httpx.Response(200, json=INTENT | {"amount": "166300"}),
        httpx.Response(200, json=INTENT | {"amount": 166300.5}),
        httpx.Response(200, json=INTENT | {"amount": -1}),
        httpx.Response(200, json=INTENT | {"currency": "yuan"}),
        httpx.Response(200, json=INTENT | {"livemode": True}),
        httpx.Response(200, json=INTENT | {"metadata": {"charge_id": "CH2"}}),
        httpx.Response(200, json=INTENT | {"metadata": None}),
        httpx.Response(200, json={name: value for name, value in INTENT.items() if name != "status"}),
        httpx.Response(301, headers={"location": "https://elsewhere.test"}),
        httpx.Response(404, html="<html>who?</html>"),
    ],
    ids=lambda reply: f"{reply.status_code}-{reply.content[:12]!r}",
)
async def test_answer_that_cannot_be_believed(
    router: respx.Router, payments: StripePayments, reply: httpx.Response
) -> None:
    answer_everything(router, reply)
    with pytest.raises(UpstreamContractBroken):
        await query(payments)
    with pytest.raises(OutcomeUnknown):
        await begin(payments)


@pytest.mark.parametrize("act", [begin, query, query_refund])
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(400, param="amount", code="amount_too_small"), UpstreamRejected),
        (error(400, "idempotency_error"), UpstreamRejected),
        (error(401), UpstreamRejected),
        (error(403), UpstreamRejected),
        (error(409, "idempotency_error", code="idempotency_key_in_use"), UpstreamBusy),
        (error(429, code="rate_limit"), UpstreamBusy),
        (error(429, code="lock_timeout"), UpstreamBusy),
        (httpx.Response(429, html="slow down"), UpstreamBusy),
    ],
)
async def test_refusals_by_stripe(
    router: respx.Router, payments: StripePayments, act: Act, reply: httpx.Response, kind: type[BffError]
) -> None:
    answer_everything(router, reply)
    with pytest.raises(kind) as refused:
        await act(payments)
    assert refused.value.retryable is (kind is UpstreamBusy)


@pytest.mark.parametrize("reply", [error(500, "api_error"), httpx.Response(502, html="x"), error(503, "api_error")])
async def test_broken_stripe_leaves_the_outcome_of_a_write_unknown(
    router: respx.Router, payments: StripePayments, reply: httpx.Response
) -> None:
    answer_everything(router, reply)
    with pytest.raises(OutcomeUnknown):
        await begin(payments)
    with pytest.raises(UpstreamUnavailable):
        await query(payments)


async def test_no_secret_is_in_errors_or_in_repr(router: respx.Router) -> None:
    settings = StripeSettings(
        secret_key="sk_test_TOPSECRET", signing_secrets=("whsec_TOPSECRET",), return_url="https://shop.test"
    )
    payments = StripePayments(mocked_upstream(router, "stripe"), settings, lambda: NOW)
    answer_everything(router, error(401, message="Invalid API Key provided: sk_test_****CRET"))
    with pytest.raises(UpstreamRejected) as refused:
        await query(payments)
    said = f"{refused.value!r} {refused.value.detail} {settings!r} {payments!r}"
    assert "CRET" not in said
    assert "secret key" in said


async def test_absence_is_in_stripes_words(router: respx.Router, payments: StripePayments) -> None:
    answer_everything(router, error(404, code="resource_missing"))
    state = await payments.query("CH1", "pi_1")
    assert (state.status, state.amount) == (ChargeStatus.ABSENT, None)
    assert (await payments.query_repayment(a_refund("pi_1"), "re_1")).status is None


async def test_search_takes_what_was_paid_before_what_was_not(router: respx.Router, payments: StripePayments) -> None:
    open_one = INTENT | {"id": "pi_2", "status": "requires_payment_method"}
    found = {"object": "search_result", "data": [open_one, INTENT], "has_more": False}
    search = router.get(f"{INTENTS}/search").mock(return_value=httpx.Response(200, json=found))
    router.get(SESSIONS).mock(return_value=httpx.Response(200, json={"data": [], "has_more": False}))
    state = await payments.query("CH1", "")
    assert (state.status, state.reference) == (ChargeStatus.SUCCEEDED, "pi_1")
    assert search.calls.last.request.url.params["query"] == "metadata['charge_id']:'CH1'"


# Ending and giving back


async def test_cancel_under_the_key_of_what_was_seen(router: respx.Router, payments: StripePayments) -> None:
    held = INTENT | {"status": "requires_capture", "amount_received": 0}
    router.get(f"{INTENTS}/pi_1").mock(return_value=httpx.Response(200, json=held))
    route = router.post(f"{INTENTS}/pi_1/cancel").mock(
        return_value=httpx.Response(200, json=held | {"status": "canceled"})
    )
    assert (await payments.close("CH1", "pi_1")).status is ChargeStatus.CLOSED
    key = route.calls.last.request.headers["idempotency-key"]
    await payments.close("CH1", "pi_1")
    assert route.calls.last.request.headers["idempotency-key"] == key
    seen = {key}
    for other in ({"status": "requires_action"}, {"status": "requires_action", "latest_charge": "ch_2"}):
        router.get(f"{INTENTS}/pi_1").mock(return_value=httpx.Response(200, json=INTENT | other))
        await payments.close("CH1", "pi_1")
        seen.add(route.calls.last.request.headers["idempotency-key"])
    assert len(seen) == 3


async def test_close_that_stripe_refuses_without_a_reason_is_rejected(
    router: respx.Router, payments: StripePayments
) -> None:
    router.get(f"{INTENTS}/pi_1").mock(return_value=httpx.Response(200, json=INTENT | {"status": "requires_action"}))
    router.post(f"{INTENTS}/pi_1/cancel").mock(return_value=error(400, code="payment_intent_unexpected_state"))
    with pytest.raises(UpstreamRejected):
        await payments.close("CH1", "pi_1")


async def test_processing_is_not_cancelled(router: respx.Router, payments: StripePayments) -> None:
    router.get(f"{INTENTS}/pi_1").mock(return_value=httpx.Response(200, json=INTENT | {"status": "processing"}))
    assert (await payments.close("CH1", "pi_1")).status is ChargeStatus.PROCESSING


async def test_capture_says_how_much(router: respx.Router, payments: StripePayments) -> None:
    held = INTENT | {"status": "requires_capture", "amount_received": 0}
    router.get(f"{INTENTS}/pi_1").mock(return_value=httpx.Response(200, json=held))
    taken = INTENT | {"amount_received": 5}
    route = router.post(f"{INTENTS}/pi_1/capture").mock(return_value=httpx.Response(200, json=taken))
    state = await payments.capture("CH1", "pi_1", Money(amount_minor=5))
    assert (state.status, state.captured) == (ChargeStatus.SUCCEEDED, Money(amount_minor=5))
    assert sent(route) == {"amount_to_capture": "5"}
    assert route.calls.last.request.headers["idempotency-key"] == "capture-CH1"


async def test_capture_that_fails_is_rejected_while_the_hold_stands(
    router: respx.Router, payments: StripePayments
) -> None:
    held = INTENT | {"status": "requires_capture", "amount_received": 0}
    router.get(f"{INTENTS}/pi_1").mock(return_value=httpx.Response(200, json=held))
    router.post(f"{INTENTS}/pi_1/capture").mock(return_value=error(400, code="capture_unauthorized_payment"))
    with pytest.raises(UpstreamRejected):
        await payments.capture("CH1", "pi_1", PRICE)


def refundable(router: respx.Router, *refunds: dict[str, Any], **changes: Any) -> respx.Route:
    router.get(f"{INTENTS}/pi_1").mock(return_value=httpx.Response(200, json=INTENT | changes))
    listed = {"object": "list", "data": list(refunds), "has_more": False}
    router.get(REFUNDS).mock(return_value=httpx.Response(200, json=listed))
    return router.post(REFUNDS).mock(return_value=httpx.Response(200, json=REFUND))


async def test_refund_is_asked_for_in_the_words_of_stripe(router: respx.Router, payments: StripePayments) -> None:
    route = refundable(router)
    outcome = await payments.repay(a_refund("pi_1", reason="少" * 600))
    assert outcome.entity is not None
    assert (outcome.entity.status, outcome.entity.raw_status) == (RefundStatus.PROCESSING, "pending")
    assert (outcome.entity.amount, outcome.entity.transaction) == (Money(amount_minor=100), "re_1")
    assert route.calls.last.request.headers["idempotency-key"] == "refund-RF1"
    assert sent(route) == {
        "payment_intent": "pi_1",
        "amount": "100",
        "metadata[refund_id]": "RF1",
        "metadata[charge_id]": "CH1",
        "metadata[reason]": "少" * 500,
    }


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("pending", RefundStatus.PROCESSING),
        ("requires_action", RefundStatus.PROCESSING),
        ("succeeded", RefundStatus.SUCCEEDED),
        ("failed", RefundStatus.ABNORMAL),
        ("canceled", RefundStatus.CLOSED),
        ("in_the_post", RefundStatus.UNKNOWN),
        (None, RefundStatus.UNKNOWN),
    ],
)
async def test_status_of_a_refund(
    router: respx.Router, payments: StripePayments, status: str | None, meaning: RefundStatus
) -> None:
    router.get(f"{REFUNDS}/re_1").mock(return_value=httpx.Response(200, json=REFUND | {"status": status}))
    state = await payments.query_repayment(a_refund("pi_1"), "re_1")
    assert (state.status, state.raw_status) == (meaning, status or "none")


async def test_refund_of_another_id_is_not_believed(router: respx.Router, payments: StripePayments) -> None:
    other = REFUND | {"metadata": {"refund_id": "RF2", "charge_id": "CH1"}}
    router.get(f"{REFUNDS}/re_1").mock(return_value=httpx.Response(200, json=other))
    with pytest.raises(UpstreamContractBroken):
        await payments.query_repayment(a_refund("pi_1"), "re_1")
    refundable(router)
    router.post(REFUNDS).mock(return_value=httpx.Response(200, json=other))
    with pytest.raises(OutcomeUnknown):
        await payments.repay(a_refund("pi_1"))


@pytest.mark.parametrize(
    ("given", "changes", "fits"),
    [
        ([], {}, True),
        ([("succeeded", 166200, "RF0")], {}, True),
        ([("succeeded", 166201, "RF0")], {}, False),
        ([("pending", 166201, "RF0")], {}, False),
        ([("failed", 166201, "RF0"), ("canceled", 166201, "RF9")], {}, True),
        ([("succeeded", 166201, None)], {}, False),  # by hand, at Stripe
        ([("succeeded", 166200, None)], {"amount_received": 100}, True),  # what a capture left of the hold
        ([("succeeded", 166200, None), ("succeeded", 1, "RF0")], {"amount_received": 100}, False),
        ([], {"amount_received": 99}, False),
    ],
)
async def test_no_more_is_given_back_than_was_taken(
    router: respx.Router,
    payments: StripePayments,
    given: list[tuple[str, int, str | None]],
    changes: dict[str, Any],
    fits: bool,
) -> None:
    refunds = [
        REFUND | {"id": f"re_{n}", "status": s, "amount": a, "metadata": {"refund_id": name} if name else {}}
        for n, (s, a, name) in enumerate(given, 2)
    ]
    route = refundable(router, *refunds, **changes)
    outcome = await payments.repay(a_refund("pi_1", 100))
    assert [refusal.code for refusal in outcome.refusals] == ([] if fits else ["REFUND_EXCEEDS_CAPTURED"])
    assert route.call_count == (1 if fits else 0)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (error(400, code="charge_already_refunded"), "REFUND_EXCEEDS_CAPTURED"),
        (error(400, param="amount"), "REFUND_EXCEEDS_CAPTURED"),
        (error(400, code="charge_disputed"), "NOT_REFUNDABLE"),
    ],
)
async def test_refunds_that_stripe_refuses(
    router: respx.Router, payments: StripePayments, reply: httpx.Response, code: str
) -> None:
    refundable(router)
    router.post(REFUNDS).mock(return_value=reply)
    assert [refusal.code for refusal in (await payments.repay(a_refund("pi_1"))).refusals] == [code]


async def test_refund_refused_for_another_reason_is_rejected(router: respx.Router, payments: StripePayments) -> None:
    refundable(router)
    router.post(REFUNDS).mock(return_value=error(400, code="insufficient_funds"))
    with pytest.raises(UpstreamRejected):
        await payments.repay(a_refund("pi_1"))


async def test_more_refunds_than_can_be_read_is_no_absence(router: respx.Router, payments: StripePayments) -> None:
    router.get(f"{INTENTS}/pi_1").mock(return_value=httpx.Response(200, json=INTENT))
    page = {"data": [REFUND | {"metadata": {}}], "has_more": True}
    route = router.get(REFUNDS).mock(return_value=httpx.Response(200, json=page))
    with pytest.raises(UpstreamContractBroken):
        await payments.query_repayment(a_refund("pi_1"), None)
    assert route.call_count == 10
