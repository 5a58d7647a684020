"""Identical reads in flight are one call. The first makes it, in its own task; the others wait.

Nobody is started for it and nothing is shared that was not asked for with the same bytes: the key is method, address,
headers and body, and for personal answers the caller besides. If the first goes away, or had less time than others, it
hands the call over to whoever waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

from adapters.transport.http import HttpReply
from bff.context import Caller
from bff.errors import UpstreamTimeout

Key = tuple[Any, ...]

SHAREABLE = frozenset({"accept", "accept-language", "content-type", "if-none-match", "if-range", "range", "soapaction"})
"""Headers that say nothing of the caller. A public read with any other goes alone."""

CALLERS_OWN = frozenset({"authorization", "proxy-authorization"})


class CallerInPublicRead(ValueError):
    """An operation that is declared PUBLIC was about to send what belongs to one caller: a bug of the adapter."""


def public_key(name: str, method: str, path: str, headers: Mapping[str, str] | None, body: bytes) -> Key | None:
    """None: it cannot be told that the answer is for everybody. Raises CallerInPublicRead."""
    if not headers:
        return (name, method, path, body)
    if not SHAREABLE.issuperset(headers):
        _refuse_callers_own(name, headers)
        if not SHAREABLE.issuperset(map(str.lower, headers)):
            return None
    return (name, method, path, body, *headers.items())


def _refuse_callers_own(name: str, headers: Mapping[str, str]) -> None:
    if own := CALLERS_OWN.intersection(map(str.lower, headers)):
        raise CallerInPublicRead(f"{name} is PUBLIC and must not send {', '.join(sorted(own))}")


def private_key(
    caller: Caller, name: str, method: str, path: str, headers: Mapping[str, str] | None, body: bytes
) -> Key:
    """As the public one, within the caller's partition. `vin` and `login` are the caller's, too."""
    partition = (caller.kind, caller.subject, caller.customer_id, caller.vin, caller.login)
    return (partition, name, method, path, body, *headers.items()) if headers else (partition, name, method, path, body)


class Flight:
    """One call under way, in its table until it lands. Waiters get its reply, its error, or None: make it yourself.

    `ends` is when whoever makes the call gives up, on the monotonic clock: only those with less time need a timer.
    """

    __slots__ = ("_table", "_waiters", "ends", "key")

    def __init__(self, table: dict[Key, Flight], key: Key, ends: float) -> None:
        self._table, self.key, self.ends = table, key, ends
        self._waiters: list[_Waiter] | None = None
        table[key] = self

    async def join(self, upstream: str, ends: float) -> HttpReply | None:
        """The reply of whoever makes the call, or None to whom it was handed over. Raises the call's error.

        `ends` is on the monotonic clock.
        """
        waiter = _Waiter(upstream, ends)
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(waiter)
        if ends < self.ends:
            waiter.set_timer()
        future = waiter.future
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None and future.result() is None:
                self.hand_over()  # given the call and cancelled in the same turn
            raise
        finally:
            if waiter.timer is not None:
                waiter.timer.cancel()

    def land(self, reply: HttpReply) -> HttpReply:
        """The call ended: whoever comes from now on makes a new one. Returns the reply that all have in common."""
        self._leave_table()
        if not self._waiters:
            return reply
        common = HttpReply(status=reply.status, headers=reply.headers, body=reply.body, read={})
        for waiter in self._waiters:
            if not waiter.future.done():
                waiter.future.set_result(common)
        return common

    def fail(self, error: Exception) -> None:
        self._leave_table()
        for waiter in self._waiters or ():
            if not waiter.future.done():
                waiter.future.set_exception(error)

    def hand_over(self) -> None:
        """Let the first who still waits make the call; nobody may."""
        while self._waiters:
            chosen = self._waiters.pop(0)
            if not chosen.future.done():
                self._lead_by(chosen)
                return
        self._leave_table()

    def _lead_by(self, chosen: _Waiter) -> None:
        self.ends = chosen.ends
        for waiter in self._waiters or ():
            if waiter.ends < self.ends and waiter.timer is None and not waiter.future.done():
                waiter.set_timer()
        chosen.future.set_result(None)

    def _leave_table(self) -> None:
        found = self._table.pop(self.key, None)
        if found is not None and found is not self:  # a write had emptied the table, and another call began
            self._table[self.key] = found


class _Waiter:
    """Who joined a call, and until when: `ends` as the flight's."""

    __slots__ = ("_upstream", "ends", "future", "timer")

    def __init__(self, upstream: str, ends: float) -> None:
        self._upstream, self.ends = upstream, ends
        self.future: asyncio.Future[HttpReply | None] = asyncio.get_running_loop().create_future()
        self.timer: asyncio.TimerHandle | None = None

    def set_timer(self) -> None:
        self.timer = asyncio.get_running_loop().call_later(self.ends - monotonic(), self._expire)

    def _expire(self) -> None:
        if not self.future.done():
            why = "the time was up while waiting for the same call"
            self.future.set_exception(UpstreamTimeout(self._upstream, detail=why))
