"""Engines that do as the test says, and know what they were asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from adapters.transport.http import HttpReply, HttpRequest
from bff.context import Caller, CallerKind, Channel, RequestContext, enter

JSON = {"content-type": "application/json"}


def reply(status: int = 200, body: bytes = b"{}", **headers: str) -> HttpReply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status=status, headers=JSON | named, body=body)


class Scripted:
    """Answers with each of `script` in turn, the last one for ever; an exception is raised."""

    def __init__(self, *script: HttpReply | Exception) -> None:
        self.script = list(script) or [reply()]
        self.sent: list[HttpRequest] = []
        self.timeouts: list[float] = []

    async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109
        self.sent.append(request)
        self.timeouts.append(timeout)
        what = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(what, Exception):
            raise what
        return what

    async def aclose(self) -> None:
        pass


class Gated:
    """Answers when the test opens the gate, with what `answer` makes of the request. Counts what is under way."""

    def __init__(self, answer: Callable[[HttpRequest], HttpReply] = lambda request: reply()) -> None:
        self.gate = asyncio.Event()
        self.answer = answer
        self.sent: list[HttpRequest] = []
        self.now = self.most = self.cancelled = 0

    async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109
        self.sent.append(request)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.now -= 1
        return self.answer(request)

    async def aclose(self) -> None:
        pass


def customer(number: int | str = 1) -> Caller:
    return Caller(
        kind=CallerKind.CUSTOMER, subject=f"login-{number}", customer_id=f"C{number}", login=f"login {number}".encode()
    )


def entered(caller: Caller | None = None, *, budget: float = 10.0, channel: Channel = Channel.APP) -> RequestContext:
    """A request of its own, current for this task."""
    more: dict[str, Any] = {} if caller is None else {"caller": caller}
    context = RequestContext(ports=None, budget_seconds=budget, channel=channel, **more)  # type: ignore[arg-type]  # transport never looks at ports
    enter(context)
    return context


async def turns(count: int = 5) -> None:
    """Let everything that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)
