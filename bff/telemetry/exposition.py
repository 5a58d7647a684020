"""Metrics in Prometheus's text format, made when they are asked for: counts as they are, states as they are now.

Names and labels are listed for operators in docs/operations-guide.md, which a test holds against this file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from bff.telemetry.counts import BOUNDS, Counts, Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BREAKER = {"closed": 0, "half_open": 1, "open": 2}


BACKLOG = {
    "bff_flow_steps_due": "Steps of orders, payments and bookings that are due and not done.",
    "bff_flow_steps_failing": "Steps that have failed at least three times and are tried again.",
    "bff_flow_steps_oldest_seconds": "For how long the oldest step has been due.",
    "bff_events_waiting": "Events that wait to be sent.",
    "bff_events_oldest_seconds": "How long ago the oldest event that waits was decided.",
    "bff_events_parked_orders": "Orders whose events the receiver refuses.",
}
"""Gauges of what the state database holds: the same in every process, as of some seconds ago."""


class UpstreamLook(Protocol):
    """What an upstream shows of its state (`adapters.transport.upstream.UpstreamState`)."""

    @property
    def breakers(self) -> Mapping[str, str]: ...
    @property
    def is_in_maintenance(self) -> bool: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def refused(self) -> int: ...


class LoadLook(Protocol):
    """What is asked of `bff.serving.overload.Overload`."""

    in_flight: int
    max_in_flight: int
    level: int
    lag: float
    queue_age: float
    lateness: Histogram

    @property
    def shed(self) -> Mapping[tuple[str, str], int]: ...


class Sources:
    """Where states are read from. Whatever is not there has no metric."""

    def __init__(
        self,
        counts: Counts,
        load: LoadLook,
        *,
        is_draining: Callable[[], bool],
        upstreams: Callable[[], Mapping[str, UpstreamLook]],
        fallbacks: Callable[[], Mapping[str, int]],
        plans: Callable[[], int],
        compiled: Callable[[], int] = int,
        cache_bytes: Callable[[], int | None],
        backlog: Callable[[], Mapping[str, float]] = dict,
        idempotency: Callable[[], Mapping[str, int]] = dict,
        purged: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self.counts = counts
        self.load = load
        self.is_draining = is_draining
        self.upstreams = upstreams
        self.fallbacks = fallbacks
        self.plans = plans
        self.compiled = compiled
        self.cache_bytes = cache_bytes
        self.backlog = backlog
        self.idempotency = idempotency
        self.purged = purged
        self.breakers: set[tuple[str, str]] = set()
        """Seen not closed, at least once: they are told of from then on, so that a graph comes down again."""


class Exposition:
    """The whole page of one process."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def page(self) -> bytes:
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """prometheus_client's `Collector`."""
        yield from _requests(self._sources.counts)
        yield from _calls(self._sources.counts)
        yield from _upstreams(self._sources)
        yield from _process(self._sources)
        yield _idempotency(self._sources.idempotency())
        yield _purged(self._sources.purged())
        for name, value in self._sources.backlog().items():
            yield GaugeMetricFamily(name, BACKLOG[name], value)


def _requests(counts: Counts) -> Iterator[Metric]:
    requests = HistogramMetricFamily(
        "http_server_request_duration_seconds",
        "Requests by route, method and status; 0 where the client went away first.",
        labels=["http_route", "http_request_method", "http_response_status_code"],
    )
    for (route, method, status), histogram in counts.requests.items():
        _add(requests, [route, method, str(status)], histogram)
    yield requests
    operations = HistogramMetricFamily(
        "bff_operation_duration_seconds",
        "GraphQL operations by name (other: not a known one), type and outcome: ok, partial, failed, invalid, stream.",
        labels=["operation", "type", "outcome"],
    )
    for labels, histogram in counts.operations.items():
        _add(operations, list(labels), histogram)
    yield operations


def _calls(counts: Counts) -> Iterator[Metric]:
    calls = CounterMetricFamily(
        "bff_upstream_calls",
        "Upstream calls by outcome (status or code) and source: network, coalesced, cache, stale, refused.",
        labels=["upstream", "operation", "outcome", "source"],
    )
    network: defaultdict[tuple[str, str], Histogram] = defaultdict(Histogram)
    for labels, histogram in counts.calls.items():
        calls.add_metric(labels, histogram.count)
        upstream, operation, _, source = labels
        if source == "network":
            network[upstream, operation].add(histogram)
    yield calls
    seconds = HistogramMetricFamily(
        "bff_upstream_call_duration_seconds",
        "Attempts that went over the network, queueing included.",
        labels=["upstream", "operation"],
    )
    for names, histogram in network.items():
        _add(seconds, list(names), histogram)
    yield seconds
    retries = CounterMetricFamily("bff_upstream_retries", "Attempts after the first.", labels=["upstream", "operation"])
    for names, count in counts.retries.items():
        retries.add_metric(names, count)
    yield retries


def _upstreams(sources: Sources) -> Iterator[Metric]:
    in_flight = GaugeMetricFamily("bff_upstream_in_flight", "Calls under way.", labels=["upstream"])
    waiting = GaugeMetricFamily("bff_upstream_queue_length", "Calls that wait for room.", labels=["upstream"])
    refused = CounterMetricFamily("bff_upstream_refused", "Calls refused for lack of room.", labels=["upstream"])
    closed = GaugeMetricFamily("bff_upstream_in_maintenance", "1 while no call is made.", labels=["upstream"])
    breakers = GaugeMetricFamily(
        "bff_upstream_breaker_state",
        "0 closed, 1 half open, 2 open; of operations whose breaker has opened since the start.",
        labels=["upstream", "operation"],
    )
    for name, state in sources.upstreams().items():
        in_flight.add_metric([name], state.in_flight)
        waiting.add_metric([name], state.waiting)
        refused.add_metric([name], state.refused)
        closed.add_metric([name], float(state.is_in_maintenance))
        sources.breakers |= {(name, operation) for operation in state.breakers}
        for upstream, operation in sorted(sources.breakers):
            if upstream == name:
                value = BREAKER.get(state.breakers.get(operation, "closed").lower(), 2)
                breakers.add_metric([name, operation], value)
    yield from (in_flight, waiting, refused, closed, breakers)


def _idempotency(outcomes: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(
        "bff_idempotency",
        "Mutations with a key: first, again (no answer was there), replayed, waited, reused, in_progress.",
        labels=["outcome"],
    )
    for outcome, count in outcomes.items():
        family.add_metric([outcome], count)
    return family


def _purged(kinds: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(
        "bff_flows_purged", "Ended flows that were deleted after their retention, by kind.", labels=["kind"]
    )
    for kind, count in kinds.items():
        family.add_metric([kind], count)
    return family


def _process(sources: Sources) -> Iterator[Metric]:
    load = sources.load
    lateness = HistogramMetricFamily(
        "bff_event_loop_lag_seconds",
        "How late the loop was, twenty times a second: its timer, or its queue.",
        labels=(),
    )
    _add(lateness, [], load.lateness)
    yield lateness
    yield GaugeMetricFamily(
        "bff_event_loop_queue_age_seconds", "How long what was ready last waited for its turn.", load.queue_age
    )
    yield GaugeMetricFamily("bff_requests_in_flight", "Requests in work; streams are not.", load.in_flight)
    yield GaugeMetricFamily("bff_requests_in_flight_limit", "How many may be.", load.max_in_flight)
    yield GaugeMetricFamily("bff_overload_level", "0 none; 1 LAST is shed; 2 NORMAL as well.", load.level)
    shed = CounterMetricFamily(
        "bff_shed", "Requests refused with 503 by reason (lag, in_flight) and priority.", labels=["reason", "priority"]
    )
    for labels, count in load.shed.items():
        shed.add_metric(labels, count)
    yield shed
    yield GaugeMetricFamily("bff_draining", "1 once the process was told to stop.", float(sources.is_draining()))
    fallbacks = CounterMetricFamily(
        "bff_execution_fallbacks", "Times that part of an operation was not run as compiled.", labels=["reason"]
    )
    for reason, count in sources.fallbacks().items():
        fallbacks.add_metric([reason], count)
    yield fallbacks
    yield GaugeMetricFamily("bff_plans_cached", "Operations kept compiled.", sources.plans())
    yield CounterMetricFamily("bff_plans_compiled", "Operations compiled, again if need be.", sources.compiled())
    size = sources.cache_bytes()
    if size is not None:
        yield GaugeMetricFamily("bff_cache_bytes", "Upstream answers kept in this process's memory.", size)


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), histogram.buckets, strict=True):
        total += count
        buckets.append((bound, total))
    family.add_metric(labels, buckets, histogram.sum)
