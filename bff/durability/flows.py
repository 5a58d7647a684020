"""Runs flows: facts are told to them, their effects are performed, here or in whichever process comes first.

A request that needs an outcome drives its flow itself and so waits for nothing; what it could not finish, and what
falls due while nobody asks, is done in the background of every process. Kinds of flows are in `bff/orders`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from random import random
from time import monotonic
from typing import Any, TypeVar
from uuid import uuid4

import msgspec

from bff.durability import flow_store as store
from bff.durability.database import Database
from bff.durability.flow import Fact, FlowKind, Tell, Wake, Woken
from bff.durability.flow_store import Claimed, Standing, Stored, Told, Waiting, milliseconds
from bff.errors import BffError, StateUnavailable, UpstreamError

S = TypeVar("S")

log = logging.getLogger("bff.durability")

PERFORM_SECONDS = 25.0
"""How long one try may take."""

MARGIN_SECONDS = 5.0
LEASE_SECONDS = PERFORM_SECONDS + MARGIN_SECONDS
"""For how long at most an effect is its performer's: after that it is believed dead."""

IDLE_SECONDS = 1.0
"""How often a process looks for what other processes left, or time has made due."""

STIRRED_SECONDS = 0.05
"""How long what was just told is left to whoever told it, who is likely driving it."""

SLOWEST = timedelta(minutes=5)
AT_ONCE = 16
STUCK_ATTEMPTS = 12
"""From this many failures on (half an hour and more), every further one is an error in the log."""


class Flows:
    """`clock` gives the time that flows live by, UTC; `ambient` the request context that background work runs in."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        ambient: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ambient = ambient
        self._kinds: dict[str, FlowKind[Any]] = {}
        self._stirred = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def add(self, kind: FlowKind[Any]) -> None:
        self._kinds[kind.name] = kind

    @property
    def now(self) -> datetime:
        return self._clock()

    # ── telling and reading ──────────────────────────────────────────────────────────────────────────────────────────

    async def tell(self, kind: str, flow: str, fact: Fact, *, reference: str | None = None) -> Told:
        """Decide about a fact, now and for good. `reference` begins the flow where there is none. StateUnavailable."""
        script = partial(store.tell, self._kinds[kind], flow, fact, self.now, reference=reference)
        told = await self._database.run(script)
        self._stirred.set()
        return told

    def stir(self) -> None:
        """Something was told in a transaction of somebody else's: look for what it made due."""
        self._stirred.set()

    async def states(self, kind: str, flows: Sequence[str]) -> dict[str, Any]:
        """The states of flows by id; one that does not exist is not there."""
        found = await self._database.run(partial(store.load, flows), write=False)
        return {stored.id: self._state(stored) for stored in found if stored.kind == kind}

    async def states_of(self, kind: str, references: Sequence[str]) -> dict[str, list[tuple[str, Any]]]:
        """(flow id, state) by reference, oldest first; a reference without flows has an empty list."""
        found = await self._database.run(partial(store.load_by_reference, kind, references), write=False)
        grouped: dict[str, list[tuple[str, Any]]] = {reference: [] for reference in references}
        for stored in found:
            grouped[stored.reference].append((stored.id, self._state(stored)))
        return grouped

    async def waiting_of(self, flows: Sequence[str]) -> list[Waiting]:
        script = partial(store.waiting_of, flows, milliseconds(self.now))
        return await self._database.run(script, write=False)

    async def standing(self) -> Standing:
        """How much is due and not done, and how much keeps failing."""
        return await self._database.run(partial(store.standing, milliseconds(self.now)), write=False)

    async def changed_since(self, kind: str, since: datetime, after: str, most: int) -> list[tuple[str, Any]]:
        """A page of (flow id, state) by id, from the one after `after`."""
        script = partial(store.load_changed, kind, milliseconds(since), after, most)
        found = await self._database.run(script, write=False)
        return [(stored.id, self._state(stored)) for stored in found]

    def _state(self, stored: Stored) -> Any:
        kind = self._kinds[stored.kind]
        return msgspec.json.decode(stored.state, type=kind.state_type) if stored.state else None

    # ── performing ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def drive(
        self, kind: str, flow: str, until: Callable[[Any], bool], *, seconds: float
    ) -> tuple[Any, BffError | None]:
        """Perform what the flow wants now, in the caller's own time, until its state is as wished or nothing is left.

        The state as it is then, and why an effect failed where one did: it is tried again in the background.
        """
        ends, error, pause = monotonic() + seconds, None, 0.01
        while True:
            state = (await self.states(kind, [flow])).get(flow)
            if until(state) or monotonic() >= ends:
                return state, error
            left = max(0.0, ends - monotonic())
            claimed = await self._claim_next(flow, left)
            if claimed is not None:
                error = await self._perform(claimed, left) or error
            elif error is not None or not await self._is_moving(flow):
                return (await self.states(kind, [flow])).get(flow), error  # as whoever was at it left it
            else:
                await asyncio.sleep(pause)
                pause = min(0.2, pause * 1.5)

    async def _is_moving(self, flow: str) -> bool:
        """Whether another process, or the background, is at it, or something has become due since we looked."""
        now = milliseconds(self.now)
        return any(waiting.is_held or waiting.due_at <= now for waiting in await self.waiting_of([flow]))

    async def run_due(self, most: int = AT_ONCE) -> int:
        """One round: perform what is due, side by side; how much that was. What fails is tried again later."""
        now = milliseconds(self.now)
        due = await self._database.run(partial(store.find_due, now, most), write=False)
        claims = [await self._claim(flow, name) for flow, name in due]
        mine = [claim for claim in claims if claim is not None]
        with self._ambient():
            await asyncio.gather(*[self._perform(claim, PERFORM_SECONDS) for claim in mine])
        return len(mine)

    async def settle(self, rounds: int = 1000) -> None:
        """Perform until nothing is due: for commands and tests."""
        for _ in range(rounds):
            if not await self.run_due():
                return

    def start(self) -> None:
        """Begin to perform in the background what falls due."""
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="flows")

    async def aclose(self) -> None:
        """Stop. What was under way is given back, and found by whoever comes next."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    async def _run(self) -> None:
        """As many at once as there is room for: one that hangs holds its own place, and nobody else's."""
        under_way: set[asyncio.Task[BffError | None]] = set()
        try:
            while True:
                self._stirred.clear()
                if not await self._begin_due(under_way) or len(under_way) >= AT_ONCE:
                    await self._rest(under_way)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _begin_due(self, under_way: set[asyncio.Task[BffError | None]]) -> bool:
        """Begin what is due, as far as there is room; whether there was anything."""
        try:
            room, now = AT_ONCE - len(under_way), milliseconds(self.now)
            due = await self._database.run(partial(store.find_due, now, room), write=False)
            for flow, name in due:
                claimed = await self._claim(flow, name)
                if claimed is not None:
                    with self._ambient():
                        under_way.add(asyncio.create_task(self._perform(claimed, PERFORM_SECONDS)))
            return bool(due)
        except StateUnavailable:
            log.warning("flows wait for the state database")
        except Exception:
            log.exception("a round of flows failed")
        return False

    async def _rest(self, under_way: set[asyncio.Task[BffError | None]]) -> None:
        """Until something is told here, or done, or it is time to look for what others left."""
        with_jitter = IDLE_SECONDS * (0.75 + random() / 2)  # noqa: S311 - spreads the processes
        told = asyncio.create_task(self._stirred.wait())
        done, _ = await asyncio.wait({told, *under_way}, timeout=with_jitter, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        under_way -= done
        if told in done:
            await asyncio.sleep(STIRRED_SECONDS)

    async def _claim_next(self, flow: str, seconds: float) -> Claimed | None:
        due = await self._database.run(partial(store.find_due, milliseconds(self.now), 1, flow), write=False)
        return await self._claim(*due[0], seconds=seconds) if due else None

    async def _claim(self, flow: str, name: str, *, seconds: float = PERFORM_SECONDS) -> Claimed | None:
        """`seconds` is how long the try may take: soon after that whoever claimed it is believed dead."""
        now = milliseconds(self.now)
        lease = now + round((min(PERFORM_SECONDS, seconds) + MARGIN_SECONDS) * 1000)
        return await self._database.run(partial(store.claim, flow, name, uuid4().hex, now, lease))

    async def _perform(self, claimed: Claimed, seconds: float) -> BffError | None:
        """Perform, tell the flow; or give it back, and why."""
        try:
            kind = self._kinds[claimed.kind]
            async with asyncio.timeout(min(PERFORM_SECONDS, seconds)):
                fact = await self._effect(kind, claimed)
            await self._database.run(partial(store.finish, kind, claimed, fact, self.now))
            self._stirred.set()
            return None
        except BffError as error:
            await self._give_back(claimed, error.code, error)
            return error
        except TimeoutError:
            await self._give_back(claimed, "DEADLINE_EXCEEDED", None)
            return None
        except Exception:
            log.exception("effect %s of flow %s failed", claimed.name, claimed.flow)
            await self._give_back(claimed, "INTERNAL", None)
            return None
        except BaseException:
            await asyncio.shield(self._give_back(claimed, "CANCELLED", None))
            raise

    async def _effect(self, kind: FlowKind[Any], claimed: Claimed) -> Fact | None:
        effect = store.effect_of(kind, claimed.body)
        if isinstance(effect, Wake):
            return Woken(reason=effect.reason)
        if isinstance(effect, Tell):
            other = self._kinds[effect.kind]
            await self.tell(effect.kind, effect.flow, msgspec.json.decode(effect.fact, type=other.fact_type))
            return None
        return await kind.perform(claimed.flow, effect)

    async def _give_back(self, claimed: Claimed, code: str, error: BffError | None) -> None:
        again = self.now + _pause(claimed.attempts, error, self.now)
        level = logging.ERROR if claimed.attempts + 1 >= STUCK_ATTEMPTS else logging.WARNING
        log.log(
            level, "effect %s of flow %s failed with %s, try %d: again at %s",
            claimed.name, claimed.flow, code, claimed.attempts + 1, again.isoformat(timespec="seconds"),
        )  # fmt: skip
        try:
            await self._database.run(partial(store.give_back, claimed, milliseconds(again), code))
        except StateUnavailable:
            log.warning("effect %s of flow %s could not be given back: it is free after its lease", *claimed[:2])


def _pause(attempts: int, error: BffError | None, now: datetime) -> timedelta:
    """Twice as long each time, up to five minutes, spread; a system in maintenance is left alone until it is back."""
    seconds = min(SLOWEST.total_seconds(), 0.5 * 2 ** min(attempts, 20)) * (0.75 + random() / 2)  # noqa: S311
    back = error.retry_after if isinstance(error, UpstreamError) else None
    return max(timedelta(seconds=seconds), back - now) if back is not None else timedelta(seconds=seconds)
