"""What a process tells of itself, put together: one object that the application holds, and a few hooks it is called by.

find     a stage of every operation: its trace begins
finish   its result is there: counted, and handed on where it is recorded
stream   its result is a stream, which has begun: counted
ended    it came over a WebSocket, and is over: handed on where it is recorded
told     its HTTP response is out: counted, a line in the access log
called   an upstream call ended (bff.calls.observers)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from graphql import ExecutionResult
from starlette.types import Scope

from bff.calls import observers
from bff.context import current_or_none
from bff.telemetry.counts import Counts, Names
from bff.telemetry.masking import scrub
from bff.telemetry.tracing import Record, Tracing
from bff.trace import recording

if TYPE_CHECKING:
    from bff.serving.exchange import Exchange

access = logging.getLogger("bff.access")

ROUTES = ("/graphql", "/content/assets", "/console", "/health")
ELSEWHERE = "elsewhere"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Watch:
    """`export` gets recorded operations, None where nobody collects them; `all_names` is for development."""

    def __init__(
        self,
        *,
        trace_ratio: float = 0.0,
        export: Callable[[Record], None] | None = None,
        known_operations: frozenset[str] = frozenset(),
        all_names: bool = False,
        access_log: bool = False,
    ) -> None:
        self.counts = Counts()
        self.tracing = Tracing(trace_ratio, export)
        self.names = Names(known_operations)
        self._all_names = all_names
        self._access_log = access_log

    def start(self) -> None:
        if self.counts.called not in observers:
            observers.append(self.counts.called)

    def stop(self) -> None:
        if self.counts.called in observers:
            observers.remove(self.counts.called)

    def find(self, exchange: Exchange) -> None:
        trace = self.tracing.begin(exchange.headers, exchange.context.calls)
        if trace.spans is not None:
            trace.spans.subject = exchange

    def finish(self, exchange: Exchange, result: ExecutionResult) -> None:
        plan, log = exchange.plan, exchange.context.calls
        assert plan is not None
        errors = result.errors
        outcome = "ok" if not errors else "partial" if result.data is not None else _without_data(result)
        name = self.label(exchange)
        self.counts.operations[name, plan.kind.value, outcome].observe(perf_counter() - log.began)
        if self._access_log:
            exchange.context.state["outcome"] = (plan.operation_name, outcome)
        if log.trace is not None and log.trace.spans is not None:
            codes = tuple((error.extensions or {}).get("code", "GRAPHQL") for error in errors or ())
            self.tracing.end(_span_name(exchange, name), log, _attributes(exchange, 200), codes)

    def stream(self, exchange: Exchange) -> None:
        """The result is a stream, and has begun. Its span ends with its HTTP response, or with `ended`."""
        plan = exchange.plan
        assert plan is not None
        seconds = perf_counter() - exchange.context.calls.began
        self.counts.operations[self.label(exchange), plan.kind.value, "stream"].observe(seconds)

    def ended(self, exchange: Exchange, code: str | None) -> None:
        """A result that was no stream has been handed on by `finish` already. `code` says why it was refused."""
        log = exchange.context.calls
        if log.trace is None or log.trace.spans is None:
            return
        attributes = _attributes(exchange, 0) | {"http.request.method": "GET", "network.protocol.name": "websocket"}
        name = _span_name(exchange, self.label(exchange))
        self.tracing.end(name, log, attributes, () if code is None else (code,))

    def label(self, exchange: Exchange) -> str:
        plan = exchange.plan
        name = None if plan is None else plan.operation_name
        # Any client's document has an id where persisted queries are on: only a manifest's is known beforehand.
        is_trusted = self._all_names or getattr(exchange.state.get("document"), "is_trusted", False)
        return self.names.label(name, is_trusted=is_trusted)

    def told(self, scope: Scope, status: int, seconds: float) -> None:
        path, method = scope["path"], scope["method"]
        route = path if path in ROUTES else next((each for each in ROUTES if path.startswith(each + "/")), ELSEWHERE)
        self.counts.requests[route, method if method in METHODS else "_OTHER", status].observe(seconds)
        spans = recording.get()
        if spans is not None and not spans.is_told and spans.subject is not None:
            # Refused, streamed, or given up: `finish` has not seen it.
            exchange: Exchange = spans.subject
            errors = (str(status),) if status >= 400 else ("CANCELLED",) if not status else ()
            name = _span_name(exchange, self.label(exchange))
            self.tracing.end(name, exchange.context.calls, _attributes(exchange, status), errors)
        if self._access_log:
            self._write(method, path, status, seconds)

    def _write(self, method: str, path: str, status: int, seconds: float) -> None:
        line: dict[str, Any] = {"method": method, "path": path, "status": status, "ms": round(seconds * 1000, 1)}
        context = current_or_none()
        if context is not None:
            name, outcome = context.state.get("outcome", (None, None))
            line |= {
                "operation": name,
                "outcome": outcome,
                "channel": context.channel.value,
                "client": "/".join(context.client),
                "caller": context.caller.kind.value,
                "upstream_calls": len(context.calls.records),
                "rounds": context.calls.rounds,
            }
        access.info("%s %s %d", method, path, status, extra=line)


def _without_data(result: ExecutionResult) -> str:
    """Variables that cannot be coerced have no path: nothing was run."""
    return "invalid" if all(error.path is None for error in result.errors or ()) else "failed"


def _span_name(exchange: Exchange, label: str) -> str:
    plan = exchange.plan
    return "graphql" if plan is None else f"{plan.kind.value} {label}"


def _attributes(exchange: Exchange, status: int) -> dict[str, str | int]:
    """OpenTelemetry's conventions for GraphQL servers, and who asked. Neither document nor variables."""
    context, plan = exchange.context, exchange.plan
    name, version = context.client
    attributes: dict[str, str | int] = {
        "http.request.method": "GET" if exchange.safe else "POST",
        "http.route": "/graphql",
        "bff.client.name": scrub(name),
        "bff.client.version": scrub(version),
        "bff.channel": context.channel.value,
        "bff.caller.kind": context.caller.kind.value,
        "bff.rounds": context.calls.rounds,
    }
    if status:
        attributes["http.response.status_code"] = status
    if plan is not None:
        attributes["graphql.operation.type"] = plan.kind.value
        if plan.operation_name is not None:
            attributes["graphql.operation.name"] = plan.operation_name
    if exchange.document_id is not None:
        attributes["graphql.document.id"] = exchange.document_id
    return attributes
