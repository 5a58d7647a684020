"""When the process is behind it does the most important first, and refuses the rest before it has cost anything.

Two signs say that it is behind. How late the event loop is: a timer that should have fired, a callback that waits for
its turn; the middle one of the last three readings counts, so that one long step alone is no overload. And how many
requests are in work: each priority may fill its part of `max_in_flight`. Both go up at once and come down slowly.

    level   event loop late by          refused by lateness
    0       less than 100 ms            nobody
    1       100 ms, until under 50      LAST
    2       300 ms, until under 150     LAST and NORMAL
            requests in work            refused by number
            half of max_in_flight       LAST
            three quarters              NORMAL
            nine tenths                 what is not yet known to be FIRST, before its body is read
            all                         everybody
"""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from time import monotonic

from bff.policy import Priority
from bff.serving.refusals import HttpRefusal, error_body
from bff.telemetry.counts import Histogram

LEVELS = ((0.1, 0.05), (0.3, 0.15))
"""Seconds late: when a level begins, and under what it ends."""

ROOM = {Priority.FIRST: 1.0, Priority.NORMAL: 0.75, Priority.LAST: 0.5}
UNKNOWN_ROOM = 0.9
LOW_WATER = 0.8
"""Once a priority's part is full, it is refused until so much of it is in work, and no more."""

TICK = 0.05
CALM_SECONDS = 1.0
"""How long the loop is to be in time before a level ends."""

_random = Random()  # noqa: S311 - spreads clients, guards nothing


class Overloaded(HttpRefusal):
    """503 with Retry-After. The same request may be sent again when that is over."""

    def __init__(self, retry_after: int) -> None:
        header = (b"retry-after", b"%d" % retry_after)
        super().__init__(503, "OVERLOADED", "The service is busy. Try again in a moment.", (header,))

    @property
    def body(self) -> bytes:
        return error_body(self.code, self.message, retryable=True)


class Overload:
    """One process's load. `start` begins to watch the loop; until then only the number of requests counts."""

    def __init__(self, max_in_flight: int) -> None:
        self.in_flight = 0
        self.max_in_flight = max_in_flight
        self.level = 0
        self.lag = self.queue_age = 0.0
        self.lateness = Histogram()
        self.shed: Counter[tuple[str, str]] = Counter()
        self._full = {rank: max(1, int(max_in_flight * share)) for rank, share in ROOM.items()}
        self._room = dict(self._full)
        self._unknown_room = max(1, int(max_in_flight * UNKNOWN_ROOM))
        self._readings = (0.0, 0.0)
        self._calm_since = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arm()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None

    # Asked for every request

    @property
    def is_roomy(self) -> bool:
        """Whether nobody is refused at the moment, whoever it is."""
        return self.level == 0 and self.in_flight <= self._room[Priority.LAST]

    def enter(self, *, is_first: bool) -> None:
        """Before the body is read; `is_first` where that is known already. Raises Overloaded, or `leave` follows."""
        if self.in_flight >= (self.max_in_flight if is_first else self._unknown_room):
            raise self._refusal("in_flight", Priority.FIRST if is_first else None)
        self.in_flight += 1

    def leave(self) -> None:
        self.in_flight -= 1

    def admit(self, priority: Priority) -> None:
        """Once the operation is known. The request itself is among those in work. Raises Overloaded."""
        if self.level and priority > Priority.LAST - self.level:
            raise self._refusal("lag", priority)
        if self.in_flight > self._room[priority]:
            self._room[priority] = int(self._full[priority] * LOW_WATER)
            raise self._refusal("in_flight", priority)

    def _refusal(self, reason: str, priority: Priority | None) -> Overloaded:
        self.shed[reason, priority.name if priority is not None else "UNKNOWN"] += 1
        least = 1 + 2 * self.level
        return Overloaded(_random.randint(least, 2 * least))

    # Twenty times a second

    def _arm(self) -> None:
        assert self._loop is not None
        self._timer = self._loop.call_later(TICK, self._tick, self._loop.time() + TICK)

    def _tick(self, due: float) -> None:
        if self._loop is None:
            return
        self.lag = max(0.0, self._loop.time() - due)
        # What is made ready now runs after all that is ready already: the time until then is the queue's age.
        self._loop.call_soon(self._measure, self._loop.time())

    def _measure(self, queued: float) -> None:
        if self._loop is None:
            return
        self.queue_age = self._loop.time() - queued
        self.judge(max(self.lag, self.queue_age), monotonic())
        self._arm()

    def judge(self, reading: float, now: float) -> None:
        """`reading` is how late the loop was, in seconds."""
        self.lateness.observe(reading)
        late = sorted((*self._readings, reading))[1]
        self._readings = (self._readings[1], reading)
        wanted = sum(late >= begins for begins, _ in LEVELS)
        if wanted > self.level:
            self.level = wanted
        if not self.level or reading >= LEVELS[self.level - 1][1]:
            self._calm_since = now
        elif now - self._calm_since >= CALM_SECONDS:
            self.level -= 1
            self._calm_since = now
        for rank, full in self._full.items():
            if self._room[rank] < full and self.in_flight <= self._room[rank]:
                self._room[rank] = full
