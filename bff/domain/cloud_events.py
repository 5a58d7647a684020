"""What leaves the service when something has happened, and where it is sent to. CloudEvents 1.0, JSON event format."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

import msgspec


class EventStream(Enum):
    """ORDERS: what other systems need to do what the customer ordered. INSIGHT: what analytics may see with consent."""

    ORDERS = "orders"
    INSIGHT = "insight"


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `source` and `id` together are its identity: sent twice, it has the same.

    `subject` is the customer's pseudonym. `partitionkey` (the order's number) and `sequence` are extension attributes:
    CloudEvents, extensions "Partitioning" and "Sequence".
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    partitionkey: str
    sequence: str
    data: dict[str, Any]
    specversion: str = "1.0"
    datacontenttype: str = "application/json"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events of one sending, by id; one that is in none of the three was not tried.

    `taken` are kept durably. `refused` would be refused again: why. `failed` may have been taken or not: why; later
    they are sent once more.
    """

    taken: frozenset[str] = frozenset()
    refused: dict[str, str] = {}
    failed: dict[str, str] = {}


class EventSink(Protocol):
    """Where events go. Several processes may send the same event; receivers know it by its id."""

    async def send(self, stream: EventStream, events: Sequence[CloudEvent]) -> Delivery:
        """In order for each `partitionkey`: after one that was not taken, none of the same key is sent.

        Does not raise: a sink that is away has failed to take the events.
        """
        ...

    async def aclose(self) -> None: ...
