"""Publishes what flows have decided: at least once, and for each order in the order in which it was decided.

Every process looks for what waits in each stream. One has the stream's lease: it sends a batch and deletes what was
taken, in this order. Whoever dies in between leaves events that are sent once more, as the same events. docs/events.md
says what receivers can rely on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from random import random
from typing import NamedTuple
from uuid import uuid4

from bff.domain.cloud_events import CloudEvent, Delivery, EventSink, EventStream
from bff.durability import outbox_store as store
from bff.durability.database import Database
from bff.durability.flow_store import milliseconds
from bff.durability.outbox_consent import AnalyticsConsent
from bff.durability.outbox_events import Pseudonyms, Unreadable, decided, envelope, streams_of
from bff.durability.outbox_store import Backlog, Entry, Parked, Parking
from bff.errors import StateUnavailable

log = logging.getLogger("bff.durability")

BATCH = 100
LEASE_SECONDS = 30.0
"""Longer than consent and sink may take together."""

SEND_SECONDS = 15.0
"""A sink tells what it has come to earlier than that."""

STOP_SECONDS = 10.0
IDLE_SECONDS = 1.0
SLOWEST_SECONDS = 30.0
"""How long a lane waits at most when the sink takes nothing."""

PATIENCE = 5
"""After this many rounds without progress, those at the head step aside: it may be they, and not the sink."""

ASIDE_SECONDS = 60.0


class Blocked(NamedTuple):
    """Why an order's events wait behind `entry`. `is_refusal`: it would be refused again; else it may pass."""

    entry: Entry
    reason: str
    is_refusal: bool = False


class Round(NamedTuple):
    """What one look came to: events done with; why nothing went on, where the sink or consent is away."""

    done: int = 0
    stalled: str | None = None


class Outbox:
    """`counts` since the process began, by stream and outcome: published, suppressed, refused, failed."""

    def __init__(
        self,
        database: Database,
        sink: EventSink,
        consent: AnalyticsConsent,
        pseudonyms: Pseudonyms,
        *,
        clock: Callable[[], datetime],
        source: str = "/bff",
    ) -> None:
        self.counts: Counter[tuple[EventStream, str]] = Counter()
        self._database = database
        self._sink = sink
        self._consent = consent
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._source = source
        self._owner = uuid4().hex
        self._stalls: Counter[EventStream] = Counter()
        self._stopping = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to publish in the background."""
        if not self._running:
            self._running = [asyncio.create_task(self._run(each), name=f"outbox {each.value}") for each in EventStream]

    async def aclose(self) -> None:
        """Finish the batches under way, give the leases back, close the sink."""
        self._stopping.set()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            self._running = []
        for stream in EventStream:
            try:
                await self._database.run(partial(store.release, stream, self._owner))
            except StateUnavailable:
                log.warning("the lease of events %s could not be given back: it ends by itself", stream.value)
                break
        await self._sink.aclose()

    async def _run(self, stream: EventStream) -> None:
        while not self._stopping.is_set():
            try:
                came_to = await self.run_round(stream)
            except StateUnavailable:
                log.warning("events wait for the state database")
                self._stalls[stream] += 1
                came_to = Round(stalled="STATE_UNAVAILABLE")
            except Exception:
                log.exception("a round of events %s failed", stream.value)
                self._stalls[stream] += 1
                came_to = Round(stalled="INTERNAL")
            if came_to.done:
                continue
            pause = IDLE_SECONDS
            if came_to.stalled is not None:
                pause = min(SLOWEST_SECONDS, IDLE_SECONDS * 2 ** min(self._stalls[stream], 10))
            try:
                await asyncio.wait_for(self._stopping.wait(), pause * (0.75 + random() / 2))  # noqa: S311 - spreads them
            except TimeoutError:
                continue

    # ── one round ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def run_round(self, stream: EventStream) -> Round:
        """Send one batch, if there is one and no other process is at it. Raises StateUnavailable."""
        now = milliseconds(self._clock())
        if not await self._database.run(partial(store.has_work, stream, self._owner, now), write=False):
            return Round()
        lease = now + round(LEASE_SECONDS * 1000)
        entries = await self._database.run(partial(store.take, stream, self._owner, now, lease, BATCH))
        if not entries:
            return Round()
        batch = await self._prepare(stream, entries)
        if batch.wanted:
            delivery = await self._send(stream, [event for _, event in batch.wanted])
            batch.deliver(delivery)
        return await self._settle(stream, batch)

    async def settle(self, rounds: int = 1000) -> None:
        """Publish until nothing more goes on: for commands and tests."""
        for stream in EventStream:
            for _ in range(rounds):
                if not (await self.run_round(stream)).done:
                    break

    async def _prepare(self, stream: EventStream, entries: list[Entry]) -> _Batch:
        batch = _Batch()
        events = {}
        for entry in entries:
            try:
                events[entry] = decided(entry)
            except Unreadable as error:
                batch.block(Blocked(entry, str(error), is_refusal=True))
        asks = stream is EventStream.INSIGHT
        agreed = await self._consent.ask(event.customer_id for event in events.values()) if asks else {}
        for entry, event in events.items():
            if batch.is_behind(entry):
                continue
            says = agreed[event.customer_id] if asks else True
            streams = streams_of(event.type)
            if isinstance(says, str):
                batch.block(Blocked(entry, says))
            elif not says:
                batch.suppressed.append(entry)
            elif stream not in streams:
                batch.passed.append(entry)
            else:
                batch.wanted.append((entry, envelope(entry, event, stream, self._source, self._pseudonyms)))
            if stream is EventStream.ORDERS and EventStream.INSIGHT in streams:
                batch.onward.add(entry.id)
        return batch

    async def _send(self, stream: EventStream, events: list[CloudEvent]) -> Delivery:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await self._sink.send(stream, events)
        except TimeoutError:
            return Delivery(failed={events[0].id: "it took too long"})
        except Exception as error:
            log.exception("the sink of events failed")
            return Delivery(failed={events[0].id: type(error).__name__})

    async def _settle(self, stream: EventStream, batch: _Batch) -> Round:
        now = self._clock()
        blocked = list(batch.blocked.values())
        done = [*batch.taken, *batch.suppressed, *batch.passed]
        refusals = [each for each in blocked if each.is_refusal]
        is_stalled = not done and not refusals
        self._stalls[stream] = self._stalls[stream] + 1 if is_stalled else 0
        stalled = (blocked[0].reason if blocked else "the sink had no time") if is_stalled else None
        if stalled is not None:
            log.warning("no event of %s goes on: %s", stream.value, stalled)
            if self._stalls[stream] < PATIENCE:
                return Round(stalled=stalled)
        parked = [_parking(each, milliseconds(now), is_stalled=is_stalled) for each in blocked]
        onward = frozenset(batch.onward)
        await self._database.run(partial(store.settle, stream, done, onward, parked, milliseconds(now)))
        for outcome, how_many in batch.counted().items():
            self.counts[stream, outcome] += how_many
        for each in blocked:
            level = logging.ERROR if each.is_refusal else logging.WARNING
            log.log(
                level, "event %s (%s) of order %s was not taken, its order's events wait: %s",
                each.entry.id, each.entry.type, each.entry.subject, each.reason,
            )  # fmt: skip
        return Round(len(done), stalled)

    # ── for operators ────────────────────────────────────────────────────────────────────────────────────────────────

    async def backlog(self) -> Mapping[EventStream, Backlog]:
        return {each: await self._database.run(partial(store.backlog, each), write=False) for each in EventStream}

    async def parked(self, most: int = 100) -> list[Parked]:
        return await self._database.run(partial(store.parked, most), write=False)

    async def retry(self, order_number: str) -> bool:
        """Try a parked order's events now; False: it is not parked."""
        return await self._database.run(partial(store.retry, order_number, milliseconds(self._clock())))

    async def drop(self, stream: EventStream, event: str) -> bool:
        """Give up an event that will never be taken, so that its order goes on; False: it does not wait."""
        gone = await self._database.run(partial(store.drop, stream, event))
        if gone:
            log.warning("event %s of %s was given up by an operator", event, stream.value)
        return gone


class _Batch:
    """What becomes of the entries of one round. An order with a blocked entry has all that follow it untouched."""

    def __init__(self) -> None:
        self.wanted: list[tuple[Entry, CloudEvent]] = []
        self.taken: list[Entry] = []
        self.suppressed: list[Entry] = []
        self.passed: list[Entry] = []
        self.onward: set[str] = set()
        self.blocked: dict[str, Blocked] = {}

    def block(self, why: Blocked) -> None:
        """The first of an order counts."""
        known = self.blocked.get(why.entry.subject)
        if known is None or why.entry.position < known.entry.position:
            self.blocked[why.entry.subject] = why

    def is_behind(self, entry: Entry) -> bool:
        why = self.blocked.get(entry.subject)
        return why is not None and why.entry.position < entry.position

    def deliver(self, delivery: Delivery) -> None:
        for entry, event in self.wanted:
            if event.id in delivery.taken:
                self.taken.append(entry)
            elif event.id in delivery.refused:
                self.block(Blocked(entry, delivery.refused[event.id], is_refusal=True))
            elif event.id in delivery.failed:
                self.block(Blocked(entry, delivery.failed[event.id]))

    def counted(self) -> dict[str, int]:
        refused = sum(each.is_refusal for each in self.blocked.values())
        return {
            "published": len(self.taken),
            "suppressed": len(self.suppressed),
            "refused": refused,
            "failed": len(self.blocked) - refused,
        }


def _parking(why: Blocked, now: int, *, is_stalled: bool) -> Parking:
    """Twice as long each time: from a minute to an hour for what was refused, from a second to five minutes else."""
    shortest, longest = (60.0, 3600.0) if why.is_refusal else (1.0, 300.0)
    seconds = ASIDE_SECONDS if is_stalled else min(longest, shortest * 2 ** min(why.entry.attempts, 20))
    return Parking(why.entry.subject, why.entry.id, why.reason, now + round(seconds * 1000))
