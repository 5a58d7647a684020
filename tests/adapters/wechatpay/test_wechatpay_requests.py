"""What is asked of WeChat Pay, and what a client gets to go on with."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from bff.domain.base import Money
from bff.domain.payment import (
    AppAction,
    PaymentProvider,
    PaymentScene,
    QrCodeAction,
    RedirectAction,
    RefundStatus,
    WechatJsapiAction,
)
from bff.domain.providers import ChargeStatus
from bff.errors import InvalidInput
from sandbox.wechatpay import keys
from tests.adapters.wechatpay.support import (
    BY_PUBLIC_KEYS,
    CHARGE_ID,
    GOOD,
    METHODS,
    NOTIFY_URL,
    PREPAY,
    REFUND_ID,
    REFUNDS,
    REPAYMENT,
    SETTINGS,
    Act,
    Wechat,
    act,
    charge,
    refund,
    sent,
    transaction,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def wechat() -> Wechat:
    return Wechat()


def merchant_verifies(signature: str, message: str) -> None:
    SETTINGS.private_key.public_key().verify(
        base64.b64decode(signature), message.encode(), padding.PKCS1v15(), hashes.SHA256()
    )


async def test_it_says_what_it_is(wechat: Wechat) -> None:
    assert wechat.pay.provider is PaymentProvider.WECHAT_PAY
    assert wechat.pay.scenes == {PaymentScene.JSAPI, PaymentScene.APP, PaymentScene.H5, PaymentScene.NATIVE}
    assert wechat.pay.can_hold is False
    without_app = msgspec.structs.replace(BY_PUBLIC_KEYS, mobile_app_id=None)
    assert Wechat(without_app).pay.scenes == {PaymentScene.JSAPI, PaymentScene.H5, PaymentScene.NATIVE}


@pytest.mark.parametrize("method", METHODS)
async def test_every_request_is_signed_as_the_platform_checks_it(wechat: Wechat, method: str) -> None:
    await act(wechat, method, wechat.reply(*GOOD[method]))
    request = sent(wechat)
    target = request.url.raw_path.decode()
    wechat.platform.check(request.method, target, request.headers, request.content)  # raises
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"]
    assert request.headers["wechatpay-serial"] == keys.PUBLIC_KEY_ID
    assert ("content-type" in request.headers) == (request.method == "POST")


async def test_each_request_has_a_nonce_of_its_own(wechat: Wechat) -> None:
    for _ in range(2):
        await act(wechat, "query", wechat.reply(200, transaction()))
    first, second = (call.request.headers["authorization"] for call in wechat.router.calls)
    assert first != second


async def test_jsapi_asks_for_a_prepay_and_signs_what_the_mini_program_pays_with(wechat: Wechat) -> None:
    outcome = await act(wechat, "begin", wechat.reply(200, {"prepay_id": "wx26112221580621e9b071c00d9e093b0000"}))
    assert json.loads(sent(wechat).content) == {
        "appid": SETTINGS.app_id,
        "mchid": SETTINGS.merchant_id,
        "description": "定金 VO100001",
        "out_trade_no": CHARGE_ID,
        "time_expire": "2026-03-09T04:00:00+00:00",
        "notify_url": NOTIFY_URL,
        "amount": {"total": 500000, "currency": "CNY"},
        "payer": {"openid": "oXb83c1f2d7a9e4f60517c8d92a"},
    }
    action = outcome.entity.client_action
    assert isinstance(action, WechatJsapiAction)
    assert (action.app_id, action.sign_type) == (SETTINGS.app_id, "RSA")
    assert action.package == "prepay_id=wx26112221580621e9b071c00d9e093b0000"
    assert action.time_stamp == str(int(wechat.clock().timestamp()))
    merchant_verifies(action.pay_sign, f"{action.app_id}\n{action.time_stamp}\n{action.nonce_str}\n{action.package}\n")
    assert outcome.entity.reference == ""


async def test_app_gets_the_parameters_of_its_sdk(wechat: Wechat) -> None:
    wechat.router.post(f"{PREPAY}/app").mock(return_value=wechat.reply(200, {"prepay_id": "wx77"}))
    outcome = await wechat.pay.begin(charge(PaymentScene.APP))
    assert json.loads(sent(wechat).content)["appid"] == SETTINGS.mobile_app_id
    assert outcome.entity is not None
    action = outcome.entity.client_action
    assert isinstance(action, AppAction)
    said = {name: values[0] for name, values in parse_qs(action.order_string, strict_parsing=True).items()}
    signature = said.pop("sign")
    merchant_verifies(signature, f"{said['appid']}\n{said['timestamp']}\n{said['noncestr']}\nwx77\n")
    assert (said["partnerid"], said["prepayid"], said["package"]) == (SETTINGS.merchant_id, "wx77", "Sign=WXPay")
    assert said["appid"] == SETTINGS.mobile_app_id


async def test_h5_says_where_the_customer_is_and_gets_a_page(wechat: Wechat) -> None:
    url = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx2916&package=1"
    wechat.router.post(f"{PREPAY}/h5").mock(return_value=wechat.reply(200, {"h5_url": url}))
    outcome = await wechat.pay.begin(charge(PaymentScene.H5))
    scene = json.loads(sent(wechat).content)["scene_info"]
    assert scene == {"payer_client_ip": "14.23.150.211", "h5_info": {"type": "Wap"}}
    assert outcome.entity is not None
    assert outcome.entity.client_action == RedirectAction(url=url)


async def test_native_gets_a_code(wechat: Wechat) -> None:
    reply = wechat.reply(200, {"code_url": "weixin://wxpay/bizpayurl?pr=p4lpSuKzz"})
    wechat.router.post(f"{PREPAY}/native").mock(return_value=reply)
    outcome = await wechat.pay.begin(charge(PaymentScene.NATIVE))
    assert outcome.entity is not None
    assert outcome.entity.client_action == QrCodeAction(content="weixin://wxpay/bizpayurl?pr=p4lpSuKzz")
    assert not {"payer", "scene_info"} & json.loads(sent(wechat).content).keys()


async def test_the_same_charge_is_asked_for_with_the_same_bytes(wechat: Wechat) -> None:
    for _ in range(2):
        await act(wechat, "begin", wechat.reply(200, {"prepay_id": "wx2613"}))
        wechat.clock.turn(60)
    first, second = (call.request.content for call in wechat.router.calls)
    assert first == second


@pytest.mark.parametrize(
    "wanted",
    [
        charge(PaymentScene.JSAPI, payer=None),
        charge(PaymentScene.H5, client_ip=None),
        charge(PaymentScene.UNKNOWN),
        charge(amount=Money(amount_minor=100, currency="USD")),
    ],
)
async def test_what_wechat_pay_cannot_do_is_refused_without_asking(wechat: Wechat, wanted: Any) -> None:
    outcome = await wechat.pay.begin(wanted)
    assert [refusal.code for refusal in outcome.refusals] == ["PROVIDER_NOT_SUPPORTED"]
    assert not wechat.router.calls


async def test_app_without_an_app_id_is_refused() -> None:
    wechat = Wechat(msgspec.structs.replace(BY_PUBLIC_KEYS, mobile_app_id=None))
    outcome = await wechat.pay.begin(charge(PaymentScene.APP))
    assert [refusal.code for refusal in outcome.refusals] == ["PROVIDER_NOT_SUPPORTED"]


@pytest.mark.parametrize(
    "call",
    [
        lambda pay: pay.begin(charge(description="card 4111 1111 1111 1111")),
        lambda pay: pay.repay(msgspec.structs.replace(REPAYMENT, reason="４１１１１１１１１１１１１１１１")),
        lambda pay: pay.begin(charge(id="CH-1/../x")),
        lambda pay: pay.begin(charge(id="CH1")),
        lambda pay: pay.begin(charge(amount=Money(amount_minor=0))),
        lambda pay: pay.repay(msgspec.structs.replace(REPAYMENT, amount=Money(amount_minor=-1))),
    ],
)
async def test_what_cannot_be_right_is_not_sent(wechat: Wechat, call: Act) -> None:
    with pytest.raises(InvalidInput):
        await call(wechat.pay)
    assert not wechat.router.calls


async def test_refund_names_both_numbers_and_both_sums(wechat: Wechat) -> None:
    outcome = await act(wechat, "repay", wechat.reply(200, refund()))
    assert json.loads(sent(wechat).content) == {
        "out_trade_no": CHARGE_ID,
        "out_refund_no": REFUND_ID,
        "notify_url": NOTIFY_URL,
        "reason": "订单取消",
        "amount": {"refund": 20000, "total": 500000, "currency": "CNY"},
    }
    state = outcome.entity
    assert (state.id, state.charge_id, state.status) == (REFUND_ID, CHARGE_ID, RefundStatus.PROCESSING)
    assert (state.amount, state.transaction) == (Money(amount_minor=20000), "50300807092026030912345678901")


async def test_a_long_reason_is_cut_between_characters(wechat: Wechat) -> None:
    wechat.router.post(REFUNDS).mock(return_value=wechat.reply(200, refund()))
    await wechat.pay.repay(msgspec.structs.replace(REPAYMENT, reason="退" * 40))
    assert json.loads(sent(wechat).content)["reason"] == "退" * 26


async def test_closing_names_the_merchant_and_is_answered_by_nothing(wechat: Wechat) -> None:
    state = await act(wechat, "close", wechat.reply(204, b""))
    assert json.loads(sent(wechat).content) == {"mchid": SETTINGS.merchant_id}
    assert state.status is ChargeStatus.CLOSED
