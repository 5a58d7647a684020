"""Us, the simulated Alipay and a customer in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.alipay.client import AlipayClient
from bff.domain.payment import AppAction, ClientAction, QrCodeAction, RedirectAction
from bff.domain.providers import Charge, Notice, NoticeRefused
from sandbox.alipay.app import create
from sandbox.kit.server import System
from tests.sandbox_alipay import SETTINGS, WORLD, Hands, charge
from tests.support import sandbox_upstream


class House:
    """Us, Alipay and the customer in one process. `is_deaf`: we take notifications and never acknowledge them."""

    def __init__(self) -> None:
        self.clock = Hands()
        ours = Starlette(routes=[Route("/payments/notifications/alipay", self._take, methods=["POST"])])
        self.system: System = create(
            WORLD, self.clock, transport=httpx.ASGITransport(app=ours), again_after=(0.0, 0.0, 0.0), late=0.05
        )
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.system), base_url="http://upstream.test")
        self.client = AlipayClient(sandbox_upstream(self.system), SETTINGS, clock=self.clock)
        self.notices: list[Notice | None] = []
        self.refused: list[str] = []
        self.is_deaf = False

    async def _take(self, request: Request) -> Response:
        refused: NoticeRefused | None = None
        try:
            self.notices.append(await self.client.read_notice(dict(request.headers), await request.body()))
        except NoticeRefused as error:
            refused = error
            self.refused.append(str(error))
        said = self.client.reply(NoticeRefused("deaf") if self.is_deaf else refused)
        return Response(said.body, said.status, media_type=said.media_type)

    async def begin(self, wanted: Charge) -> ClientAction:
        outcome = await self.client.begin(wanted)
        assert outcome.entity is not None, outcome.refusals
        return outcome.entity.client_action

    async def open(self, action: ClientAction) -> httpx.Response:
        """The customer opens what they were given; the app hands its string to Alipay's."""
        if isinstance(action, AppAction):
            return await self.http.post("/_open", content=action.order_string)
        assert isinstance(action, RedirectAction | QrCodeAction)
        return await self.http.get(
            action.url if isinstance(action, RedirectAction) else action.content, follow_redirects=True
        )

    async def pay(self, number: str = "CH01", **asked: Any) -> httpx.Response:
        return await self.http.post(f"/_pay/{number}", json=asked)

    async def paid(self, notify: str = "once") -> None:
        await self.open(await self.begin(charge()))
        assert (await self.pay(notify=notify)).status_code == 200

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110 - another task's work
                await asyncio.sleep(0.01)

    async def sent(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.http.get("/_notifications")).json()["notifications"]
        return found
