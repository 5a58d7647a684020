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

_STATE = "dms.reads"


class _Shared:
    """One question under way or answered, and how many wait for it now."""

    __slots__ = ("task", "waiting")

    def __init__(self, ask: Ask) -> None:
        self.task = asyncio.create_task(_answer(ask))
        self.waiting = 0


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
    shared.waiting += 1
    try:
        answer, reached = await asyncio.shield(shared.task)
    except asyncio.CancelledError:
        if shared.waiting == 1:
            shared.task.cancel()
            _asked(context).pop(question, None)
        raise
    finally:
        shared.waiting -= 1
    advance_to(reached)
    if isinstance(answer, BffError):
        raise answer
    return answer


def forget_answers() -> None:
    """After a write nothing that was read before it holds."""
    context = current_or_none()
    if context is not None:
        context.state.pop(_STATE, None)


def _asked(context: RequestContext) -> dict[Hashable, _Shared]:
    return cast("dict[Hashable, _Shared]", context.state.setdefault(_STATE, {}))


async def _answer(ask: Ask) -> tuple[Node | BffError | None, int]:
    try:
        return await ask(), current_round.get()
    except BffError as error:
        return error, current_round.get()
