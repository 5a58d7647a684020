"""What is asked of Alipay, and what its answers mean."""

from __future__ import annotations

import base64
import json
import logging
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
import respx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from adapters.alipay.client import AlipayClient
from bff.domain.base import Money, Outcome
from bff.domain.payment import AppAction, PaymentProvider, PaymentScene, QrCodeAction, RedirectAction, RefundStatus
from bff.domain.providers import ChargeStatus
from bff.errors import (
    InvalidInput,
)
from sandbox.alipay.keys import merchant_public_key
from tests.adapters.alipay.calls import (
    ASK,
    ASK_REFUND,
    CLOSE,
    DONE,
    END,
    GIVE,
    PRECREATE,
    QUERY,
    QUERY_REFUND,
    REFUND,
    REFUND_FOUND,
    REFUNDED,
    TAKE,
    TRADE,
    Act,
    answering,
    failed,
    form_of,
)
from tests.sandbox_alipay import NOTIFY_URL, SETTINGS, answer, charge, client_of, repayment
from tests.support import BASE, mocked_upstream

pytestmark = pytest.mark.anyio


def verify(form: dict[str, str]) -> None:
    """As Alipay does. Raises where the signature does not hold."""
    text = "&".join(f"{name}={value}" for name, value in sorted(form.items()) if name != "sign")
    sign = base64.b64decode(form["sign"], validate=True)
    merchant_public_key().verify(sign, text.encode(), padding.PKCS1v15(), hashes.SHA256())


# What is asked


async def test_a_qr_code_is_asked_for_with_a_signed_form() -> None:
    router = respx.Router()
    told = DONE | {"out_trade_no": "CH01", "qr_code": "https://qr.alipay.com/bax03431"}
    outcome = await answering(router, answer(PRECREATE, told)).begin(charge())
    assert outcome.entity is not None
    assert outcome.entity.client_action == QrCodeAction(content="https://qr.alipay.com/bax03431")
    request = router.calls.last.request
    form = form_of(request)
    verify(form)
    assert request.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert json.loads(form.pop("biz_content")) == {
        "subject": "定金 ASTER A5", "out_trade_no": "CH01", "total_amount": "5000.50",
        "time_expire": "2026-03-09 14:05:06",
    }  # fmt: skip
    assert form.pop("sign")
    assert form == {
        "app_id": SETTINGS.app_id, "method": PRECREATE, "charset": "utf-8", "sign_type": "RSA2",
        "timestamp": "2026-03-09 12:05:06", "version": "1.0", "notify_url": NOTIFY_URL,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("act", "method", "told", "asked"),
    [
        (ASK, QUERY, TRADE, {"out_trade_no": "CH01"}),
        (END, CLOSE, DONE | {"out_trade_no": "CH01"}, {"out_trade_no": "CH01"}),
        (
            GIVE,
            REFUND,
            REFUNDED,
            {"out_trade_no": "CH01", "refund_amount": "1000.50", "out_request_no": "RF01",
             "refund_reason": "not wanted any more"},
        ),
        (ASK_REFUND, QUERY_REFUND, REFUND_FOUND, {"out_trade_no": "CH01", "out_request_no": "RF01"}),
    ],
)  # fmt: skip
async def test_a_call_names_its_method_and_our_numbers(
    act: Act, method: str, told: dict[str, Any], asked: dict[str, str]
) -> None:
    router = respx.Router()
    await act(answering(router, answer(method, told)))
    form = form_of(router.calls.last.request)
    verify(form)
    assert form["method"] == method
    assert json.loads(form["biz_content"]) == asked
    assert "notify_url" not in form


async def test_an_order_string_is_signed_without_a_call() -> None:
    outcome = await client_of(respx.Router()).begin(charge(PaymentScene.APP))
    assert outcome.entity is not None
    action = outcome.entity.client_action
    assert isinstance(action, AppAction)
    form = dict(parse_qsl(action.order_string, strict_parsing=True))
    verify(form)
    assert (form["method"], form["notify_url"]) == ("alipay.trade.app.pay", NOTIFY_URL)
    assert json.loads(form["biz_content"])["product_code"] == "QUICK_MSECURITY_PAY"


async def test_a_browser_is_sent_to_the_gateway_and_back() -> None:
    settings = msgspec.structs.replace(SETTINGS, return_url="https://shop.test/")
    client = AlipayClient(mocked_upstream(respx.Router(), "alipay"), settings)
    outcome = await client.begin(charge(PaymentScene.H5))
    assert outcome.entity is not None
    action = outcome.entity.client_action
    assert isinstance(action, RedirectAction)
    assert action.url.startswith(f"{BASE}/gateway.do?")
    form = dict(parse_qsl(urlsplit(action.url).query, strict_parsing=True))
    verify(form)
    content = json.loads(form["biz_content"])
    assert (form["method"], form["return_url"]) == ("alipay.trade.wap.pay", "https://shop.test/")
    assert (content["product_code"], content["quit_url"]) == ("QUICK_WAP_WAY", "https://shop.test/")


async def test_signs_that_alipay_refuses_are_left_out_of_the_subject() -> None:
    outcome = await client_of(respx.Router()).begin(charge(PaymentScene.APP, description="A/B=C&D"))
    assert outcome.entity is not None
    assert isinstance(outcome.entity.client_action, AppAction)
    form = dict(parse_qsl(outcome.entity.client_action.order_string))
    assert json.loads(form["biz_content"])["subject"] == "A B C D"


async def test_a_reason_is_cut_at_what_alipay_takes() -> None:
    router = respx.Router()
    await answering(router, answer(REFUND, REFUNDED)).repay(repayment(reason="退" * 300))
    assert json.loads(form_of(router.calls.last.request)["biz_content"])["refund_reason"] == "退" * 256


# What is refused before anything is asked


@pytest.mark.parametrize("changed", [{"scene": PaymentScene.JSAPI}, {"amount": Money(amount_minor=1, currency="EUR")}])
async def test_what_alipay_cannot_do_is_refused(changed: dict[str, Any]) -> None:
    outcome = await client_of(respx.Router()).begin(charge(**changed))
    assert [refusal.code for refusal in outcome.refusals] == ["PROVIDER_NOT_SUPPORTED"]


@pytest.mark.parametrize(
    "act",
    [
        lambda c: c.begin(charge(description="4111 1111 1111 1111")),
        lambda c: c.repay(repayment(reason="4111-1111-1111-1111")),
        lambda c: c.begin(charge(amount=Money(amount_minor=0))),
        lambda c: c.repay(repayment(amount=Money(amount_minor=-1))),
        lambda c: c.repay(repayment(amount=Money(amount_minor=1, currency="USD"))),
    ],
)
async def test_input_that_cannot_be_right_is_never_sent(act: Act) -> None:
    with pytest.raises(InvalidInput) as refused:
        await act(client_of(respx.Router()))
    assert "4111" not in str(refused.value)


def test_the_client_says_what_it_can() -> None:
    client = client_of(respx.Router())
    assert client.provider is PaymentProvider.ALIPAY
    assert client.scenes == {PaymentScene.APP, PaymentScene.H5, PaymentScene.NATIVE}
    assert client.can_hold is False


# What answers mean


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"trade_status": "WAIT_BUYER_PAY", "send_pay_date": ""}, ChargeStatus.OPEN),
        ({}, ChargeStatus.SUCCEEDED),
        ({"trade_status": "TRADE_FINISHED"}, ChargeStatus.SUCCEEDED),
        ({"trade_status": "TRADE_CLOSED", "send_pay_date": ""}, ChargeStatus.CLOSED),
        ({"trade_status": "TRADE_CLOSED"}, ChargeStatus.SUCCEEDED),  # paid, and given back in full
    ],
)
async def test_a_trade_has_a_state(changed: dict[str, str], status: ChargeStatus) -> None:
    told = TRADE | changed
    state = await answering(respx.Router(), answer(QUERY, told)).query("CH01", "")
    is_paid = status is ChargeStatus.SUCCEEDED
    assert (state.id, state.status, state.raw_status) == ("CH01", status, told["trade_status"])
    assert state.amount == Money(amount_minor=500050)
    assert state.captured == (Money(amount_minor=500050) if is_paid else None)
    assert state.transaction == "2026030922001400001234567890"
    assert state.succeeded_at == (datetime(2026, 3, 9, 4, 4, 59, tzinfo=UTC) if is_paid else None)


async def test_an_unknown_state_keeps_its_word(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        state = await answering(respx.Router(), answer(QUERY, TRADE | {"trade_status": "TRADE_ODD"})).query("CH01", "")
    assert (state.status, state.raw_status, state.captured) == (ChargeStatus.UNKNOWN, "TRADE_ODD", None)
    assert "TRADE_ODD" in caplog.text


@pytest.mark.parametrize(("act", "method"), [(ASK, QUERY), (TAKE, QUERY), (END, CLOSE)])
async def test_a_trade_that_does_not_exist_is_absent_and_never_closed(act: Act, method: str) -> None:
    router = respx.Router()
    state = await act(answering(router, answer(method, failed("ACQ.TRADE_NOT_EXIST"))))
    assert state.status is ChargeStatus.ABSENT
    assert len(router.calls) == 1


async def test_closing_is_certain_where_alipay_says_so() -> None:
    state = await answering(respx.Router(), answer(CLOSE, DONE | {"out_trade_no": "CH01"})).close("CH01", "")
    assert state.status is ChargeStatus.CLOSED


@pytest.mark.parametrize(
    "sub_code",
    ["ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_CLOSE", "ACQ.TRADE_STATUS_ERROR", "ACQ.REASON_TRADE_STATUS_INVALID"],
)
@pytest.mark.parametrize(
    ("paid_at", "trade", "status"),
    [
        ("2026-03-09 12:04:59", "TRADE_SUCCESS", ChargeStatus.SUCCEEDED),
        ("", "TRADE_CLOSED", ChargeStatus.CLOSED),
    ],
)
async def test_what_cannot_be_closed_is_asked_for(
    sub_code: str, paid_at: str, trade: str, status: ChargeStatus
) -> None:
    told = TRADE | {"trade_status": trade, "send_pay_date": paid_at}
    state = await answering(respx.Router(), answer(CLOSE, failed(sub_code)), answer(QUERY, told)).close("CH01", "")
    assert state.status is status


async def test_a_charge_that_is_paid_gets_no_second_code() -> None:
    outcome = await answering(respx.Router(), answer(PRECREATE, failed("ACQ.TRADE_HAS_SUCCESS"))).begin(charge())
    assert [refusal.code for refusal in outcome.refusals] == ["ALREADY_PAID"]


async def test_a_refund_that_moved_money_has_succeeded() -> None:
    """`refund_fee` sums up all refunds of the trade: it is not taken for the amount of this one."""
    told = REFUNDED | {"refund_fee": "3000.00"}
    outcome = await answering(respx.Router(), answer(REFUND, told)).repay(repayment())
    assert outcome.entity is not None
    assert (outcome.entity.status, outcome.entity.amount) == (RefundStatus.SUCCEEDED, None)
    assert (outcome.entity.id, outcome.entity.charge_id) == ("RF01", "CH01")


@pytest.mark.parametrize("change", [{"fund_change": "N"}, {"fund_change": ""}])
@pytest.mark.parametrize(
    ("found", "status", "amount"),
    [
        (REFUND_FOUND, RefundStatus.SUCCEEDED, Money(amount_minor=100050)),
        (DONE, RefundStatus.PROCESSING, None),
    ],
)
async def test_a_refund_that_moved_nothing_is_asked_for(
    change: dict[str, str], found: dict[str, Any], status: RefundStatus, amount: Money | None
) -> None:
    bodies = answer(REFUND, REFUNDED | change), answer(QUERY_REFUND, found)
    outcome = await answering(respx.Router(), *bodies).repay(repayment())
    assert outcome.entity is not None
    assert (outcome.entity.status, outcome.entity.amount) == (status, amount)


@pytest.mark.parametrize(
    ("sub_code", "refusal"),
    [
        ("ACQ.TRADE_NOT_EXIST", "NOT_REFUNDABLE"),
        ("ACQ.TRADE_STATUS_ERROR", "NOT_REFUNDABLE"),
        ("ACQ.TRADE_HAS_FINISHED", "NOT_REFUNDABLE"),
        ("ACQ.TRADE_HAS_CLOSE", "NOT_REFUNDABLE"),
        ("ACQ.REASON_TRADE_REFUND_FEE_ERR", "REFUND_EXCEEDS_CAPTURED"),
        ("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "REFUND_EXCEEDS_CAPTURED"),
    ],
)
async def test_a_refund_may_be_refused(sub_code: str, refusal: str) -> None:
    bodies = answer(REFUND, failed(sub_code)), answer(QUERY_REFUND, DONE)
    outcome = await answering(respx.Router(), *bodies).repay(repayment())
    assert [each.code for each in outcome.refusals] == [refusal]


@pytest.mark.parametrize("sub_code", ["ACQ.TRADE_HAS_CLOSE", "ACQ.REASON_TRADE_REFUND_FEE_ERR"])
async def test_a_repetition_is_not_refused_for_what_the_first_has_done(sub_code: str) -> None:
    bodies = answer(REFUND, failed(sub_code)), answer(QUERY_REFUND, REFUND_FOUND)
    outcome = await answering(respx.Router(), *bodies).repay(repayment())
    assert outcome.refusals == []
    assert outcome.entity is not None
    assert (outcome.entity.status, outcome.entity.amount) == (RefundStatus.SUCCEEDED, Money(amount_minor=100050))


@pytest.mark.parametrize(
    ("told", "status", "raw"),
    [
        (REFUND_FOUND, RefundStatus.SUCCEEDED, "REFUND_SUCCESS"),
        (REFUND_FOUND | {"refund_status": "REFUND_PROCESSING"}, RefundStatus.PROCESSING, "REFUND_PROCESSING"),
        (REFUND_FOUND | {"refund_status": "REFUND_ODD"}, RefundStatus.UNKNOWN, "REFUND_ODD"),
        (DONE, None, ""),
        (failed("ACQ.TRADE_NOT_EXIST"), None, "ACQ.TRADE_NOT_EXIST"),
        ({"code": "10003"}, RefundStatus.PROCESSING, "10003"),
    ],
)
async def test_a_refund_has_a_state(told: dict[str, Any], status: RefundStatus | None, raw: str) -> None:
    state = await answering(respx.Router(), answer(QUERY_REFUND, told)).query_repayment(repayment(), None)
    assert (state.status, state.raw_status) == (status, raw)


@pytest.mark.parametrize(("act", "method"), [(ASK, QUERY), (END, CLOSE), (GIVE, REFUND), (ASK_REFUND, QUERY_REFUND)])
async def test_what_is_accepted_but_not_done_is_processing(act: Act, method: str) -> None:
    said = await act(answering(respx.Router(), answer(method, {"code": "10003", "msg": "inprocess"})))
    state = said.entity if isinstance(said, Outcome) else said
    assert state is not None
    assert state.status.value == "PROCESSING"
