"""Mutations with `input.idempotencyKey` are done once, and answered alike for a day: docs/orders.md says what holds.

Around the execution of each root field: claim its key in the journal, run it, store the answer. What ended without a
certain outcome is run again by the next request under the same upstream key, which upstreams know.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import random
from typing import Any, NamedTuple
from uuid import uuid4
from weakref import WeakKeyDictionary

from graphql import ExecutionResult, GraphQLError, located_error
from graphql.execution import ExperimentalIncrementalExecutionResults
from graphql.execution.values import VariableValues

from bff.context import RequestContext
from bff.domain.admission import PASSAGE, Admission, Asked, Passage
from bff.durability import idempotency as journal
from bff.durability.answers import Ending, ending_of, pack, unpack
from bff.durability.database import Database
from bff.durability.fingerprints import digest
from bff.durability.idempotency import Claim, Decision, Verdict
from bff.durability.roots import Root, Roots
from bff.errors import BffError, DeadlineExceeded, IdempotencyInProgress, IdempotencyKeyReused, StateUnavailable
from bff.execution import Plan
from bff.execution.guards import refused
from bff.execution.shape import Shape
from resolvers.rights import guard_on

log = logging.getLogger("bff.durability")

KEPT_SECONDS = 24 * 3600
"""How long a key is remembered, from its first use."""

PURGE_SECONDS, PURGE_MOST = 60.0, 500
"""How long a process waits after it has deleted all that was over, and how much it deletes at once."""

OUTCOMES = ("first", "again", "replayed", "waited", "reused", "in_progress")
"""Run for the first time, or again since no answer was there, or none to this selection; told the answer that was
there, or that was waited for; refused since the key was for something else, or since it is still being run."""

Whole = Callable[[ExperimentalIncrementalExecutionResults], Awaitable[ExecutionResult]]


class _Mine(NamedTuple):
    claim: Claim
    is_first: bool


class Once:
    """Runs mutations. `whole` makes one result of several payloads: an answer that is to be stored has one piece.

    `margin` seconds after its deadline a request has surely ended, or died: then its lease is over. `clock` gives
    seconds since 1970, the same on all machines to well within the margin. `admission` is asked before a key is
    claimed: whoever waits for their turn costs the journal nothing, and their key stays free.
    """

    def __init__(
        self,
        database: Database,
        whole: Whole,
        *,
        clock: Callable[[], float] = time.time,
        margin: float = 5.0,
        admission: Admission | None = None,
    ) -> None:
        self._database = database
        self._admission = admission
        self._whole = whole
        self._clock = clock
        self._margin = margin
        self._roots: WeakKeyDictionary[Plan, Roots] = WeakKeyDictionary()
        self._purge_at = 0.0
        self.outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        """What became of requests with a key, since the process began."""

    async def run(self, plan: Plan, context: RequestContext, variables: dict[str, Any] | None) -> ExecutionResult:
        """The result of a mutation. Raises OperationRefused as the plan does, before anything is run."""
        roots = self._roots.get(plan)
        if roots is None:
            roots = self._roots[plan] = Roots(plan)
        coerced = plan.coerce(variables)
        try:
            fields = [] if isinstance(coerced, list) else roots.of(plan, coerced)
        except GraphQLError:
            fields = []
        if isinstance(coerced, list) or not any(root.keyed_input(coerced) for root in fields):
            return await self._execute(plan, context, variables)
        plan.shape_for(coerced, context)
        data: dict[str, Any] = {}
        errors: list[GraphQLError] = []
        for root in fields:
            result = await self._field(root, coerced, context, variables)
            errors += result.errors or ()
            if result.data is None:
                return ExecutionResult(None, errors)
            data.update(result.data)
        return ExecutionResult(data, errors or None)

    async def _execute(self, plan: Plan, context: RequestContext, variables: dict[str, Any] | None) -> ExecutionResult:
        result = await plan.run(context, variables)
        return result if isinstance(result, ExecutionResult) else await self._whole(result)

    async def _field(
        self, root: Root, coerced: VariableValues, context: RequestContext, variables: dict[str, Any] | None
    ) -> ExecutionResult:
        try:
            if context.remaining_seconds <= 0:
                raise DeadlineExceeded()
            keyed = root.keyed_input(coerced)
            if keyed is None:
                return await self._execute(root.plan, context, variables)
            key, given, token = keyed
            scope = digest(context.caller.partition, root.name, key)
            passage = await self._ask(Asked(root.name, scope, key, given, token), root, context)
            if passage is not None and passage.is_waiting:
                return await self._run_waiting(passage, root, context, variables)
            claimed = await self._claim(
                context,
                scope=scope,
                fingerprint=digest(given),
                selection=root.selection.with_values(coerced.coerced, _rights(root.plan, coerced, context)),
            )
        except BffError as error:
            return _failed(root, error, context)
        if isinstance(claimed, bytes):
            return unpack(claimed)
        if passage is not None and not claimed.is_first:
            passage.answer = None  # an earlier attempt may have done it: only the upstream knows
        with _saying(passage, context):
            return await self._run_mine(claimed, root, context, variables)

    async def _ask(self, asked: Asked, root: Root, context: RequestContext) -> Passage | None:
        """What the gate says; nothing to those who may not have the field, since they are told that."""
        if self._admission is None or root.definition is None:
            return None
        guard = guard_on(root.definition)
        if guard is not None and guard.refusal(context) is not None:
            return None
        return await self._admission.ask(context, asked)

    async def _run_waiting(
        self, passage: Passage, root: Root, context: RequestContext, variables: dict[str, Any] | None
    ) -> ExecutionResult:
        with _saying(passage, context):
            result = await self._execute(root.plan, context, variables)
        if result.data is None or result.data.get(root.key) is None:
            passage.forfeit()
        return result

    async def _claim(self, context: RequestContext, *, scope: str, fingerprint: str, selection: str) -> _Mine | bytes:
        """The right to run it, or the answer that somebody else has stored; waits while that is being made."""
        owner, answered = uuid4().hex, "replayed"
        while True:
            now = self._now()
            lease = now + round(1000 * (max(0.0, context.remaining_seconds) + self._margin))
            wanted = Claim(scope, fingerprint, selection, owner, now, lease, now + KEPT_SECONDS * 1000)
            decision: Decision = await self._database.run(partial(journal.claim, wanted))
            if decision.verdict is Verdict.MINE:
                self.outcomes["first" if decision.is_first else "again"] += 1
                return _Mine(wanted, decision.is_first)
            if decision.verdict is Verdict.ANSWERED:
                self.outcomes[answered] += 1
                return decision.answer
            if decision.verdict is Verdict.REUSED:
                self.outcomes["reused"] += 1
                raise IdempotencyKeyReused()
            await self._wait(scope, context)
            answered = "waited"

    async def _wait(self, scope: str, context: RequestContext) -> None:
        """Until nobody runs it. Raises IdempotencyInProgress shortly before the request's own time is up."""
        pause = 0.01
        while True:
            if context.remaining_seconds < 0.1 + pause:
                self.outcomes["in_progress"] += 1
                raise IdempotencyInProgress()
            await asyncio.sleep(pause * (0.5 + random()))  # noqa: S311 - spreads the askers
            pause = min(0.25, pause * 1.5)
            if not await self._database.run(partial(journal.is_running, scope, self._now()), write=False):
                return

    async def _run_mine(
        self, mine: _Mine, root: Root, context: RequestContext, variables: dict[str, Any] | None
    ) -> ExecutionResult:
        try:
            result = await self._execute(root.plan, context, variables)
        except BaseException:
            # Cancelled, or a fault of ours: whether it was done is for the next request with the key to find out.
            await asyncio.shield(self._give_back(mine, Ending.UNCERTAIN))
            raise
        ending = ending_of(result, root.key)
        if ending is not Ending.FINAL:
            await self._give_back(mine, ending)
            return result
        told = await self._store(mine, root, result)
        if time.monotonic() >= self._purge_at:
            await self._purge()
        return told

    async def _store(self, mine: _Mine, root: Root, result: ExecutionResult) -> ExecutionResult:
        """Store the answer; where another got there first, since our lease was over, theirs is the answer."""
        claim = mine.claim
        try:
            packed = pack(result, root.key)
            if await self._database.run(partial(journal.complete, claim.scope, claim.owner, claim.selection, packed)):
                return result
            again = claim._replace(owner=uuid4().hex, now=self._now(), lease_until=0)
            decision = await self._database.run(partial(journal.claim, again))
            return unpack(decision.answer) if decision.verdict is Verdict.ANSWERED else result
        except StateUnavailable:
            # It was done: whoever asked shall know. A retry runs again under the same upstream key.
            log.error("an answer could not be stored: the next request with its key asks the upstream again")
            return result

    async def _give_back(self, mine: _Mine, ending: Ending) -> None:
        script = journal.forget if ending is Ending.NOTHING_DONE and mine.is_first else journal.leave
        try:
            await self._database.run(partial(script, mine.claim.scope, mine.claim.owner))
        except StateUnavailable:
            log.warning("a claim could not be given back: it ends with its lease")

    async def _purge(self) -> None:
        self._purge_at = time.monotonic() + PURGE_SECONDS
        try:
            if await self._database.run(partial(journal.purge, self._now(), PURGE_MOST)) == PURGE_MOST:
                self._purge_at = 0.0  # more is there: the next answer goes on
        except StateUnavailable:
            log.warning("expired idempotency keys could not be deleted")

    def _now(self) -> int:
        return round(self._clock() * 1000)


@contextmanager
def _saying(passage: Passage | None, context: RequestContext) -> Iterator[None]:
    """While a field runs, its resolver finds what the gate says to it."""
    if passage is None:
        yield
        return
    context.state[PASSAGE] = passage
    try:
        yield
    finally:
        del context.state[PASSAGE]


def _rights(plan: Plan, coerced: VariableValues, context: RequestContext) -> list[object]:
    """What of the caller's rights the answer depends on: one that has lost some is not given what it once might see."""
    shape = plan.shape(coerced)
    if isinstance(shape, Shape):
        without = refused(shape.guards, context)
        return [index for index, guard in enumerate(shape.guards) if guard in without]
    caller = context.caller
    return [sorted(caller.scopes), caller.acr, caller.auth_time]


def _failed(root: Root, error: BffError, context: RequestContext) -> ExecutionResult:
    """Null at the field, as if its resolver had raised; above it where null may not stand."""
    located = root.plan.show(located_error(error, list(root.nodes), [root.key]), context)
    nullable = root.definition is None or not str(root.definition.type).endswith("!")
    return ExecutionResult({root.key: None} if nullable else None, [located])
