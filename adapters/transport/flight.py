"""One run of a piece of work at a time: whoever comes while it is under way waits for the same answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Generic, TypeVar

from bff.calls import advance_to, current_round
from bff.context import current_or_none
from bff.errors import UpstreamTimeout

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """`work` runs in a task of its own, so that a caller who goes away takes nothing from the others.

    Everyone who waited is moved on by its rounds, but only the caller who started it has its calls in the log. It also
    runs on that caller's budget; if that was too short, those who had joined try once more on their own.
    """

    def __init__(self, upstream: str, work: Callable[[], Awaitable[T]]) -> None:
        self._upstream = upstream
        self._work = work
        self._task: asyncio.Task[T] | None = None
        self._rounds = 0

    async def __call__(self) -> T:
        """Raises what `work` raises, and UpstreamTimeout when the caller's own budget ends while it waits."""
        task, started = self._join()
        try:
            return await self._wait(task)
        except UpstreamTimeout:
            if started or not task.done():
                raise
        return await self._wait(self._join()[0])

    def _join(self) -> tuple[asyncio.Task[T], bool]:
        if self._task is not None and not self._task.done():
            return self._task, False
        self._task = asyncio.create_task(self._run(), context=copy_context())
        self._task.add_done_callback(self._ended)
        return self._task, True

    async def _run(self) -> T:
        begun = current_round.get()
        try:
            return await self._work()
        finally:
            self._rounds = current_round.get() - begun

    async def _wait(self, task: asyncio.Task[T]) -> T:
        context = current_or_none()
        try:
            async with asyncio.timeout(None if context is None else context.remaining_seconds):
                return await asyncio.shield(task)
        except TimeoutError as error:
            raise UpstreamTimeout(self._upstream, detail="the request's budget ended while waiting") from error
        finally:
            advance_to(current_round.get() + self._rounds)

    def _ended(self, task: asyncio.Task[T]) -> None:
        """A failure that nobody waits for any more is nobody's loss. A task that is kept keeps its caller's request."""
        if not task.cancelled():
            task.exception()
        if self._task is task:
            self._task = None
