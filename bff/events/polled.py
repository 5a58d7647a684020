"""One poller for all who listen: every key is asked about once a round, in one bulk call, and only while somebody does.

Events of a key are kept in a window of the newest; a listener holds no queue but a place in it, so a thousand slow
listeners cost a thousand integers. Whoever falls out of the window is given a snapshot instead of what was lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from itertools import islice
from time import monotonic
from typing import Generic, Protocol, TypeVar

import msgspec

from bff.context import RequestContext, enter
from bff.domain.base import Found
from bff.domain.events import Event
from bff.errors import BffError, NotFound

log = logging.getLogger("bff.events")

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

WINDOW_EVENTS = 256
WINDOW_SECONDS = 900.0
MOST_TOPICS = 50_000
SWEPT_AT_ONCE = 4


class Story(Protocol[V]):
    """How events are told from a value: what is new since the last, and whether more can come."""

    def told(self, value: V, known: Sequence[Event[V]]) -> list[Event[V]]:
        """Events that are not among `known` yet, in order. Of a value seen first, all that it tells."""
        ...

    def place(self, events: Sequence[Event[V]], after: str) -> int | None:
        """The index of the event `after`; None where it is not there."""
        ...

    def is_final(self, value: V) -> bool: ...


class Topic(Generic[V]):
    """One key's window. `dropped` counts events that fell out, so that places stay valid."""

    __slots__ = ("checked", "dropped", "events", "first", "listeners", "touched", "value", "waiting")

    def __init__(self) -> None:
        self.events: deque[Event[V]] = deque()
        self.dropped = 0
        self.value: V | None = None
        self.checked = float("-inf")
        self.listeners = 0
        self.touched = monotonic()
        self.first: asyncio.Task[None] | None = None
        self.waiting: asyncio.Future[None] | None = None

    @property
    def end(self) -> int:
        return self.dropped + len(self.events)

    def add(self, events: Sequence[Event[V]]) -> None:
        self.events.extend(events)
        while len(self.events) > WINDOW_EVENTS:
            self.events.popleft()
            self.dropped += 1
        if events and self.waiting is not None:
            self.waiting.set_result(None)
            self.waiting = None

    async def changed(self) -> None:
        """Shared by all listeners: the next event wakes them all."""
        if self.waiting is None:
            self.waiting = asyncio.get_running_loop().create_future()
        await asyncio.shield(self.waiting)


class PolledSource(Generic[K, V]):
    """Implements EventSource. `context` makes what a round runs in: a budget of its own, on nobody's behalf."""

    def __init__(
        self,
        fetch: Callable[[Sequence[K]], Awaitable[Found[K, V]]],
        story: Story[V],
        context: Callable[[], RequestContext],
        *,
        interval: float = 15.0,
    ) -> None:
        self._fetch = fetch
        self._story = story
        self._context = context
        self.interval = interval
        self._topics: OrderedDict[K, Topic[V]] = OrderedDict()
        self._poller: asyncio.Task[None] | None = None

    @property
    def listened(self) -> list[K]:
        """Keys that somebody listens to."""
        return [key for key, topic in self._topics.items() if topic.listeners]

    async def listen(self, key: K, after: str | None = None) -> AsyncGenerator[Event[V], None]:
        topic = self._topic(key)
        topic.listeners += 1
        try:
            await self._look(key, topic)
            self._keep_polling()
            place = self._place(topic, after)
            while True:
                if place is None or place < topic.dropped:
                    place = topic.end
                    yield self._snapshot(topic)
                while topic.dropped <= place < topic.end:
                    place += 1
                    yield topic.events[place - topic.dropped - 1]
                if place == topic.end:
                    if topic.value is not None and self._story.is_final(topic.value):
                        return
                    await topic.changed()
        finally:
            topic.listeners -= 1
            topic.touched = monotonic()
            if not self.listened and self._poller is not None:
                self._poller.cancel()
                self._poller = None

    async def since(self, key: K, after: str | None = None) -> list[Event[V]]:
        topic = self._topic(key)
        await self._look(key, topic)
        place = self._place(topic, after)
        return [self._snapshot(topic)] if place is None else list(topic.events)[place - topic.dropped :]

    async def aclose(self) -> None:
        tasks = [task for task in (self._poller, *(t.first for t in self._topics.values())) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _topic(self, key: K) -> Topic[V]:
        """The key's window, kept a while after its last listener, and not for ever."""
        now = monotonic()
        for oldest in list(islice(self._topics, SWEPT_AT_ONCE)):
            idle = self._topics[oldest]
            if idle.listeners:
                self._topics.move_to_end(oldest)
            elif now - idle.touched >= WINDOW_SECONDS or len(self._topics) >= MOST_TOPICS:
                del self._topics[oldest]
        topic = self._topics.setdefault(key, Topic())
        topic.touched = now
        self._topics.move_to_end(key)
        return topic

    async def _look(self, key: K, topic: Topic[V]) -> None:
        """Make sure that the window is not older than a round; all who need that wait for one look."""
        if monotonic() - topic.checked < self.interval:
            return
        if topic.first is None or topic.first.done():
            topic.first = asyncio.create_task(self._round([key]), context=Context())
            topic.first.add_done_callback(_retrieve)
        try:
            await asyncio.shield(topic.first)
        except BffError:
            if topic.value is None:
                raise
        if topic.value is None:
            raise NotFound("There is nothing to follow yet.")

    def _place(self, topic: Topic[V], after: str | None) -> int | None:
        found = self._story.place(topic.events, after) if after is not None else None
        return None if found is None else topic.dropped + found + 1

    def _snapshot(self, topic: Topic[V]) -> Event[V]:
        return msgspec.structs.replace(topic.events[-1], is_snapshot=True)

    def _keep_polling(self) -> None:
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), context=Context())

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self.interval)
            if not (keys := self.listened):
                return
            try:
                await self._round(keys)
            except BffError as error:
                log.warning("nothing new is known of %d keys: %s %s", len(keys), error.code, error.detail)
            except Exception:
                log.exception("a round of polling failed")

    async def _round(self, keys: Sequence[K]) -> None:
        """Ask about all keys at once. A key that fails alone keeps its window; the next round asks again."""
        enter(self._context())
        found = await self._fetch(keys)
        now = monotonic()
        for key in keys:
            topic, value = self._topics.get(key), found.get(key)
            if topic is None or value is None:
                continue
            if isinstance(value, BffError):
                if len(keys) == 1 and topic.value is None:
                    raise value
                continue
            topic.checked, topic.value = now, value
            topic.add(self._story.told(value, topic.events))


def _retrieve(task: asyncio.Task[None]) -> None:
    """A failure that nobody waits for any more is nobody's loss."""
    if not task.cancelled():
        task.exception()
