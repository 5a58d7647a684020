"""Errors, in WeChat Pay's own words and with its signature."""

from __future__ import annotations

from typing import Any

import pytest

from bff.domain.providers import ChargeStatus
from bff.errors import OutcomeUnknown, UpstreamBusy, UpstreamContractBroken, UpstreamRejected, UpstreamUnavailable
from tests.adapters.wechatpay.support import Wechat, act

pytestmark = pytest.mark.anyio


@pytest.fixture
def wechat() -> Wechat:
    return Wechat()


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
