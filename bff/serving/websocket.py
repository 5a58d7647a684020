"""graphql-transport-ws: GraphQL over one WebSocket, as the graphql-ws project writes it down.

A connection proves its caller once, in `connection_init` (or by the handshake's own headers), and then runs operations
side by side, each known by the client's id. Close codes: 4400 a message that is none, 4401 an operation before the
acknowledgement, 4403 a login that does not hold (any more), 4406 another subprotocol, 4408 no `connection_init` in
time, 4409 an id that is in use, 4429 a second `connection_init`; and of the registered ones 1009 a message too long,
1012 the process stops, 1013 the client does not read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.types import Message, Receive, Scope, Send

from bff.execution import InvalidOperation
from bff.serving.delivery import payloads
from bff.serving.exchange import Exchange
from bff.serving.graphql import GraphQLApp
from bff.serving.headers import headers_of
from bff.serving.refusals import HttpRefusal
from bff.serving.requests import request_of_value
from bff.serving.results import NOT_VALID, errors_of, to_bytes
from bff.serving.streams import close, holder_of

log = logging.getLogger("bff.serving")

PROTOCOL = "graphql-transport-ws"
LONGEST_ID = 256
FROM_INIT = ("authorization", "accept-language")
"""Members of `connection_init`'s payload that stand for headers, besides `bff-…` and the client's name and version."""


class Closed(Exception):
    """The connection is to be closed with this code; the reason is for the client's developer."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class _Envelope(msgspec.Struct):
    """Every message of the protocol."""

    type: str
    id: str | None = None
    payload: Any = None


_read = msgspec.json.Decoder(_Envelope).decode


class WebSocketApp:
    """One connection a call. `origins` are the web pages that may connect besides our own."""

    def __init__(self, app: GraphQLApp, origins: Iterable[str] = ()) -> None:
        self._app = app
        self._origins = frozenset(origins)
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            headers = headers_of(scope["headers"])
        except HttpRefusal:
            headers = {}
        if not headers or not self._is_welcome(headers):
            return await send({"type": "websocket.close", "code": 4403, "reason": "Forbidden"})
        if PROTOCOL not in scope.get("subprotocols", ()):
            await send({"type": "websocket.accept"})
            return await send({"type": "websocket.close", "code": 4406, "reason": "Subprotocol not acceptable"})
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        network = scope["client"][0] if scope.get("client") else None
        connection = _Connection(self._app, headers, network, receive, send)
        self._open += 1
        try:
            if self._open > self._app.limits.sockets:
                raise Closed(1013, "Too many connections")
            await connection.serve()
        except Closed as closed:
            log.debug("a WebSocket is closed: %d %s", closed.code, closed.reason)
            await _say_goodbye(send, closed)
        finally:
            self._open -= 1
        return None

    def _is_welcome(self, headers: dict[str, str]) -> bool:
        """A browser says which page connects (RFC 6455 section 10.2); a page of somebody else must be named."""
        origin = headers.get("origin")
        return origin is None or origin in self._origins or urlsplit(origin).netloc == headers.get("host")


class _Connection:
    def __init__(
        self, app: GraphQLApp, headers: dict[str, str], network: str | None, receive: Receive, send: Send
    ) -> None:
        self._app = app
        self._headers = headers
        self._network = network
        self._receive = receive
        self._send = send
        self._sending = asyncio.Lock()
        self._initialised = False
        self._acknowledged = False
        self._running: dict[str, asyncio.Task[None]] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Until either side has had enough. Raises Closed."""
        limits, draining = self._app.limits, self._app.streams.draining
        begun = asyncio.get_running_loop().time()
        drained = asyncio.create_task(draining.wait())
        message: asyncio.Task[Message] | None = None
        failed = self._failed
        try:
            while True:
                message = message or asyncio.ensure_future(self._receive())
                waited = limits.heartbeat_seconds
                if not self._acknowledged:
                    waited = max(0.0, begun + limits.init_seconds - asyncio.get_running_loop().time())
                watched: set[asyncio.Future[Any]] = {message, drained, failed}
                done, _ = await asyncio.wait(watched, timeout=waited, return_when=asyncio.FIRST_COMPLETED)
                if failed in done:
                    failed.result()
                elif drained in done:
                    raise Closed(1012, "Service restart")
                elif message in done:
                    received, message = message.result(), None
                    if received["type"] == "websocket.disconnect":
                        return
                    await self._take(received)
                elif not self._acknowledged:
                    raise Closed(4408, "Connection initialisation timeout")
                elif not await self._app.operations.still_holds(self._headers):
                    raise Closed(4403, "Forbidden")
        finally:
            tasks = [task for task in (message, drained, *self._running.values()) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            failed.cancel()

    async def _take(self, received: Message) -> None:
        text = received.get("text")
        if text is None:
            raise Closed(4400, "Messages are text")
        if len(text) > self._app.limits.message_bytes:
            raise Closed(1009, "Message too big")
        try:
            envelope = _read(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise Closed(4400, "Invalid message received") from error
        match envelope.type:
            case "connection_init":
                await self._init(envelope.payload)
            case "ping":
                await self.say({"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                self._subscribe(envelope)
            case "complete":
                if envelope.id is None:
                    raise Closed(4400, "Invalid message received")
                if (task := self._running.pop(envelope.id, None)) is not None:
                    task.cancel()
            case _:
                raise Closed(4400, "Invalid message received")

    async def _init(self, payload: Any) -> None:
        if self._initialised:
            raise Closed(4429, "Too many initialisation requests")
        self._initialised = True
        if payload is not None and not isinstance(payload, dict):
            raise Closed(4400, "Invalid message received")
        self._headers |= _headers_in(payload or {})
        try:
            await self._app.operations.context(self._headers)
        except HttpRefusal as refusal:
            raise Closed(4403 if refusal.status in (400, 401) else 1013, refusal.message[:100]) from refusal
        self._acknowledged = True
        await self.say({"type": "connection_ack"})

    def _subscribe(self, envelope: _Envelope) -> None:
        if not self._acknowledged:
            raise Closed(4401, "Unauthorized")
        name = envelope.id
        if not name or len(name) > LONGEST_ID or not isinstance(envelope.payload, dict):
            raise Closed(4400, "Invalid message received")
        if name in self._running:
            raise Closed(4409, f"Subscriber for {name[:64]} already exists")
        task = self._running[name] = asyncio.create_task(self._operation(name, envelope.payload))
        task.add_done_callback(lambda done: self._ended(name, done))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._running.get(name) is task:
            del self._running[name]
        if not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error if isinstance(error, Closed) else Closed(1011, "Internal error"))
            if not isinstance(error, Closed):
                log.error("Unexpected error in an operation over a WebSocket", exc_info=error)

    async def _operation(self, name: str, payload: dict[str, Any]) -> None:
        app = self._app
        exchange: Exchange | None = None
        code: str | None = None
        try:
            request = request_of_value(payload, app.limits)
            context = await app.operations.context(self._headers)
            exchange = Exchange(request, self._headers, context, network=self._network)
            await app.operations.begin(exchange)
            with app.streams.place(holder_of(context, self._network)):
                source = payloads(app, exchange)
                try:
                    async for result, _ in source:
                        await self.say({"type": "next", "id": name, "payload": result})
                finally:
                    await close(source)
        except InvalidOperation as invalid:
            code = NOT_VALID
            return await self.say({"type": "error", "id": name, "payload": errors_of(invalid.errors)})
        except HttpRefusal as refusal:
            code = refusal.code
            return await self.say({"type": "error", "id": name, "payload": refusal.entries})
        finally:
            if exchange is not None:
                app.operations.ended(exchange, code)
        # The id is free again before the client can know that it is.
        if self._running.get(name) is asyncio.current_task():
            del self._running[name]
        return await self.say({"type": "complete", "id": name})

    async def say(self, message: dict[str, Any]) -> None:
        text = to_bytes(message).decode()
        try:
            async with asyncio.timeout(self._app.limits.stalled_seconds), self._sending:
                await self._send({"type": "websocket.send", "text": text})
        except TimeoutError as error:
            raise Closed(1013, "Too slow") from error


def _headers_in(payload: dict[str, Any]) -> dict[str, str]:
    """What of the payload stands for headers; a browser cannot send its own with a handshake."""
    inner = payload.get("headers")
    members = {**payload, **inner} if isinstance(inner, dict) else payload
    said = {name.lower(): value for name, value in members.items() if isinstance(value, str) and len(value) < 16_384}
    wanted = (*FROM_INIT, "graphql-client-name", "graphql-client-version")
    return {name: value for name, value in said.items() if name in wanted or name.startswith("bff-")}


async def _say_goodbye(send: Send, closed: Closed) -> None:
    """The reason is at most 123 bytes (RFC 6455 section 5.5). Whoever does not read may never see it."""
    try:
        async with asyncio.timeout(1):
            await send({"type": "websocket.close", "code": closed.code, "reason": closed.reason[:120]})
    except (TimeoutError, RuntimeError, OSError):
        log.debug("a close frame could not be sent")
