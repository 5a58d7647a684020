"""One call made: maintenance, breaker, room and engine on the way out, retries on the way back.

A read may be tried again, and so may what was certainly never sent. A write that was sent and got no answer has an
unknown outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random
from time import monotonic

from adapters.transport.breaker import State
from adapters.transport.bulkhead import Bulkhead
from adapters.transport.exchange import Exchange, Rule
from adapters.transport.http import (
    ConnectFailed,
    Engine,
    ExchangeFailed,
    HttpReply,
    HttpRequest,
    TimedOut,
    TransportFailed,
)
from adapters.transport.maintenance import Maintenance
from adapters.transport.retry import AGAIN, RetryBudget, pause, retry_after
from bff.calls import current_round
from bff.errors import OutcomeUnknown, UpstreamError, UpstreamMaintenance, UpstreamTimeout, UpstreamUnavailable

CUT_GRACE = 0.02
"""Seconds that a call outlives its request's budget."""

_random = Random()  # noqa: S311 - spreads retries, decides nothing


class Line:
    """The way to one system. `failed` says of a reply from 500 on whether the system is at fault."""

    def __init__(
        self,
        name: str,
        base_url: str,
        engine: Engine,
        *,
        maintenance: Maintenance,
        bulkhead: Bulkhead,
        failed: Callable[[HttpReply], bool],
    ) -> None:
        self.name = name
        self.retries = RetryBudget()
        self._base_url = base_url
        self._engine = engine
        self._maintenance = maintenance
        self._bulkhead = bulkhead
        self._failed = failed

    async def make(self, exchange: Exchange) -> HttpReply:
        """The call with its retries: of reads, and of what was certainly never sent."""
        self.retries.earn()
        begun, attempt = current_round.get(), 1
        while True:
            failure: UpstreamUnavailable | None = None
            reply: HttpReply | None = None
            try:
                reply = await self._attempt(exchange, attempt)
                if reply.status not in AGAIN:
                    return reply
            except UpstreamUnavailable as error:
                failure = error
            after = self._again_after(exchange, attempt, reply, failure)
            if after is None:
                if failure is not None:
                    raise failure
                assert reply is not None
                return reply
            await asyncio.sleep(after)
            current_round.set(begun)  # attempts are one step of the request's chain
            attempt += 1

    def _again_after(
        self, exchange: Exchange, attempt: int, reply: HttpReply | None, failure: UpstreamUnavailable | None
    ) -> float | None:
        """Seconds until the next attempt; None where there is none."""
        rule = exchange.rule
        if attempt >= rule.attempts:
            return None
        wait = pause(attempt, _random)
        if reply is not None:
            if rule.is_write:
                return None
            wait = max(wait, retry_after(reply, self._maintenance.clock()) or 0.0)
        elif failure is not None:
            cause = failure.__cause__
            if not isinstance(cause, ConnectFailed) and (rule.is_write or not isinstance(cause, ExchangeFailed)):
                return None
        if monotonic() + wait >= exchange.ends or not self.retries.spend():
            return None
        return wait

    async def _attempt(self, exchange: Exchange, attempt: int) -> HttpReply:
        breaker, log = exchange.rule.breaker, exchange.log
        record = log.begin(self.name, exchange.rule.name, exchange.keys, attempt)
        lease: str | None = None
        try:
            if self._maintenance.is_possible:
                self._refuse_in_maintenance()
            if breaker.state is not State.CLOSED and not breaker.admits(monotonic()):
                raise self._tripped(exchange.rule)
            generation = breaker.generation
            if not self._bulkhead.try_enter():
                lease = await self._room(exchange, generation)
        except BaseException as refusal:
            record.source = "refused"
            log.end(record, refusal.code if isinstance(refusal, UpstreamError) else "CANCELLED")
            raise
        began = monotonic()
        outcome, left = "CANCELLED", exchange.ends - began
        try:
            request = HttpRequest(
                method=exchange.method,
                url=self._base_url + exchange.path,
                headers=exchange.sent_headers(left - CUT_GRACE if exchange.is_cut else left, record),
                body=exchange.body,
            )
            reply = await self._engine.send(request, left)
            if reply.status >= 500 and self._failed(reply):
                breaker.failed(generation, monotonic())
            else:
                breaker.succeeded(generation, began)
            outcome = str(reply.status)
            return reply
        except TransportFailed as error:
            if exchange.is_cut and isinstance(error, TimedOut) and left < exchange.rule.timeout / 2:
                breaker.abandoned(generation)  # the client was in a hurry: that is no fault of the system
            else:
                breaker.failed(generation, monotonic())
            failure = self._failure(exchange.rule, error)
            outcome = failure.code
            raise failure from error
        except BaseException:
            breaker.abandoned(generation)
            raise
        finally:
            self._bulkhead.leave(monotonic() - began, lease)
            log.end(record, outcome)

    async def _room(self, exchange: Exchange, generation: int) -> str | None:
        try:
            return await self._bulkhead.enter(exchange.priority, exchange.ends)
        except BaseException:
            exchange.rule.breaker.abandoned(generation)
            raise

    def _refuse_in_maintenance(self) -> None:
        is_closed, until = self._maintenance.closed()
        if is_closed:
            raise UpstreamMaintenance(self.name, detail="no call is made in maintenance", retry_after=until)

    def _tripped(self, rule: Rule) -> UpstreamUnavailable:
        left = max(0.0, rule.breaker.open_until - monotonic())
        again = self._maintenance.clock() + timedelta(seconds=left)
        return UpstreamUnavailable(self.name, detail=f"the breaker of {rule.name} is open", retry_after=again)

    def _failure(self, rule: Rule, error: TransportFailed) -> UpstreamError:
        if rule.is_write and not isinstance(error, ConnectFailed):
            return OutcomeUnknown(self.name, detail=repr(error))
        kind = UpstreamTimeout if isinstance(error, TimedOut) else UpstreamUnavailable
        return kind(self.name, detail=repr(error))
