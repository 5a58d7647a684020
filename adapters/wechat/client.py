"""Two calls, neither ever repeated: WeChat says whose code it is, our issuer gives that account a token.

The second is a token exchange (RFC 8693): we prove that it is us, and name the account that WeChat has vouched for.
"""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import msgspec

from adapters.transport.upstream import Effect, Operation, Upstream
from adapters.wechat.wechat_wire import read_session, read_token
from bff.domain.base import Outcome, Refusal
from bff.domain.login import Login

# A code is for one use: asking again would only learn that it was used.
CODE_TO_SESSION = Operation(name="code2Session", effect=Effect.WRITE)
EXCHANGE = Operation(name="ExchangeToken", effect=Effect.WRITE)
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
OPENID = "urn:wechat:params:oauth:token-type:openid"


class WechatAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Where to ask (paths below the two upstreams), and by which names and secrets we are known there."""

    session_path: str
    token_path: str
    app_id: str
    app_secret: str
    client_id: str
    client_secret: str


class WechatLogins:
    """Implements `LoginPort`."""

    def __init__(self, wechat: Upstream, issuer: Upstream, access: WechatAccess) -> None:
        self._wechat = wechat
        self._issuer = issuer
        self._access = access

    async def with_wechat(self, code: str) -> Outcome[Login]:
        openid = await self._openid(code)
        if isinstance(openid, Refusal):
            return Outcome(refusals=[openid])
        login = await self._exchange(openid)
        return Outcome(refusals=[login]) if isinstance(login, Refusal) else Outcome(entity=login)

    async def _openid(self, code: str) -> str | Refusal:
        access = self._access
        asked = {
            "appid": access.app_id, "secret": access.app_secret, "js_code": code, "grant_type": "authorization_code",
        }  # fmt: skip
        reply = await self._wechat.call(CODE_TO_SESSION, "GET", f"{access.session_path}?{urlencode(asked)}")
        return read_session(reply.body)

    async def _exchange(self, openid: str) -> Login | Refusal:
        access = self._access
        form = {"grant_type": GRANT, "subject_token": openid, "subject_token_type": OPENID, "audience": access.app_id}
        proof = base64.b64encode(f"{access.client_id}:{access.client_secret}".encode()).decode()
        headers = {"content-type": "application/x-www-form-urlencoded", "authorization": f"Basic {proof}"}
        reply = await self._issuer.call(
            EXCHANGE, "POST", access.token_path, headers=headers, body=urlencode(form).encode()
        )
        return read_token(reply.status, reply.body)
