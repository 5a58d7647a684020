"""How delivery progress and bookings are told as events, with ids that every process gives alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from bff.domain.events import Event
from bff.domain.service import Booking, BookingStatus
from bff.domain.vehicle_order import DeliveryProgress, Milestone

NOTHING_YET = "0"


def _now() -> datetime:
    return datetime.now(UTC)


class ProgressStory:
    """Every report of the feed is an event. Its id is its place by arrival with its code and week.

    All processes read one feed from its start, so the same report has the same place everywhere; where the feed began
    anew, code and week no longer fit the place, and the report is looked for by them alone.
    """

    def told(self, value: DeliveryProgress, known: Sequence[Event[DeliveryProgress]]) -> list[Event[DeliveryProgress]]:
        reports = sorted(value.events, key=lambda report: report.arrival)
        newest = known[-1].id if known else NOTHING_YET
        if any(report.id == newest for report in reports):
            told = int(newest.partition("-")[0])
            reports = [report for report in reports if report.arrival > told]
        else:  # seen first, or the feed began anew and counts again from 1
            seen = {_content(event.id) for event in known}
            reports = [report for report in reports if _content(report.id) not in seen]
        fresh = [Event(id=report.id, at=report.observed_at, value=value) for report in reports]
        if not fresh and not known:
            return [Event(id=NOTHING_YET, at=value.as_of, value=value)]
        return fresh

    def place(self, events: Sequence[Event[DeliveryProgress]], after: str) -> int | None:
        ids = [event.id for event in events]
        if after in ids:
            return ids.index(after)
        if after == NOTHING_YET:
            return -1
        by_content = [_content(event_id) for event_id in ids]
        return by_content.index(_content(after)) if _content(after) in by_content else None

    def is_final(self, value: DeliveryProgress) -> bool:
        return value.current in (Milestone.DELIVERED, Milestone.CANCELLED)


def _content(event_id: str) -> str:
    """Code and week, without the place."""
    return event_id.partition("-")[2] or event_id


class BookingStory:
    """Both systems tell only how a booking stands, so an event is a difference between two looks at it.

    The id is a digest of what stands: a process that has never seen this booking still knows the state by its id.
    """

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        self._now = now

    def told(self, value: Booking, known: Sequence[Event[Booking]]) -> list[Event[Booking]]:
        state = digest(value)
        if known and known[-1].id == state:
            return []
        return [Event(id=state, at=self._now(), value=value)]

    def place(self, events: Sequence[Event[Booking]], after: str) -> int | None:
        ids = [event.id for event in events]
        return ids.index(after) if after in ids else None

    def is_final(self, value: Booking) -> bool:
        return value.status in (BookingStatus.CLOSED, BookingStatus.CANCELLED, BookingStatus.NO_SHOW)


def digest(booking: Booking) -> str:
    return blake2b(msgspec.json.encode(booking), digest_size=12).hexdigest()
