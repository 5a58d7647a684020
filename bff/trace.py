"""Where a request stands in a distributed trace (W3C Trace Context): ids in, ids out, and what is recorded of it.

Every request has a trace, so that errors and logs name one id; few are recorded. Whether one is, is decided at its
head, and what is not recorded costs nothing but its ids.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bff.calls import CallRecord

_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_LENGTH = 55
MOST_SPANS = 1_000
"""Of each kind, in one recorded request: a stream goes on for hours."""
_MOST_STATE = 512
"""Characters of `tracestate` that are passed on (Trace Context, section 3.3.1.5)."""

ids = Random()  # noqa: S311 - names things, guards nothing
"""Where ids come from. `bff/serving/workers.py` seeds it anew in every worker, like all generators that it finds."""


class Trace:
    """One request's trace. `spans` are there where it is recorded; `state` is `tracestate`, passed on as it came."""

    __slots__ = ("_header", "_parent", "_parent_id", "_trace_id", "span_id", "spans", "state")

    def __init__(self, parent: str | None = None, state: str | None = None) -> None:
        """`parent` is the header `traceparent`, read when it is needed; what cannot be read starts a new trace."""
        self.spans: Spans | None = None
        self.state = state
        self.span_id = ""
        self._parent = parent
        self._header: str | None = None
        self._trace_id: str | None = None
        self._parent_id: str | None = None

    @property
    def is_wanted(self) -> bool | None:
        """Whether the caller records its part of the trace; None where nobody said."""
        parent = self._parent
        if parent is None:
            return None
        if parent[-3:] == "-00" and len(parent) == _LENGTH:  # most are: no need to look closer yet
            return False
        found = self._read()
        return None if found is None else bool(int(found[4], 16) & 1)

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, not all zero."""
        if self._trace_id is None:
            found = self._read()
            self._trace_id = found[2] if found else ids.randbytes(16).hex()
            self._parent_id = found[3] if found else None
        return self._trace_id

    @property
    def parent_id(self) -> str | None:
        """The span of whoever called us, None where nobody said."""
        return self._parent_id if self.trace_id else None

    def _read(self) -> re.Match[str] | None:
        found = None if self._parent is None else _PARENT.fullmatch(self._parent)
        if found is None or (found[1] == "00" and found[5] is not None):
            # State without its parent is meaningless (Trace Context, section 3.3).
            self._parent = self.state = None
            return None
        if self.state is not None and len(self.state) > _MOST_STATE:
            self.state = None
        return found

    def record(self) -> Spans:
        """From here on everything that the request does is kept, to be told at its end."""
        self.span_id = self.span_id or new_span_id()
        self.spans = Spans(self.span_id)
        return self.spans

    def outgoing(self, record: CallRecord, method: str) -> str:
        """`traceparent` for a call to an upstream. `method` is remembered with the call."""
        if self.spans is not None:
            return f"00-{self.trace_id}-{self.spans.sent(record, method)}-01"
        if self._header is None:
            self.span_id = self.span_id or new_span_id()
            self._header = f"00-{self.trace_id}-{self.span_id}-00"
        return self._header


class CallSpan:
    """One upstream call of a recorded request; times are in its record."""

    __slots__ = ("method", "parent_id", "record", "span_id")

    def __init__(self, record: CallRecord, parent_id: str) -> None:
        self.record = record
        self.parent_id = parent_id
        self.span_id = new_span_id()
        self.method: str | None = None


class BatchSpan:
    """One batch load: all keys of a level. Times are of `perf_counter`. A context manager, in the task of the batch."""

    __slots__ = ("_token", "began", "ended", "error", "keys", "name", "parent_id", "span_id")

    def __init__(self, name: str, keys: int, parent_id: str) -> None:
        self.name = name
        self.keys = keys
        self.parent_id = parent_id
        self.span_id = new_span_id()
        self.error: BaseException | None = None
        self.began = self.ended = perf_counter()

    def __enter__(self) -> BatchSpan:
        self._token = _within.set(self.span_id)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        self.ended = perf_counter()
        self.error = self.error or error
        _within.reset(self._token)


class Spans:
    """What a recorded request did so far, in the order it began. `is_told` once it was handed on.

    `subject` is what the recorder wants to remember of the request.
    """

    __slots__ = ("batches", "calls", "is_told", "span_id", "subject")

    def __init__(self, span_id: str) -> None:
        self.span_id = span_id
        self.calls: list[CallSpan] = []
        self.batches: list[BatchSpan] = []
        self.subject: Any = None
        self.is_told = False

    def called(self, record: CallRecord) -> None:
        if len(self.calls) < MOST_SPANS:
            self.calls.append(CallSpan(record, _within.get() or self.span_id))

    def sent(self, record: CallRecord, method: str) -> str:
        """The id of the call's span, now that it goes out."""
        for call in reversed(self.calls):
            if call.record is record:
                call.method = method
                return call.span_id
        return self.span_id

    def batch(self, name: str, keys: int) -> BatchSpan:
        span = BatchSpan(name, keys, _within.get() or self.span_id)
        if len(self.batches) < MOST_SPANS:
            self.batches.append(span)
        return span


def trace_id_of(context: Any) -> str:
    """What names a request in errors, logs and traces; `context` is its RequestContext, where it got that far."""
    trace = getattr(getattr(context, "calls", None), "trace", None)
    return trace.trace_id if isinstance(trace, Trace) else ids.randbytes(16).hex()


def new_span_id() -> str:
    return ids.randbytes(8).hex()


recording: ContextVar[Spans | None] = ContextVar("recording", default=None)
"""The spans of the request that the current task works for, where it is recorded."""

_within: ContextVar[str] = ContextVar("within", default="")
"""The id of the batch that the current task works for."""
