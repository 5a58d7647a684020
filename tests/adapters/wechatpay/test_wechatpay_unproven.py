"""Answers that nothing proves, and answers that do not come."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from bff.errors import OutcomeUnknown, UpstreamBusy, UpstreamContractBroken, UpstreamRejected, UpstreamUnavailable
from sandbox.wechatpay import keys
from sandbox.wechatpay.platform import certificate_signer
from tests.adapters.wechatpay.support import GOOD, METHODS, SETTINGS, WRITES, Wechat, act

pytestmark = pytest.mark.anyio


@pytest.fixture
def wechat() -> Wechat:
    return Wechat()


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
