"""What happens to a thing over time, as others may follow it: events with ids, replayed after an id within a window."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Hashable
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from bff.domain.base import Value
from bff.domain.service import Booking, BookingId
from bff.domain.vehicle_order import DeliveryProgress

K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)
V = TypeVar("V")


class Event(Value, Generic[V], frozen=True, kw_only=True):
    """`id` is unique among the events of one thing, and the same in every process; `value` is the thing as of then.

    A snapshot says where the thing stands and has the id of its newest event: a listener gets one where it cannot be
    given every event since the last that it knows.
    """

    id: str
    at: datetime
    value: V
    is_snapshot: bool = False


class EventSource(Protocol[K_contra, V]):
    """Both ways give the same events with the same ids. An unknown `after`, or none, begins with a snapshot.

    Raises NotFound where there is no such thing, UpstreamError where it could not be looked at even once.
    """

    def listen(self, key: K_contra, after: str | None = None) -> AsyncGenerator[Event[V], None]:
        """Events after `after`, then each as it happens, until the thing has come to its end."""
        ...

    async def since(self, key: K_contra, after: str | None = None) -> list[Event[V]]:
        """Events after `after` as of now, for a client that asks from time to time."""
        ...


OrderEvents = EventSource[str, DeliveryProgress]
"""By OTD order number."""

BookingEvents = EventSource[BookingId, Booking]
