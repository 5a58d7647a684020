"""Alipay as others wrote it: `python-alipay-sdk` signs and verifies against our adapter and our sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
import respx
from alipay import AliPay  # type: ignore[import-untyped]  # it has no types
from alipay.exceptions import AliPayException  # type: ignore[import-untyped]

from adapters.alipay import development
from adapters.alipay.client import AlipayClient
from bff.domain.payment import AppAction, PaymentScene, RedirectAction
from bff.domain.providers import ChargeStatus, NoticeRefused
from bff.errors import UpstreamBusy
from sandbox.alipay import keys
from sandbox.alipay.app import create
from sandbox.kit.server import Estate
from tests.sandbox_alipay import NOTIFY_URL, SETTINGS, WORLD, Hands, charge, client_of, notice_parameters
from tests.support import mocked_upstream

pytestmark = [pytest.mark.anyio, pytest.mark.real]

STAMP = "2026-03-09 12:05:06"
"""The clock's time in Shanghai: by itself the package writes the time of whatever zone its process is in."""
CONTENT = {
    "subject": "定金 ASTER A5 & 备注",
    "out_trade_no": "CH01",
    "total_amount": "5000.50",
}


def merchant() -> Any:
    """The package in our place: our key, Alipay's public one."""
    return AliPay(
        appid=development.APP_ID,
        app_notify_url=NOTIFY_URL,
        app_private_key_string=development.PRIVATE_KEY,
        alipay_public_key_string=development.ALIPAY_PUBLIC_KEY,
    )


def alipay() -> Any:
    """The package in Alipay's place: its key signs, and ours verifies."""
    return AliPay(
        appid=development.APP_ID,
        app_private_key_string=keys.ALIPAY_PRIVATE_KEY,
        alipay_public_key_string=keys.MERCHANT_PUBLIC_KEY,
    )


def noticed(**changed: str) -> bytes:
    """A notification signed by the package."""
    told = notice_parameters(**changed)
    text = "&".join(f"{name}={value}" for name, value in sorted(told.items()))
    return urlencode({**told, "sign_type": "RSA2", "sign": alipay()._sign(text)}).encode()


# What we sign


@pytest.mark.parametrize("description", ["定金 ASTER A5", "Deposit 100% + \"A5\" 'x' \\ ~*", "车" * 42])
async def test_our_order_string_is_the_packages_letter_for_letter(description: str) -> None:
    outcome = await client_of(respx.Router()).begin(charge(PaymentScene.APP, description=description))
    assert outcome.entity is not None
    content = {
        "subject": description,
        "out_trade_no": "CH01",
        "total_amount": "5000.50",
        "product_code": "QUICK_MSECURITY_PAY",
        "time_expire": "2026-03-09 14:05:06",
    }
    theirs = merchant().client_api("alipay.trade.app.pay", content, timestamp=STAMP)
    assert outcome.entity.client_action == AppAction(order_string=theirs)


async def test_our_pages_address_is_the_packages_letter_for_letter() -> None:
    client = AlipayClient(mocked_upstream(respx.Router(), "alipay"), SETTINGS, clock=Hands())
    outcome = await client.begin(charge(PaymentScene.H5))
    assert outcome.entity is not None
    content = {
        "subject": "定金 ASTER A5",
        "out_trade_no": "CH01",
        "total_amount": "5000.50",
        "product_code": "QUICK_WAP_WAY",
        "time_expire": "2026-03-09 14:05:06",
    }
    theirs = merchant().client_api("alipay.trade.wap.pay", content, timestamp=STAMP)
    assert outcome.entity.client_action == RedirectAction(url=f"http://upstream.test/gateway.do?{theirs}")


async def test_the_package_verifies_what_we_post() -> None:
    router = respx.Router()
    router.post().mock(return_value=httpx.Response(503))
    client = client_of(router)
    for asked in (client.begin(charge()), client.query("CH01", ""), client.close("CH01", "")):
        with pytest.raises(UpstreamBusy):
            await asked
    assert len(router.calls) == 3
    for call in router.calls:
        form = dict(parse_qsl(call.request.content.decode())) | dict(call.request.url.params)
        sign, sign_type = form.pop("sign"), form.pop("sign_type")
        # The package leaves sign_type out of what it verifies, as in a notification; in a request it is signed.
        text = "&".join(f"{name}={value}" for name, value in sorted({**form, "sign_type": sign_type}.items()))
        assert alipay()._verify(text, sign)
        assert not alipay()._verify(text.replace("CH01", "CH02"), sign)


# What we believe


async def test_a_notification_signed_by_the_package_is_believed() -> None:
    told = await client_of(respx.Router()).read_notice({}, noticed(subject=CONTENT["subject"]))
    assert told is not None
    assert told.charge is not None
    assert told.charge.status is ChargeStatus.SUCCEEDED


async def test_the_package_believes_what_is_years_old_and_we_do_not() -> None:
    body = noticed(notify_time="2020-01-01 00:00:00")
    form = dict(parse_qsl(body.decode()))
    assert merchant().verify(form, form.pop("sign"))
    with pytest.raises(NoticeRefused, match="older than"):
        await client_of(respx.Router()).read_notice({}, body)


async def test_an_answer_signed_by_the_package_is_believed() -> None:
    text = json.dumps({"code": "10000", "out_trade_no": "CH01", "qr_code": "https://qr.alipay.com/bax", "说": "/"})
    router = respx.Router()
    body = f'{{"alipay_trade_precreate_response":{text},"sign":"{alipay()._sign(text)}"}}'
    router.post().mock(return_value=httpx.Response(200, text=body))
    outcome = await client_of(router).begin(charge())
    assert outcome.entity is not None


# The package and our sandbox, over sockets


class Shop:
    """The package as a merchant of the simulated Alipay, which runs on a port of its own."""

    def __init__(self, address: str) -> None:
        self.sdk = merchant()
        self.sdk._gateway = f"{address}/gateway.do"
        self.http = httpx.AsyncClient(base_url=address, trust_env=False)

    async def ask(self, method: str, content: dict[str, str]) -> dict[str, Any]:
        """The package verifies the answer's signature, and raises where it does not hold."""
        said: dict[str, Any] = await asyncio.to_thread(self.sdk.server_api, method, content, timestamp=STAMP)
        return said


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    # Nobody listens at the address for notifications: they are read from the list of what was sent.
    refuse = httpx.MockTransport(lambda request: httpx.Response(503))
    estate = Estate([(create(WORLD, Hands(), transport=refuse, again_after=()), 0)])
    await estate.start()
    made = Shop(estate.addresses["alipay"])
    try:
        yield made
    finally:
        await made.http.aclose()
        await estate.stop()


async def test_the_package_is_a_merchant_of_our_sandbox(shop: Shop) -> None:
    content = CONTENT | {"subject": "定金 ASTER A5"}
    coded = await shop.ask("alipay.trade.precreate", content)
    assert coded["qr_code"].startswith("http://127.0.0.1:")
    with pytest.raises(AliPayException) as absent:  # it takes no refusal for an answer where there is no signature
        await asyncio.to_thread(shop.sdk.server_api, "alipay.trade.query", {"out_trade_no": "CH01"}, timestamp="2026")
    assert "isv.invalid-timestamp" in str(absent.value)
    assert (await shop.ask("alipay.trade.query", {"out_trade_no": "CH01"}))["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert (await shop.http.post("/_pay/CH01", json={})).json()["status"] == "TRADE_SUCCESS"
    paid = await shop.ask("alipay.trade.query", {"out_trade_no": "CH01"})
    assert (paid["trade_status"], paid["total_amount"]) == ("TRADE_SUCCESS", "5000.50")
    given = {"out_trade_no": "CH01", "refund_amount": "1000.50", "out_request_no": "RF01"}
    assert [(await shop.ask("alipay.trade.refund", dict(given)))["fund_change"] for _ in range(2)] == ["Y", "N"]
    found = await shop.ask("alipay.trade.fastpay.refund.query", {"out_trade_no": "CH01", "out_request_no": "RF01"})
    assert (found["refund_status"], found["refund_amount"]) == ("REFUND_SUCCESS", "1000.50")
    assert (await shop.ask("alipay.trade.close", {"out_trade_no": "CH01"}))["sub_code"] == "ACQ.TRADE_STATUS_ERROR"


@pytest.mark.parametrize(
    ("method", "product"),
    [("alipay.trade.wap.pay", "QUICK_WAP_PAY"), ("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY")],
)
async def test_the_packages_pages_lead_to_the_cashier(shop: Shop, method: str, product: str) -> None:
    content = CONTENT | {"subject": "定金", "product_code": product}
    page = await shop.http.get(
        f"/gateway.do?{shop.sdk.client_api(method, content, timestamp=STAMP)}", follow_redirects=True
    )
    assert page.url.path == "/cashier/CH01"


async def test_the_packages_order_string_is_opened_and_paid(shop: Shop) -> None:
    content = CONTENT | {"subject": "定金", "product_code": "QUICK_MSECURITY_PAY"}
    order = shop.sdk.client_api("alipay.trade.app.pay", content, timestamp=STAMP)
    paid = await shop.http.post("/_pay/CH01", json={"open": order})
    assert paid.json()["status"] == "TRADE_SUCCESS"


async def test_the_package_verifies_our_sandboxs_notifications(shop: Shop) -> None:
    await shop.ask("alipay.trade.precreate", CONTENT | {"subject": "定金 ASTER A5"})
    await shop.http.post("/_pay/CH01", json={"notify": "never"})
    await shop.ask("alipay.trade.refund", {"out_trade_no": "CH01", "refund_amount": "5000.50"})
    sent = (await shop.http.get("/_notifications")).json()["notifications"]
    assert [each["parameters"]["trade_status"] for each in sent] == ["TRADE_SUCCESS", "TRADE_CLOSED"]
    for each in sent:
        parameters = each["parameters"]
        sign = parameters.pop("sign")
        assert shop.sdk.verify(dict(parameters), sign)
        assert not shop.sdk.verify(parameters | {"total_amount": "0.01"}, sign)
