"""One system behind us: its address, its engine, and the rules of calling it.

Adapters declare their operations and call `Upstream.call`; they never see an engine or an HTTP client. Whether an
operation reads or writes decides what a missing answer means: a read may be tried again, a write that was sent has an
unknown outcome (`OutcomeUnknown`) and must be looked up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from enum import StrEnum

import msgspec

from adapters.transport.http import ConnectFailed, Engine, HttpReply, HttpRequest, TimedOut, TransportFailed
from bff.calls import CallLog
from bff.context import current_or_none
from bff.errors import OutcomeUnknown, UpstreamBusy, UpstreamError, UpstreamTimeout, UpstreamUnavailable


class Effect(StrEnum):
    READ = "READ"
    WRITE = "WRITE"


class Audience(StrEnum):
    """PUBLIC answers are the same for everybody; PERSONAL ones belong to the caller's partition."""

    PUBLIC = "PUBLIC"
    PERSONAL = "PERSONAL"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter may ask of its system. `name` is the system's own word (`GetRepairOrder`, `A_SalesOrder`)."""

    name: str
    effect: Effect = Effect.READ
    audience: Audience = Audience.PERSONAL
    timeout: float | None = None


class Upstream:
    """A named system. `base_url` has no trailing slash; `timeout` is the most a call may take, in seconds.

    `max_in_flight` caps what is under way at once; further calls wait in the order they came, inside their timeout.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        engine: Engine,
        *,
        timeout: float = 5.0,
        simulated: bool = False,
        max_in_flight: int | None = None,
    ) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self.simulated = simulated
        self._engine = engine
        self._room = nullcontext() if max_in_flight is None else asyncio.Semaphore(max_in_flight)

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
        context = current_or_none()
        limit = operation.timeout or self.timeout
        if context is not None:
            limit = min(limit, context.remaining_seconds)
            if limit <= 0:
                raise UpstreamTimeout(self.name, detail="the request's budget was spent before the call")
        request = HttpRequest(method=method, url=self.base_url + path, headers=headers or {}, body=body)
        log = context.calls if context is not None else CallLog()
        record = log.begin(self.name, operation.name, keys, attempt=1)
        outcome = "CANCELLED"
        admitted = False
        try:
            async with asyncio.timeout(limit), self._room:
                admitted = True
                reply = await self._engine.send(request, limit)
            outcome = str(reply.status)
            return reply
        except (TransportFailed, TimeoutError) as error:
            failure = self._failure(operation, error) if admitted else UpstreamBusy(self.name, detail="no room in time")
            outcome = failure.code
            raise failure from error
        finally:
            log.end(record, outcome)

    def _failure(self, operation: Operation, error: Exception) -> UpstreamError:
        if operation.effect is Effect.WRITE and not isinstance(error, ConnectFailed):
            return OutcomeUnknown(self.name, detail=repr(error))
        kind = UpstreamTimeout if isinstance(error, (TimedOut, TimeoutError)) else UpstreamUnavailable
        return kind(self.name, detail=repr(error))

    async def aclose(self) -> None:
        await self._engine.aclose()
