"""/graphql as a plain ASGI application: GraphQL over HTTP.

Nothing is built that nobody reads: the body is decoded straight into the four members of a request, the plan is looked
up by its text, and the result is written by orjson. Status codes follow the GraphQL over HTTP specification: with
`application/graphql-response+json` a request that could not be run is 400, one that ran is 200 however many fields
failed; with `application/json`, which older clients want, a well-formed request is 200 either way.

Where other parts join in is `Stages` in `exchange.py`; what a stream is made of, `delivery.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from graphql import ExecutionResult, OperationType
from starlette.types import ASGIApp, Receive, Scope, Send

from bff.access.tokens import TokenVerifier
from bff.context import RequestContext, current_or_none
from bff.execution import InvalidOperation, Plans
from bff.serving import delivery
from bff.serving.bodies import read_body
from bff.serving.codings import compress, preferred
from bff.serving.exchange import Exchange, Operations, Stages
from bff.serving.freshness import conditional
from bff.serving.headers import headers_of
from bff.serving.incremental import in_one_piece
from bff.serving.limits import HttpLimits
from bff.serving.negotiation import JSON, RESPONSE, Accepted, accepted, is_json
from bff.serving.refusals import ClientGone, HttpRefusal, error_body
from bff.serving.requests import GraphQLRequest, decode_body, request_of_query
from bff.serving.results import answer_of, could_not_begin, errors_of, refused, to_bytes
from bff.serving.streams import Stalled, Streams
from bff.serving.watching import while_connected
from bff.trace import trace_id_of
from resolvers.fields import forget

if TYPE_CHECKING:
    from bff.ports import Ports

log = logging.getLogger("bff.serving")

VARY = b"Accept, Accept-Encoding, Accept-Language, Authorization"
LARGE = 262_144
"""Bytes above which compressing would hold up everybody else, and is done in a thread."""


class GraphQLApp:
    """Answers POST and GET. `page` answers browsers; `ports` is asked anew for each request."""

    def __init__(
        self,
        plans: Plans,
        ports: Callable[[], Ports],
        verifier: TokenVerifier,
        *,
        explain: bool,
        max_body_bytes: int = HttpLimits().body_bytes,
        limits: HttpLimits | None = None,
        stages: Stages | None = None,
        streams: Streams | None = None,
        page: ASGIApp | None = None,
        wants_page: Callable[[Scope], bool] = lambda scope: False,
    ) -> None:
        self.operations = Operations(plans, ports, verifier, stages)
        self.limits = limits or HttpLimits(body_bytes=max_body_bytes)
        self.streams = streams or Streams(self.limits)
        self._explain = explain
        self._page = page
        self._wants_page = wants_page

    @property
    def stages(self) -> Stages:
        return self.operations.stages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._page is not None and self._wants_page(scope):
            return await self._page(scope, receive, send)
        reply = Reply(scope, send, self.limits.compress_bytes)
        try:
            await self._respond(scope, receive, reply)
        except HttpRefusal as refusal:
            await reply.send(refusal.status, refusal.body, refusal.headers)
        except ClientGone:
            log.debug("the client went away")
        except Stalled:
            log.info("a client stopped reading its stream")
        except Exception as error:
            await _fault(reply, error)

    async def _respond(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        headers = headers_of(scope["headers"])
        reply.accept_encoding = headers.get("accept-encoding")
        accept = accepted(headers.get("accept"))
        reply.media = accept.single or RESPONSE
        request = await self._request(scope, receive, headers)
        context = await self.operations.context(headers)
        network = scope["client"][0] if scope.get("client") else None
        if isinstance(request, list):
            answers = self._batch(request, headers, context, reply, network)
            return await reply.send(200, to_bytes(await while_connected(answers, receive)))
        safe = scope["method"] in ("GET", "HEAD")
        exchange = Exchange(request, headers, context, media=reply.media, safe=safe, network=network)
        try:
            if accept.events_first:
                return await delivery.by_events(self, exchange, receive, reply)
            return await self._one(exchange, accept, receive, reply)
        finally:
            _release(context)

    async def _request(
        self, scope: Scope, receive: Receive, headers: dict[str, str]
    ) -> GraphQLRequest | list[GraphQLRequest]:
        if scope["method"] == "POST":
            if not is_json(headers.get("content-type", "")):
                raise HttpRefusal(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request as application/json in UTF-8.")
            return decode_body(await read_body(receive, headers, self.limits), self.limits)
        if scope["method"] in ("GET", "HEAD"):
            return request_of_query(scope["query_string"], self.limits)
        raise HttpRefusal(405, "METHOD_NOT_ALLOWED", "Use POST, or GET for queries.", ((b"allow", b"GET, HEAD, POST"),))

    async def _one(self, exchange: Exchange, accept: Accepted, receive: Receive, reply: Reply) -> None:
        try:
            plan = await self.operations.begin(exchange)
        except InvalidOperation as invalid:
            body = to_bytes({"errors": errors_of(invalid.errors)})
            return await reply.send(400 if reply.media == RESPONSE else 200, body, exchange.response_headers)
        refuse_unsafe(exchange)
        if plan.kind is OperationType.SUBSCRIPTION:
            return await delivery.subscription(self, exchange, accept, receive, reply)
        if plan.kind is OperationType.QUERY:
            result = await while_connected(self.operations.run(exchange), receive)
        else:
            # A write that was begun is finished: whoever asked will want to know what became of it.
            result = await self.operations.run(exchange)
        if not isinstance(result, ExecutionResult):
            if accept.multipart is not None or accept.events:
                return await delivery.deferred(self, exchange, accept, result, receive, reply)
            result = await while_connected(in_one_piece(result), receive)
        return await self._answer(exchange, result, reply)

    async def _answer(self, exchange: Exchange, result: ExecutionResult, reply: Reply) -> None:
        body = to_bytes(self.answer(exchange, result))
        status = 400 if reply.media == RESPONSE and could_not_begin(result) else 200
        if exchange.safe:
            status, body = conditional(exchange, status, body)
        await reply.send(status, body, exchange.response_headers)

    def answer(self, exchange: Exchange, result: ExecutionResult) -> dict[str, Any]:
        """The response's members, with `explain` where that is asked for and allowed."""
        return answer_of(exchange, result, explain=self._explain and exchange.headers.get("bff-explain") == "1")

    async def _batch(
        self,
        requests: list[GraphQLRequest],
        headers: dict[str, str],
        context: RequestContext,
        reply: Reply,
        network: str | None,
    ) -> list[dict[str, Any]]:
        """Each operation as if it had come alone, side by side, but mutations one after another, in their order."""

        async def one(request: GraphQLRequest) -> dict[str, Any]:
            own: RequestContext | None = None
            try:
                own = await self.operations.context(headers)
                exchange = Exchange(request, headers, own, media=reply.media, network=network)
                plan = await self.operations.begin(exchange)
                if plan.kind is OperationType.SUBSCRIPTION:
                    raise HttpRefusal(400, "BAD_REQUEST", "A batch holds queries and mutations.")
                if plan.kind is OperationType.MUTATION:
                    async with writes:
                        result = await self.operations.run(exchange)
                else:
                    result = await self.operations.run(exchange)
                whole = result if isinstance(result, ExecutionResult) else await in_one_piece(result)
                return self.answer(exchange, whole)
            except InvalidOperation as invalid:
                return {"errors": errors_of(invalid.errors)}
            except HttpRefusal as refusal:
                return refused(refusal)
            finally:
                _release(own)

        del context  # it proved the login; each operation has a budget and a call log of its own
        writes = asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(request)) for request in requests]
        return [task.result() for task in tasks]


def _release(context: RequestContext | None) -> None:
    """The request is over. None: it was refused before it had a context."""
    if context is not None:
        forget(context.loads)


def refuse_unsafe(exchange: Exchange) -> None:
    """GET and HEAD are safe (RFC 9110 section 9.2.1): they never run a mutation."""
    if exchange.safe and exchange.plan is not None and exchange.plan.kind is OperationType.MUTATION:
        raise HttpRefusal(405, "METHOD_NOT_ALLOWED", "Mutations are sent by POST.", ((b"allow", b"POST"),))


class Reply:
    """The response to one request: `send` writes it whole, `start` begins a stream."""

    __slots__ = ("_compress_bytes", "_send", "_with_body", "accept_encoding", "media", "started")

    def __init__(self, scope: Scope, send: Send, compress_bytes: int) -> None:
        self._send = send
        self._with_body = scope["method"] != "HEAD"
        self._compress_bytes = compress_bytes
        self.media = JSON
        self.accept_encoding: str | None = None
        self.started = False

    async def send(self, status: int, body: bytes, extra: Collection[tuple[bytes, bytes]] = ()) -> None:
        """`extra` headers stand in place of ours of the same name."""
        own: list[tuple[bytes, bytes]] = [_content_type(self.media), (b"vary", VARY)]
        if b"cache-control" not in [name for name, _ in extra]:
            own.append((b"cache-control", b"no-store"))
        if self.accept_encoding is not None and len(body) >= self._compress_bytes:
            coding = preferred(self.accept_encoding)
            if coding is not None:
                body = compress(body, coding) if len(body) < LARGE else await asyncio.to_thread(compress, body, coding)
                own.append((b"content-encoding", coding.encode()))
        if status == 304:  # the lengths and types of what is not sent (RFC 9110 section 15.4.5)
            own = [header for header in own if header[0] != b"content-type"]
        else:
            own.append((b"content-length", b"%d" % len(body)))
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": [*own, *extra]})
        await self._send({"type": "http.response.body", "body": body if self._with_body else b""})

    async def start(self, headers: Iterable[tuple[bytes, bytes]]) -> Send:
        """Begin a stream; the body is the caller's to send."""
        self.started = True
        await self._send({"type": "http.response.start", "status": 200, "headers": [*headers, (b"vary", VARY)]})
        return self._send


@cache
def _content_type(media: str) -> tuple[bytes, bytes]:
    """Of the few types that are ours."""
    return b"content-type", b"%b; charset=utf-8" % media.encode()


async def _fault(reply: Reply, error: Exception) -> None:
    trace_id = trace_id_of(current_or_none())
    log.error("Unexpected error (trace %s)", trace_id, exc_info=error)
    if not reply.started:
        await reply.send(500, error_body("INTERNAL", "Internal error", retryable=False, traceId=trace_id))
