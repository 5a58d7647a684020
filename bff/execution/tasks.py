"""The asyncio tasks of one run: started, counted, given up, and never left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from types import CoroutineType
from typing import Any, NamedTuple

from bff.execution.batches import Group
from bff.execution.model import FieldPlan
from bff.execution.places import Place

GRACE_SECONDS = 0.05
"""How long an answer waits for cancelled tasks to unwind."""


class Waiting(NamedTuple):
    """What a resolver's task was started for."""

    value: Any
    field: FieldPlan
    place: Place

    def close(self) -> None:
        """A coroutine that never began says so when it is collected, unless it is closed."""
        if isinstance(self.value, CoroutineType):
            self.value.close()


class Tasks:
    """Every task ends by `ended` or `ended_cancelled`; when none is outstanding the run is done."""

    __slots__ = ("base", "cancelled", "done", "expired", "flush_planned", "loop", "outstanding", "spawned", "tasks")

    def __init__(self) -> None:
        self.spawned: list[tuple[Coroutine[Any, Any, None], Waiting]] = []
        # What each task answers, for the deadline and for places that a null took away.
        self.tasks: dict[asyncio.Task[None], Waiting | Group] = {}
        self.cancelled: dict[asyncio.Task[None], Waiting | Group] = {}
        self.outstanding = 0
        self.flush_planned = False
        self.expired = False
        self.done: asyncio.Future[None] | None = None
        self.loop: asyncio.AbstractEventLoop
        self.base: Context

    def proceed(self) -> None:
        """Start what the work so far has made ready."""
        raise NotImplementedError

    def start(
        self, coroutine: Coroutine[Any, Any, None], what: Waiting | Group, context: Context | None = None
    ) -> None:
        self.tasks[self.loop.create_task(coroutine, context=context)] = what
        self.outstanding += 1

    def give_up(self, task: asyncio.Task[None]) -> None:
        # Accounted for here: a task that never began has no chance to do it itself.
        self.cancelled[task] = self.tasks.pop(task)
        self.outstanding -= 1
        task.cancel()

    def ended(self) -> None:
        """The current task has put its value: start what waited for it, or finish."""
        if not self._leave() or self.done is None or self.expired:
            return
        try:
            self.proceed()
        except Exception as bug:
            self.crash(bug)
        self.settle()

    def ended_cancelled(self, cancelled: asyncio.CancelledError) -> None:
        # Not given up by us: a resolver that raises the cancellation itself ends the request, as under graphql-core.
        if self._leave() and self.done is not None and not self.done.done():
            self.done.set_exception(cancelled)

    def _leave(self) -> bool:
        """The current task is over; False if it had been given up already."""
        task = asyncio.current_task(self.loop)
        if task is None or self.tasks.pop(task, None) is None:
            return False
        self.outstanding -= 1
        return True

    def settle(self) -> None:
        done = self.done
        if done is not None and not done.done() and not self.outstanding and not self.flush_planned:
            done.set_result(None)

    def crash(self, bug: Exception) -> None:
        """An error of ours must end the request, not leave it waiting."""
        if self.done is not None and not self.done.done():
            self.done.set_exception(bug)

    def drop_spawned(self, since: int = 0, *, dead_only: bool = False) -> None:
        """Close what was to be awaited and has not begun."""
        kept = self.spawned[:since]
        for coroutine, waiting in self.spawned[since:]:
            if dead_only and waiting.place.is_alive():
                kept.append((coroutine, waiting))
            else:
                coroutine.close()
                waiting.close()
        self.spawned = kept

    async def reap(self, grace: float | None) -> None:
        """Nothing stays behind: an answer waits a moment for what it gave up, a cancelled run as long as it takes."""
        self.drop_spawned()
        for task in list(self.tasks):
            self.give_up(task)
        if not self.cancelled:
            return
        await asyncio.wait(self.cancelled, timeout=grace)
        for task, what in self.cancelled.items():
            if task.done() and isinstance(what, Waiting):
                what.close()
