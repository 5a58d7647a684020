"""Mini-program logins: a code is spent once, what can be wrong is told, the session key stays where it was."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx

from adapters.wechat.client import WechatAccess, WechatLogins
from bff.errors import BffError, OutcomeUnknown, UpstreamBusy, UpstreamContractBroken, UpstreamRejected
from bff.telemetry.masking import MaskingFilter
from tests.estate.house import Answer, House
from tests.support import BASE, entered_context, mocked_upstream

pytestmark = pytest.mark.anyio

LOG_IN = """mutation LogIn($code: String!) { loginWithWechat(input: {code: $code}) {
  entity { accessToken expiresInSeconds } userErrors { code message } } }"""


@pytest.fixture
async def house() -> AsyncIterator[House]:
    built = House()
    yield built
    await built.aclose()


async def code_for(house: House, **whose: str) -> str:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.systems["identity"])) as phone:
        reply = await phone.post("http://identity.test/wechat/codes", json=whose)
        return str(reply.json()["code"])


def refusals(answer: Answer) -> list[str]:
    return [each["code"] for each in answer.data["loginWithWechat"]["userErrors"]]


async def test_code_becomes_a_login_of_the_customer_it_belongs_to(house: House) -> None:
    answer = await house.ask(LOG_IN, {"code": await code_for(house, customerId="C0001")}, persona=None)
    login = answer.data["loginWithWechat"]["entity"]
    assert login["expiresInSeconds"] > 0
    headers = {"authorization": f"Bearer {login['accessToken']}"}
    who = await house.ask("{ viewer { kind customer { id profile { displayName } } } }", persona=None, headers=headers)
    assert who.data["viewer"]["kind"] == "CUSTOMER"
    assert who.data["viewer"]["customer"]["profile"]["displayName"] == house.world.customers["C0001"].display_name


async def test_code_is_for_one_use(house: House) -> None:
    code = await code_for(house, customerId="C0001")
    assert refusals(await house.ask(LOG_IN, {"code": code}, persona=None)) == []
    again = await house.ask(LOG_IN, {"code": code}, persona=None)
    assert refusals(again) == ["CODE_USED"]
    assert again.data["loginWithWechat"]["entity"] is None


async def test_code_of_nobody_and_account_of_nobody_are_told_apart(house: House) -> None:
    assert refusals(await house.ask(LOG_IN, {"code": "made-up"}, persona=None)) == ["CODE_INVALID"]
    stranger = await code_for(house, openid="oXnobody")
    assert refusals(await house.ask(LOG_IN, {"code": stranger}, persona=None)) == ["ACCOUNT_NOT_LINKED"]


@pytest.mark.parametrize("code", ["", "a b", "x" * 129, "zeile\n", "码"])
async def test_what_cannot_be_a_code_is_never_sent_on(house: House, code: str) -> None:
    answer = await house.ask(LOG_IN, {"code": code}, persona=None)
    assert answer.codes() == {"loginWithWechat": "BAD_USER_INPUT"}
    assert answer.calls == []


async def test_session_key_and_code_are_in_no_answer_and_in_no_log(house: House) -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    root, level = logging.getLogger(), logging.getLogger().level
    handler.addFilter(MaskingFilter())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        code = await code_for(house, customerId="C0001")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(house.systems["identity"])) as backend:
            other = await code_for(house, customerId="C0001")
            asked = {"appid": "wx1f0a7c52be3d9804", "secret": "sandbox-app-secret", "js_code": other}
            asked["grant_type"] = "authorization_code"
            session = (await backend.get("http://identity.test/wechat/session", params=asked)).json()
        assert session["session_key"], "there is a key to keep"
        answer = await house.ask(LOG_IN, {"code": code}, persona=None)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    told = json.dumps(answer.body) + str(answer.headers)
    assert "session_key" not in told
    assert session["openid"] not in told
    assert code not in told
    for secret in (code, "sandbox-app-secret", "sandbox-client-secret", session["session_key"]):
        assert secret not in out.getvalue()


async def test_deployment_without_wechat_says_so() -> None:
    house = House()
    try:
        house.services.ports = type(house.services.ports)(
            **{name: getattr(house.services.ports, name) for name in house.services.ports.__slots__} | {"logins": None}
        )
        answer = await house.ask(LOG_IN, {"code": "code"}, persona=None)
        assert answer.codes() == {"loginWithWechat": "FORBIDDEN"}
    finally:
        await house.aclose()


# --- part by part

ACCESS = WechatAccess(
    session_path="/sns/jscode2session", token_path="/token", app_id="wx1", app_secret="s1", client_id="bff",
    client_secret="s2",
)  # fmt: skip
SESSION = {"openid": "o1", "session_key": "never", "unionid": "u1"}
TOKEN = {"access_token": "t1", "token_type": "Bearer", "expires_in": 60}


async def log_in(session: httpx.Response, token: httpx.Response | None = None) -> tuple[Any, respx.Router]:
    entered_context()
    router = respx.Router(base_url=BASE, assert_all_called=False)
    router.get("/sns/jscode2session").mock(return_value=session)
    router.post("/token").mock(return_value=token or httpx.Response(200, json=TOKEN))
    upstream = mocked_upstream(router, "wechat")
    return await WechatLogins(upstream, upstream, ACCESS).with_wechat("c1"), router


async def test_both_calls_say_what_their_specifications_ask() -> None:
    outcome, router = await log_in(httpx.Response(200, json=SESSION))
    assert (outcome.entity.access_token, outcome.entity.expires_in_seconds) == ("t1", 60)
    first, second = [call.request for call in router.calls]
    assert dict(first.url.params) == {
        "appid": "wx1", "secret": "s1", "js_code": "c1", "grant_type": "authorization_code",
    }  # fmt: skip
    assert second.headers["authorization"] == "Basic YmZmOnMy"
    form = dict(httpx.QueryParams(second.content.decode()))
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
    assert form["subject_token"] == "o1"


@pytest.mark.parametrize(
    ("errcode", "refusal"),
    [
        (40029, "CODE_INVALID"), (40163, "CODE_USED"), (42003, "CODE_EXPIRED"), (40226, "ACCOUNT_BLOCKED"),
        (45011, "RATE_LIMITED"),
    ],
)  # fmt: skip
async def test_refusals_of_wechat_are_told_in_our_words(errcode: int, refusal: str) -> None:
    outcome, router = await log_in(httpx.Response(200, json={"errcode": errcode, "errmsg": "their words"}))
    assert [each.code for each in outcome.refusals] == [refusal]
    assert "their words" not in outcome.refusals[0].message
    assert len(router.calls) == 1


@pytest.mark.parametrize(
    ("session", "token", "error"),
    [
        (httpx.Response(200, json={"errcode": -1}), None, UpstreamBusy),
        (httpx.Response(200, json={"errcode": 40125, "errmsg": "invalid appsecret"}), None, UpstreamRejected),
        (httpx.Response(200, text="<html>"), None, UpstreamContractBroken),
        (httpx.Response(200, json={"session_key": "never"}), None, UpstreamContractBroken),
        (httpx.Response(200, json=SESSION), httpx.Response(401, json={"error": "invalid_client"}), UpstreamRejected),
        (httpx.Response(200, json=SESSION), httpx.Response(200, text="<html>"), UpstreamContractBroken),
        (
            httpx.Response(200, json=SESSION),
            httpx.Response(200, json=TOKEN | {"token_type": "DPoP"}),
            UpstreamContractBroken,
        ),
    ],
)
async def test_anything_else_is_an_error_that_names_the_system(
    session: httpx.Response, token: httpx.Response | None, error: type[BffError]
) -> None:
    with pytest.raises(error) as raised:
        await log_in(session, token)
    assert "never" not in f"{raised.value.message} {raised.value.detail}"


async def test_spent_code_without_an_answer_is_not_sent_again() -> None:
    entered_context()
    router = respx.Router(base_url=BASE)
    route = router.get("/sns/jscode2session").mock(side_effect=httpx.ReadError("gone"))
    upstream = mocked_upstream(router, "wechat")
    with pytest.raises(OutcomeUnknown):
        await WechatLogins(upstream, upstream, ACCESS).with_wechat("c1")
    assert route.call_count == 1
