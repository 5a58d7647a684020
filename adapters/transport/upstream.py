"""One system behind us: its address, its engine, and the rules of calling it.

Adapters declare their operations and call `Upstream.call`; they never see an engine or an HTTP client. Whether an
operation reads or writes decides what a missing answer means: a read may be tried again, a write that was sent has an
unknown outcome (`OutcomeUnknown`) and must be looked up.

A call passes kept answers (`kept.py`), identical calls under way (`coalescing.py`), maintenance (`maintenance.py`),
the operation's breaker (`breaker.py`), room (`bulkhead.py`) and the engine; on the way back, retries (`retry.py`).
What each is set to stands in the table of `bff/upstreams.py`, what a client sees of it in docs/resilience.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from time import monotonic
from typing import Any

import msgspec

from adapters.transport.breaker import Breaker, State
from adapters.transport.bulkhead import Bulkhead, Slots
from adapters.transport.cache import Store
from adapters.transport.coalescing import Flight, Key, private_key, public_key
from adapters.transport.exchange import Exchange, Rule
from adapters.transport.http import (
    Engine,
    HttpReply,
)
from adapters.transport.kept import Kept
from adapters.transport.line import CUT_GRACE, Line
from adapters.transport.maintenance import Clock, Maintenance, utc_now
from adapters.transport.operation import Audience as Audience
from adapters.transport.operation import CachePolicy as CachePolicy
from adapters.transport.operation import Effect as Effect
from adapters.transport.operation import Operation as Operation
from bff.calls import current_round
from bff.context import current_or_none
from bff.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamTimeout,
)
from bff.policy import CallPolicy
from bff.windows import Windows


def server_failed(reply: HttpReply) -> bool:
    """Whether a reply from 500 on is the system's failure. Protocols that use 500 for our mistakes say otherwise."""
    return True


class UpstreamState(msgspec.Struct, rename="camel"):
    """What operators see of a system: breakers that are not closed, until when it is in maintenance, its room."""

    breakers: dict[str, str]
    maintenance_until: str | None
    is_in_maintenance: bool
    in_flight: int
    waiting: int
    refused: int


class Upstream:
    """A named system. `base_url` has no trailing slash. Without a policy only `timeout` and `max_in_flight` hold."""

    def __init__(
        self,
        name: str,
        base_url: str,
        engine: Engine,
        *,
        timeout: float = 5.0,
        simulated: bool = False,
        max_in_flight: int | None = None,
        policy: CallPolicy | None = None,
        windows: Windows | None = None,
        clock: Clock = utc_now,
        store: Store | None = None,
        slots: Slots | None = None,
        share: int = 1,
        failed: Callable[[HttpReply], bool] = server_failed,
    ) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.policy = policy or CallPolicy(timeout=timeout, connections=max_in_flight, least_calls=sys.maxsize)
        self.simulated = simulated
        self.maintenance = Maintenance(windows or Windows(), self.policy.cool_off, clock)
        self.bulkhead = Bulkhead(name, self.policy, slots, share=share)
        self._engine = engine
        self._slots = slots
        self._rules: dict[int, Rule] = {}
        self._breakers: dict[str, Breaker] = {}
        self._flights: dict[Key, Flight] = {}
        self._line = Line(
            name, self.base_url, engine, maintenance=self.maintenance, bulkhead=self.bulkhead, failed=failed
        )
        self._kept = None if store is None else Kept(name, store, self._shared, self._lead, self._flights)

    async def call(
        self,
        operation: Operation,
        method: str,
        path: str,
        *,
        keys: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> HttpReply:
        """Send one request to `base_url + path`. Any status is a reply; no reply is an `UpstreamError`.

        `keys` say in logs and in explain what was asked for; they are never part of the request.
        """
        rule = self._rules.get(id(operation)) or self._settle(operation)
        context = current_or_none()
        now = monotonic()
        limit, is_cut = rule.timeout, False
        if context is not None and context.deadline < now + limit:
            limit, is_cut = context.deadline - now, True
            if limit <= 0:
                raise UpstreamTimeout(self.name, detail="the request's budget was spent before the call")
            # Whoever runs the request ends it in time and says so; ours is to end what nobody runs any more.
            limit += CUT_GRACE
        exchange = Exchange(rule, method, path, keys, headers, body, context, now + limit, is_cut)
        if rule.is_write:
            return await self._written(exchange)
        key: Key | None = None
        if rule.is_public:
            key = public_key(rule.name, method, path, headers, body)
            if context is not None and (rule.cache is None or key is None):
                context.fresh_seconds = 0.0
        elif context is not None:
            key = private_key(context.caller, rule.name, method, path, headers, body)
            context.is_private = True
        if key is None:
            return await self._line.make(exchange)
        if rule.cache is not None and self._kept is not None:
            return await self._kept.serve(exchange, rule.cache, key)
        return await self._shared(exchange, key)

    def _settle(self, operation: Operation) -> Rule:
        breaker = self._breakers.get(operation.name)
        if breaker is None:
            breaker = self._breakers[operation.name] = Breaker(self.policy, self.policy.operations.get(operation.name))
        rule = self._rules[id(operation)] = Rule(operation, self.policy, breaker, may_keep=self._kept is not None)
        return rule

    async def _written(self, exchange: Exchange) -> HttpReply:
        """A read that begins after a write never joins one from before it."""
        if exchange.context is not None:
            exchange.context.is_private = True
        self._flights.clear()
        try:
            return await self._line.make(exchange)
        finally:
            self._flights.clear()

    # One call for many

    def _shared(self, exchange: Exchange, key: Key) -> Coroutine[Any, Any, HttpReply]:
        flight = self._flights.get(key)
        if flight is None:
            return self._lead(exchange, Flight(self._flights, key, exchange.ends))
        return self._join(exchange, flight)

    async def _lead(self, exchange: Exchange, flight: Flight) -> HttpReply:
        """Make the call for all who join; hand it over where it ends for reasons of our own."""
        try:
            reply = await self._line.make(exchange)
            if exchange.rule.cache is not None and self._kept is not None:
                reply = await self._kept.keep(exchange, exchange.rule.cache, flight.key, reply)
        except Exception as error:
            if exchange.is_cut and isinstance(error, (UpstreamTimeout, UpstreamBusy)):
                flight.hand_over()
            else:
                flight.fail(error)
            raise
        except BaseException:
            flight.hand_over()
            raise
        return flight.land(reply)

    async def _join(self, exchange: Exchange, flight: Flight) -> HttpReply:
        """Wait with the others, or make the call where it is handed over."""
        record = exchange.log.begin(self.name, exchange.rule.name, exchange.keys, 1)
        record.source, outcome = "coalesced", "CANCELLED"
        begun = current_round.get()
        try:
            reply = await flight.join(self.name, exchange.ends)
            if reply is not None:
                outcome = str(reply.status)
                return reply
            outcome = "HANDED_OVER"
        except UpstreamError as error:
            outcome = error.code
            raise
        finally:
            exchange.log.end(record, outcome)
        current_round.set(begun)
        return await self._lead(exchange, flight)

    # What others may know and do

    def maintenance_seen(self, until: datetime | None = None) -> None:
        """An adapter was shown the system's maintenance page: leave it in peace for a while."""
        self.maintenance.seen(until)

    @property
    def state(self) -> UpstreamState:
        is_closed, until = self.maintenance.closed()
        return UpstreamState(
            breakers={
                name: breaker.state.value
                for name, breaker in self._breakers.items()
                if breaker.state is not State.CLOSED
            },
            maintenance_until=None if until is None else until.isoformat(),
            is_in_maintenance=is_closed,
            in_flight=self.bulkhead.in_flight,
            waiting=self.bulkhead.waiting,
            refused=self.bulkhead.refused,
        )

    async def aclose(self) -> None:
        if self._kept is not None:
            await self._kept.aclose()
        await self._engine.aclose()
        if self._slots is not None:
            await self._slots.aclose()
