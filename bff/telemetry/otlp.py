"""Recorded operations as OpenTelemetry spans, sent over OTLP (HTTP, protobuf) by the SDK's own thread.

Spans are made when an operation has ended, from what its log of calls knows: no instrument runs while it is answered,
and a request that is not recorded meets none of this. Ids were given out before, as upstreams have seen them.

Where to, how often and with which headers is said by OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`,
`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_…`). Names follow its semantic conventions for GraphQL
servers and HTTP clients. Paths, queries, variables and documents are left out: they name customers and cars.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from bff.calls import CallRecord
from bff.telemetry.tracing import Record
from bff.trace import BatchSpan, CallSpan

SAMPLED = TraceFlags(TraceFlags.SAMPLED)
SERVICE = "autobff"
PORTS = {"http": 80, "https": 443}

ERRORS_ARE_OURS = frozenset({"CANCELLED", "HANDED_OVER", "PENDING"})
"""Outcomes of a call that say nothing bad of it: who waited went away, or went on."""


class _GivenIds(IdGenerator):
    """Hands out the ids that the request has used already."""

    trace_id = 0
    span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class OtlpExport:
    """Call it with each record. `addresses` are the upstreams' base URLs by name."""

    def __init__(self, addresses: Mapping[str, str], processor: SpanProcessor | None = None) -> None:
        self._ids = _GivenIds()
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create({"service.name": SERVICE}) if not _named() else Resource.create(),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        self._provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("bff")
        self._places = {name: _place(url) for name, url in addresses.items()}

    def __call__(self, record: Record) -> None:
        for span in record.spans.batches:
            self._batch(record, span)
        for call in record.spans.calls:
            self._call(record, call)
        parent = record.trace.parent_id
        self._span(
            record,
            record.name,
            SpanKind.SERVER,
            record.trace.span_id,
            parent,
            record.began,
            record.ended,
            {**record.attributes, **({"error.type": record.errors[0]} if record.errors else {})},
            record.errors[0] if record.errors else None,
            is_remote=True,
        )

    def close(self) -> None:
        """Send what is left. Blocks, for as long as the exporter's timeout allows."""
        self._provider.shutdown()

    def _batch(self, record: Record, span: BatchSpan) -> None:
        attributes: dict[str, AttributeValue] = {"bff.load.name": span.name, "bff.load.keys": span.keys}
        error = None if span.error is None else getattr(span.error, "code", type(span.error).__name__)
        if error is not None:
            attributes["error.type"] = error
        self._span(
            record,
            f"load {span.name}",
            SpanKind.INTERNAL,
            span.span_id,
            span.parent_id,
            _at(record, span.began - record.origin),
            _at(record, span.ended - record.origin),
            attributes,
            error,
        )

    def _call(self, record: Record, span: CallSpan) -> None:
        call = span.record
        attributes: dict[str, AttributeValue] = {
            "upstream.system": call.system,
            "upstream.operation": call.operation,
            "upstream.attempt": call.attempt,
            "upstream.round": call.round,
            "upstream.source": call.source,
            "upstream.keys": len(call.keys),
        }
        kind, error = SpanKind.INTERNAL, _error_of(call)
        if span.method is not None:
            kind = SpanKind.CLIENT
            attributes |= {"http.request.method": span.method, **self._places.get(call.system, {})}
            if call.attempt > 1:
                attributes["http.request.resend_count"] = call.attempt - 1
            if call.outcome.isdigit():
                attributes["http.response.status_code"] = int(call.outcome)
        if error is not None:
            attributes["error.type"] = error
        began = call.start_ms / 1000
        self._span(
            record,
            f"{call.system} {call.operation}",
            kind,
            span.span_id,
            span.parent_id,
            _at(record, began),
            _at(record, began + call.duration_ms / 1000),
            attributes,
            error,
        )

    def _span(
        self,
        record: Record,
        name: str,
        kind: SpanKind,
        span_id: str,
        parent_id: str | None,
        began: int,
        ended: int,
        attributes: Mapping[str, AttributeValue],
        error: str | None,
        *,
        is_remote: bool = False,
    ) -> None:
        trace_id = int(record.trace.trace_id, 16)
        self._ids.trace_id, self._ids.span_id = trace_id, int(span_id, 16)
        context = None
        if parent_id is not None:
            state = TraceState.from_header([record.trace.state]) if record.trace.state else None
            parent = SpanContext(trace_id, int(parent_id, 16), is_remote, SAMPLED, state)
            context = set_span_in_context(NonRecordingSpan(parent))
        span = self._tracer.start_span(name, context, kind, attributes, start_time=began)
        if error is not None:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)


def _at(record: Record, seconds: float) -> int:
    return record.began + int(seconds * 1e9)


def _error_of(call: CallRecord) -> str | None:
    outcome = call.outcome
    if outcome.isdigit():
        return outcome if int(outcome) >= 400 else None
    return None if outcome in ERRORS_ARE_OURS or call.source in ("cache", "stale") else outcome


def _place(url: str) -> dict[str, AttributeValue]:
    parts = urlsplit(url)
    return {"server.address": parts.hostname or "", "server.port": parts.port or PORTS.get(parts.scheme, 0)}


def _named() -> bool:
    """Whether the operator has named the service; the SDK reads these variables itself."""
    return "OTEL_SERVICE_NAME" in os.environ or "service.name" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
