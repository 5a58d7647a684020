"""Every request's way in and out: counted, refused while there is no room, told to leave while the process ends."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from starlette.types import ASGIApp, Receive, Scope, Send

from bff.serving import priorities
from bff.serving.draining import Draining
from bff.serving.exchange import Exchange
from bff.serving.outgoing import outgoing
from bff.serving.overload import Overload, Overloaded

OPEN_PATHS = ("/health",)
"""Answered however busy the process is."""

IN_CAR = b"IN_CAR"

Told = Callable[[Scope, int, float], None]
"""Called at the end of a request with its status (0: none was sent) and its seconds."""


class Gate:
    """Around the whole application. A response that has become a stream is no longer work, and leaves room."""

    def __init__(self, app: ASGIApp, overload: Overload, draining: Draining, told: Told) -> None:
        self._app = app
        self._overload = overload
        self._draining = draining
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OPEN_PATHS):
            return await self._app(scope, receive, send)
        began = perf_counter()
        overload = self._overload
        out = outgoing(send)
        out.is_last = self._is_ending
        is_counted = False
        try:
            try:
                overload.enter(is_first=not overload.is_roomy and _is_in_car(scope))
            except Overloaded as refusal:
                return await _refuse(out, scope, refusal)
            is_counted, out.on_stream = True, overload.leave
            return await self._app(scope, receive, out)
        finally:
            if is_counted and out.on_stream is not None:
                overload.leave()
            self._told(scope, out.status, perf_counter() - began)

    def _is_ending(self) -> bool:
        return self._draining.begun

    def admit(self, exchange: Exchange) -> None:
        """A stage of every operation, once it is known. Raises Overloaded."""
        if not self._overload.is_roomy and (plan := exchange.plan) is not None:
            priority = priorities.of_operation(plan.kind, plan.root_fields)
            self._overload.admit(priorities.through(exchange.context.channel, priority))


def _is_in_car(scope: Scope) -> bool:
    return any(name == b"bff-channel" and value.upper() == IN_CAR for name, value in scope["headers"])


async def _refuse(send: Send, scope: Scope, refusal: Overloaded) -> None:
    accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    media = b"application/graphql-response+json" if b"graphql-response" in accept else b"application/json"
    body = refusal.body
    headers = [
        (b"content-type", media + b"; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *refusal.headers,
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})
