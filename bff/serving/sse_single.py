"""graphql-sse, single connection mode: one event stream for all operations of a page that is served over HTTP/1.

`PUT` reserves a stream and answers its token, `GET` opens it, `POST` starts an operation whose results go there under
`extensions.operationId`, `DELETE` ends one. The token stands in `X-GraphQL-Event-Stream-Token` or in `?token=`; it
opens one stream, and only who reserved it starts operations on it. A `POST` without a token is distinct mode.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import ExitStack
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from bff.context import RequestContext
from bff.execution import InvalidOperation
from bff.serving import sse
from bff.serving.bodies import read_body
from bff.serving.delivery import payloads
from bff.serving.exchange import Exchange
from bff.serving.graphql import GraphQLApp, Reply
from bff.serving.headers import headers_of
from bff.serving.negotiation import EVENTS, JSON, is_json, ranges_of
from bff.serving.refusals import ClientGone, HttpRefusal, error_entry
from bff.serving.requests import GraphQLRequest, decode_body, single
from bff.serving.results import errors_of, refused, to_bytes
from bff.serving.streams import Stalled, close, holder_of, pump

TOKEN_HEADER = "x-graphql-event-stream-token"  # noqa: S105 - the name of a header
ALLOW = ((b"allow", b"GET, POST, PUT, DELETE"),)
WAITING_RESULTS = 64


class Reservation:
    """A stream that was asked for. Operations wait for room in `frames`: results are made as fast as they are read."""

    def __init__(self, partition: str, headers: dict[str, str], held: ExitStack) -> None:
        self.partition = partition
        self.headers = headers
        self.held = held
        self.is_open = False
        self.frames: asyncio.Queue[bytes] = asyncio.Queue(WAITING_RESULTS)
        self.running: dict[str, asyncio.Task[None]] = {}
        self.expiry: asyncio.TimerHandle | None = None

    async def all_frames(self) -> AsyncIterator[bytes]:
        yield sse.OPENING
        while True:
            yield await self.frames.get()


class SingleConnections:
    """The streams of this process, by token. A client and its requests must come to the same process."""

    def __init__(self, app: GraphQLApp) -> None:
        self._app = app
        self._reserved: dict[str, Reservation] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = Reply(scope, send, self._app.limits.compress_bytes)
        try:
            headers = headers_of(scope["headers"])
            given = parse_qs(scope["query_string"].decode("latin-1"))
            token = headers.get(TOKEN_HEADER) or single(given, "token")
            if scope["method"] == "POST" and token is None:
                return await self._app(scope, receive, send)
            await self._dispatch(scope, receive, reply, headers, given, token)
        except HttpRefusal as refusal:
            await reply.send(refusal.status, refusal.body, refusal.headers)
        except InvalidOperation as invalid:
            await reply.send(400, to_bytes({"errors": errors_of(invalid.errors)}))
        except (ClientGone, Stalled):
            pass
        return None

    async def _dispatch(
        self,
        scope: Scope,
        receive: Receive,
        reply: Reply,
        headers: dict[str, str],
        given: dict[str, list[str]],
        token: str | None,
    ) -> None:
        match scope["method"]:
            case "PUT":
                await self._reserve(scope, headers, reply)
            case "GET":
                await self._open(self._find(token), token or "", headers, receive, reply)
            case "POST":
                reservation = self._find(token)
                context = await self._own(reservation, headers)
                await self._start(reservation, context, headers, receive, reply)
            case "DELETE":
                reservation = self._find(token)
                await self._own(reservation, headers)
                task = reservation.running.pop(single(given, "operationId") or "", None)
                if task is None:
                    raise HttpRefusal(404, "NOT_FOUND", "There is no such operation on this stream.")
                task.cancel()
                await reply.send(200, b"{}")
            case _:
                raise HttpRefusal(405, "METHOD_NOT_ALLOWED", "Use PUT, GET, POST or DELETE.", ALLOW)

    async def _reserve(self, scope: Scope, headers: dict[str, str], reply: Reply) -> None:
        context = await self._app.operations.context(headers)
        network = scope["client"][0] if scope.get("client") else None
        held = ExitStack()
        held.enter_context(self._app.streams.place(holder_of(context, network)))
        token = secrets.token_urlsafe(24)
        reservation = self._reserved[token] = Reservation(context.caller.partition, headers, held)
        loop = asyncio.get_running_loop()
        reservation.expiry = loop.call_later(self._app.limits.reserved_seconds, self._forget, token)
        reply.media = "text/plain"
        await reply.send(201, token.encode())

    async def _open(
        self, reservation: Reservation, token: str, headers: dict[str, str], receive: Receive, reply: Reply
    ) -> None:
        if not any(each.name in (EVENTS, "text/*", "*/*") for each in ranges_of(headers.get("accept", "*/*"))):
            raise HttpRefusal(406, "NOT_ACCEPTABLE", f"The stream is {EVENTS}.")
        if reservation.is_open:
            raise HttpRefusal(409, "CONFLICT", "The stream is open already.")
        reservation.is_open = True
        if reservation.expiry is not None:
            reservation.expiry.cancel()
        try:
            send = await reply.start(sse.HEADERS)
            await pump(
                reservation.all_frames(), receive, send, self._app.streams,
                heartbeat=sse.BEAT, farewell=sse.FAREWELL, expired=b"",
                holds=lambda: self._app.operations.still_holds(reservation.headers),
            )  # fmt: skip
        finally:
            self._forget(token)

    async def _start(
        self,
        reservation: Reservation,
        context: RequestContext,
        headers: dict[str, str],
        receive: Receive,
        reply: Reply,
    ) -> None:
        if not is_json(headers.get("content-type", "")):
            raise HttpRefusal(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request as application/json in UTF-8.")
        request = decode_body(await read_body(receive, headers, self._app.limits), self._app.limits)
        if isinstance(request, list):
            raise HttpRefusal(400, "BAD_REQUEST", "A stream takes one operation a request.")
        name = _operation_id(request)
        if name in reservation.running:
            raise HttpRefusal(409, "CONFLICT", "An operation with this id is running.")
        if len(reservation.running) >= self._app.limits.streams_per_caller:
            raise HttpRefusal(429, "TOO_MANY_STREAMS", "There are too many operations on this stream.")
        exchange = Exchange(request, headers, context, media=JSON)
        await self._app.operations.begin(exchange)
        task = reservation.running[name] = asyncio.create_task(self._operation(reservation, name, exchange))
        task.add_done_callback(lambda done: _ended(reservation, name, done))
        await reply.send(202, b"{}")

    async def _operation(self, reservation: Reservation, name: str, exchange: Exchange) -> None:
        source = payloads(self._app, exchange)
        try:
            async for payload, event_id in source:
                await reservation.frames.put(sse.next_event({"id": name, "payload": payload}, event_id))
        except HttpRefusal as refusal:
            await reservation.frames.put(sse.next_event({"id": name, "payload": refused(refusal)}))
        except Exception:
            said = {"errors": [error_entry("INTERNAL", "Internal error", retryable=False)]}
            await reservation.frames.put(sse.next_event({"id": name, "payload": said}))
            raise
        finally:
            await close(source)
        await reservation.frames.put(b"event: complete\ndata: %b\n\n" % to_bytes({"id": name}))

    def _find(self, token: str | None) -> Reservation:
        if token is None:
            raise HttpRefusal(400, "BAD_REQUEST", f"Send the token of a reservation in {TOKEN_HEADER}.")
        reservation = self._reserved.get(token)
        if reservation is None:
            raise HttpRefusal(404, "NOT_FOUND", "There is no such reservation. Reserve a stream with PUT.")
        return reservation

    async def _own(self, reservation: Reservation, headers: dict[str, str]) -> RequestContext:
        context = await self._app.operations.context(headers)
        if context.caller.partition != reservation.partition:
            raise HttpRefusal(403, "FORBIDDEN", "The stream is somebody else's.")
        return context

    def _forget(self, token: str) -> None:
        reservation = self._reserved.pop(token, None)
        if reservation is not None:
            for task in reservation.running.values():
                task.cancel()
            reservation.held.close()


def _operation_id(request: GraphQLRequest) -> str:
    name = (request.extensions or {}).get("operationId")
    if not isinstance(name, str) or not 0 < len(name) <= 256:
        raise HttpRefusal(400, "BAD_REQUEST", "`extensions.operationId` names the operation on its stream.")
    return name


def _ended(reservation: Reservation, name: str, task: asyncio.Task[None]) -> None:
    if reservation.running.get(name) is task:
        del reservation.running[name]
    if not task.cancelled() and (error := task.exception()) is not None:
        sse.log.error("Unexpected error in an operation on a shared stream", exc_info=error)
