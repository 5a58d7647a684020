"""What a durable flow is made of: facts go in, a pure function decides, effects come out.

    fact ──▶ decide(state, fact, now) ──▶ new state + effects + events + ledger entries     one transaction
                     ▲                          │
                     └── what came of it ◀── perform(effect)                                at least once

A flow is a thing with a life of its own (a payment, the order of a car). All that happens to it is a *fact*: a
customer's wish, a notification, the answer of a system, a time that has come. `decide` says what follows, without
asking anybody. What has to be asked is an *effect*: it is written down together with the state that wants it,
performed by whichever process comes first, again after a crash, and its result is the next fact. So every effect must
be safe to perform twice (it carries a key that the system behind knows), and `decide` must not mind a fact that comes
twice, late or out of order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from bff.domain.base import Money, Refusal, Value

S = TypeVar("S")


def digits_of(text: str) -> str:
    """30 hexadecimal digits that stand for a text: behind two letters of its kind, the id of a flow."""
    return hashlib.sha256(text.encode()).hexdigest()[:30]


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="fact", rename="camel"):
    """Something that happened to a flow."""


class Effect(msgspec.Struct, frozen=True, kw_only=True, tag_field="effect", rename="camel"):
    """Something to be done for a flow. `name` is unique within it: wanted again while it waits, it is one effect.

    `is_work` is False for what only waits: customers are not told of it.
    """

    is_work: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return str(self.__struct_config__.tag)


class Wake(Effect, frozen=True, kw_only=True, tag="wake"):
    """Nothing but a time: when it has come, the flow is told `Woken`."""

    is_work: ClassVar[bool] = False

    reason: str

    @property
    def name(self) -> str:
        return f"wake:{self.reason}"


class Woken(Fact, frozen=True, kw_only=True, tag="woken"):
    reason: str


class Tell(Effect, frozen=True, kw_only=True, tag="tell"):
    """Tell another flow a fact. `label` keeps two tellings to one flow apart."""

    is_work: ClassVar[bool] = False

    kind: str
    flow: str
    fact: msgspec.Raw
    label: str = ""

    @property
    def name(self) -> str:
        return f"tell:{self.flow}:{self.label}"

    @classmethod
    def of(cls, kind: str, flow: str, fact: Fact, label: str = "") -> Tell:
        return cls(kind=kind, flow=flow, fact=msgspec.Raw(msgspec.json.encode(fact)), label=label)


class Planned(msgspec.Struct, frozen=True):
    """An effect and when it is due; None: now. If an effect of this name waits already, it moves to this time."""

    effect: Effect
    at: datetime | None = None


class DomainEvent(Value, frozen=True, kw_only=True):
    """What others are told of (CloudEvents 1.0: `id`, `type`, `subject`). The same id is the same event.

    `order_number` orders events: those of one order are told in the order in which they were decided.
    `customer_id` is for asking whether they agreed; it does not leave the service.
    """

    id: str
    type: str
    order_number: str
    customer_id: str
    data: dict[str, Any]


class LedgerEntry(Value, frozen=True, kw_only=True):
    """Money that moved, once for each `id`. `kind` is CAPTURE, REFUND, or REVERSAL of a refund that came back;
    `movement` the provider's number of it.
    """

    id: str
    order_number: str
    payment_id: str
    kind: str
    amount: Money
    movement: str = ""


class Decision(msgspec.Struct, Generic[S], frozen=True, kw_only=True):
    """What follows from a fact. `dropped` names effects that are no longer wanted; `reference` is by what the flow is
    found from now on (the number of its order).

    A `refusal` is for whoever told the fact; state and effects hold all the same.
    """

    state: S
    effects: Sequence[Planned] = ()
    dropped: Sequence[str] = ()
    events: Sequence[DomainEvent] = ()
    entries: Sequence[LedgerEntry] = ()
    refusal: Refusal | None = None
    reference: str | None = None


class FlowKind(Protocol[S]):
    """One kind of flow. The types are what is stored: members are only ever added, with defaults."""

    @property
    def name(self) -> str: ...

    @property
    def state_type(self) -> type[S]: ...

    @property
    def fact_type(self) -> Any:
        """The union of the facts it can be told, `Woken` among them where it wakes."""
        ...

    @property
    def effect_type(self) -> Any:
        """The union of its effects."""
        ...

    def decide(self, flow: str, state: S | None, fact: Any, now: datetime) -> Decision[S] | None:
        """Pure. None: the fact changes nothing (it was told before, it comes too late, it begins no flow)."""
        ...

    async def perform(self, flow: str, effect: Any) -> Fact | None:
        """Do it, or find out that it was done; None where nothing is to be told. Raises BffError: tried again later."""
        ...
