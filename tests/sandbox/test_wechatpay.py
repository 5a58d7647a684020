"""WeChat Pay as the sandbox plays it: adapter and system agree, and what the system enforces."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.transport.http import HttpxEngine
from adapters.transport.upstream import Upstream
from adapters.wechatpay.client import WechatPay
from adapters.wechatpay.settings import WechatPaySettings
from adapters.wechatpay.signatures import authorization
from bff.domain.base import Money, Outcome
from bff.domain.payment import AppAction, PaymentScene, QrCodeAction, RedirectAction, RefundStatus, WechatJsapiAction
from bff.domain.providers import Begun, ChargeState, ChargeStatus, Notice, NoticeRefused, Repayment, RepaymentState
from bff.errors import BffError, OutcomeUnknown, UpstreamContractBroken, UpstreamRejected
from bff.policy import CallPolicy
from sandbox.wechatpay.app import create
from sandbox.world import World
from tests.adapters.wechatpay_support import (
    BY_CERTIFICATES,
    BY_PUBLIC_KEYS,
    CHARGE_ID,
    NOTIFY_URL,
    REPAYMENT,
    SETTINGS,
    START,
    Hands,
    charge,
)
from tests.support import BASE, sandbox_upstream

pytestmark = pytest.mark.anyio

ALL = Money(amount_minor=500000)
WORLD = World(today=START.date(), now=START, seed=1)
"""Without anybody in it: WeChat Pay knows only what it is asked."""


class Wire(httpx.ASGITransport):
    """A connection that can break: an application that ends before its response does is a peer that went away."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except AssertionError as error:
            raise httpx.RemoteProtocolError("peer closed the connection") from error


class Market:
    """Merchant, WeChat Pay and its customer. `answers` is what the merchant says to notifications, then 204."""

    def __init__(self, settings: WechatPaySettings = BY_PUBLIC_KEYS, schedule: Sequence[float] = (0.01,) * 3) -> None:
        self.clock = Hands()
        ours = Starlette(routes=[Route("/payments/notifications/wechatpay", self._take, methods=["POST"])])
        transport = httpx.ASGITransport(ours)
        self.system = create(WORLD, self.clock, transport=transport, schedule=schedule, late=0.02)
        self.settings = settings
        engine = HttpxEngine(httpx.AsyncClient(transport=Wire(self.system)))
        self.pay = WechatPay(Upstream("wechatpay", BASE, engine, policy=CallPolicy(attempts=2)), settings, self.clock)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.system), base_url=BASE)
        self.answers: list[int] = []
        self.taken: list[Notice | None] = []
        self.refused: list[str] = []

    async def _take(self, request: Request) -> Response:
        try:
            notice = await self.pay.read_notice(dict(request.headers), await request.body())
        except (NoticeRefused, BffError) as error:
            self.refused.append(str(error))
            reply = self.pay.reply(error)
            return Response(reply.body, reply.status, media_type=reply.media_type)
        status = self.answers.pop(0) if self.answers else self.pay.reply(None).status
        if status < 300:
            self.taken.append(notice)
        return Response(status_code=status)

    async def handle(self, path: str, **said: Any) -> Any:
        """Use a handle of the sandbox."""
        reply = await self.http.post(path, json=said)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def customer_pays(self, charge_id: str = CHARGE_ID, **said: Any) -> Any:
        shown = await self.handle(f"/_pay/{charge_id}", **({"result": "SUCCEEDED"} | said))
        await self.notified()
        return shown

    async def notified(self) -> list[dict[str, Any]]:
        """All that was sent, when nothing is under way any more."""
        while (said := (await self.http.get("/_notifications")).json())["underWay"]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        items: list[dict[str, Any]] = said["items"]
        return items

    async def begun(self, scene: PaymentScene = PaymentScene.JSAPI, **changed: Any) -> Begun:
        begun = (await self.pay.begin(charge(scene, **changed))).entity
        assert begun is not None
        return begun

    async def paid(self) -> ChargeState:
        await self.begun()
        await self.customer_pays()
        return await self.pay.query(CHARGE_ID, "")

    def headers(self, method: str, path: str, body: bytes = b"", **changed: Any) -> dict[str, str]:
        """A request's headers, well signed but for what is `changed`."""
        said: dict[str, Any] = {
            "merchant_id": self.settings.merchant_id, "serial": self.settings.serial, "method": method, "path": path,
            "timestamp": int(self.clock().timestamp()), "nonce": secrets.token_hex(8), "body": body,
        }  # fmt: skip
        return {"authorization": authorization(self.settings.private_key, **(said | changed))}


def entity(outcome: Outcome[Any]) -> Any:
    assert outcome.entity is not None, outcome.refusals
    return outcome.entity


def codes(outcome: Outcome[Any]) -> list[str]:
    return [refusal.code for refusal in outcome.refusals]


def part(number: int, fen: int, **changed: Any) -> Repayment:
    told = msgspec.structs.replace(REPAYMENT, id=f"RF20260309{number:06d}", amount=Money(amount_minor=fen))
    return msgspec.structs.replace(told, **changed)


@pytest.fixture(params=[BY_PUBLIC_KEYS, BY_CERTIFICATES, SETTINGS], ids=["public keys", "certificates", "both"])
def market(request: pytest.FixtureRequest) -> Market:
    """By every way to know the platform's keys."""
    return Market(request.param)


@pytest.fixture
def pinned() -> Market:
    return Market()


# A charge


@pytest.mark.parametrize(
    ("scene", "action"),
    [
        (PaymentScene.JSAPI, WechatJsapiAction),
        (PaymentScene.APP, AppAction),
        (PaymentScene.H5, RedirectAction),
        (PaymentScene.NATIVE, QrCodeAction),
    ],
)
async def test_a_charge_from_its_beginning_to_its_notification(
    market: Market, scene: PaymentScene, action: type
) -> None:
    assert isinstance((await market.begun(scene)).client_action, action)
    assert (await market.pay.query(CHARGE_ID, "")).status is ChargeStatus.OPEN
    await market.customer_pays()
    state = await market.pay.query(CHARGE_ID, "")
    assert (state.status, state.amount, state.captured) == (ChargeStatus.SUCCEEDED, ALL, ALL)
    assert state.succeeded_at == START
    (notice,) = market.taken
    assert notice is not None
    assert notice.charge == state


async def test_beginning_again_gives_an_action_that_pays_the_same_charge(pinned: Market) -> None:
    first, second = await pinned.begun(), await pinned.begun()
    assert isinstance(first.client_action, WechatJsapiAction)
    assert isinstance(second.client_action, WechatJsapiAction)
    assert first.client_action.package == second.client_action.package
    await pinned.customer_pays()
    assert codes(await pinned.pay.begin(charge())) == ["ALREADY_PAID"]
    assert len(pinned.taken) == 1


@pytest.mark.parametrize(
    "changed", [{"amount": Money(amount_minor=1)}, {"description": "x"}, {"scene": PaymentScene.NATIVE, "payer": None}]
)
async def test_another_charge_under_the_same_number_is_rejected(pinned: Market, changed: dict[str, Any]) -> None:
    await pinned.begun()
    with pytest.raises(UpstreamRejected):
        await pinned.pay.begin(charge(**changed))
    assert (await pinned.pay.query(CHARGE_ID, "")).amount == ALL


async def test_a_charge_that_nobody_made_is_absent(pinned: Market) -> None:
    assert (await pinned.pay.query(CHARGE_ID, "")).status is ChargeStatus.ABSENT
    assert (await pinned.pay.close(CHARGE_ID, "")).status is ChargeStatus.ABSENT
    assert codes(await pinned.pay.repay(REPAYMENT)) == ["NOT_REFUNDABLE"]
    assert (await pinned.pay.query_repayment(REPAYMENT, None)).status is None


async def test_what_is_closed_is_paid_by_nobody(market: Market) -> None:
    await market.begun()
    for _ in range(2):
        assert (await market.pay.close(CHARGE_ID, "")).status is ChargeStatus.CLOSED
    assert (await market.http.post(f"/_pay/{CHARGE_ID}", json={"result": "SUCCEEDED"})).status_code == 409
    assert (await market.pay.query(CHARGE_ID, "")).status is ChargeStatus.CLOSED
    with pytest.raises(UpstreamRejected):
        await market.pay.begin(charge())


async def test_closing_too_late_says_that_somebody_was_quicker(pinned: Market) -> None:
    await pinned.paid()
    assert (await pinned.pay.close(CHARGE_ID, "")).status is ChargeStatus.SUCCEEDED
    assert (await pinned.pay.query(CHARGE_ID, "")).status is ChargeStatus.SUCCEEDED


async def test_after_its_time_nobody_pays_and_it_stays_open_until_it_is_closed(pinned: Market) -> None:
    await pinned.begun()
    pinned.clock.turn(timedelta(hours=2).total_seconds())
    assert (await pinned.http.post(f"/_pay/{CHARGE_ID}", json={"result": "SUCCEEDED"})).status_code == 409
    assert (await pinned.pay.query(CHARGE_ID, "")).status is ChargeStatus.OPEN
    assert (await pinned.pay.close(CHARGE_ID, "")).status is ChargeStatus.CLOSED


async def test_a_charge_without_time_to_pay_is_rejected(pinned: Market) -> None:
    with pytest.raises(UpstreamRejected):
        await pinned.pay.begin(charge(expires_at=START + timedelta(seconds=59)))


async def test_a_failed_payment_is_told_to_who_asks_and_to_nobody_else(pinned: Market) -> None:
    await pinned.begun()
    await pinned.customer_pays(result="FAILED")
    state = await pinned.pay.query(CHARGE_ID, "")
    assert (state.status, state.failure_code, state.captured) == (ChargeStatus.FAILED, "PAYERROR", None)
    assert await pinned.notified() == []


async def test_capturing_says_what_was_taken(pinned: Market) -> None:
    state = await pinned.paid()
    assert await pinned.pay.capture(CHARGE_ID, "", ALL) == state


async def test_a_person_can_pay_on_the_page(pinned: Market) -> None:
    action = (await pinned.begun(PaymentScene.H5)).client_action
    assert isinstance(action, RedirectAction)
    page = await pinned.http.get(action.url)
    assert "5000.00" in page.text
    assert f"/_pay/{CHARGE_ID}" in page.text
    assert (await pinned.http.get("/cashier/CH404404")).status_code == 404


# Refunds


async def test_a_refund_is_accepted_then_settled_then_notified(market: Market) -> None:
    await market.paid()
    accepted: RepaymentState = entity(await market.pay.repay(REPAYMENT))
    assert (accepted.status, accepted.amount) == (RefundStatus.PROCESSING, REPAYMENT.amount)
    state = await market.pay.query_repayment(REPAYMENT, None)
    assert (state.status, state.transaction) == (RefundStatus.SUCCEEDED, accepted.transaction)
    await market.notified()
    notice = market.taken[-1]
    assert notice is not None
    assert notice.repayment == state
    assert (await market.pay.query(CHARGE_ID, "")).status is ChargeStatus.SUCCEEDED


async def test_asking_again_for_a_refund_gives_it_once(pinned: Market) -> None:
    await pinned.paid()
    first, second = entity(await pinned.pay.repay(REPAYMENT)), entity(await pinned.pay.repay(REPAYMENT))
    assert first.transaction == second.transaction
    await pinned.notified()
    assert [notice.id for notice in pinned.taken if notice and notice.repayment] == [pinned.taken[-1].id]  # type: ignore[union-attr]  # it was taken
    with pytest.raises(UpstreamRejected):
        await pinned.pay.repay(msgspec.structs.replace(REPAYMENT, amount=Money(amount_minor=1)))


async def test_the_sum_of_refunds_never_exceeds_what_was_paid(pinned: Market) -> None:
    await pinned.paid()
    entity(await pinned.pay.repay(part(1, 300000)))
    assert codes(await pinned.pay.repay(part(2, 200001))) == ["REFUND_EXCEEDS_CAPTURED"]
    entity(await pinned.pay.repay(part(3, 200000)))
    assert codes(await pinned.pay.repay(part(4, 1))) == ["REFUND_EXCEEDS_CAPTURED"]


async def test_refunds_at_once_never_exceed_what_was_paid(pinned: Market) -> None:
    await pinned.paid()
    outcomes = await asyncio.gather(*(pinned.pay.repay(part(number, 100000)) for number in range(8)))
    assert sorted(codes(outcome) for outcome in outcomes) == [[]] * 5 + [["REFUND_EXCEEDS_CAPTURED"]] * 3


async def test_a_closed_refund_leaves_the_money_to_another(pinned: Market) -> None:
    await pinned.paid()
    await pinned.handle("/_refunds", settle="CLOSED")
    entity(await pinned.pay.repay(part(1, 500000)))
    assert (await pinned.pay.query_repayment(part(1, 500000), None)).status is RefundStatus.CLOSED
    await pinned.handle("/_refunds", settle="SUCCESS")
    entity(await pinned.pay.repay(part(2, 500000)))


async def test_a_refund_may_wait_and_then_be_abnormal(pinned: Market) -> None:
    await pinned.paid()
    await pinned.handle("/_refunds", settle="NEVER")
    entity(await pinned.pay.repay(REPAYMENT))
    assert (await pinned.pay.query_repayment(REPAYMENT, None)).status is RefundStatus.PROCESSING
    await pinned.handle(f"/_refunds/{REPAYMENT.id}", settle="ABNORMAL")
    await pinned.notified()
    assert (await pinned.pay.query_repayment(REPAYMENT, None)).status is RefundStatus.ABNORMAL
    assert pinned.taken[-1] is not None
    assert pinned.taken[-1].repayment is not None
    assert pinned.taken[-1].repayment.status is RefundStatus.ABNORMAL


async def test_what_was_not_paid_or_not_so_much_is_not_refunded(pinned: Market) -> None:
    await pinned.begun()
    assert codes(await pinned.pay.repay(REPAYMENT)) == ["NOT_REFUNDABLE"]
    await pinned.customer_pays()
    with pytest.raises(UpstreamRejected):
        await pinned.pay.repay(msgspec.structs.replace(REPAYMENT, total=Money(amount_minor=499999)))


# Notifications


async def test_notifications_are_sent_until_they_are_acknowledged(pinned: Market) -> None:
    pinned.answers = [500, 401]
    await pinned.paid()
    sent = await pinned.notified()
    assert [one["status"] for one in sent] == [500, 401, 204]
    assert len({one["id"] for one in sent}) == 1
    assert len(pinned.taken) == 1


async def test_at_the_end_of_the_schedule_nobody_tries_any_more(pinned: Market) -> None:
    pinned.answers = [503] * 10
    await pinned.paid()
    assert [one["status"] for one in await pinned.notified()] == [503] * 4
    assert (await pinned.pay.query(CHARGE_ID, "")).status is ChargeStatus.SUCCEEDED, "it still answers who asks"


@pytest.mark.parametrize(("how", "times"), [("never", 0), ("once", 1), ("twice", 2), ("parallel", 5), ("late", 1)])
async def test_ways_to_be_notified(market: Market, how: str, times: int) -> None:
    await market.begun()
    await market.customer_pays(notify=how)
    assert [one["how"] for one in await market.notified()] == [how] * times
    assert len(market.taken) == times
    assert len({notice.id for notice in market.taken if notice}) == min(times, 1)
    assert market.refused == []


@pytest.mark.parametrize("how", ["forged", "stale", "stranger"])
async def test_notifications_that_are_not_to_be_believed(market: Market, how: str) -> None:
    await market.begun()
    await market.customer_pays(notify="never")
    await market.handle(f"/_notify/{CHARGE_ID}", notify=how)
    assert [one["status"] for one in await market.notified()] == [401]
    assert json.loads((await market.notified())[0]["answer"])["code"] == "FAIL"
    assert market.taken == []
    await market.handle(f"/_notify/{CHARGE_ID}")
    await market.notified()
    assert len(market.taken) == 1, "the true one is believed all the same"


async def test_notifications_out_of_order(pinned: Market) -> None:
    await pinned.begun()
    await pinned.customer_pays(notify="never")
    entity(await pinned.pay.repay(REPAYMENT))
    await pinned.notified()
    await pinned.handle(f"/_notify/{CHARGE_ID}")
    await pinned.notified()
    first, second = pinned.taken
    assert first is not None
    assert second is not None
    assert (first.repayment is not None, second.charge is not None) == (True, True)
    assert second.charge is not None
    assert second.charge.raw_status == "SUCCESS", "what it was when it happened"


async def test_nothing_is_told_of_what_was_not_paid(pinned: Market) -> None:
    await pinned.begun()
    assert (await pinned.http.post(f"/_notify/{CHARGE_ID}", json={})).status_code == 409
    assert (await pinned.http.post("/_notify/CH404404", json={})).status_code == 404


async def test_paying_twice_is_paying_once(pinned: Market) -> None:
    await pinned.begun()
    await pinned.customer_pays()
    await pinned.customer_pays()
    assert len(await pinned.notified()) == 1


async def test_a_merchant_who_cannot_be_reached_is_tried_again() -> None:
    market = Market()
    broken = httpx.MockTransport(lambda _: (_ for _ in ()).throw(httpx.ConnectError("no route")))
    market.system = create(WORLD, market.clock, transport=broken, schedule=(0.0, 0.0))
    market.pay = WechatPay(sandbox_upstream(market.system), market.settings, market.clock)
    market.http = httpx.AsyncClient(transport=httpx.ASGITransport(market.system), base_url=BASE)
    await market.begun()
    await market.customer_pays()
    assert [(one["status"], one["answer"]) for one in await market.notified()] == [(None, "ConnectError")] * 3


# Keys of the platform


async def test_the_platform_rotates_its_certificate_under_way() -> None:
    market = Market(BY_CERTIFICATES)
    await market.paid()
    market.clock.turn(60)
    rotated = await market.handle("/_keys", signer="next-certificate")
    assert (await market.pay.query(CHARGE_ID, "")).status is ChargeStatus.SUCCEEDED
    await market.handle(f"/_notify/{CHARGE_ID}", notify="parallel")
    await market.notified()
    assert len(market.taken) == 6
    assert market.system.stats.paths["/v3/certificates"] == 2
    before = await market.handle("/_keys", signer="certificate")
    assert before["serial"] != rotated["serial"]
    assert (await market.pay.query(CHARGE_ID, "")).status is ChargeStatus.SUCCEEDED, "both are valid for a while"


async def test_replies_are_signed_by_the_key_that_the_request_names(pinned: Market) -> None:
    path = "/v3/certificates"
    for named, signed in (({}, "60E2D4A7C3B1"), ({"wechatpay-serial": next(iter(SETTINGS.public_keys))}, None)):
        reply = await pinned.http.get(path, headers=pinned.headers("GET", path) | named)
        assert reply.headers["wechatpay-serial"] == (signed or named["wechatpay-serial"])
    unknown = await pinned.http.get(path, headers=pinned.headers("GET", path) | {"wechatpay-serial": "PUB_KEY_ID_9"})
    assert (unknown.status_code, unknown.json()["code"]) == (400, "PARAM_ERROR")


# What the system enforces

QUERY = f"/v3/pay/transactions/out-trade-no/{CHARGE_ID}?mchid={SETTINGS.merchant_id}"


@pytest.mark.parametrize(
    "changed",
    [
        {"merchant_id": "1900000001"},
        {"serial": "444F4864"},
        {"path": "/v3/certificates"},
        {"path": QUERY.partition("?")[0]},
        {"method": "POST"},
        {"body": b"{}"},
        {"timestamp": int(START.timestamp()) - 301},
        {"timestamp": int(START.timestamp()) + 301},
    ],
)
async def test_a_request_that_is_not_well_signed_is_not_answered(pinned: Market, changed: dict[str, Any]) -> None:
    await pinned.begun()
    good = await pinned.http.get(QUERY, headers=pinned.headers("GET", QUERY))
    assert good.status_code == 200
    said: dict[str, Any] = {"method": "GET", "path": QUERY} | changed
    reply = await pinned.http.get(QUERY, headers=pinned.headers(**said))
    assert (reply.status_code, reply.json()["code"]) == (401, "SIGN_ERROR")
    assert "wechatpay-signature" not in reply.headers


@pytest.mark.parametrize("header", [None, "Bearer x", 'WECHATPAY2-SHA256-RSA2048 mchid="1900007291"'])
async def test_a_request_that_is_not_signed_is_not_answered(pinned: Market, header: str | None) -> None:
    reply = await pinned.http.get(QUERY, headers={} if header is None else {"authorization": header})
    assert (reply.status_code, reply.json()["code"]) == (401, "SIGN_ERROR")


async def test_a_write_is_taken_once_with_its_nonce(pinned: Market) -> None:
    await pinned.begun()
    path, body = f"/v3/pay/transactions/out-trade-no/{CHARGE_ID}/close", b'{"mchid":"1900007291"}'
    headers = pinned.headers("POST", path, body)
    assert (await pinned.http.post(path, content=body, headers=headers)).status_code == 204
    replayed = await pinned.http.post(path, content=body, headers=headers)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "SIGN_ERROR")


async def test_a_read_may_be_sent_again_as_it_was(pinned: Market) -> None:
    """A connection that broke is no reason for the upstream's retry to be refused."""
    await pinned.begun()
    headers = pinned.headers("GET", QUERY)
    assert [(await pinned.http.get(QUERY, headers=headers)).status_code for _ in range(2)] == [200, 200]


async def test_our_clock_must_be_right(pinned: Market) -> None:
    pay = WechatPay(sandbox_upstream(pinned.system), SETTINGS, lambda: START + timedelta(seconds=301))
    with pytest.raises(UpstreamRejected) as raised:
        await pay.query(CHARGE_ID, "")
    assert "SIGN_ERROR" in (raised.value.detail or "")


PREPAY: dict[str, Any] = {
    "appid": SETTINGS.app_id,
    "mchid": SETTINGS.merchant_id,
    "description": "定金",
    "out_trade_no": CHARGE_ID,
    "notify_url": NOTIFY_URL,
    "amount": {"total": 1, "currency": "CNY"},
    "payer": {"openid": "oX1"},
}


async def ask(market: Market, path: str, said: Mapping[str, Any]) -> httpx.Response:
    body = json.dumps(said).encode()
    return await market.http.post(path, content=body, headers=market.headers("POST", path, body))


@pytest.mark.parametrize(
    ("scene", "changed", "code"),
    [
        ("jsapi", {"out_trade_no": "CH/1234"}, "PARAM_ERROR"),
        ("jsapi", {"out_trade_no": "short"}, "PARAM_ERROR"),
        ("jsapi", {"description": "x" * 128}, "PARAM_ERROR"),
        ("jsapi", {"amount": {"total": 0, "currency": "CNY"}}, "PARAM_ERROR"),
        ("jsapi", {"amount": {"total": 1.5, "currency": "CNY"}}, "PARAM_ERROR"),
        ("jsapi", {"amount": {"total": 1, "currency": "USD"}}, "PARAM_ERROR"),
        ("jsapi", {"notify_url": "https://bff.example.com/n?a=1"}, "PARAM_ERROR"),
        ("jsapi", {"payer": None}, "PARAM_ERROR"),
        ("h5", {}, "PARAM_ERROR"),
        ("jsapi", {"mchid": "1900000001"}, "APPID_MCHID_NOT_MATCH"),
        ("jsapi", {"appid": SETTINGS.mobile_app_id}, "APPID_MCHID_NOT_MATCH"),
        ("app", {}, "APPID_MCHID_NOT_MATCH"),
    ],
)
async def test_a_prepay_keeps_to_the_documentation(
    pinned: Market, scene: str, changed: dict[str, Any], code: str
) -> None:
    reply = await ask(pinned, f"/v3/pay/transactions/{scene}", PREPAY | changed)
    assert (reply.status_code, reply.json()["code"]) == (400, code)
    assert "wechatpay-signature" in reply.headers
    assert (await ask(pinned, "/v3/pay/transactions/jsapi", PREPAY)).status_code == 200


async def test_paths_of_other_merchants_and_other_scenes(pinned: Market) -> None:
    for path in (QUERY.replace(SETTINGS.merchant_id, "1900000001"), QUERY.partition("?")[0]):
        reply = await pinned.http.get(path, headers=pinned.headers("GET", path))
        assert (reply.status_code, reply.json()["code"]) == (404, "MCH_NOT_EXISTS")
    assert (await ask(pinned, "/v3/pay/transactions/micropay", PREPAY)).status_code == 404


async def test_a_charge_is_found_by_wechat_pays_number(pinned: Market) -> None:
    state = await pinned.paid()
    path = f"/v3/pay/transactions/id/{state.transaction}?mchid={SETTINGS.merchant_id}"
    reply = await pinned.http.get(path, headers=pinned.headers("GET", path))
    assert reply.json()["out_trade_no"] == CHARGE_ID
    other = path.replace(str(state.transaction), "4200000000")
    assert (await pinned.http.get(other, headers=pinned.headers("GET", other))).status_code == 404


async def test_handles_say_what_is_wrong(pinned: Market) -> None:
    assert (await pinned.http.get("/_ping")).json() == {"system": "wechatpay", "simulated": True}
    assert (await pinned.http.post(f"/_pay/{CHARGE_ID}", json={"result": "SUCCEEDED"})).status_code == 404
    assert (await pinned.http.post(f"/_pay/{CHARGE_ID}", json={"result": "MAYBE"})).status_code == 400


# Faults


@pytest.mark.parametrize("kind", ["html", "truncate", "maintenance"])
async def test_an_answer_that_is_none_leaves_the_outcome_to_a_query(pinned: Market, kind: str) -> None:
    await pinned.http.put("/_faults", json={"faults": [{"kind": kind, "match": "/jsapi"}]})
    with pytest.raises(OutcomeUnknown):
        await pinned.pay.begin(charge())
    state = await pinned.pay.query(CHARGE_ID, "")
    assert state.status is (ChargeStatus.OPEN if kind == "truncate" else ChargeStatus.ABSENT)
    await pinned.http.delete("/_faults")
    await pinned.begun()


async def test_an_answer_that_is_none_breaks_a_read(pinned: Market) -> None:
    await pinned.begun()
    await pinned.http.put("/_faults", json={"faults": [{"kind": "html", "match": "out-trade-no"}]})
    with pytest.raises(UpstreamContractBroken):
        await pinned.pay.query(CHARGE_ID, "")


async def test_a_read_whose_answer_was_cut_is_asked_again(pinned: Market) -> None:
    await pinned.begun()
    await pinned.http.put("/_faults", json={"faults": [{"kind": "truncate", "match": "out-trade-no", "times": 1}]})
    assert (await pinned.pay.query(CHARGE_ID, "")).status is ChargeStatus.OPEN
