"""What tests of the simulated WeChat Pay share: a merchant, a customer, and notifications between them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.transport.http import HttpxEngine
from adapters.transport.upstream import Upstream
from adapters.wechatpay.client import WechatPay
from adapters.wechatpay.settings import WechatPaySettings
from adapters.wechatpay.signatures import authorization
from bff.domain.base import Money, Outcome
from bff.domain.payment import PaymentScene
from bff.domain.providers import Begun, ChargeState, Notice, NoticeRefused, Repayment
from bff.errors import BffError
from bff.policy import CallPolicy
from sandbox.wechatpay.app import create
from sandbox.world import World
from tests.adapters.wechatpay.support import BY_PUBLIC_KEYS, CHARGE_ID, REPAYMENT, START, Hands, charge
from tests.support import BASE

ALL = Money(amount_minor=500000)
WORLD = World(today=START.date(), now=START, seed=1)
"""Without anybody in it: WeChat Pay knows only what it is asked."""


class Wire(httpx.ASGITransport):
    """A connection that can break: an application that ends before its response does is a peer that went away."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except AssertionError as error:
            raise httpx.RemoteProtocolError("peer closed the connection") from error


class Market:
    """Merchant, WeChat Pay and its customer. `answers` is what the merchant says to notifications, then 204."""

    def __init__(self, settings: WechatPaySettings = BY_PUBLIC_KEYS, schedule: Sequence[float] = (0.01,) * 3) -> None:
        self.clock = Hands()
        ours = Starlette(routes=[Route("/payments/notifications/wechatpay", self._take, methods=["POST"])])
        transport = httpx.ASGITransport(ours)
        self.system = create(WORLD, self.clock, transport=transport, schedule=schedule, late=0.02)
        self.settings = settings
        engine = HttpxEngine(httpx.AsyncClient(transport=Wire(self.system)))
        self.pay = WechatPay(Upstream("wechatpay", BASE, engine, policy=CallPolicy(attempts=2)), settings, self.clock)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.system), base_url=BASE)
        self.answers: list[int] = []
        self.taken: list[Notice | None] = []
        self.refused: list[str] = []

    async def _take(self, request: Request) -> Response:
        try:
            notice = await self.pay.read_notice(dict(request.headers), await request.body())
        except (NoticeRefused, BffError) as error:
            self.refused.append(str(error))
            reply = self.pay.reply(error)
            return Response(reply.body, reply.status, media_type=reply.media_type)
        status = self.answers.pop(0) if self.answers else self.pay.reply(None).status
        if status < 300:
            self.taken.append(notice)
        return Response(status_code=status)

    async def handle(self, path: str, **said: Any) -> Any:
        """Use a handle of the sandbox."""
        reply = await self.http.post(path, json=said)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def customer_pays(self, charge_id: str = CHARGE_ID, **said: Any) -> Any:
        shown = await self.handle(f"/_pay/{charge_id}", **({"result": "SUCCEEDED"} | said))
        await self.notified()
        return shown

    async def notified(self) -> list[dict[str, Any]]:
        """All that was sent, when nothing is under way any more."""
        while (said := (await self.http.get("/_notifications")).json())["underWay"]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        items: list[dict[str, Any]] = said["items"]
        return items

    async def begun(self, scene: PaymentScene = PaymentScene.JSAPI, **changed: Any) -> Begun:
        begun = (await self.pay.begin(charge(scene, **changed))).entity
        assert begun is not None
        return begun

    async def paid(self) -> ChargeState:
        await self.begun()
        await self.customer_pays()
        return await self.pay.query(CHARGE_ID, "")

    def headers(self, method: str, path: str, body: bytes = b"", **changed: Any) -> dict[str, str]:
        """A request's headers, well signed but for what is `changed`."""
        said: dict[str, Any] = {
            "merchant_id": self.settings.merchant_id, "serial": self.settings.serial, "method": method, "path": path,
            "timestamp": int(self.clock().timestamp()), "nonce": secrets.token_hex(8), "body": body,
        }  # fmt: skip
        return {"authorization": authorization(self.settings.private_key, **(said | changed))}


def entity(outcome: Outcome[Any]) -> Any:
    assert outcome.entity is not None, outcome.refusals
    return outcome.entity


def codes(outcome: Outcome[Any]) -> list[str]:
    return [refusal.code for refusal in outcome.refusals]


def part(number: int, fen: int, **changed: Any) -> Repayment:
    told = msgspec.structs.replace(REPAYMENT, id=f"RF20260309{number:06d}", amount=Money(amount_minor=fen))
    return msgspec.structs.replace(told, **changed)
