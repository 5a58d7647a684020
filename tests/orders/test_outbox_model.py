"""Whatever sinks take, refuse or lose, whoever dies when: every event is told, and each order's in its order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from bff.domain.cloud_events import CloudEvent, Delivery, EventStream
from bff.durability.sqlite import SqliteDatabase
from tests.orders.outbox_kit import INSIGHT, ORDERS, Clock, Customers, decide, event, outbox

WHAT = st.sampled_from(["take", "refuse", "fail", "take and forget", "die", "sleep"])


class Died(BaseException):
    pass


class Fickle:
    """Treats each event as the next word says; when there are no more words, it takes everything."""

    def __init__(self, words: list[str], clock: Clock) -> None:
        self.words = words
        self.clock = clock
        self.seen: dict[EventStream, list[CloudEvent]] = {stream: [] for stream in EventStream}

    async def send(self, stream: EventStream, events: Sequence[CloudEvent]) -> Delivery:
        taken, stopped = set[str](), set[str]()
        refused, failed = dict[str, str](), dict[str, str]()
        for each in events:
            if each.partitionkey in stopped:
                continue
            word = self.words.pop(0) if self.words else "take"
            if word == "die":
                raise Died
            if word == "sleep":
                self.clock.move(40)
            if word in ("take", "sleep", "take and forget"):
                self.seen[stream].append(each)
            if word in ("take", "sleep"):
                taken.add(each.id)
            else:
                stopped.add(each.partitionkey)
                (refused if word == "refuse" else failed)[each.id] = word
        return Delivery(taken=frozenset(taken), refused=refused, failed=failed)

    async def aclose(self) -> None:
        pass


@settings(max_examples=60, deadline=None)
@given(
    orders=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    words=st.lists(WHAT, max_size=20),
    processes=st.lists(st.integers(0, 1), min_size=1, max_size=12),
)
def test_every_event_is_told_in_the_order_of_its_order(
    orders: list[int], words: list[str], processes: list[int]
) -> None:
    async def live() -> Fickle:
        database, clock = SqliteDatabase(None), Clock()
        sink = Fickle(words, clock)
        publishers = [outbox(database, sink, Customers("C1"), clock) for _ in range(2)]
        for number, order in enumerate(orders):
            await decide(database, event(f"e{number}", f"SO{order}"))
        for process in [*processes, *[0, 1] * 200]:
            clock.move(60)
            for stream in EventStream:
                try:
                    await publishers[process].run_round(stream)
                except Died:
                    publishers[process] = outbox(database, sink, Customers("C1"), clock)
            left = await publishers[0].backlog()
            if all(each.waiting == 0 for each in left.values()):
                break
        assert await publishers[0].parked() == []
        await database.aclose()
        return sink

    sink = asyncio.run(live())
    for stream in (ORDERS, INSIGHT):
        for order in set(orders):
            told = [each.id for each in sink.seen[stream] if each.partitionkey == f"SO{order}"]
            assert list(dict.fromkeys(told)) == [f"e{n}" for n, of in enumerate(orders) if of == order]
        same: dict[str, CloudEvent] = {}
        for each in sink.seen[stream]:
            assert same.setdefault(each.id, each) == each
