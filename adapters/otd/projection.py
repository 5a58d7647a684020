"""What the feed's records add up to for one order: a progression that never moves back, but into and out of QC_HOLD.

A record that was seen before (same code and week) is a repetition. A hold told for a week before the car's last step
is late: the car has left it already. A hold ends with a new step at least as far as the car had come, or with its
release (4B00).
"""

from __future__ import annotations

from datetime import datetime

from adapters.otd.otd_wire import ETA, INVOICE, MILESTONES, RANKS, RELEASED_TO_YARD, StatusRecord
from adapters.transport.codes import report_unknown
from bff.domain.vehicle_order import DeliveryProgress, Milestone, MilestoneEvent

_ENDED = frozenset({Milestone.DELIVERED, Milestone.CANCELLED})


class OrderProjection:
    """One order's standing; records are applied in the order of the feed."""

    __slots__ = ("_eta_week", "_events", "_held", "_reached", "_reached_week", "_seen", "_vin", "order")

    def __init__(self, order: str) -> None:
        self.order = order
        self._reached: Milestone | None = None
        self._reached_week = ""
        self._held = False
        self._seen: set[tuple[str, str]] = set()
        self._events: list[MilestoneEvent] = []
        self._vin: str | None = None
        self._eta_week: str | None = None

    @property
    def current(self) -> Milestone:
        if self._held:
            return Milestone.QC_HOLD
        return self._reached or Milestone.UNKNOWN

    def apply(self, record: StatusRecord, observed_at: datetime) -> None:
        fresh = (record.code, record.week) not in self._seen
        self._seen.add((record.code, record.week))
        milestone = MILESTONES.get(record.code)
        late = milestone is not None and self._late(milestone, record.week)
        if record.vin is not None and (self._vin is None or not late):
            self._vin = record.vin
        if record.code == ETA:
            self._eta_week = record.week if fresh else self._eta_week
        elif milestone is None:
            if record.code != INVOICE and fresh:
                report_unknown("otd", "status code", record.code)
                self._note(Milestone.UNKNOWN, record, observed_at, late=False)
        else:
            if fresh:
                self._note(milestone, record, observed_at, late=late)
            self._move(milestone, record, fresh=fresh, late=late)

    def _late(self, milestone: Milestone, week: str) -> bool:
        if self._reached is None:
            return False
        if milestone is Milestone.QC_HOLD:
            return self._reached in _ENDED or week < self._reached_week
        return RANKS[milestone] < RANKS[self._reached]

    def _move(self, milestone: Milestone, record: StatusRecord, *, fresh: bool, late: bool) -> None:
        if late:
            return
        if milestone is Milestone.QC_HOLD:
            self._held = self._held or fresh
            return
        if self._held and (milestone is not self._reached or fresh or record.code == RELEASED_TO_YARD):
            self._held = False
        self._reached, self._reached_week = milestone, max(self._reached_week, record.week)

    def _note(self, milestone: Milestone, record: StatusRecord, observed_at: datetime, *, late: bool) -> None:
        """A late record takes its place among the others by rank; all else is appended."""
        event = MilestoneEvent(
            milestone=milestone,
            raw_code=record.code,
            week=record.week,
            observed_at=observed_at,
            arrival=len(self._events) + 1,
        )
        place = len(self._events)
        if late:
            rank = RANKS[milestone]
            steps = (
                index
                for index, other in enumerate(self._events)
                if other.milestone is not Milestone.UNKNOWN and RANKS[other.milestone] > rank
            )
            place = next(steps, place)
        self._events.insert(place, event)

    def progress(self, as_of: datetime) -> DeliveryProgress:
        return DeliveryProgress(
            order=self.order,
            current=self.current,
            events=list(self._events),
            vin=self._vin,
            eta_week=self._eta_week,
            as_of=as_of,
        )
