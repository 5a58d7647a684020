"""One request never asks the dealer system the same question twice: its ten connections bear one record a call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import cast

from adapters.transport.soap import Node
from bff.calls import advance_to, current_round
from bff.context import RequestContext, current_or_none
from bff.errors import BffError

Ask = Callable[[], Awaitable[Node | None]]
_Answer = tuple[Node | BffError | None, int]
"""What was said, and the round that it was said in."""

_KEY = "dms.reads"
"""Among the request's loads: what ends those, a write or the next event of a subscription, ends these answers too."""


class _Shared:
    """One question under way or answered, and how many wait for it now.

    An answer is kept without the task that brought it: that runs in the request's context, which keeps this.
    """

    __slots__ = ("_answered", "_task", "_waiting")

    def __init__(self, ask: Ask) -> None:
        self._answered: _Answer | None = None
        self._task: asyncio.Task[_Answer] | None = asyncio.create_task(_answer(ask))
        self._task.add_done_callback(self._keep)
        self._waiting = 0

    def _keep(self, task: asyncio.Task[_Answer]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._answered, self._task = task.result(), None

    async def wait(self) -> _Answer:
        if self._task is None:
            assert self._answered is not None
            return self._answered
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1

    def give_up(self) -> bool:
        """Stop asking if nobody waits any more. Says whether it did."""
        if self._waiting or self._task is None:
            return False
        self._task.cancel()
        return True


async def ask_once(question: Hashable, ask: Ask) -> Node | None:
    """The answer of `ask`, shared by all of this request who have the same question; outside of a request, its own.

    Whoever waited is in the round after the call, as if it had made the call itself.
    """
    context = current_or_none()
    if context is None:
        return await ask()
    shared = _asked(context).get(question)
    if shared is None:
        shared = _asked(context)[question] = _Shared(ask)
    try:
        answer, reached = await shared.wait()
    except asyncio.CancelledError:
        if shared.give_up():
            _asked(context).pop(question, None)
        raise
    advance_to(reached)
    if isinstance(answer, BffError):
        raise answer
    return answer


def forget_answers() -> None:
    """After a write nothing that was read before it holds."""
    context = current_or_none()
    if context is not None:
        context.loads.pop(_KEY, None)


def _asked(context: RequestContext) -> dict[Hashable, _Shared]:
    return cast("dict[Hashable, _Shared]", context.loads.setdefault(_KEY, {}))


async def _answer(ask: Ask) -> _Answer:
    try:
        return await ask(), current_round.get()
    except BffError as error:
        return error, current_round.get()
