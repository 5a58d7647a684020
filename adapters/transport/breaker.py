"""A circuit breaker: a system that mostly fails is left alone, and tried by few calls before it gets all again."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from bff.policy import CallPolicy, OperationPolicy

BUCKETS = 10


class State(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class Breaker:
    """Counts over a rolling window of ten buckets. Times are seconds of one monotonic clock.

    Whoever calls remembers the `generation` it was let in under: what comes back from before the state changed says
    nothing about the present one and is not counted.
    """

    __slots__ = (
        "_bucket", "_calls", "_failures", "_least", "_least_open", "_most_open", "_old", "_open_for", "_probing",
        "_scale", "_share", "generation", "open_until", "state",
    )  # fmt: skip

    def __init__(self, policy: CallPolicy, own: OperationPolicy | None = None) -> None:
        self.state = State.CLOSED
        self.generation = 0
        self.open_until = 0.0
        own = own or OperationPolicy()
        self._share = policy.failure_share if own.failure_share is None else own.failure_share
        self._least = policy.least_calls if own.least_calls is None else own.least_calls
        self._least_open, self._most_open = policy.open_for, policy.open_at_most
        self._open_for = policy.open_for
        self._scale = BUCKETS / policy.window
        self._bucket = 0
        self._calls = self._failures = 0
        self._old: deque[tuple[int, int, int]] = deque()
        self._probing = False

    def admits(self, now: float) -> bool:
        """Whether a call may go. In half-open one at a time may, and must report how it went."""
        if self.state is State.CLOSED:
            return True
        if self.state is State.OPEN and now >= self.open_until:
            self._enter(State.HALF_OPEN)
        if self.state is State.OPEN or self._probing:
            return False
        self._probing = True
        return True

    def succeeded(self, generation: int, now: float) -> None:
        if generation != self.generation:
            return
        if self.state is State.HALF_OPEN:
            self._open_for = self._least_open
            self._enter(State.CLOSED)
            return
        bucket = int(now * self._scale)
        if bucket != self._bucket:
            self._turn(bucket)
        self._calls += 1

    def failed(self, generation: int, now: float) -> None:
        if generation != self.generation:
            return
        if self.state is State.HALF_OPEN:
            self._open_for = min(self._open_for * 2, self._most_open)
            self._open(now)
            return
        bucket = int(now * self._scale)
        if bucket != self._bucket:
            self._turn(bucket)
        self._calls += 1
        self._failures += 1
        calls = self._calls + sum(calls for _, calls, _ in self._old)
        failures = self._failures + sum(failures for _, _, failures in self._old)
        if calls >= self._least and failures >= calls * self._share:
            self._open(now)

    def abandoned(self, generation: int) -> None:
        """A call that was let in ended without telling anything of the system."""
        if generation == self.generation:
            self._probing = False

    def _turn(self, bucket: int) -> None:
        if self._calls:
            self._old.append((self._bucket, self._calls, self._failures))
        self._bucket, self._calls, self._failures = bucket, 0, 0
        while self._old and self._old[0][0] <= bucket - BUCKETS:
            self._old.popleft()

    def _open(self, now: float) -> None:
        self._enter(State.OPEN)
        self.open_until = now + self._open_for

    def _enter(self, state: State) -> None:
        self.state = state
        self.generation += 1
        self._probing = False
        self._calls = self._failures = 0
        self._old.clear()
