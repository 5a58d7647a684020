"""WeChat's login for mini-programs, as a backend sees it (`jscode2session`), and a stand-in for `wx.login`.

`POST /wechat/codes` with `{"openid": …}` or `{"customerId": …}` gives what `wx.login` gives the mini-program: a code
for one use within five minutes. `GET /wechat/session?appid&secret&js_code&grant_type=authorization_code` answers HTTP
200 always; what went wrong is `errcode`.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kit.clock import Clock
from sandbox.kit.rest import reply
from sandbox.world import World
from sandbox.world.people import MINI_PROGRAM_APP_ID

APP_SECRET = "sandbox-app-secret"  # noqa: S105 - a public stand-in
LIFETIME = timedelta(minutes=5)
INVALID_APP, INVALID_SECRET, INVALID_CODE, EXPIRED_CODE, USED_CODE = 40013, 40125, 40029, 42003, 40163


class WeChat:
    def __init__(self, world: World, now: Clock) -> None:
        self._world = world
        self._now = now
        self._codes: dict[str, tuple[str, datetime]] = {}
        self._used: set[str] = set()

    def routes(self) -> list[Route]:
        return [
            Route("/wechat/codes", self._give_code, methods=["POST"]),
            Route("/wechat/session", self._session, methods=["GET"]),
        ]

    async def _give_code(self, request: Request) -> Response:
        asked = await request.json()
        customer = self._world.customer(asked.get("customerId", ""))
        own = customer.identities if customer is not None else []
        openid = asked.get("openid") or next((each.subject for each in own if each.kind == "WECHAT_MINI"), None)
        if openid is None:
            return reply({"error": "give an openid, or the customerId of somebody who uses the mini-program"}, 400)
        code = secrets.token_urlsafe(24)
        self._codes[code] = (openid, self._now() + LIFETIME)
        return reply({"code": code})

    async def _session(self, request: Request) -> Response:
        asked = request.query_params
        if asked.get("appid") != MINI_PROGRAM_APP_ID:
            return _error(INVALID_APP, "invalid appid")
        if asked.get("secret") != APP_SECRET:
            return _error(INVALID_SECRET, "invalid appsecret")
        code = asked.get("js_code", "")
        if code in self._used:
            return _error(USED_CODE, "code been used")
        if code not in self._codes or asked.get("grant_type") != "authorization_code":
            return _error(INVALID_CODE, "invalid code")
        openid, until = self._codes[code]
        if self._now() > until:
            return _error(EXPIRED_CODE, "code expired")
        self._used.add(code)
        key = hashlib.sha256(f"session key of {code}".encode()).hexdigest()[:24]
        return reply({"openid": openid, "session_key": key, "unionid": f"u-{openid}"})


def _error(code: int, message: str) -> Response:
    problem: dict[str, Any] = {"errcode": code, "errmsg": message}
    return reply(problem)
