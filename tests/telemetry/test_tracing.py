"""Traces: who is recorded, what a recorded request tells, and what upstreams are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from adapters.transport.http import Engine, HttpReply, HttpRequest
from bff.calls import CallLog
from bff.settings import UpstreamAddress
from bff.telemetry import tracing
from bff.telemetry.otlp import OtlpExport
from bff.telemetry.tracing import Tracing
from bff.trace import MOST_SPANS, Trace, recording
from tests.estate.house import House
from tests.serving.loopback import ORDER_ID
from tests.serving.test_websocket import connected, greeted

pytestmark = pytest.mark.anyio

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Listening:
    """An engine that remembers what was sent, by system."""

    def __init__(self, inner: Engine, system: str, sent: list[tuple[str, Mapping[str, str]]]) -> None:
        self._inner, self._system, self._sent = inner, system, sent

    async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109
        self._sent.append((self._system, request.headers))
        return await self._inner.send(request, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()


class Heard(House):
    """A house that hears what leaves it: requests to systems, and spans."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Mapping[str, str]]] = []
        super().__init__()
        self.exporter = InMemorySpanExporter()
        addresses = {name: address.url for name, address in self.app.settings.upstreams.items()}
        self.export = OtlpExport(addresses, SimpleSpanProcessor(self.exporter))

    def _engine(self, address: UpstreamAddress) -> Engine:
        return Listening(super()._engine(address), address.name, self.sent)

    def record(self, ratio: float) -> None:
        self.app.process.watch.tracing = Tracing(ratio, self.export)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def span(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def sent_to(self, system: str) -> list[str | None]:
        return [headers.get("traceparent") for name, headers in self.sent if name == system]


@pytest.fixture
async def heard() -> AsyncIterator[Heard]:
    house = Heard()
    yield house
    house.export.close()
    await house.aclose()


@pytest.fixture(autouse=True)
def nothing_recorded_before() -> Iterator[None]:
    token = recording.set(None)
    yield
    recording.reset(token)


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    number: int = span.context.span_id
    return number


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


async def test_recorded_operation_has_a_span_for_itself_each_batch_and_each_call(heard: Heard) -> None:
    heard.record(1.0)
    answer = await heard.example("AppHome")
    operation = heard.span("query AppHome")
    assert operation.kind is SpanKind.SERVER
    assert operation.attributes is not None
    wanted = {
        "graphql.operation.name": "AppHome",
        "graphql.operation.type": "query",
        "http.request.method": "POST",
        "http.route": "/graphql",
        "http.response.status_code": 200,
        "bff.channel": "APP",
        "bff.caller.kind": "CUSTOMER",
        "bff.client.name": "unknown",
        "bff.client.version": "0",
        "bff.rounds": 3,
    }
    assert {name: operation.attributes[name] for name in wanted} == wanted
    assert parent_of(operation) is None

    batch = heard.span("load vehicle_records")
    assert (batch.kind, parent_of(batch)) == (SpanKind.INTERNAL, id_of(operation))
    assert dict(batch.attributes or {}) == {"bff.load.name": "vehicle_records", "bff.load.keys": 3}

    asked = [span for span in heard.spans if span.name == "dms GetVehicle"]
    assert len(asked) == answer.count()["dms GetVehicle"]
    for span in asked:
        assert (span.kind, parent_of(span)) == (SpanKind.CLIENT, id_of(batch))
        assert dict(span.attributes or {}) == {
            "upstream.system": "dms",
            "upstream.operation": "GetVehicle",
            "upstream.attempt": 1,
            "upstream.round": 2,
            "upstream.source": "network",
            "upstream.keys": 1,
            "http.request.method": "POST",
            "server.address": "127.0.0.1",
            "server.port": 8111,
            "http.response.status_code": 200,
        }
        assert (operation.start_time or 0) <= (span.start_time or 0) <= (span.end_time or 0)
        assert (span.end_time or 0) <= (operation.end_time or 0)
    assert len([span for span in heard.spans if span.kind is SpanKind.CLIENT]) == len(answer.calls)
    traces = {span.context.trace_id for span in heard.spans if span.context is not None}
    assert len(traces) == 1


async def test_the_callers_trace_goes_on_through_us_to_every_system(heard: Heard) -> None:
    heard.record(0.0)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
    await heard.ask("query Kind { viewer { customer { profile { displayName } } } }", headers=headers)
    operation = heard.span("query Kind")
    assert f"{parent_of(operation):016x}" == PARENT
    called = heard.span("identity GetCustomers")
    sent = f"00-{TRACE}-{id_of(called):016x}-01"
    assert sent in heard.sent_to("identity")
    assert "vendor=1" in [headers.get("tracestate") for _, headers in heard.sent]


async def test_what_the_caller_does_not_record_we_do_not_and_say_so(heard: Heard) -> None:
    heard.record(1.0)
    await heard.ask("{ viewer { customer { id } } }", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert heard.spans == ()
    await heard.ask(
        "{ viewer { customer { profile { displayName } } } }", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"}
    )
    (sent,) = [each for each in heard.sent_to("identity") if each is not None]
    assert sent.startswith(f"00-{TRACE}-")
    assert sent.endswith("-00")


async def test_failed_call_and_failed_field_are_errors_with_their_codes(heard: Heard) -> None:
    heard.record(1.0)
    await heard.fault("dms", {"kind": "drop"})
    answer = await heard.example("AppHome")
    operation = heard.span("query AppHome")
    assert operation.status.status_code is StatusCode.ERROR
    assert operation.attributes is not None
    assert operation.attributes["error.type"] == answer.errors[0]["extensions"]["code"]
    attempts = [span for span in heard.spans if span.name == "dms GetVehicle"]
    assert {span.status.status_code for span in attempts} == {StatusCode.ERROR}
    resent = {(span.attributes or {}).get("http.request.resend_count") for span in attempts}
    assert resent == {None, 1}


async def test_refused_request_is_recorded_with_its_status(heard: Heard) -> None:
    heard.record(1.0)
    await heard.ask("{ nothingOfTheKind }")
    (span,) = heard.spans
    assert span.name == "graphql"
    assert (span.attributes or {})["http.response.status_code"] == 400


async def test_unexpected_error_is_named_by_the_callers_trace(heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret")

    heard.services.ports.customers.customers = broken  # type: ignore[assignment,method-assign]  # a bug of ours
    answer = await heard.ask(
        "{ viewer { customer { profile { displayName } } } }", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"}
    )
    (error,) = answer.errors
    assert error["extensions"]["traceId"] == TRACE
    assert TRACE in caplog.text


async def test_documents_variables_and_keys_are_in_no_span(heard: Heard) -> None:
    heard.record(1.0)
    vin = "LDCA1AB57SB000001"
    await heard.ask("query Car($vin: String!) { vehicle(vin: $vin) { vin model { code } } }", {"vin": vin})
    assert heard.spans
    assert vin not in str([(span.name, dict(span.attributes or {})) for span in heard.spans])


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-zz",
        f"00-{'g' * 32}-{PARENT}-00",
    ],
)
def test_header_that_cannot_be_read_begins_a_new_trace(parent: str) -> None:
    trace = Trace(parent, "vendor=1")
    assert trace.trace_id != TRACE
    assert trace.parent_id is None
    assert trace.state is None
    assert len(trace.trace_id) == 32


def test_header_of_a_later_version_is_read_as_far_as_we_know_it() -> None:
    trace = Trace(f"01-{TRACE}-{PARENT}-03-more", "vendor=1")
    assert (trace.trace_id, trace.parent_id, trace.is_wanted, trace.state) == (TRACE, PARENT, True, "vendor=1")


def begun(recorder: Tracing, times: int, headers: Mapping[str, str]) -> int:
    return sum(recorder.begin(headers, CallLog()).spans is not None for _ in range(times))


def test_chance_records_its_ratio_and_nothing_without_a_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MOST_A_SECOND", 10**9)
    monkeypatch.setattr(tracing._chance, "random", iter([n / 1000 for n in range(1000)]).__next__)
    assert begun(Tracing(0.01, lambda record: None), 1000, {}) == 10
    assert begun(Tracing(1.0, None), 10, {"traceparent": f"00-{TRACE}-{PARENT}-01"}) == 0


def test_stream_that_goes_on_keeps_a_bounded_part() -> None:
    log = CallLog()
    log.trace = Trace()
    spans = log.trace.record()
    for _ in range(3 * MOST_SPANS):
        record = log.begin("otd", "GetFeed", [], 1)
        with spans.batch("progress", 1):
            assert log.trace.outgoing(record, "GET").endswith("-01")
    assert (len(spans.calls), len(spans.batches)) == (MOST_SPANS, MOST_SPANS)


def test_callers_cannot_make_us_record_without_bound() -> None:
    wanted = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    assert begun(Tracing(0.0, lambda record: None), 1000, wanted) <= 2 * tracing.MOST_A_SECOND


async def test_operation_over_a_websocket_has_its_span_when_it_is_over(heard: Heard) -> None:
    heard.record(1.0)
    names = "query Name { viewer { customer { profile { displayName } } } }"
    follow = f'subscription Follow {{ vehicleOrderProgress(orderId: "{ORDER_ID}") {{ isSnapshot }} }}'
    async with connected(heard) as socket:
        await greeted(socket)
        socket.say({"type": "subscribe", "id": "1", "payload": {"query": follow}})
        assert (await socket.hear())["type"] == "next"
        assert not [span for span in heard.spans if span.name == "subscription Follow"], "it goes on"
        socket.say({"type": "subscribe", "id": "2", "payload": {"query": names}})
        assert [(await socket.hear())["type"] for _ in range(2)] == ["next", "complete"]
        socket.say({"type": "subscribe", "id": "3", "payload": {"query": "query Wrong { nope }"}})
        assert (await socket.hear())["type"] == "error"
    stream = heard.span("subscription Follow")
    assert stream.attributes is not None
    assert stream.attributes["network.protocol.name"] == "websocket"
    assert "error.type" not in stream.attributes
    assert "http.response.status_code" not in stream.attributes
    called = [span for span in heard.spans if parent_of(span) == id_of(stream)]
    assert called, "what each event asks belongs to the stream"
    assert all((stream.start_time or 0) <= (span.start_time or 0) for span in called)
    assert len([span for span in heard.spans if span.name == "query Name"]) == 1
    wrong = heard.span("graphql")
    assert (wrong.attributes or {})["error.type"] == "GRAPHQL_VALIDATION_FAILED"
