"""What one request asked of the upstreams, and in how many rounds.

A *round* is one step in a chain of calls that had to wait for each other: two calls made side by side are in one round,
a call that needed another's answer is in the next. The round travels with the task, as a context variable, because only
the code that waits knows what it waited for; start times would count two unrelated slow calls as a chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar, copy_context
from inspect import CORO_CREATED, getcoroutinestate
from time import perf_counter
from types import CoroutineType
from typing import Any, TypeVar

import msgspec

from bff.trace import Trace

T = TypeVar("T")

current_round: ContextVar[int] = ContextVar("current_round", default=0)


class CallRecord(msgspec.Struct, rename="camel"):
    """One attempt at one upstream call. Times are milliseconds since the request began.

    `source` says where the answer came from: `network`, or without a call of this request's own: `coalesced` with one
    under way, `cache`, `stale` (past its fresh time), `refused` before it was made (breaker, maintenance, no room).
    """

    system: str
    operation: str
    keys: list[str]
    start_ms: float
    duration_ms: float
    attempt: int
    round: int
    outcome: str
    source: str = "network"


observers: list[Callable[[CallRecord], None]] = []
"""Told of every record that is closed, in whichever log of the process: metrics count here."""


class CallLog:
    """The calls of one request, in the order they began, and its trace, where it has one."""

    __slots__ = ("began", "records", "trace")

    def __init__(self) -> None:
        self.began = perf_counter()
        self.records: list[CallRecord] = []
        self.trace: Trace | None = None

    def begin(self, system: str, operation: str, keys: Sequence[str], attempt: int) -> CallRecord:
        at = (perf_counter() - self.began) * 1000
        record = CallRecord(system, operation, list(keys), at, 0.0, attempt, current_round.get() + 1, "PENDING")
        self.records.append(record)
        if self.trace is not None and self.trace.spans is not None:
            self.trace.spans.called(record)
        return record

    def end(self, record: CallRecord, outcome: str) -> None:
        """Close a record and move the caller's task to the record's round: what comes next waited for it."""
        record.duration_ms = (perf_counter() - self.began) * 1000 - record.start_ms
        record.outcome = outcome
        advance_to(record.round)
        for observe in observers:
            observe(record)

    def answered_at_hand(self, system: str, operation: str, keys: Sequence[str], source: str) -> None:
        """An answer that nobody was asked for: it takes no time and no round."""
        at = (perf_counter() - self.began) * 1000
        record = CallRecord(system, operation, list(keys), at, 0.0, 1, current_round.get(), source.upper(), source)
        self.records.append(record)
        if self.trace is not None and self.trace.spans is not None:
            self.trace.spans.called(record)
        for observe in observers:
            observe(record)

    @property
    def rounds(self) -> int:
        return max((record.round for record in self.records), default=0)


def advance_to(reached: int) -> None:
    if reached > current_round.get():
        current_round.set(reached)


async def in_parallel(*work: Coroutine[Any, Any, T] | Awaitable[T]) -> list[T | BaseException]:
    """Run side by side and wait for all; each place holds the value or the exception, in order.

    Like `asyncio.gather(return_exceptions=True)`, but whoever waits is moved to the furthest round that any
    of them reached, and a cancelled wait leaves nothing running.
    """
    contexts = [copy_context() for _ in work]
    tasks = [asyncio.create_task(_run(item), context=context) for item, context in zip(work, contexts, strict=True)]
    try:
        results = await asyncio.gather(*tasks, return_exceptions=True)
    except asyncio.CancelledError:
        for task, item in zip(tasks, work, strict=True):
            task.cancel()
            if isinstance(item, CoroutineType) and getcoroutinestate(item) == CORO_CREATED:
                item.close()  # its task was cancelled before its first turn and will never await it
        raise
    for context in contexts:
        advance_to(context.get(current_round, 0))
    return results


A = TypeVar("A")
B = TypeVar("B")


async def both(first: Awaitable[A], second: Awaitable[B]) -> tuple[A, B]:
    """Two things side by side, of which both are needed: raises what the first of them raised."""
    one, two = await in_parallel(first, second)
    for result in (one, two):
        if isinstance(result, BaseException):
            raise result
    return one, two  # type: ignore[return-value]  # neither is an exception


async def _run(work: Coroutine[Any, Any, T] | Awaitable[T]) -> T:
    return await work
