"""What is asked of WeChat Pay, and what its answers mean."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from adapters.wechatpay.client import WechatPay
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
from bff.errors import (
    InvalidInput,
    OutcomeUnknown,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamUnavailable,
)
from sandbox.wechatpay import keys
from sandbox.wechatpay.platform import certificate_signer
from tests.adapters.wechatpay_support import (
    BY_PUBLIC_KEYS,
    CHARGE_ID,
    NOTIFY_URL,
    ORDER,
    REFUND,
    REFUND_ID,
    REFUNDS,
    REPAYMENT,
    SETTINGS,
    Wechat,
    charge,
    refund,
    transaction,
)
from tests.support import BASE

pytestmark = pytest.mark.anyio

PREPAY = f"{BASE}/v3/pay/transactions"
CLOSE = f"{ORDER}/close"
CNY = Money(amount_minor=500000)

Act = Callable[[WechatPay], Awaitable[Any]]
METHODS: dict[str, tuple[str, str, Act]] = {
    "begin": ("POST", f"{PREPAY}/jsapi", lambda pay: pay.begin(charge())),
    "query": ("GET", ORDER, lambda pay: pay.query(CHARGE_ID, "")),
    "close": ("POST", CLOSE, lambda pay: pay.close(CHARGE_ID, "")),
    "capture": ("GET", ORDER, lambda pay: pay.capture(CHARGE_ID, "", CNY)),
    "repay": ("POST", REFUNDS, lambda pay: pay.repay(REPAYMENT)),
    "query_repayment": ("GET", REFUND, lambda pay: pay.query_repayment(REPAYMENT, None)),
}
GOOD: dict[str, tuple[int, Any]] = {
    "begin": (200, {"prepay_id": "wx2613"}),
    "query": (200, transaction()),
    "close": (204, b""),
    "capture": (200, transaction()),
    "repay": (200, refund()),
    "query_repayment": (200, refund()),
}
WRITES = frozenset({"begin", "close", "repay"})


@pytest.fixture
def wechat() -> Wechat:
    return Wechat()


async def act(wechat: Wechat, method: str, reply: httpx.Response) -> Any:
    verb, url, call = METHODS[method]
    wechat.router.route(method=verb, url__startswith=url).mock(return_value=reply)
    return await call(wechat.pay)


def sent(wechat: Wechat) -> httpx.Request:
    request: httpx.Request = wechat.router.calls.last.request
    return request


def merchant_verifies(signature: str, message: str) -> None:
    SETTINGS.private_key.public_key().verify(
        base64.b64decode(signature), message.encode(), padding.PKCS1v15(), hashes.SHA256()
    )


# What we ask


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


# What the answers mean


@pytest.mark.parametrize("method", ["query", "capture"])
async def test_a_paid_charge_says_what_was_paid(wechat: Wechat, method: str) -> None:
    state = await act(wechat, method, wechat.reply(200, transaction()))
    assert dict(sent(wechat).url.params) == {"mchid": SETTINGS.merchant_id}
    assert (state.id, state.status, state.raw_status) == (CHARGE_ID, ChargeStatus.SUCCEEDED, "SUCCESS")
    assert state.amount == state.captured == CNY, "the order's total, not what is left after the customer's coupon"
    assert state.transaction == "4200001234202603091234567890"
    assert state.succeeded_at == datetime(2026, 3, 9, 2, 34, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("SUCCESS", ChargeStatus.SUCCEEDED),
        ("REFUND", ChargeStatus.SUCCEEDED),
        ("NOTPAY", ChargeStatus.OPEN),
        ("CLOSED", ChargeStatus.CLOSED),
        ("REVOKED", ChargeStatus.CLOSED),
        ("USERPAYING", ChargeStatus.PROCESSING),
        ("PAYERROR", ChargeStatus.FAILED),
        ("HELD_BY_REGULATOR", ChargeStatus.UNKNOWN),
    ],
)
async def test_trade_states(wechat: Wechat, raw: str, status: ChargeStatus) -> None:
    state = await act(wechat, "query", wechat.reply(200, transaction(trade_state=raw)))
    assert (state.status, state.raw_status) == (status, raw)
    assert (state.captured is not None) == (status is ChargeStatus.SUCCEEDED)
    assert state.failure_code == ("PAYERROR" if status is ChargeStatus.FAILED else None)


async def test_an_open_charge_needs_neither_sum_nor_transaction(wechat: Wechat) -> None:
    said = transaction(trade_state="NOTPAY")
    for name in ("transaction_id", "amount", "success_time", "payer"):
        del said[name]
    state = await act(wechat, "query", wechat.reply(200, said))
    assert (state.status, state.amount, state.transaction) == (ChargeStatus.OPEN, None, None)


async def test_another_currency_is_told_as_it_is(wechat: Wechat) -> None:
    state = await act(wechat, "query", wechat.reply(200, transaction(amount={"total": 500000, "currency": "HKD"})))
    assert state.amount == Money(amount_minor=500000, currency="HKD")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("SUCCESS", RefundStatus.SUCCEEDED),
        ("PROCESSING", RefundStatus.PROCESSING),
        ("CLOSED", RefundStatus.CLOSED),
        ("ABNORMAL", RefundStatus.ABNORMAL),
        ("ON_THE_MOON", RefundStatus.UNKNOWN),
    ],
)
@pytest.mark.parametrize("method", ["repay", "query_repayment"])
async def test_refund_states(wechat: Wechat, method: str, raw: str, status: RefundStatus) -> None:
    answer = await act(wechat, method, wechat.reply(200, refund(status=raw)))
    state = answer.entity if method == "repay" else answer
    assert (state.status, state.raw_status, state.amount) == (status, raw, Money(amount_minor=20000))


BROKEN_CHARGES = {
    "another charge": transaction(out_trade_no="CH20260309000002"),
    "another merchant": transaction(mchid="1900000001"),
    "another app": transaction(appid="wx0000000000000000"),
    "a total that is text": transaction(amount={"total": "500000", "currency": "CNY"}),
    "a total with a fraction": transaction(amount={"total": 5000.0, "currency": "CNY"}),
    "a total below nothing": transaction(amount={"total": -1, "currency": "CNY"}),
    "a success without a sum": transaction(amount=None),
    "a success without a transaction": transaction(transaction_id=""),
    "no state": {name: value for name, value in transaction().items() if name != "trade_state"},
    "a time without a zone": transaction(success_time="2026-03-09T10:34:56"),
    "a list": [],
}


@pytest.mark.parametrize("said", BROKEN_CHARGES.values(), ids=BROKEN_CHARGES)
async def test_a_charge_that_cannot_be_read_breaks_the_contract(wechat: Wechat, said: Any) -> None:
    with pytest.raises(UpstreamContractBroken):
        await act(wechat, "query", wechat.reply(200, said))


BROKEN_REFUNDS = {
    "another refund": refund(out_refund_no="RF20260309000002"),
    "another charge": refund(out_trade_no="CH20260309000002"),
    "a sum that is text": refund(amount={"refund": "20000", "total": 500000, "currency": "CNY"}),
    "no sum": refund(amount={}),
    "no state": {name: value for name, value in refund().items() if name != "status"},
}


@pytest.mark.parametrize("said", BROKEN_REFUNDS.values(), ids=BROKEN_REFUNDS)
async def test_a_refund_that_cannot_be_read_has_an_unknown_outcome(wechat: Wechat, said: Any) -> None:
    with pytest.raises(OutcomeUnknown):
        await act(wechat, "repay", wechat.reply(200, said))
    with pytest.raises(UpstreamContractBroken):
        await act(wechat, "query_repayment", wechat.reply(200, said))


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        (PaymentScene.JSAPI, {}),
        (PaymentScene.APP, {"prepay_id": ""}),
        (PaymentScene.NATIVE, {"prepay_id": "wx1"}),
        (PaymentScene.H5, {"h5_url": "javascript:alert(1)"}),
        (PaymentScene.H5, {"h5_url": 7}),
    ],
)
async def test_a_prepay_without_what_the_scene_needs_is_unknown(wechat: Wechat, scene: PaymentScene, said: Any) -> None:
    wechat.router.post(f"{PREPAY}/{scene.value.lower()}").mock(return_value=wechat.reply(200, said))
    with pytest.raises(OutcomeUnknown):
        await wechat.pay.begin(charge(scene))


# Errors, in WeChat Pay's own words and with its signature

REJECTED, BUSY, UNKNOWN, DOWN = UpstreamRejected, UpstreamBusy, OutcomeUnknown, UpstreamUnavailable
ERRORS: list[tuple[str, int, str, Any]] = [
    ("begin", 400, "ORDERPAID", "ALREADY_PAID"),
    ("begin", 400, "ORDER_PAID", "ALREADY_PAID"),
    ("begin", 403, "NOT_ENOUGH", "CARD_DECLINED"),
    ("begin", 403, "NO_AUTH", "PROVIDER_NOT_SUPPORTED"),
    ("begin", 400, "ORDER_CLOSED", REJECTED),
    ("begin", 403, "OUT_TRADE_NO_USED", REJECTED),
    ("begin", 400, "PARAM_ERROR", REJECTED),
    ("begin", 400, "INVALID_REQUEST", REJECTED),
    ("begin", 401, "SIGN_ERROR", REJECTED),
    ("begin", 429, "FREQUENCY_LIMITED", BUSY),
    ("begin", 500, "SYSTEM_ERROR", UNKNOWN),
    ("begin", 400, "SYSTEM_ERROR", UNKNOWN),
    ("begin", 500, "BANK_ERROR", UNKNOWN),
    ("begin", 202, "ACCEPTED", UNKNOWN),
    ("query", 404, "ORDER_NOT_EXIST", ChargeStatus.ABSENT),
    ("query", 404, "ORDERNOTEXIST", ChargeStatus.ABSENT),
    ("query", 404, "MCH_NOT_EXISTS", REJECTED),
    ("query", 401, "SIGN_ERROR", REJECTED),
    ("query", 429, "FREQUENCY_LIMITED", BUSY),
    ("query", 500, "SYSTEM_ERROR", DOWN),
    ("query", 202, "ACCEPTED", UpstreamContractBroken),
    ("close", 400, "ORDERPAID", ChargeStatus.SUCCEEDED),
    ("close", 400, "ORDER_CLOSED", ChargeStatus.CLOSED),
    ("close", 400, "ORDERCLOSED", ChargeStatus.CLOSED),
    ("close", 404, "ORDER_NOT_EXIST", ChargeStatus.ABSENT),
    ("close", 403, "TRADE_ERROR", REJECTED),
    ("close", 202, "ACCEPTED", UNKNOWN),
    ("close", 429, "FREQUENCY_LIMITED", BUSY),
    ("close", 500, "SYSTEM_ERROR", UNKNOWN),
    ("repay", 404, "RESOURCE_NOT_EXISTS", "NOT_REFUNDABLE"),
    ("repay", 403, "USER_ACCOUNT_ABNORMAL", "NOT_REFUNDABLE"),
    ("repay", 403, "NOT_ENOUGH", REJECTED),
    ("repay", 400, "INVALID_REQUEST", REJECTED),
    ("repay", 403, "NO_AUTH", REJECTED),
    ("repay", 429, "FREQUENCY_LIMITED", BUSY),
    ("repay", 500, "SYSTEM_ERROR", UNKNOWN),
    ("query_repayment", 404, "RESOURCE_NOT_EXISTS", None),
    ("query_repayment", 404, "MCH_NOT_EXISTS", REJECTED),
    ("query_repayment", 500, "SYSTEM_ERROR", DOWN),
]


@pytest.mark.parametrize(("method", "status", "code", "means"), ERRORS)
async def test_errors(wechat: Wechat, method: str, status: int, code: str, means: Any) -> None:
    reply = wechat.error(status, code)
    if isinstance(means, type):
        with pytest.raises(means) as raised:
            await act(wechat, method, reply)
        assert type(raised.value) is means
        return
    answer = await act(wechat, method, reply)
    if isinstance(means, str):
        assert [refusal.code for refusal in answer.refusals] == [means]
    else:
        assert (answer.status, answer.raw_status) == (means, code)


@pytest.mark.parametrize("words", ["订单已全额退款", "申请退款金额大于订单剩余可退金额", "退款金额大于支付金额"])
async def test_a_refund_of_more_than_is_left_is_refused(wechat: Wechat, words: str) -> None:
    outcome = await act(wechat, "repay", wechat.error(400, "INVALID_REQUEST", words))
    assert [refusal.code for refusal in outcome.refusals] == ["REFUND_EXCEEDS_CAPTURED"]


async def test_a_refund_that_is_forbidden_is_not_one_of_too_much(wechat: Wechat) -> None:
    with pytest.raises(UpstreamRejected):
        await act(wechat, "repay", wechat.error(400, "INVALID_REQUEST", "该订单不可退款"))


async def test_words_of_wechat_pay_reach_the_log_and_not_the_client(wechat: Wechat) -> None:
    with pytest.raises(UpstreamRejected) as raised:
        await act(wechat, "repay", wechat.error(403, "NOT_ENOUGH", "基本账户余额不足"))
    assert "基本账户余额不足" in (raised.value.detail or "")
    assert "余额" not in raised.value.message


# Answers that nothing proves


def forged(wechat: Wechat, how: str, status: int, said: Any) -> httpx.Response:
    content = said if isinstance(said, bytes) else json.dumps(said).encode()
    if how == "unsigned":
        return httpx.Response(status, content=content)
    if how == "signed by another key under our serial":
        return wechat.reply(status, content, certificate_signer(), serial=keys.PUBLIC_KEY_ID)
    if how == "signed by a key that nobody knows":
        return wechat.reply(status, content, certificate_signer())
    if how == "changed body":
        reply = wechat.reply(status, content)
        return httpx.Response(status, headers=reply.headers, content=content + b" ")
    if how == "signed at another time":
        return wechat.reply(status, content, timestamp=str(int(wechat.clock().timestamp()) + 1))
    if how in ("old", "early"):
        now = wechat.clock().timestamp()
        signed = wechat.platform.signature(content, wechat.pinned, at=now + (301 if how == "early" else -301))
        return httpx.Response(status, headers=signed, content=content)
    return wechat.reply(status, content, **CHANGES[how])


CHANGES: dict[str, dict[str, Any]] = {
    "another nonce": {"nonce": "0" * 32},
    "no nonce": {"nonce": ""},
    "another algorithm": {"signature-Type": "WECHATPAY2-SM2-WITH-SM3"},
    "a probe": {"signature": "WECHATPAY/SIGNTEST/AAAA"},
    "a signature that is not base64": {"signature": "***"},
    "a timestamp that is no number": {"timestamp": "1773021600.0"},
}
FORGERIES = [
    "unsigned", "signed by another key under our serial", "signed by a key that nobody knows", "changed body",
    "signed at another time", "old", "early", *CHANGES,
]  # fmt: skip


@pytest.mark.parametrize("how", FORGERIES)
@pytest.mark.parametrize("method", METHODS)
async def test_what_is_not_proven_is_not_believed(wechat: Wechat, method: str, how: str) -> None:
    wanted = OutcomeUnknown if method in WRITES else UpstreamContractBroken
    with pytest.raises(wanted):
        await act(wechat, method, forged(wechat, how, *GOOD[method]))


@pytest.mark.parametrize("method", METHODS)
async def test_a_reply_at_the_edge_of_the_window_is_believed(wechat: Wechat, method: str) -> None:
    for seconds in (-300, 300):
        status, said = GOOD[method]
        content = said if isinstance(said, bytes) else json.dumps(said).encode()
        signed = wechat.platform.signature(content, wechat.pinned, at=wechat.clock().timestamp() + seconds)
        assert await act(wechat, method, httpx.Response(status, headers=signed, content=content))


@pytest.mark.parametrize(
    ("method", "code"),
    [("query", "ORDER_NOT_EXIST"), ("close", "ORDER_CLOSED"), ("begin", "ORDERPAID"), ("repay", "RESOURCE_NOT_EXISTS")],
)
async def test_a_reason_without_a_signature_is_no_reason(wechat: Wechat, method: str, code: str) -> None:
    """Else a proxy's 404 would say that nobody has paid."""
    wanted = OutcomeUnknown if method in WRITES else UpstreamContractBroken
    with pytest.raises(wanted):
        await act(wechat, method, httpx.Response(404, json={"code": code, "message": "?"}))


@pytest.mark.parametrize("method", METHODS)
async def test_a_page_instead_of_an_answer(wechat: Wechat, method: str) -> None:
    wanted = OutcomeUnknown if method in WRITES else UpstreamContractBroken
    page = httpx.Response(200, html="<html><h1>系统维护</h1></html>")
    with pytest.raises(wanted):
        await act(wechat, method, page)


@pytest.mark.parametrize("method", ["begin", "query", "repay", "query_repayment"])
async def test_half_an_answer(wechat: Wechat, method: str) -> None:
    """Cut on its way, and cut before it was signed."""
    wanted = OutcomeUnknown if method in WRITES else UpstreamContractBroken
    content = json.dumps(GOOD[method][1]).encode()
    whole = wechat.reply(200, content)
    headers = {name: value for name, value in whole.headers.items() if name != "content-length"}
    for cut in (
        httpx.Response(200, headers=headers, content=content[: len(content) // 2]),
        wechat.reply(200, content[: len(content) // 2]),
    ):
        with pytest.raises(wanted):
            await act(wechat, method, cut)


@pytest.mark.parametrize(
    ("status", "write", "read"),
    [
        (401, UpstreamRejected, UpstreamRejected),
        (429, UpstreamBusy, UpstreamBusy),
        (500, OutcomeUnknown, UpstreamUnavailable),
        (502, OutcomeUnknown, UpstreamUnavailable),
        (503, UpstreamBusy, UpstreamBusy),
        (504, OutcomeUnknown, UpstreamUnavailable),
    ],
)
@pytest.mark.parametrize("method", METHODS)
async def test_failures_that_nobody_signs(
    wechat: Wechat, method: str, status: int, write: type[Exception], read: type[Exception]
) -> None:
    wanted = write if method in WRITES else read
    with pytest.raises(wanted) as raised:
        await act(wechat, method, httpx.Response(status, text="upstream connect error"))
    assert type(raised.value) is wanted


@pytest.mark.parametrize("method", METHODS)
async def test_accepted_is_not_done(wechat: Wechat, method: str) -> None:
    """202: it was taken, and is to be asked for again."""
    with pytest.raises(OutcomeUnknown if method in WRITES else UpstreamContractBroken):
        await act(wechat, method, wechat.reply(202, GOOD[method][1]))


@pytest.mark.parametrize("method", METHODS)
async def test_no_answer(wechat: Wechat, method: str) -> None:
    verb, url, call = METHODS[method]
    wechat.router.route(method=verb, url__startswith=url).mock(side_effect=httpx.ReadTimeout("late"))
    with pytest.raises(OutcomeUnknown if method in WRITES else UpstreamUnavailable):
        await call(wechat.pay)


@pytest.mark.parametrize("method", METHODS)
async def test_secrets_are_in_no_error(wechat: Wechat, method: str) -> None:
    with pytest.raises((OutcomeUnknown, UpstreamContractBroken)) as raised:
        await act(wechat, method, forged(wechat, "another nonce", *GOOD[method]))
    error = raised.value
    told = f"{error!r} {error.detail} {wechat.pay!r} {SETTINGS!r}"
    assert keys.API_V3_KEY not in told
    assert "PRIVATE" not in told
    assert "signature=" not in told
