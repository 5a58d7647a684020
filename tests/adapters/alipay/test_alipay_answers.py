"""Answers of Alipay that say no, or that cannot be believed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
import respx
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.alipay.client import AlipayClient
from adapters.alipay.development import PRIVATE_KEY
from bff.domain.payment import QrCodeAction
from bff.domain.providers import ChargeStatus
from bff.errors import (
    BffError,
    OutcomeUnknown,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.adapters.alipay.calls import (
    ASK,
    ASK_REFUND,
    BEGIN,
    CLOSE,
    DONE,
    END,
    GATEWAY,
    GIVE,
    PRECREATE,
    QUERY,
    QUERY_REFUND,
    READS,
    REFUND,
    REFUND_FOUND,
    REFUNDED,
    TRADE,
    WRITES,
    Act,
    answering,
    failed,
)
from tests.sandbox_alipay import ALIPAY_KEY, SETTINGS, answer, charge, client_of, repayment, signature
from tests.support import mocked_upstream

pytestmark = pytest.mark.anyio

# What is an error


@pytest.mark.parametrize(
    "told",
    [failed("isp.unknow-error", "20000"), failed("ACQ.SYSTEM_ERROR"), failed("AQC.SYSTEM_ERROR")],
    ids=lambda told: told["sub_code"],
)
@pytest.mark.parametrize(("act", "method"), [*READS, *WRITES])
async def test_an_uncertain_failure_of_a_write_is_an_unknown_outcome(
    act: Act, method: str, told: dict[str, str]
) -> None:
    expected = OutcomeUnknown if (act, method) in WRITES else UpstreamUnavailable
    with pytest.raises(BffError) as error:
        await act(answering(respx.Router(), answer(method, told)))
    assert type(error.value) is expected
    assert told["sub_code"] in (error.value.detail or "")


async def test_a_code_in_process_is_no_qr_code() -> None:
    with pytest.raises(OutcomeUnknown):
        await answering(respx.Router(), answer(PRECREATE, {"code": "10003"})).begin(charge())


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (failed("ACQ.SELLER_BALANCE_NOT_ENOUGH"), UpstreamRejected),
        (failed("ACQ.DISCORDANT_REPEAT_REQUEST"), UpstreamRejected),
        (failed("ACQ.INVALID_PARAMETER"), UpstreamRejected),
        (failed("isv.insufficient-isv-permissions", "40006"), UpstreamRejected),
        (failed("aop.invalid-auth-token", "20001"), UpstreamRejected),
        (failed("isv.app-call-limited", "40005"), UpstreamBusy),
    ],
    ids=lambda value: value["sub_code"] if isinstance(value, dict) else "",
)
@pytest.mark.parametrize(("act", "method"), [*READS, *WRITES])
async def test_a_certain_refusal_without_a_word_of_ours_is_rejected(
    act: Act, method: str, told: dict[str, str], expected: type[BffError]
) -> None:
    with pytest.raises(expected) as error:
        await act(answering(respx.Router(), answer(method, told)))
    assert told["sub_msg"] not in str(error.value)


UNREADABLE: dict[str, Callable[[str, bytes], bytes]] = {
    "a page": lambda method, body: b"<html>busy</html>",
    "nothing": lambda method, body: b"",
    "half": lambda method, body: body[: len(body) // 2],
    "no object": lambda method, body: b"[1]",
    "not UTF-8": lambda method, body: body.replace(b"Success", b"\xff"),
    "a changed body": lambda method, body: body.replace(b"CH01", b"CH02"),
    "a changed code": lambda method, body: body.replace(b"Success", b"Sucess"),
    "no signature": lambda method, body: body[: body.index(b',"sign"')] + b"}",
    "another signature": lambda method, body: body[:-10] + b'AAAAAAA="}',
    "a signature that is no base64": lambda method, body: body[: body.index(b'"sign":')] + b'"sign":"?"}',
    "a signature that is no text": lambda method, body: body[: body.index(b'"sign":')] + b'"sign":1}',
    "two members of a name": lambda method, body: body[:-1] + b"," + body[1:],
    "more after it": lambda method, body: body + b"{}",
    "an answer to another question": lambda method, body: answer("alipay.trade.pay", DONE),
    "a forged key": lambda method, body: answer(method, TRADE | REFUND_FOUND, rsa.generate_private_key(65537, 2048)),
    "a success as an error": lambda method, body: answer("error", DONE),
    "an unsigned refusal of the business": lambda method, body: json.dumps(
        {method.replace(".", "_") + "_response": failed("ACQ.TRADE_NOT_EXIST")}
    ).encode(),
    "an unsigned refusal of the business by a gateway's code": lambda method, body: json.dumps(
        {method.replace(".", "_") + "_response": failed("ACQ.TRADE_NOT_EXIST", "40002")}
    ).encode(),
    "an unsigned refusal of the gateway by a code of the business": lambda method, body: json.dumps(
        {method.replace(".", "_") + "_response": failed("isv.invalid-app-id")}
    ).encode(),
    "an answer and an error": lambda method, body: b'{"error_response":{"code":"40002"},' + body[1:],
    "an abyss": lambda method, body: b'{"a":' + b"[" * 100_000,
    "a code that is a number": lambda method, body: answer(method, {"code": 10000}),
    "an unknown code": lambda method, body: answer(method, {"code": "99999"}),
}


@pytest.mark.parametrize("broken", UNREADABLE)
@pytest.mark.parametrize(("act", "method"), [*READS, *WRITES])
async def test_an_answer_that_cannot_be_believed_says_nothing(act: Act, method: str, broken: str) -> None:
    told = TRADE | REFUND_FOUND | {"qr_code": "https://qr.alipay.com/bax", "fund_change": "Y", "refund_fee": "1000.50"}
    good = answer(method, told)
    await act(answering(respx.Router(), good))  # it is what was broken that is refused
    expected = OutcomeUnknown if (act, method) in WRITES else UpstreamContractBroken
    with pytest.raises(BffError) as error:
        await act(answering(respx.Router(), UNREADABLE[broken](method, good)))
    assert type(error.value) is expected


@pytest.mark.parametrize(
    ("act", "method", "told"),
    [
        *[
            (ASK, QUERY, TRADE | {"total_amount": said})
            for said in ("5000.5", "5000", "5,000.50", "-1.00", "1e3", "", "05.00", "٥.٠٠", " 1.00", 5000.5)
        ],
        (ASK, QUERY, TRADE | {"trans_currency": "USD"}),
        (ASK, QUERY, TRADE | {"out_trade_no": "CH02"}),
        (ASK, QUERY, TRADE | {"trade_no": ""}),
        (ASK, QUERY, TRADE | {"trade_status": ""}),
        (ASK, QUERY, TRADE | {"send_pay_date": "2026-03-09T12:04:59Z"}),
        (ASK, QUERY, TRADE | {"send_pay_date": "2026-02-30 12:04:59"}),
        (ASK, QUERY, TRADE | {"send_pay_date": "2026-3-9 12:4:5"}),
        (ASK, QUERY, TRADE | {"send_pay_date": "２026-03-09 12:04:59"}),
        (ASK_REFUND, QUERY_REFUND, REFUND_FOUND | {"refund_amount": "1000.5"}),
        (ASK_REFUND, QUERY_REFUND, REFUND_FOUND | {"refund_amount": ""}),
        (ASK_REFUND, QUERY_REFUND, REFUND_FOUND | {"out_request_no": "RF02"}),
        (ASK_REFUND, QUERY_REFUND, REFUND_FOUND | {"out_trade_no": "CH02"}),
        (BEGIN, PRECREATE, DONE | {"out_trade_no": "CH01"}),
        (BEGIN, PRECREATE, DONE | {"out_trade_no": "CH02", "qr_code": "https://qr.alipay.com/bax"}),
        (END, CLOSE, DONE | {"out_trade_no": "CH02"}),
        (GIVE, REFUND, REFUNDED | {"out_trade_no": "CH02"}),
        (GIVE, REFUND, REFUNDED | {"refund_fee": "1000.49"}),
        (GIVE, REFUND, REFUNDED | {"refund_fee": "many"}),
    ],
)
async def test_an_answer_that_is_not_as_agreed_is_a_broken_contract(
    act: Act, method: str, told: dict[str, Any]
) -> None:
    expected = OutcomeUnknown if (act, method) in WRITES else UpstreamContractBroken
    with pytest.raises(BffError) as error:
        await act(answering(respx.Router(), answer(method, told)))
    assert type(error.value) is expected


@pytest.mark.parametrize("name", ["alipay_trade_query_response", "error_response"])
async def test_a_gateway_that_does_not_know_us_cannot_sign(name: str) -> None:
    body = json.dumps({name: failed("isv.invalid-app-id", "40002")}).encode()
    with pytest.raises(UpstreamRejected) as error:
        await answering(respx.Router(), body).query("CH01", "")
    assert error.value.detail == "40002 isv.invalid-app-id"


async def test_a_gateway_that_is_unwell_cannot_sign_either() -> None:
    """Less than that nobody knows cannot be said, so it is believed of anybody."""
    body = json.dumps({"error_response": failed("isp.unknow-error", "20000")}).encode()
    with pytest.raises(UpstreamUnavailable):
        await answering(respx.Router(), body).query("CH01", "")
    with pytest.raises(OutcomeUnknown):
        await answering(respx.Router(), body).close("CH01", "")


@pytest.mark.parametrize(
    ("status", "expected"), [(302, OutcomeUnknown), (403, UpstreamRejected), (502, OutcomeUnknown), (503, UpstreamBusy)]
)
async def test_a_status_other_than_200_is_no_answer(status: int, expected: type[BffError]) -> None:
    with pytest.raises(expected):
        await GIVE(answering(respx.Router(), answer(REFUND, REFUNDED), status=status))


async def test_a_write_without_an_answer_is_an_unknown_outcome() -> None:
    router = respx.Router()
    router.post(GATEWAY).mock(side_effect=httpx.ReadTimeout)
    with pytest.raises(OutcomeUnknown):
        await client_of(router).repay(repayment())


# The bytes that are signed


@pytest.mark.parametrize(
    "text",
    [
        '{"code":"10000","out_trade_no":"CH01","qr_code":"https:\\/\\/qr.alipay.com\\/bax"}',
        '{ "code" : "10000",\n\t"out_trade_no":"CH01","qr_code":"https://qr.alipay.com/bax","body":"}\\"{ 中 \\u4e2d"}',
        '{"qr_code":"https://qr.alipay.com/bax","sign":"not this one","out_trade_no":"CH01","code":"10000"}',
    ],
)
@pytest.mark.parametrize("frame", ['{"%s":%s,"sign":"%s"}', '{ "alipay_cert_sn":"x", "%s" : %s , "sign": "%s" }\n'])
async def test_what_is_signed_is_the_member_as_it_stands(text: str, frame: str) -> None:
    body = (frame % ("alipay_trade_precreate_response", text, signature(text))).encode()
    outcome = await answering(respx.Router(), body).begin(charge())
    assert outcome.entity is not None
    assert outcome.entity.client_action == QrCodeAction(content="https://qr.alipay.com/bax")


async def test_a_signature_over_slashes_that_were_escaped_later_holds() -> None:
    text = '{"code":"10000","out_trade_no":"CH01","qr_code":"https://qr.alipay.com/bax"}'
    escaped = text.replace("/", "\\/")
    body = f'{{"alipay_trade_precreate_response":{escaped},"sign":"{signature(text)}"}}'.encode()
    outcome = await answering(respx.Router(), body).begin(charge())
    assert outcome.entity is not None
    assert outcome.entity.client_action == QrCodeAction(content="https://qr.alipay.com/bax")


async def test_a_member_may_come_after_its_signature() -> None:
    text = json.dumps(TRADE)
    body = f'{{"sign":"{signature(text)}","alipay_trade_query_response":{text}}}'.encode()
    state = await answering(respx.Router(), body).query("CH01", "")
    assert state.status is ChargeStatus.SUCCEEDED


async def test_any_of_several_keys_of_alipay_counts() -> None:
    new = rsa.generate_private_key(65537, 2048)
    both = msgspec.structs.replace(SETTINGS, alipay_keys=(new.public_key(), *SETTINGS.alipay_keys))
    router = respx.Router()
    router.post(GATEWAY).mock(
        side_effect=[httpx.Response(200, content=answer(QUERY, TRADE, key)) for key in (new, ALIPAY_KEY)]
    )
    client = AlipayClient(mocked_upstream(router, "alipay"), both)
    for _ in range(2):
        assert (await client.query("CH01", "")).status is ChargeStatus.SUCCEEDED


async def test_no_key_is_in_what_can_be_read(caplog: pytest.LogCaptureFixture) -> None:
    client = answering(respx.Router(), b"<html>")
    with caplog.at_level(logging.DEBUG), pytest.raises(OutcomeUnknown) as error:
        await client.repay(repayment())
    line = PRIVATE_KEY.splitlines()[1]
    for said in (repr(SETTINGS), repr(client), repr(error.value), str(error.value.detail), caplog.text):
        assert line not in said
