"""What the simulated WeChat Pay enforces, and what is left of an answer that broke."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest

from adapters.wechatpay.client import WechatPay
from bff.domain.providers import ChargeStatus
from bff.errors import OutcomeUnknown, UpstreamContractBroken, UpstreamRejected
from tests.adapters.wechatpay.support import CHARGE_ID, NOTIFY_URL, SETTINGS, START, charge
from tests.sandbox.wechatpay_market import Market
from tests.support import sandbox_upstream

pytestmark = pytest.mark.anyio


@pytest.fixture
def pinned() -> Market:
    return Market()


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
