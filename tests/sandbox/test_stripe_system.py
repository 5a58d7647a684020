"""What the simulated Stripe enforces, whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from sandbox.kit.server import System
from sandbox.stripe.app import create
from sandbox.stripe.keys import SECRET_KEY
from sandbox.stripe.webhooks import signature
from sandbox.world import World, build_world
from tests.conftest import TODAY
from tests.sandbox_stripe import NOW, Hands

pytestmark = pytest.mark.anyio

AUTH = {"authorization": f"Bearer {SECRET_KEY}"}
INTENTS, SESSIONS, REFUNDS = "/v1/payment_intents", "/v1/checkout/sessions", "/v1/refunds"
AN_INTENT = {"amount": "100", "currency": "cny", "metadata[charge_id]": "CH1"}
A_PAGE = {
    "mode": "payment",
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "cny",
    "line_items[0][price_data][unit_amount]": "100",
    "line_items[0][price_data][product_data][name]": "<b>精品</b>",
    "success_url": "https://shop.test/</script>",
    "metadata[charge_id]": "CH1",
    "payment_intent_data[metadata][charge_id]": "CH1",
}


@pytest.fixture(scope="module")
def any_world() -> World:
    return build_world(today=TODAY)


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def system(any_world: World, clock: Hands) -> System:
    return create(any_world, clock, transport=httpx.MockTransport(lambda _: httpx.Response(200)), schedule=(0.0, 0.0))


@pytest.fixture
def stripe(system: System) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url="http://stripe.test", headers=AUTH)


async def post(stripe: httpx.AsyncClient, path: str, form: dict[str, str], key: str | None = None) -> Any:
    headers = {} if key is None else {"idempotency-key": key}
    return (await stripe.post(path, data=form, headers=headers)).json()


@pytest.mark.parametrize(
    "said", ["", "Bearer sk_test_other", f"Bearer {SECRET_KEY}x", "Basic %%%", f"Token {SECRET_KEY}x"]
)
async def test_wrong_keys(stripe: httpx.AsyncClient, said: str) -> None:
    reply = await stripe.get(f"{INTENTS}/pi_1", headers={"authorization": said})
    assert reply.status_code == 401
    assert "Invalid API Key" in reply.json()["error"]["message"]
    assert SECRET_KEY not in reply.text


async def test_key_as_a_user_name(stripe: httpx.AsyncClient) -> None:
    reply = await stripe.get(f"{INTENTS}/pi_1", auth=(SECRET_KEY, ""))
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "resource_missing")
    assert reply.headers["request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "1.5"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "１"}, "amount"),
        ({"amount": ""}, "amount"),
        ({"currency": "CNY"}, "currency"),
        ({"capture_method": "sometimes"}, "capture_method"),
        ({"surprise": "1"}, "surprise"),
        ({"metadata[k]": "x" * 501}, "metadata[k]"),
        ({f"metadata[{'k' * 41}]": "x"}, f"metadata[{'k' * 41}]"),
        ({"metadata": "x"}, "metadata"),
        ({"expand[]": "customer"}, "expand"),
        ({"a[b": "1"}, "a[b"),
    ],
)
async def test_parameters_are_checked_and_leave_the_key_free(
    stripe: httpx.AsyncClient, changes: dict[str, str], param: str
) -> None:
    refused = await post(stripe, INTENTS, AN_INTENT | changes, "k")
    assert (refused["error"]["type"], refused["error"]["param"]) == ("invalid_request_error", param)
    assert (await post(stripe, INTENTS, AN_INTENT, "k"))["object"] == "payment_intent"


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "subscription"},
        {"line_items[0][quantity]": "0"},
        {"success_url": "shop"},
        {"expires_at": str(int(NOW.timestamp()) + 1799)},
        {"expires_at": str(int(NOW.timestamp()) + 86401)},
        {"payment_intent_data[capture_method]": "never"},
        {"payment_intent_data[surprise]": "1"},
    ],
)
async def test_pages_are_checked(stripe: httpx.AsyncClient, changes: dict[str, str]) -> None:
    assert (await post(stripe, SESSIONS, A_PAGE | changes))["error"]["type"] == "invalid_request_error"
    assert (await post(stripe, SESSIONS, A_PAGE))["status"] == "open"


async def test_only_forms_are_taken(stripe: httpx.AsyncClient) -> None:
    reply = await stripe.post(INTENTS, json={"amount": 100, "currency": "cny"})
    assert reply.status_code == 400
    assert "x-www-form-urlencoded" in reply.json()["error"]["message"]


async def test_unknown_paths_and_versions(stripe: httpx.AsyncClient) -> None:
    assert (await stripe.get("/v1/customers")).json()["error"]["type"] == "invalid_request_error"
    reply = await stripe.get(f"{INTENTS}/pi_1", headers={"stripe-version": "newest"})
    assert (reply.status_code, "version" in reply.text) == (400, True)


async def test_key_answers_the_same_for_a_day(stripe: httpx.AsyncClient, clock: Hands) -> None:
    first = await post(stripe, INTENTS, AN_INTENT, "k")
    clock.time = NOW + timedelta(hours=24, seconds=-1)
    again = await stripe.post(INTENTS, data=AN_INTENT, headers={"idempotency-key": "k"})
    assert (again.json(), again.headers["idempotent-replayed"]) == (first, "true")
    other = await stripe.post(INTENTS, data=AN_INTENT | {"amount": "101"}, headers={"idempotency-key": "k"})
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    elsewhere = await stripe.post(f"{INTENTS}/{first['id']}/cancel", headers={"idempotency-key": "k"})
    assert elsewhere.json()["error"]["type"] == "idempotency_error"
    clock.time = NOW + timedelta(hours=24)
    assert (await post(stripe, INTENTS, AN_INTENT, "k"))["id"] != first["id"]
    assert (await post(stripe, INTENTS, AN_INTENT, "k" * 256))["error"]["type"] == "idempotency_error"


async def test_refusals_are_kept_with_their_key(stripe: httpx.AsyncClient) -> None:
    intent = await post(stripe, INTENTS, AN_INTENT)
    refund = {"payment_intent": intent["id"], "amount": "1"}
    refused = await post(stripe, REFUNDS, refund, "k")
    await post(stripe, f"{INTENTS}/{intent['id']}/confirm", {"payment_method": "pm_card_visa"})
    assert await post(stripe, REFUNDS, refund, "k") == refused
    assert (await post(stripe, REFUNDS, refund, "another"))["object"] == "refund"


async def test_one_request_at_a_time_under_a_key(stripe: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(post(stripe, INTENTS, AN_INTENT, "k") for _ in range(2)))
    assert sorted(answer["object"] if "object" in answer else answer["error"]["code"] for answer in answers) == [
        "idempotency_key_in_use",
        "payment_intent",
    ]


async def test_refunds_never_exceed_what_was_taken(stripe: httpx.AsyncClient) -> None:
    intent = (await post(stripe, INTENTS, AN_INTENT | {"confirm": "true", "payment_method": "pm_card_visa"}))["id"]
    assert (await post(stripe, REFUNDS, {"payment_intent": intent, "amount": "101"}))["error"]["param"] == "amount"
    assert (await post(stripe, REFUNDS, {"payment_intent": intent, "amount": "60"}))["status"] == "succeeded"
    assert (await post(stripe, REFUNDS, {"payment_intent": intent, "amount": "41"}))["error"]["param"] == "amount"
    assert (await post(stripe, REFUNDS, {"payment_intent": intent}))["amount"] == 40
    assert (await post(stripe, REFUNDS, {"payment_intent": intent}))["error"]["code"] == "charge_already_refunded"


async def test_open_page_is_not_ended_by_its_intent(stripe: httpx.AsyncClient) -> None:
    page = (await post(stripe, SESSIONS, A_PAGE))["id"]
    await stripe.post("/_pay/CH1", json={"result": "FAILED"})
    intent = (await stripe.get(f"{SESSIONS}/{page}")).json()["payment_intent"]
    assert "Expire" in (await post(stripe, f"{INTENTS}/{intent}/cancel", {}))["error"]["message"]
    assert (await post(stripe, f"{SESSIONS}/{page}/expire", {}))["status"] == "expired"
    assert "error" in (await stripe.post("/_pay/CH1", json={})).json()


async def test_cashier_lets_a_person_pay_and_nothing_out(stripe: httpx.AsyncClient) -> None:
    await post(stripe, SESSIONS, A_PAGE)
    page = await stripe.get("/cashier/CH1", headers={"authorization": ""})
    assert page.headers["content-type"].startswith("text/html")
    assert "/_pay/CH1" in page.text
    assert "&lt;b&gt;精品" in page.text
    assert page.text.count("</script>") == 1
    assert (await stripe.get("/cashier/CH2")).status_code == 404


async def test_hand_says_what_it_takes(stripe: httpx.AsyncClient) -> None:
    assert (await stripe.get("/_ping")).json() == {"system": "stripe", "simulated": True}
    for path, said in (
        ("/_pay/CH1", {"result": "MAYBE"}),
        ("/_pay/CH1", {"notify": "never ever"}),
        ("/_pay/CH1", []),
        ("/_notify/CH1", {"spoilt": "rotten"}),
        ("/_refund/RF1", {"status": "lost"}),
    ):
        assert (await stripe.post(path, json=said)).status_code == 400
    assert (await stripe.post("/_pay/CH1", json={})).status_code == 404
    assert (await stripe.post("/_refund/RF1", json={})).status_code == 404
    assert (await stripe.put("/_webhook", json={})).status_code == 400


async def test_notification_is_repeated_until_it_is_taken(any_world: World, clock: Hands) -> None:
    answers: Iterator[Exception | httpx.Response] = iter(
        [httpx.ConnectError("nobody"), httpx.Response(500), httpx.Response(200), httpx.Response(200)]
    )
    stamps: list[str] = []

    def ear(request: httpx.Request) -> httpx.Response:
        stamps.append(request.headers["stripe-signature"])
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    system = create(any_world, clock, transport=httpx.MockTransport(ear), schedule=(0.0,) * 5)
    stripe = httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url="http://stripe.test", headers=AUTH)
    await post(stripe, INTENTS, AN_INTENT | {"confirm": "true", "payment_method": "pm_card_visa"})
    for _ in range(100):
        told = (await stripe.get("/_notifications")).json()
        if not told["pending"]:
            break
        await asyncio.sleep(0)
    assert [attempt["status"] for attempt in told["sent"]] == [None, 500, 200]
    assert len({attempt["event"] for attempt in told["sent"]}) == 1
    assert all(stamp.startswith(f"t={int(NOW.timestamp())},v1=") for stamp in stamps)


def test_rolled_secret_signs_beside_the_new_one() -> None:
    both = signature(b"{}", 1, ["whsec_old", "whsec_new"])
    assert both.count("v1=") == 2
    assert all(part in both for name in ("whsec_old", "whsec_new") for part in signature(b"{}", 1, [name]).split(","))
