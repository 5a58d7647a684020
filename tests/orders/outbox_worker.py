"""A process of its own that publishes, and may die at a numbered point: `python -m tests.orders.outbox_worker JSON`.

Points are: before each statement of a script, before and after its commit, before and after the sink's work. With
`forever`, it runs until SIGTERM. Prints how many points it passed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from adapters.eventlog.client import EventLog
from adapters.nats.client import NatsSink
from bff.domain.cloud_events import CloudEvent, Delivery, EventSink, EventStream
from bff.durability.open import open_database
from bff.eventing import read_event_settings
from tests.durability.worker import Mortal, Points, tell
from tests.orders.outbox_kit import Clock, Customers, decide, event, outbox


class MortalSink:
    def __init__(self, inner: EventSink, point: Points) -> None:
        self._inner = inner
        self._point = point

    async def send(self, stream: EventStream, events: Sequence[CloudEvent]) -> Delivery:
        self._point()
        delivery = await self._inner.send(stream, events)
        self._point()
        return delivery

    async def aclose(self) -> None:
        await self._inner.aclose()


def sink_at(url: str) -> EventSink:
    problems: list[str] = []
    where = read_event_settings({"BFF_EVENTS_URL": url}, production=False, problems=problems)
    assert not problems
    if where.nats is not None:
        return NatsSink(*where.nats)
    assert where.file is not None
    return EventLog(where.file)


async def main(
    state_url: str, events_url: str, fatal: int | None = None, ahead: float = 0.0, *, forever: bool = False
) -> int:
    """How many points were passed."""
    points = Points(fatal)
    database = Mortal(open_database(state_url), points)
    publisher = outbox(database, MortalSink(sink_at(events_url), points), Customers("C1"), Clock(ahead))
    if forever:
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        publisher.start()
        tell("ready")
        await told.wait()
    else:
        await publisher.settle()
    await publisher.aclose()
    passed = points.passed
    await database.aclose()
    return passed


async def fill(state_url: str, decided: list[tuple[str, str]]) -> None:
    database = open_database(state_url)
    await decide(database, *[event(id, order) for id, order in decided])
    await database.aclose()


def forked(**given: Any) -> int:
    """Run `main` in a child: its exit status, or minus the number of the signal that ended it."""
    child = os.fork()
    if not child:
        asyncio.run(main(**given))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_everywhere(state_url: str, events_url: str, decided: list[tuple[str, str]]) -> None:
    """At each point in turn: a process dies over a batch, the next one goes on an hour later. Tells how each ended.

    The batches have ids and orders of their own, `3:a1`; `{}` in the address is the batch's number. The first batch,
    number -1, is published by this process, so that what is imported late is there for all.
    """
    asyncio.run(fill(state_url, _numbered(decided, -1)))
    points = asyncio.run(main(state_url, events_url.format(-1)))
    for number in range(points):
        asyncio.run(fill(state_url, _numbered(decided, number)))
        now, url = 7200.0 * (number + 1), events_url.format(number)
        killed = forked(state_url=state_url, events_url=url, fatal=number, ahead=now)
        after = forked(state_url=state_url, events_url=url, ahead=now + 3600)
        tell(json.dumps([killed, after]))


def _numbered(decided: list[tuple[str, str]], number: int) -> list[tuple[str, str]]:
    return [(f"{number}:{id}", f"{number}:{order}") for id, order in decided]


if __name__ == "__main__":
    work = json.loads(sys.argv[1])
    if "decided" in work:
        die_everywhere(**work)
    else:
        tell(json.dumps({"points": asyncio.run(main(**work))}))
