"""What an order that waits for its turn is told, in the payloads of the mutations that order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import strawberry

from bff.domain.admission import PASSAGE, Passage
from bff.domain.base import Outcome
from resolvers.common import Request, prop

V = TypeVar("V")

WAITING = "Many are ordering: it is not the caller's turn yet. `wait` says when to send the same again."

KEEPS_PLACE = (
    "`wait.admissionToken` of the last answer to this same order, where there was one: it keeps the place in the "
    "queue. Leave it out at first. It is no part of the intention: `idempotencyKey` and all else stay as they were."
)


@strawberry.type(
    description="Nothing was ordered yet: many are ordering, and they come in the order in which they arrived. Show "
    "`position`, wait `pollAfter` seconds, then send the same mutation with the same `idempotencyKey` and "
    "`input.admissionToken`. Repeat until `wait` is null: the answer is then the order, or why there is none."
)
class WaitAction:
    poll_after: float = prop(
        "Seconds, with a fraction, until the same mutation is to be sent again: `setTimeout(again, pollAfter * 1000)`. "
        "Asking earlier does not help."
    )
    admission_token: str = prop(
        "The place in the queue. It is good for this caller, this order and this `idempotencyKey` only, and for some "
        "minutes: send the newest one that you were given."
    )
    position: int = prop("The caller is let in after so many turns: 1 is next. An upper bound: some leave.")


def wait() -> Any:
    def resolve(root: Any) -> Any:
        return getattr(root, "wait", None)

    return strawberry.field(
        resolver=resolve,
        graphql_type=WaitAction | None,
        description="What to do where `userErrors` says WAITING; null when there is nothing to wait for.",
    )


async def admitted(info: Request, place: Callable[[], Awaitable[Outcome[V]]]) -> Outcome[V]:
    """What the gate says instead, or what placing comes to; what was sold out is made known to the gate."""
    passage: Passage | None = info.context.state.get(PASSAGE)
    if passage is None:
        return await place()
    if passage.answer is not None:
        return passage.answer
    outcome = await place()
    if outcome.refusals:
        await passage.learn(outcome.refusals)
    return outcome
