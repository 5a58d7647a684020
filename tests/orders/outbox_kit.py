"""What tests of the outbox share: decided events, customers who agree or not, a sink that does as it is told."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import msgspec

from bff.domain.base import Found
from bff.domain.cloud_events import CloudEvent, Delivery, EventSink, EventStream
from bff.domain.customer import Consent, ConsentPurpose, Customer, CustomerPort, Points
from bff.durability import flow_store
from bff.durability.database import Database, Script
from bff.durability.flow import DomainEvent
from bff.durability.flow_store import milliseconds
from bff.durability.outbox import Outbox
from bff.durability.outbox_consent import AnalyticsConsent
from bff.durability.outbox_events import Pseudonyms
from bff.errors import BffError

ORDERS, INSIGHT = EventStream.ORDERS, EventStream.INSIGHT
PSEUDONYMS = Pseudonyms("t1", b"k" * 32)


class Clock:
    """UTC; tests move it."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.now = datetime(2026, 3, 9, 2, 0, tzinfo=UTC) + timedelta(seconds=ahead)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Customers:
    """Of `CustomerPort`, what the outbox asks. All of `known` exist; `fails` by id, or for every one of a call."""

    def __init__(self, *agreeing: str) -> None:
        self.agreeing = set(agreeing)
        self.known = {"C1", "C2", "C3"} | self.agreeing
        self.fails: dict[str, BffError] = {}
        self.away: BffError | None = None
        self.asked: list[list[str]] = []

    async def customers(self, ids: Sequence[str]) -> Found[str, Customer]:
        self.asked.append(list(ids))
        if self.away is not None:
            raise self.away
        return {id: self.fails.get(id) or self._customer(id) for id in ids if id in self.known}

    def _customer(self, id: str) -> Customer:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        consents = [
            Consent(
                purpose=purpose,
                policy_version="1",
                separate=False,
                granted_at=at,
                withdrawn_at=None if purpose is ConsentPurpose.MARKETING or id in self.agreeing else at,
                channel="APP",
            )
            for purpose in (ConsentPurpose.MARKETING, ConsentPurpose.ANALYTICS)
        ]
        return Customer(
            id=id,
            display_name="林晓",
            phone_masked=None,
            avatar_path=None,
            language="zh",
            member_since=at,
            identities=[],
            consents=consents,
            points=Points(balance=0, held=0),
        )


class Recorder:
    """A sink that keeps what it took. `refuses` and `fails` are ids of events; `is_away`: it takes nothing."""

    def __init__(self) -> None:
        self.taken: dict[EventStream, list[CloudEvent]] = {stream: [] for stream in EventStream}
        self.refuses: set[str] = set()
        self.fails: set[str] = set()
        self.is_away = False
        self.sendings = 0
        self.is_closed = False

    async def send(self, stream: EventStream, events: Sequence[CloudEvent]) -> Delivery:
        self.sendings += 1
        if self.is_away:
            return Delivery(failed={event.id: "away" for event in events})
        taken, stopped = set[str](), set[str]()
        refused, failed = dict[str, str](), dict[str, str]()
        for event in events:
            if event.partitionkey in stopped:
                continue
            if event.id in self.refuses | self.fails:
                stopped.add(event.partitionkey)
                (refused if event.id in self.refuses else failed)[event.id] = "as told"
            else:
                taken.add(event.id)
                self.taken[stream].append(event)
        return Delivery(taken=frozenset(taken), refused=refused, failed=failed)

    async def aclose(self) -> None:
        self.is_closed = True

    def ids(self, stream: EventStream = ORDERS) -> list[str]:
        return [event.id for event in self.taken[stream]]


def outbox(database: Database, sink: EventSink, customers: Customers | CustomerPort, clock: Clock) -> Outbox:
    consent = AnalyticsConsent(cast(CustomerPort, customers), contextlib.nullcontext)
    return Outbox(database, sink, consent, PSEUDONYMS, clock=clock)


def event(id: str, order: str = "SO1", **changes: Any) -> DomainEvent:
    values = {"type": "order.placed.v1", "customer_id": "C1", "data": {"total": 1}}
    return DomainEvent(id=id, order_number=order, **(values | changes))


async def decide(database: Database, *events: DomainEvent, at: datetime | None = None) -> None:
    """As a flow's decision does: all of them in one transaction."""
    await database.run(partial(_publish, events, milliseconds(at or Clock()())))


def _publish(events: Sequence[DomainEvent], at: int) -> Script[None]:
    for each in events:
        yield from flow_store._publish(each, at)


async def waiting(publisher: Outbox) -> dict[EventStream, int]:
    return {stream: each.waiting for stream, each in (await publisher.backlog()).items()}


def first_told(lines: Sequence[Mapping[str, Any]], source: str) -> dict[str, list[str]]:
    """By order: ids in the order in which each came for the first time."""
    told: dict[str, list[str]] = {}
    for line in lines:
        of_order = told.setdefault(line["partitionkey"], [])
        if line["source"] == source and line["id"] not in of_order:
            of_order.append(line["id"])
    return told


def plain(event: CloudEvent) -> Any:
    return msgspec.json.decode(msgspec.json.encode(event))
