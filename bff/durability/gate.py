"""One process's side of a gate: arrivals of the same moment share a transaction, and those who ask again need none.

All processes with one database have the same gate. One transaction of a process is under way at a time; whoever comes
meanwhile goes with the next, in the order of coming.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from bff.durability.database import Database
from bff.durability.gate_store import Pace, Shortage, Turn, turn

MOST_ARRIVALS = 500
"""How many are given numbers in one transaction."""

VIEW_SECONDS = 0.1
"""How old what a process knows of a gate may be, for those who ask whether it is their turn."""


class Gate:
    """`clock` gives seconds since 1970, the same on all machines to within a second or so."""

    def __init__(
        self,
        database: Database,
        name: str,
        pace: Pace,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.pace = pace
        self.admitted = self.given = 0
        self._database = database
        self._clock = clock
        self._ticks = ticks
        self._seen_at = -VIEW_SECONDS
        self._arrivals: list[tuple[str, asyncio.Future[int | None]]] = []
        self._lookers: list[asyncio.Future[None]] = []
        self._left: list[int] = []
        self._shortages: dict[str, Shortage] = {}
        self._learnt: dict[str, Shortage] = {}
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def now(self) -> int:
        return round(self._clock() * 1000)

    @property
    def is_fresh(self) -> bool:
        return self._ticks() - self._seen_at < VIEW_SECONDS

    @property
    def shortages(self) -> dict[str, Shortage]:
        """What is known to be short, by item, as of the last look."""
        now = self.now
        return {item: short for item, short in self._shortages.items() if short.until > now}

    async def arrive(self, scope: str) -> int | None:
        """The next number, or None for a key that the journal knows. The view is of this moment. StateUnavailable."""
        future: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._arrivals.append((scope, future))
        self._begin()
        return await future

    async def look(self) -> None:
        """See to it that the view is not older than VIEW_SECONDS. StateUnavailable."""
        if self.is_fresh:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lookers.append(future)
        self._begin()
        await future

    def leave(self, number: int) -> None:
        """The holder of a number has an answer and will not come: nobody behind waits for them."""
        if number > self.admitted:
            self._left.append(number)
            self._begin_soon()

    def learn(self, item: str, available: int, refusal: bytes, seconds: float) -> None:
        """Tell all processes, for so long, that no more than this is left."""
        now = self.now
        known = self._shortages.get(item)
        if known is not None and known.available <= available and known.until - now > seconds * 500:
            return  # told lately: half of its time is still to come
        self._shortages[item] = self._learnt[item] = Shortage(item, available, now + round(seconds * 1000), refusal)
        self._begin()

    async def aclose(self) -> None:
        """Write down what is still to be told."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._left or self._learnt:
            self._begin()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"gate {self.name}")

    def _begin_soon(self) -> None:
        """Those who leave are in no hurry: usually somebody else's transaction takes them along."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(VIEW_SECONDS, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._left:
            self._begin()

    async def _run(self) -> None:
        while self._arrivals or self._lookers or self._left or self._learnt:
            arrivals, self._arrivals = self._arrivals[:MOST_ARRIVALS], self._arrivals[MOST_ARRIVALS:]
            left, self._left = self._left, []
            learnt, self._learnt = self._learnt, {}
            script = partial(
                turn, self.name, self.pace, self.now, [scope for scope, _ in arrivals], left, list(learnt.values())
            )
            began = self._ticks()
            try:
                seen: Turn | BaseException = await self._database.run(script)
            except BaseException as error:
                seen = error
            lookers, self._lookers = self._lookers, []
            if isinstance(seen, BaseException):
                _fail([*(future for _, future in arrivals), *lookers], seen)
                if not isinstance(seen, Exception):
                    raise seen
                continue
            self._see(seen, began)
            for (_, future), number in zip(arrivals, seen.numbers, strict=True):
                if not future.done():
                    future.set_result(number)
                elif number is not None:
                    self.leave(number)  # whoever it was for has gone
            for looker in lookers:
                if not looker.done():
                    looker.set_result(None)

    def _see(self, seen: Turn, began: float) -> None:
        self.admitted, self.given = seen.admitted, seen.given
        self._shortages = {short.item: short for short in seen.shortages} | self._learnt
        self._seen_at = began


def _fail(waiting: Iterable[asyncio.Future[Any]], error: BaseException) -> None:
    for future in waiting:
        if future.done():
            continue
        if isinstance(error, Exception):
            future.set_exception(error)
        else:
            future.cancel()
