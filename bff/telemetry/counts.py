"""Counting on the hot path: plain integers in dictionaries, read when somebody looks.

One event loop writes, so nothing is locked. Which families these become is said in `exposition.py`; docs/adr/0009 has
what a count costs, and what it cost with others' instruments.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict

from bff.calls import CallRecord

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Upper bounds in seconds, as OpenTelemetry's conventions advise for HTTP durations."""

MOST_NAMES = 300
OTHER = "other"


class Histogram:
    """`buckets[i]` counts what is above `BOUNDS[i - 1]` and at most `BOUNDS[i]`; the last one is without bound."""

    __slots__ = ("buckets", "sum")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    @property
    def count(self) -> int:
        return sum(self.buckets)

    def add(self, other: Histogram) -> None:
        self.buckets = [mine + theirs for mine, theirs in zip(self.buckets, other.buckets, strict=True)]
        self.sum += other.sum


class Names:
    """Names that may stand in metrics: so many, and no more, whatever clients send."""

    __slots__ = ("_known", "_most")

    def __init__(self, known: frozenset[str] = frozenset(), most: int = MOST_NAMES) -> None:
        self._known = set(known)
        self._most = max(most, len(known))

    def label(self, name: str | None, *, is_trusted: bool) -> str:
        """The name itself where it is known, or comes from a document that we admitted beforehand."""
        if name is None:
            return OTHER
        if name in self._known:
            return name
        if not is_trusted or len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name


class Counts:
    """What one process has counted since it began.

    `requests` by route, method and status; `operations` by name, kind and outcome; `calls` by upstream, operation,
    outcome and source; `retries` by upstream and operation.
    """

    __slots__ = ("calls", "operations", "requests", "retries")

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, str, int], Histogram] = defaultdict(Histogram)
        self.operations: defaultdict[tuple[str, str, str], Histogram] = defaultdict(Histogram)
        self.calls: defaultdict[tuple[str, str, str, str], Histogram] = defaultdict(Histogram)
        self.retries: Counter[tuple[str, str]] = Counter()

    def called(self, record: CallRecord) -> None:
        """An observer of `bff.calls`."""
        calls = self.calls[record.system, record.operation, record.outcome, record.source]
        calls.observe(record.duration_ms / 1000)
        if record.attempt > 1 and record.source == "network":
            self.retries[record.system, record.operation] += 1
