"""Any interleaving of claimants, deaths and time against a model: one owner at a time, one answer for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bff.durability import idempotency as journal
from bff.durability.database import Script
from bff.durability.idempotency import Claim, Verdict
from bff.durability.sqlite import SqliteDatabase

T = TypeVar("T")

LEASE, DAY = 10, 100
SELECTIONS, INPUTS = st.sampled_from("st"), st.sampled_from("fg")


class JournalMachine(RuleBasedStateMachine):
    """`row` is what the journal ought to hold for its one scope: input, owner, end of lease, end of the day."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = SqliteDatabase(None)
        self.now = 1000
        self.owners = 0
        self.row: dict[str, Any] | None = None
        self.answers: dict[str, bytes] = {}
        self.alive: dict[str, str] = {}
        """Claimants that were told MINE and have not ended: owner → selection. They may be late."""

    def run(self, script: Callable[[], Script[T]]) -> T:
        return self.loop.run_until_complete(self.database.run(script))

    def teardown(self) -> None:
        self.loop.run_until_complete(self.database.aclose())
        self.loop.close()

    @rule(selection=SELECTIONS, fingerprint=INPUTS)
    def claim(self, selection: str, fingerprint: str) -> None:
        self.owners += 1
        owner, now = f"owner-{self.owners}", self.now
        decision = self.run(
            partial(journal.claim, Claim("scope", fingerprint, selection, owner, now, now + LEASE, now + DAY))
        )
        self._expire()
        if self.row is None:
            assert (decision.verdict, decision.is_first) == (Verdict.MINE, True)
            self.row = {"input": fingerprint, "ends": now + DAY}
        elif self.row["input"] != fingerprint:
            assert decision.verdict is Verdict.REUSED
            return
        elif selection in self.answers:
            assert (decision.verdict, decision.answer) == (Verdict.ANSWERED, self.answers[selection])
            return
        elif self.row["lease"] > now:
            assert decision.verdict is Verdict.RUNNING
            return
        assert decision.verdict is Verdict.MINE
        self.row |= {"owner": owner, "lease": now + LEASE}
        self.alive[owner] = selection

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), text=st.binary(min_size=1, max_size=3))
    def complete(self, data: st.DataObject, text: bytes) -> None:
        owner = self._one_of_the_living(data)
        selection = self.alive.pop(owner)
        is_owner = self._owns(owner)
        assert self.run(partial(journal.complete, "scope", owner, selection, text)) is is_owner
        if is_owner:
            self.answers.setdefault(selection, text)
            self._free()

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), forget=st.booleans())
    def give_back(self, data: st.DataObject, forget: bool) -> None:
        owner = self._one_of_the_living(data)
        del self.alive[owner]
        first = forget and not self.answers
        self.run(partial(journal.forget if first else journal.leave, "scope", owner))
        if self._owns(owner):
            self._free()
            if first:
                self.row = None

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        del self.alive[self._one_of_the_living(data)]

    @rule(by=st.sampled_from([1, LEASE - 1, LEASE, DAY]))
    def wait(self, by: int) -> None:
        self.now += by

    @rule()
    def purge(self) -> None:
        before = self.row is not None
        gone = self.run(partial(journal.purge, self.now, 10))
        self._expire()
        assert gone == (before and self.row is None)

    @invariant()
    def journal_holds_what_the_model_does(self) -> None:
        def look() -> Script[tuple[list[Any], dict[str, bytes]]]:
            rows = yield "SELECT fingerprint, owner, lease_until, expires_at FROM bff_idempotency", ()
            answers = yield "SELECT selection, answer FROM bff_idempotency_answer", ()
            return rows, {selection: bytes(answer) for selection, answer in answers}

        rows, answers = self.run(look)
        row = self.row
        assert rows == ([] if row is None else [(row["input"], row["owner"], row["lease"], row["ends"])])
        assert answers == self.answers

    def _one_of_the_living(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.alive)))

    def _owns(self, owner: str) -> bool:
        return self.row is not None and self.row["owner"] == owner

    def _free(self) -> None:
        assert self.row is not None
        self.row |= {"owner": "", "lease": 0}

    def _expire(self) -> None:
        if self.row is not None and self.row["ends"] <= self.now and self.row["lease"] <= self.now:
            self.row, self.answers = None, {}


JournalMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestJournal = JournalMachine.TestCase
