"""Which requests are recorded, decided at their head; and a recorded request handed on at its end.

Parent-based: what the caller records we record, so that a trace is whole, up to `MOST_A_SECOND`, since anybody can set
a header. Where the caller says nothing, chance decides. `Record` is what a finished operation is to the exporter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from time import monotonic, perf_counter, time_ns
from typing import Any

import msgspec

from bff.calls import CallLog
from bff.trace import Spans, Trace, recording

MOST_A_SECOND = 100

_chance = Random()  # noqa: S311 - chooses examples, guards nothing


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded operation that ended. `began` is nanoseconds since 1970, `origin` that moment of perf_counter."""

    name: str
    trace: Trace
    spans: Spans
    began: int
    ended: int
    origin: float
    attributes: Mapping[str, str | int]
    errors: tuple[str, ...] = ()


class Tracing:
    """`ratio` of the requests whose caller does not say; `export` gets each record, None where nobody asks."""

    def __init__(self, ratio: float, export: Callable[[Record], None] | None) -> None:
        self._ratio = ratio if export is not None else 0.0
        self._export = export
        self._second = 0
        self._recorded = 0

    def begin(self, headers: Mapping[str, str], log: CallLog) -> Trace:
        """Give the request's log its trace."""
        trace = log.trace = Trace(headers.get("traceparent"), headers.get("tracestate"))
        if self._export is None:
            return trace
        wanted = trace.is_wanted
        if wanted is None:
            wanted = self._ratio > 0 and _chance.random() < self._ratio
        if wanted and self._has_room():
            recording.set(trace.record())
        elif recording.get() is not None:
            recording.set(None)  # the operation before this one on the same connection
        return trace

    def _has_room(self) -> bool:
        second = int(monotonic())
        if second != self._second:
            self._second, self._recorded = second, 0
        self._recorded += 1
        return self._recorded <= MOST_A_SECOND

    def end(self, name: str, log: CallLog, attributes: Mapping[str, Any], errors: tuple[str, ...] = ()) -> None:
        """Hand a recorded operation on; nothing for the others, or for one that was handed on before."""
        trace = log.trace
        if trace is None or trace.spans is None or trace.spans.is_told or self._export is None:
            return
        trace.spans.is_told = True
        now = time_ns()
        self._export(
            Record(
                name=name,
                trace=trace,
                spans=trace.spans,
                began=now - int((perf_counter() - log.began) * 1e9),
                ended=now,
                origin=log.began,
                attributes=attributes,
                errors=errors,
            )
        )
