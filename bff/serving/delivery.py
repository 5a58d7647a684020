"""How a result in several payloads reaches an HTTP client: as server-sent events or as parts of one response."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from graphql import ExecutionResult, OperationType
from graphql.execution import ExperimentalIncrementalExecutionResults
from starlette.types import Receive

from bff.context import EVENT_ID, LAST_EVENT_ID, current_or_none
from bff.errors import BffError
from bff.execution import InvalidOperation
from bff.serving import multipart, sse
from bff.serving.exchange import Exchange
from bff.serving.incremental import current_form
from bff.serving.negotiation import EVENTS, Accepted
from bff.serving.refusals import HttpRefusal, error_entry
from bff.serving.results import errors_of, refused
from bff.serving.streams import close, holder_of, pump
from bff.trace import trace_id_of
from resolvers.fields import forget

if TYPE_CHECKING:
    from bff.serving.graphql import GraphQLApp, Reply

log = logging.getLogger("bff.serving")

Payloads = AsyncIterator[tuple[dict[str, Any], str | None]]
EXPIRED = {"errors": [error_entry("UNAUTHENTICATED", "The login has expired. Log in again.")]}
NO_STORE = (b"cache-control", b"no-store, no-transform")


async def by_events(app: GraphQLApp, exchange: Exchange, receive: Receive, reply: Reply) -> None:
    """Everything as events, errors before execution too, as the graphql-sse protocol asks in distinct mode."""
    try:
        plan = await app.operations.begin(exchange)
        if exchange.safe and plan.kind is OperationType.MUTATION:
            raise HttpRefusal(405, "METHOD_NOT_ALLOWED", "Mutations are sent by POST.", ((b"allow", b"POST"),))
    except InvalidOperation as invalid:
        return await _events(app, exchange, _only({"errors": errors_of(invalid.errors)}), receive, reply)
    with app.streams.place(holder_of(exchange.context, exchange.network)):
        return await _events(app, exchange, payloads(app, exchange), receive, reply)


async def subscription(app: GraphQLApp, exchange: Exchange, accept: Accepted, receive: Receive, reply: Reply) -> None:
    if accept.events:
        return await by_started_events(app, exchange, receive, reply)
    if not multipart.wants_subscription(accept.multipart):
        message = f"Subscriptions come as {EVENTS}, as multipart/mixed;subscriptionSpec=1.0, or over a WebSocket."
        raise HttpRefusal(406, "NOT_ACCEPTABLE", message)
    with app.streams.place(holder_of(exchange.context, exchange.network)):
        frames = multipart.subscription_parts(_bare(_told(payloads(app, exchange))))
        headers = ((b"content-type", multipart.SUBSCRIPTION_TYPE.encode()), NO_STORE)
        beat, end = multipart.SUBSCRIPTION_BEAT, {"payload": EXPIRED}
        return await _parts(app, exchange, frames, headers, beat, end, receive, reply)


async def by_started_events(app: GraphQLApp, exchange: Exchange, receive: Receive, reply: Reply) -> None:
    """Events of an operation that was begun already."""
    with app.streams.place(holder_of(exchange.context, exchange.network)):
        await _events(app, exchange, payloads(app, exchange), receive, reply)


async def deferred(
    app: GraphQLApp,
    exchange: Exchange,
    accept: Accepted,
    results: ExperimentalIncrementalExecutionResults,
    receive: Receive,
    reply: Reply,
) -> None:
    """The parts of an answer that was begun, as multipart where the client takes it, as events otherwise."""
    with app.streams.place(holder_of(exchange.context, exchange.network)):
        if accept.multipart is None:
            return await _events(app, exchange, _unnamed(current_form(results)), receive, reply)
        frames = multipart.deferred_parts(accept.multipart, results)
        headers = ((b"content-type", multipart.deferred_type(accept.multipart).encode()), NO_STORE)
        end = {"hasNext": False}
        return await _parts(app, exchange, frames, headers, multipart.DEFER_BEAT, end, receive, reply)


async def payloads(app: GraphQLApp, exchange: Exchange) -> Payloads:
    """Every payload of an operation that was begun, with its event's id where its source gives one."""
    plan = exchange.plan
    assert plan is not None
    of_kind = _of_events if plan.kind is OperationType.SUBSCRIPTION else _of_result
    source = of_kind(app, exchange)
    try:
        async for each in source:
            yield each
    finally:
        await source.aclose()
        forget(exchange.context.loads)


async def _of_result(app: GraphQLApp, exchange: Exchange) -> AsyncGenerator[tuple[dict[str, Any], str | None]]:
    result = await app.operations.run(exchange)
    if isinstance(result, ExecutionResult):
        yield app.answer(exchange, result), None
        return
    async for payload in current_form(result):
        yield payload, None


async def _of_events(app: GraphQLApp, exchange: Exchange) -> AsyncGenerator[tuple[dict[str, Any], str | None]]:
    state = exchange.context.state
    if last := exchange.headers.get("last-event-id"):
        state[LAST_EVENT_ID] = last
    stream = await app.operations.subscribe(exchange)
    if isinstance(stream, ExecutionResult):
        yield app.answer(exchange, stream), None
        return
    try:
        async for each in stream:
            yield app.answer(exchange, each), state.get(EVENT_ID)
    except Exception as error:
        yield {"errors": [_broken_off(error)]}, None
    finally:
        await close(stream)


def _broken_off(error: Exception) -> dict[str, Any]:
    """Why a source ended before its time. GraphQL has no place for it but a last result without data."""
    if isinstance(error, BffError):
        return {"message": error.message, "extensions": error.extensions}
    trace_id = trace_id_of(current_or_none())
    log.error("A source of events failed (trace %s)", trace_id, exc_info=error)
    return error_entry("INTERNAL", "Internal error", retryable=False, traceId=trace_id)


async def _events(app: GraphQLApp, exchange: Exchange, source: Payloads, receive: Receive, reply: Reply) -> None:
    frames = sse.events(_told(source))
    try:
        send = await reply.start((*sse.HEADERS, *exchange.response_headers))
        await pump(
            frames, receive, send, app.streams,
            heartbeat=sse.BEAT, farewell=sse.FAREWELL, expired=sse.EXPIRED, holds=_holds(app, exchange),
        )  # fmt: skip
    finally:
        await close(source)


async def _parts(
    app: GraphQLApp,
    exchange: Exchange,
    frames: AsyncIterator[bytes],
    headers: tuple[tuple[bytes, bytes], ...],
    heartbeat: bytes,
    expired: dict[str, Any],
    receive: Receive,
    reply: Reply,
) -> None:
    send = await reply.start((*headers, *exchange.response_headers))
    await pump(
        frames, receive, send, app.streams,
        heartbeat=heartbeat, farewell=multipart.CLOSING, expired=multipart.part(expired) + multipart.CLOSING,
        holds=_holds(app, exchange),
    )  # fmt: skip


def _holds(app: GraphQLApp, exchange: Exchange) -> Callable[[], Any]:
    return lambda: app.operations.still_holds(exchange.headers)


async def _only(payload: dict[str, Any]) -> Payloads:
    yield payload, None


async def _unnamed(source: AsyncIterator[dict[str, Any]]) -> Payloads:
    async for payload in source:
        yield payload, None


async def _bare(source: Payloads) -> AsyncIterator[dict[str, Any]]:
    async for payload, _ in source:
        yield payload


async def _told(source: Payloads) -> Payloads:
    """A refusal inside a stream has no status left: it is the stream's last payload."""
    try:
        async for each in source:
            yield each
    except HttpRefusal as refusal:
        yield refused(refusal), None
