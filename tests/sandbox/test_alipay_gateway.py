"""What the simulated Alipay enforces of a request, and what it signs."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.alipay import development
from sandbox.alipay.app import create
from sandbox.alipay.keys import alipay_private_key
from sandbox.kit.server import System
from tests.sandbox_alipay import NOW, WORLD, Hands, signature

pytestmark = pytest.mark.anyio

MERCHANT_KEY = load_pem_private_key(development.PRIVATE_KEY.encode(), None)
assert isinstance(MERCHANT_KEY, rsa.RSAPrivateKey)
OFFER = {"subject": "定金", "out_trade_no": "CH01", "total_amount": "10.00", "time_expire": "2026-03-09 13:05:06"}


@pytest.fixture
def system() -> System:
    return create(WORLD, Hands(), again_after=())


@pytest.fixture
def http(system: System) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url="http://alipay.test")


def form(
    method: str, content: dict[str, Any], changed: dict[str, str] | None = None, key: rsa.RSAPrivateKey = MERCHANT_KEY
) -> dict[str, str]:
    told = {
        "app_id": development.APP_ID,
        "method": method,
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": "2026-03-09 12:05:06",
        "version": "1.0",
        "biz_content": json.dumps(content),
        **(changed or {}),
    }
    told = {name: value for name, value in told.items() if value}
    return told | {"sign": signature("&".join(f"{n}={v}" for n, v in sorted(told.items())), key)}


async def ask(http: httpx.AsyncClient, told: dict[str, str]) -> dict[str, Any]:
    """The member that answers; its signature is verified where there is one."""
    reply = await http.post("/gateway.do", data=told)
    assert reply.status_code == 200
    (name, *_) = members = reply.json()
    if "sign" in members:
        text = reply.text[len(f'{{"{name}":') : reply.text.rindex(',"sign":')]
        alipay_private_key().public_key().verify(
            base64.b64decode(members["sign"]), text.encode(), padding.PKCS1v15(), hashes.SHA256()
        )
    found: dict[str, Any] = members[name]
    return found | {"is_signed": "sign" in members}


@pytest.mark.parametrize(
    ("changed", "sub_code"),
    [
        ({"method": ""}, "isv.missing-method"),
        ({"app_id": ""}, "isv.missing-app-id"),
        ({"app_id": "2021000000000001"}, "isv.invalid-app-id"),
        ({"sign_type": "RSA"}, "isv.invalid-sign-type"),
        ({"version": "2.0"}, "isv.invalid-version"),
        ({"charset": "gbk"}, "isv.invalid-charset"),
        ({"method": "alipay.trade.pay"}, "isv.invalid-method"),
        ({"timestamp": ""}, "isv.missing-timestamp"),
        ({"timestamp": "2026-03-09T12:05:06"}, "isv.invalid-timestamp"),
        ({"timestamp": "2026-02-30 12:05:06"}, "isv.invalid-timestamp"),
        ({"timestamp": "2026-03-09 12:00:05"}, "isv.invalid-timestamp"),
        ({"timestamp": "2026-03-09 12:10:07"}, "isv.invalid-timestamp"),
        ({"timestamp": "2026-03-09 04:05:06"}, "isv.invalid-timestamp"),  # UTC instead of Shanghai
        ({"biz_content": "out_trade_no"}, "isv.invalid-biz-content"),
        ({"biz_content": "[]"}, "isv.invalid-biz-content"),
    ],
)
async def test_a_request_that_is_not_well_formed_is_refused_unsigned(
    http: httpx.AsyncClient, changed: dict[str, str], sub_code: str
) -> None:
    told = {"method": "alipay.trade.query"} | changed
    said = await ask(http, form(told.pop("method"), {"out_trade_no": "CH01"}, told))
    assert (said["sub_code"], said["is_signed"]) == (sub_code, False)


@pytest.mark.parametrize(
    "change", [{"biz_content": '{"out_trade_no": "CH02"}'}, {"sign": "AAAA"}, {"sign": "?"}, {"more": "x"}]
)
async def test_a_changed_request_is_refused(http: httpx.AsyncClient, change: dict[str, str]) -> None:
    said = await ask(http, form("alipay.trade.query", {"out_trade_no": "CH01"}) | change)
    assert said["sub_code"] == "isv.invalid-signature"


async def test_another_key_is_refused(http: httpx.AsyncClient) -> None:
    other = rsa.generate_private_key(65537, 2048)
    said = await ask(http, form("alipay.trade.query", {"out_trade_no": "CH01"}, key=other))
    assert said["sub_code"] == "isv.invalid-signature"


async def test_parameters_may_come_in_the_address(http: httpx.AsyncClient) -> None:
    told = form("alipay.trade.query", {"out_trade_no": "CH01"})
    reply = await http.get("/gateway.do", params=told)
    assert reply.json()["alipay_trade_query_response"]["sub_code"] == "ACQ.TRADE_NOT_EXIST"


@pytest.mark.parametrize(
    ("changed", "sub_code"),
    [
        ({"total_amount": "0.00"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "1.001"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": 10}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "100000000.01"}, "ACQ.INVALID_PARAMETER"),
        ({"out_trade_no": "CH-01"}, "ACQ.INVALID_PARAMETER"),
        ({"out_trade_no": "C" * 65}, "ACQ.INVALID_PARAMETER"),
        ({"subject": "A/B"}, "ACQ.INVALID_PARAMETER"),
        ({"subject": ""}, "ACQ.INVALID_PARAMETER"),
        ({"product_code": "QUICK_WAP_WAY"}, "ACQ.INVALID_PARAMETER"),
        ({"time_expire": "2026-03-09 12:05:06"}, "ACQ.INVALID_PARAMETER"),
        ({"time_expire": "tomorrow"}, "ACQ.INVALID_PARAMETER"),
    ],
)
async def test_an_offer_that_cannot_be_is_refused_signed(
    http: httpx.AsyncClient, changed: dict[str, Any], sub_code: str
) -> None:
    said = await ask(http, form("alipay.trade.precreate", OFFER | changed))
    assert (said["code"], said["sub_code"], said["is_signed"]) == ("40004", sub_code, True)


async def test_the_same_offer_is_the_same_code_and_another_amount_is_refused(http: httpx.AsyncClient) -> None:
    first = await ask(http, form("alipay.trade.precreate", OFFER))
    assert await ask(http, form("alipay.trade.precreate", OFFER)) == first
    said = await ask(http, form("alipay.trade.precreate", OFFER | {"total_amount": "10.01"}))
    assert said["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"


async def test_slashes_are_escaped_on_the_wire_as_alipay_does(http: httpx.AsyncClient) -> None:
    reply = await http.post("/gateway.do", data=form("alipay.trade.precreate", OFFER))
    assert '"qr_code":"http:\\/\\/alipay.test\\/qr\\/bax' in reply.text


@pytest.mark.parametrize("method", ["alipay.trade.wap.pay", "alipay.trade.page.pay"])
async def test_a_page_leads_to_the_cashier(http: httpx.AsyncClient, method: str) -> None:
    product = {"alipay.trade.wap.pay": "QUICK_WAP_WAY", "alipay.trade.page.pay": "FAST_INSTANT_TRADE_PAY"}[method]
    told = form(method, OFFER | {"subject": "<定金>", "product_code": product})
    page = await http.get("/gateway.do", params=told, follow_redirects=True)
    assert page.url.path == "/cashier/CH01"
    assert "&lt;定金&gt;" in page.text
    assert "10.00 CNY" in page.text
    assert ">Pay</button>" in page.text
    assert ">Decline</button>" in page.text


async def test_a_forged_page_leads_nowhere(http: httpx.AsyncClient) -> None:
    told = form("alipay.trade.wap.pay", OFFER | {"product_code": "QUICK_WAP_WAY"})
    for name, value in {"sign": "AAAA", "notify_url": "http://evil.test"}.items():
        reply = await http.get("/gateway.do", params=told | {name: value})
        assert reply.json()["error_response"]["sub_code"] == "isv.invalid-signature"
    assert (await http.get("/cashier/CH01")).status_code == 404


async def test_an_order_string_is_opened_by_the_app_alone_and_later_than_it_was_signed() -> None:
    clock = Hands()
    system = create(WORLD, clock, again_after=())
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url="http://alipay.test")
    told = form("alipay.trade.app.pay", OFFER | {"product_code": "QUICK_MSECURITY_PAY"})
    assert (await ask(http, told))["sub_code"] == "isv.invalid-method"
    clock.time = NOW + timedelta(minutes=50)
    opened = await http.post("/_open", content=urlencode(told))
    assert opened.json() == {"id": "CH01", "status": "WAIT_BUYER_PAY", "returnUrl": None}
    forged = await http.post("/_open", content=urlencode(told | {"sign": "AAAA"}))
    assert (forged.status_code, forged.json()["code"]) == (400, "isv.invalid-signature")
    clock.time = NOW + timedelta(minutes=61)
    other = form("alipay.trade.app.pay", OFFER | {"out_trade_no": "CH02", "product_code": "QUICK_MSECURITY_PAY"})
    assert (await http.post("/_open", content=urlencode(other))).json()["code"] == "ACQ.INVALID_PARAMETER"


async def test_it_says_that_it_is_simulated(http: httpx.AsyncClient) -> None:
    assert (await http.get("/_ping")).json() == {"system": "alipay", "simulated": True}
