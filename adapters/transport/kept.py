"""Answers kept for a while: served fresh, served while a new one is fetched, served where the system fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from datetime import UTC, datetime
from time import monotonic, time

from adapters.transport.cache import Entry, Store, entry_of, fresh_seconds, renewed
from adapters.transport.coalescing import Flight, Key
from adapters.transport.exchange import Exchange
from adapters.transport.http import HttpReply
from adapters.transport.operation import CachePolicy
from bff.errors import BffError, UpstreamUnavailable
from bff.freshness import StaleRead, note

logger = logging.getLogger(__name__)

REVALIDATING = "REVALIDATING"


class Kept:
    """The answers of one system in a store. `ask` makes a shared call, `lead` makes it under a flight of one's own."""

    def __init__(
        self,
        name: str,
        store: Store,
        ask: Callable[[Exchange, Key], Awaitable[HttpReply]],
        lead: Callable[[Exchange, Flight], Awaitable[HttpReply]],
        flights: dict[Key, Flight],
        clock: Callable[[], float] = time,
    ) -> None:
        self.store = store
        self.clock = clock
        self._name = name
        self._ask = ask
        self._lead = lead
        self._flights = flights
        self._refreshing: set[asyncio.Task[None]] = set()

    async def serve(self, exchange: Exchange, policy: CachePolicy, key: Key) -> HttpReply:
        """From the store while it is fresh; while it is asked anew; from the system; from the store if that fails."""
        entry = await self.store.get((self._name, *key))
        now = self.clock()
        if entry is not None:
            if now < entry.fresh_until:
                return self._fresh(exchange, entry, entry.fresh_until - now)
            if now < entry.revalidate_until:
                self._refresh(exchange, key, entry)
                return self._stale(exchange, entry, REVALIDATING)
            # Half of the time is for a new answer: a system that hangs must not use up what serves the old one.
            exchange.ends -= (exchange.ends - monotonic()) / 2
            exchange.known = entry
        try:
            reply = await self._ask(exchange, key)
        except UpstreamUnavailable as failure:
            if entry is None or self.clock() >= entry.error_until:
                raise
            return self._stale(exchange, entry, failure.code)
        if entry is not None and (reply.status >= 500 or reply.status == 429) and self.clock() < entry.error_until:
            return self._stale(exchange, entry, f"HTTP_{reply.status}")
        if exchange.context is not None:
            seconds = fresh_seconds(policy, reply) if reply.status == 200 else 0.0
            exchange.context.fresh_seconds = min(exchange.context.fresh_seconds, seconds)
        return reply

    async def keep(self, exchange: Exchange, policy: CachePolicy, key: Key, reply: HttpReply) -> HttpReply:
        """Put a reply by. A 304 becomes the answer that it says is still good."""
        now = self.clock()
        if reply.status == 304 and exchange.known is not None:
            entry: Entry | None = renewed(policy, exchange.known, reply, now)
        else:
            entry = entry_of(policy, reply, now)
        if entry is None:
            return reply
        await self.store.put((self._name, *key), entry)
        return entry.reply

    def _fresh(self, exchange: Exchange, entry: Entry, seconds: float) -> HttpReply:
        context = exchange.context
        if context is not None:
            context.fresh_seconds = min(context.fresh_seconds, seconds)
            context.calls.answered_at_hand(self._name, exchange.rule.name, exchange.keys, "cache")
        return entry.reply

    def _stale(self, exchange: Exchange, entry: Entry, reason: str) -> HttpReply:
        context = exchange.context
        if context is not None:
            context.fresh_seconds = 0.0
            context.calls.answered_at_hand(self._name, exchange.rule.name, exchange.keys, "stale")
            as_of = datetime.fromtimestamp(entry.stored_at, UTC)
            read = StaleRead(self._name, exchange.rule.name, as_of, reason)
            context.stale.append((None, read))
            note(read)
        return entry.reply

    def _refresh(self, exchange: Exchange, key: Key, entry: Entry) -> None:
        """One new answer at a time, in nobody's name: the request that noticed may end or be cancelled."""
        if key in self._flights:
            return
        rule = exchange.rule
        quiet = Exchange(
            rule,
            exchange.method,
            exchange.path,
            exchange.keys,
            exchange.headers,
            exchange.body,
            None,
            monotonic() + rule.timeout,
            False,
        )
        quiet.known = entry
        flight = Flight(self._flights, key, quiet.ends)
        task = asyncio.get_running_loop().create_task(self._quietly(quiet, flight), context=Context())
        self._refreshing.add(task)
        task.add_done_callback(self._refreshing.discard)

    async def _quietly(self, exchange: Exchange, flight: Flight) -> None:
        try:
            await self._lead(exchange, flight)
        except BffError as error:
            logger.info("%s %s could not be renewed: %s", self._name, exchange.rule.name, error.detail)

    async def aclose(self) -> None:
        for task in list(self._refreshing):
            task.cancel()
        await asyncio.gather(*self._refreshing, return_exceptions=True)
