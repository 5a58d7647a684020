"""Fair admission to ordering: who is let through now, and what everybody else is told. How: docs/surge.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from bff.domain.base import Outcome, Refusal, Value

if TYPE_CHECKING:
    from bff.context import RequestContext

V = TypeVar("V")

WAITING = "WAITING"

PASSAGE = "admission"
"""Under this name the request's context holds the `Passage` of the mutation that runs, where it has one."""


class Wait(Value, frozen=True, kw_only=True):
    """It is not the caller's turn yet. `poll_after` is in seconds; `position` is how many turns there are until theirs,
    at least 1.
    """

    poll_after: float
    admission_token: str
    position: int


class Waiting(Outcome[V], Generic[V], frozen=True, kw_only=True):
    """What came of an order that waits: nothing yet."""

    wait: Wait

    @classmethod
    def of(cls, wait: Wait) -> Waiting[Any]:
        said = "It is not your turn yet: send the same again after `wait.pollAfter`, with `wait.admissionToken`."
        return Waiting(refusals=[Refusal(code=WAITING, message=said)], wait=wait)


class Passage(Protocol):
    """What the gate says to one mutation. Whoever runs it tells `answer` where there is one, and places nothing.

    `is_waiting`: it is not the mutation's turn, and `answer` says so.
    """

    answer: Outcome[Any] | None
    is_waiting: bool

    def forfeit(self) -> None:
        """The mutation could not be right: it gives up the place that it was given."""
        ...

    async def learn(self, refusals: Sequence[Refusal]) -> None:
        """Be told what the order's system refused: what is sold out is told to others without asking again."""
        ...


class Asked(NamedTuple):
    """A mutation that asks to be let in: its field, the scope of its key in the journal, the client's key, the rest of
    its input in canonical form, and its admission token.
    """

    field: str
    scope: str
    key: str
    given: Mapping[str, Any]
    token: str | None


class Admission(Protocol):
    async def ask(self, context: RequestContext, asked: Asked) -> Passage | None:
        """None: nothing is to be said, the mutation goes on. Raises InvalidInput for a token, and StateUnavailable."""
        ...
