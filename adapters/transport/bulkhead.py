"""How much a system bears: calls at once, calls a second, and a short, fair queue for the rest.

Order in the queue: by priority, first come first served within one; every fourth place goes to whoever has waited
longest, so that the last are late but not never. A call that cannot be served inside its time is refused at once.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from contextvars import Context
from random import Random
from time import monotonic
from typing import Protocol

from bff.errors import UpstreamBusy
from bff.policy import CallPolicy, Priority

FAIR_TURN = 4
SHORTEST_POLL = 0.002
LONGEST_POLL = 0.05

_random = Random()  # noqa: S311 - spreads polling, decides nothing


class Slots(Protocol):
    """Places at a system that several processes share."""

    async def take(self, seconds: float) -> str | None:
        """A lease on a place, for `seconds` at most. None: all are taken."""

    def give(self, lease: str) -> None:
        """Hand the place back."""

    async def aclose(self) -> None: ...


class Waiter:
    __slots__ = ("future", "is_queued", "number", "priority")

    def __init__(self, future: asyncio.Future[None], number: int, priority: Priority) -> None:
        self.future, self.number, self.priority = future, number, priority
        self.is_queued = True


class Bulkhead:
    """One system's room in this process. `slots` keeps it across processes besides."""

    __slots__ = (
        "_capacity", "_grants", "_name", "_number", "_queue", "_queues", "_rate", "_refilled", "_slots", "_timer",
        "_tokens", "average", "in_flight", "refused", "waiting",
    )  # fmt: skip

    def __init__(self, name: str, policy: CallPolicy, slots: Slots | None = None, *, share: int = 1) -> None:
        """`share`: among how many processes the limits are divided; slots keep the places of all together instead."""
        self._name = name
        most = sys.maxsize if policy.connections is None else policy.connections
        self._capacity = most if slots is not None else max(1, most // share)
        self._rate = policy.per_second / share
        self._queue = policy.queue
        self._slots = slots
        self._tokens = max(1.0, self._rate)
        self._refilled = monotonic()
        self._queues: tuple[deque[Waiter], ...] = tuple(deque() for _ in Priority)
        self._number = self._grants = 0
        self._timer: asyncio.TimerHandle | None = None
        self.in_flight = self.waiting = self.refused = 0
        self.average = 0.0

    def try_enter(self) -> bool:
        """In at once, where there is room and nobody waits."""
        if self.in_flight >= self._capacity or self.waiting or self._slots is not None:
            return False
        if self._rate and not self._token():
            return False
        self.in_flight += 1
        return True

    async def enter(self, priority: Priority, ends: float) -> str | None:
        """Wait for room until `ends`, and for a shared slot, whose lease `leave` wants back. Raises UpstreamBusy."""
        if self.in_flight >= self._capacity or self.waiting or (self._rate and not self._token()):
            await self._wait(priority, ends)
        else:
            self.in_flight += 1
        if self._slots is None:
            return None
        try:
            return await self._lease(self._slots, ends)
        except BaseException:
            self.leave(0.0)
            raise

    def leave(self, seconds: float, lease: str | None = None) -> None:
        """The call is over; it took `seconds` (0: it was never made)."""
        self.in_flight -= 1
        if seconds > 0.0:
            self.average += 0.1 * (seconds - self.average)
        if lease is not None and self._slots is not None:
            self._slots.give(lease)
        if self.waiting:
            self._admit()

    async def _lease(self, slots: Slots, ends: float) -> str:
        pause = SHORTEST_POLL
        while True:
            left = ends - monotonic()
            lease = await slots.take(left)
            if lease is not None:
                return lease
            pause = min(LONGEST_POLL, pause * 2)
            if left <= pause:
                raise self._refusal("no slot came free in time")
            await asyncio.sleep(pause * _random.uniform(0.5, 1.0))

    async def _wait(self, priority: Priority, ends: float) -> None:
        left = ends - monotonic()
        ahead = sum(len(self._queues[rank]) for rank in range(priority + 1)) + 1
        expected = max(ahead * self.average / self._capacity, ahead / self._rate if self._rate else 0.0)
        if expected > left:
            raise self._refusal(f"the wait would be about {expected:.1f} s")
        if self.waiting >= self._queue:
            self._displace(priority)
        loop = asyncio.get_running_loop()
        self._number += 1
        waiter = Waiter(loop.create_future(), self._number, priority)
        self._queues[priority].append(waiter)
        self.waiting += 1
        timer = loop.call_later(left, self._drop, waiter, "no room in time")
        if self._timer is None and self._rate:
            self._admit()
        try:
            await waiter.future
        except asyncio.CancelledError:
            if waiter.future.cancelled():
                self._forget(waiter)
            elif waiter.future.exception() is None:  # let in and cancelled in the same turn
                self.leave(0.0)
            raise
        finally:
            timer.cancel()

    def _displace(self, priority: Priority) -> None:
        """The queue is full: whoever came last and matters less makes room. Raises UpstreamBusy where nobody does."""
        for rank in range(len(self._queues) - 1, priority, -1):
            if self._queues[rank]:
                return self._drop(self._queues[rank][-1], "the queue is full of what goes before it")
        raise self._refusal("the queue is full")

    def _drop(self, waiter: Waiter, why: str) -> None:
        if not waiter.future.done():
            self._forget(waiter)
            waiter.future.set_exception(self._refusal(why))

    def _forget(self, waiter: Waiter) -> None:
        if waiter.is_queued:
            waiter.is_queued = False
            self._queues[waiter.priority].remove(waiter)
            self.waiting -= 1

    def _refusal(self, why: str) -> UpstreamBusy:
        self.refused += 1
        return UpstreamBusy(self._name, detail=why)

    def _admit(self) -> None:
        """Let in whom there is room for; come back when the rate allows the next."""
        self._timer = None
        while self.waiting and self.in_flight < self._capacity:
            if self._drop_cancelled():
                continue
            if self._rate and not self._token():
                after = (1.0 - self._tokens) / self._rate
                self._timer = asyncio.get_running_loop().call_later(after, self._admit, context=Context())
                return
            waiter = self._next()
            self._forget(waiter)
            self.in_flight += 1
            waiter.future.set_result(None)

    def _drop_cancelled(self) -> bool:
        """Tasks that are cancelled in this turn have not been there yet to leave the queue themselves."""
        gone = [queue[0] for queue in self._queues if queue and queue[0].future.done()]
        for waiter in gone:
            self._forget(waiter)
        return bool(gone)

    def _next(self) -> Waiter:
        self._grants += 1
        queues = [queue for queue in self._queues if queue]
        return (min(queues, key=lambda queue: queue[0].number) if self._grants % FAIR_TURN == 0 else queues[0])[0]

    def _token(self) -> bool:
        """One call of this second's; the bucket holds a second's worth."""
        now = monotonic()
        self._tokens = min(max(1.0, self._rate), self._tokens + (now - self._refilled) * self._rate)
        self._refilled = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
