"""WeChat Pay as the sandbox plays it: notifications of every kind, and keys that rotate."""

from __future__ import annotations

import json

import httpx
import pytest

from adapters.wechatpay.client import WechatPay
from bff.domain.providers import ChargeStatus
from sandbox.wechatpay.app import create
from tests.adapters.wechatpay.support import BY_CERTIFICATES, BY_PUBLIC_KEYS, CHARGE_ID, REPAYMENT, SETTINGS
from tests.sandbox.wechatpay_market import WORLD, Market, entity
from tests.support import BASE, sandbox_upstream

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[BY_PUBLIC_KEYS, BY_CERTIFICATES, SETTINGS], ids=["public keys", "certificates", "both"])
def market(request: pytest.FixtureRequest) -> Market:
    """By every way to know the platform's keys."""
    return Market(request.param)


@pytest.fixture
def pinned() -> Market:
    return Market()


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
