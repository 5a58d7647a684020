"""One request: who asks, through what, in which language, until when, and with which ports.

The context travels to resolvers as Strawberry's `info.context`, and to adapters as a context variable, as a trace does:
a port speaks of keys and values only, and what is ambient (deadline, caller's partition, call log) does not clutter it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from bff.calls import CallLog, current_round
from bff.freshness import StaleRead

if TYPE_CHECKING:
    from bff.ports import Ports


CLIENT_ADDRESS = "client_address"
"""Key of `RequestContext.state`, in mutations: the address of the customer's device."""
EVENT_ID, LAST_EVENT_ID = "event_id", "last_event_id"
"""Keys of it in subscriptions: the id of the event that is being answered, and the last that a listener had seen."""


class Channel(StrEnum):
    """Through what the caller speaks; it decides deadlines and priority, never rights."""

    APP = "APP"
    MINI_PROGRAM = "MINI_PROGRAM"
    WEB = "WEB"
    STORE = "STORE"
    IN_CAR = "IN_CAR"


class CallerKind(StrEnum):
    GUEST = "GUEST"
    CUSTOMER = "CUSTOMER"
    ADVISER = "ADVISER"
    DEVICE = "DEVICE"
    SERVICE = "SERVICE"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, as the token proved it.

    `customer_id` is the customer whose data may be seen: the caller itself, or the one an adviser acts for.
    `vin` is the vehicle a device is bound to. `login` tells tokens apart without being one: nothing personal is shared
    between two, as scopes and the age of a login may decide what is seen.
    `acr` and `auth_time` (seconds since 1970) say how and when the person behind the token logged in.
    """

    kind: CallerKind
    subject: str
    customer_id: str | None = None
    vin: str | None = None
    store: str | None = None
    scopes: frozenset[str] = frozenset()
    login: bytes | None = None
    acr: str | None = None
    auth_time: int | None = None

    @property
    def partition(self) -> str:
        """Whose data this is: nothing personal is shared between two partitions."""
        return f"{self.kind}:{len(self.subject)}:{self.subject}:{self.customer_id or ''}"


GUEST_SCOPES = frozenset({"catalogue:read", "content:read", "community:read", "leads:write"})
"""What nobody in particular may do."""

ANONYMOUS = Caller(kind=CallerKind.GUEST, subject="anonymous", scopes=GUEST_SCOPES)


class RequestContext:
    """Lives as long as one request; nothing in it is shared with another."""

    __slots__ = (
        "brand", "caller", "calls", "channel", "client", "country", "deadline", "fresh_seconds", "is_private",
        "language", "loads", "ports", "stale", "state",
    )  # fmt: skip

    def __init__(
        self,
        *,
        ports: Ports,
        caller: Caller = ANONYMOUS,
        channel: Channel = Channel.APP,
        country: str = "CN",
        language: str = "zh-CN",
        brand: str | None = None,
        client: tuple[str, str] = ("unknown", "0"),
        budget_seconds: float = 10.0,
    ) -> None:
        self.ports = ports
        self.caller = caller
        self.channel = channel
        self.country = country
        self.language = language
        self.brand = brand
        self.client = client
        self.deadline = monotonic() + budget_seconds
        self.calls = CallLog()
        self.loads: dict[Any, Any] = {}
        self.state: dict[str, Any] = {}
        # What the answer may be kept for: docs/resilience.md, "How old an answer is".
        self.is_private = False
        self.fresh_seconds = inf
        self.stale: list[tuple[list[str | int] | None, StaleRead]] = []

    @property
    def remaining_seconds(self) -> float:
        """What is left of the request's budget; negative when it is spent."""
        return self.deadline - monotonic()


_current: ContextVar[RequestContext] = ContextVar("request_context")


def current() -> RequestContext:
    """The context of the request being answered. Raises LookupError outside of one."""
    return _current.get()


def current_or_none() -> RequestContext | None:
    return _current.get(None)


def enter(context: RequestContext) -> None:
    """Make `context` the current one for this task and the tasks it starts. Its first calls are round 1."""
    _current.set(context)
    current_round.set(0)


@contextmanager
def entered(context: RequestContext) -> Iterator[RequestContext]:
    """`context` is the current one inside the block, for what is done on nobody's behalf between requests."""
    before, before_round = _current.set(context), current_round.set(0)
    try:
        yield context
    finally:
        current_round.reset(before_round)
        _current.reset(before)
