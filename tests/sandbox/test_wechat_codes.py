"""The stand-in for WeChat: a code lives five minutes and once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from sandbox.identity.app import create
from sandbox.identity.wechat import APP_SECRET
from sandbox.world import World
from sandbox.world.people import MINI_PROGRAM_APP_ID

pytestmark = pytest.mark.anyio

ASKED = {"appid": MINI_PROGRAM_APP_ID, "secret": APP_SECRET, "grant_type": "authorization_code"}


async def test_code_ends_after_five_minutes_and_after_one_use(world: World) -> None:
    now = [world.now]
    system = create(world, lambda: now[0])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(system), base_url="http://identity.test") as client:

        async def code() -> str:
            return str((await client.post("/wechat/codes", json={"customerId": "C0001"})).json()["code"])

        async def session(code: str, **changes: str) -> dict[str, Any]:
            reply = await client.get("/wechat/session", params=ASKED | {"js_code": code} | changes)
            assert reply.status_code == 200
            said: dict[str, Any] = reply.json()
            return said

        first, second, third = await code(), await code(), await code()
        now[0] += timedelta(minutes=5)
        assert (await session(first))["session_key"]
        assert (await session(first))["errcode"] == 40163
        now[0] += timedelta(seconds=1)
        assert (await session(second))["errcode"] == 42003
        assert (await session(third, secret="wrong"))["errcode"] == 40125
        assert (await session(third, appid="wx0"))["errcode"] == 40013
        assert (await session("made up"))["errcode"] == 40029
        assert (await client.post("/wechat/codes", json={"customerId": "C9999"})).status_code == 400
