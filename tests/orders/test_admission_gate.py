"""A gate against its promise: numbers in the order of arrival, and never more let through than its pace allows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.durability import gate_store as store
from bff.durability import idempotency as journal
from bff.durability.database import Database, Script
from bff.durability.gate import Gate
from bff.durability.gate_store import Pace, Shortage
from bff.durability.idempotency import Claim
from bff.durability.open import open_database
from bff.errors import StateUnavailable
from tests.durability.shop import Clock

T = TypeVar("T")

pytestmark = pytest.mark.anyio

PACE = Pace(per_second=20, burst=5)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _gate(database: Database, clock: Clock, pace: Pace = PACE) -> Gate:
    """A gate whose view is as old as the clock says."""
    return Gate(database, "shop", pace, clock=clock, ticks=clock)


async def _come(gate: Gate, count: int, name: str = "") -> list[int]:
    """So many arrivals at once; their numbers."""
    numbers = await asyncio.gather(*[gate.arrive(f"{name}{turn}") for turn in range(count)])
    return [number for number in numbers if number is not None]


async def test_arrivals_of_one_moment_are_numbered_in_their_order(database: Database, clock: Clock) -> None:
    gate = _gate(database, clock)
    assert await _come(gate, 1200) == list(range(1, 1201))
    assert (gate.given, gate.admitted) == (1200, PACE.burst)


async def test_two_processes_share_numbers_and_pace(state_url: str, clock: Clock) -> None:
    databases = [open_database(state_url) for _ in range(2)]
    gates = [_gate(database, clock) for database in databases]
    told = await asyncio.gather(*[_come(gate, 200) for gate in gates])
    assert [numbers == sorted(numbers) for numbers in told] == [True, True]
    assert sorted(told[0] + told[1]) == list(range(1, 401))
    clock.now += 3
    for gate in gates:
        await gate.look()
    assert {gate.admitted for gate in gates} == {PACE.burst + 3 * PACE.per_second}
    for database in databases:
        await database.aclose()


async def test_who_asks_again_within_a_tenth_of_a_second_costs_no_transaction(clock: Clock) -> None:
    counted = Counted(open_database("sqlite://"))
    gate = _gate(counted, clock)
    await _come(gate, 300)
    assert counted.scripts <= 2  # the first alone, all others together
    before = counted.scripts
    await asyncio.gather(*[gate.look() for _ in range(1000)])
    assert counted.scripts == before
    clock.now += 0.2
    await asyncio.gather(*[gate.look() for _ in range(1000)])
    assert counted.scripts == before + 1
    await counted.aclose()


async def test_after_a_quiet_night_no_more_than_the_burst_goes_at_once(database: Database, clock: Clock) -> None:
    gate = _gate(database, clock)
    await _come(gate, 1)
    clock.now += 8 * 3600
    await _come(gate, 100, "morning")
    assert gate.admitted == 1 + PACE.burst


async def test_clock_that_is_behind_neither_hastens_nor_stops_it(database: Database, clock: Clock) -> None:
    gate, behind = _gate(database, clock), _gate(database, Clock(ahead=-30))
    await _come(gate, 100)
    await _come(behind, 1, "late")
    assert behind.admitted == PACE.burst
    clock.now += 1
    await gate.look()
    assert gate.admitted == PACE.burst + PACE.per_second


async def test_nobody_waits_for_those_who_have_left(database: Database, clock: Clock) -> None:
    gate, other = _gate(database, clock), _gate(database, clock)
    numbers = await _come(gate, 2500)
    for number in numbers[:-1]:
        gate.leave(number)
    await gate.aclose()
    for _ in range(3):  # a thousand are passed over at a time
        clock.now += 0.11
        await other.look()
    assert other.admitted == 2500


async def test_only_those_who_left_are_passed_over(database: Database, clock: Clock) -> None:
    gate = _gate(database, clock)
    numbers = await _come(gate, 100)
    for number in numbers[::2]:
        gate.leave(number)
    await gate.aclose()
    clock.now += 1
    await gate.look()
    # 5 went at once; the turns of a second are 20 of those who stayed, which are the even numbers.
    assert gate.admitted == 5 + 40


async def test_key_that_the_journal_knows_takes_no_number(database: Database, clock: Clock) -> None:
    gate = _gate(database, clock)
    now = gate.now
    await database.run(partial(journal.claim, Claim("known", "f", "s", "owner", now, now + 10, now + 10_000)))
    assert await asyncio.gather(*map(gate.arrive, ("a", "known", "b"))) == [1, None, 2]
    assert await database.run(partial(store.is_known, "known", now), write=False)
    assert not await database.run(partial(store.is_known, "known", now + 10_001), write=False)


async def test_shortage_is_known_to_all_processes_and_forgotten_by_all(database: Database, clock: Clock) -> None:
    gate, other = _gate(database, clock), _gate(database, clock)
    gate.learn("P1", 2, b"{}", 5.0)
    await gate.aclose()
    await other.look()
    assert other.shortages == {"P1": Shortage("P1", 2, gate.now + 5000, b"{}")}
    other.learn("P1", 0, b"{}", 5.0)
    await other.aclose()
    clock.now += 1
    await gate.look()
    assert gate.shortages["P1"].available == 0
    clock.now += 5
    assert gate.shortages == {}
    await other.look()
    assert other.shortages == {}


async def test_shortage_that_all_know_is_not_written_again(clock: Clock) -> None:
    counted = Counted(open_database("sqlite://"))
    gate = _gate(counted, clock)
    for _ in range(50):
        gate.learn("P1", 0, b"{}", 5.0)
        await gate.aclose()
    assert counted.scripts == 1
    clock.now += 3
    gate.learn("P1", 0, b"{}", 5.0)
    await gate.aclose()
    assert counted.scripts == 2
    await counted.aclose()


async def test_without_the_database_nobody_goes_in(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    database = open_database(f"sqlite:///{tmp_path}/file/state.sqlite3")
    gate = _gate(database, clock)
    answers = await asyncio.gather(gate.arrive("a"), gate.look(), gate.arrive("b"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StateUnavailable] * 3
    await database.aclose()


async def test_who_goes_away_before_having_a_number_keeps_nobody_waiting(database: Database, clock: Clock) -> None:
    gate = _gate(database, clock, Pace(per_second=1, burst=1))
    await _come(gate, 1)
    gone = [asyncio.ensure_future(gate.arrive(f"gone{turn}")) for turn in range(50)]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    last = await gate.arrive("stays")
    await gate.aclose()
    clock.now += 1
    await gate.look()
    assert last is not None
    assert gate.admitted == last


class Counted:
    """A database that counts its transactions."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self.scripts = 0

    async def run(self, script: Callable[[], Script[T]], *, write: bool = True) -> T:
        self.scripts += 1
        return await self._inner.run(script, write=write)

    async def aclose(self) -> None:
        await self._inner.aclose()


STEP = st.one_of(
    st.tuples(st.just("come"), st.integers(0, 1), st.integers(1, 40)),
    st.tuples(st.just("wait"), st.integers(0, 1), st.integers(1, 3000)),
    st.tuples(st.just("leave"), st.integers(0, 1), st.integers(1, 30)),
    st.tuples(st.just("look"), st.integers(0, 1), st.just(0)),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, max_size=40), pace=st.builds(Pace, st.integers(1, 50), st.integers(1, 20)))
def test_never_more_than_the_pace_and_always_in_order(steps: Sequence[tuple[str, int, int]], pace: Pace) -> None:
    """Two processes on one file, whatever comes, leaves and passes: against a bucket counted by hand."""
    with TemporaryDirectory() as folder:
        asyncio.run(_play(f"sqlite:///{folder}/state.sqlite3", steps, pace))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_same_holds_on_both_databases(state_url: str, seed: int) -> None:
    random = Random(seed)
    most = {"come": 60, "wait": 3000, "leave": 30, "look": 1}
    whats = random.choices(list(most), weights=[4, 3, 3, 1], k=60)
    steps = [(what, random.randint(0, 1), random.randint(1, most[what])) for what in whats]
    await _play(state_url, steps, Pace(per_second=10, burst=7))


async def _play(url: str, steps: Sequence[tuple[str, int, int]], pace: Pace) -> None:
    clock = Clock()
    databases = [open_database(url), open_database(url)]
    gates = [_gate(database, clock, pace) for database in databases]
    began, last, gone, seen = clock.now, 0, set[int](), 0
    for what, which, much in steps:
        gate = gates[which]
        if what == "come":
            numbers = await _come(gate, much, f"{last}-")
            assert numbers == list(range(last + 1, last + much + 1))
            last += much
        elif what == "wait":
            clock.now += much / 1000
        elif what == "leave" and gate.admitted < last:
            number = gate.admitted + 1 + much % (last - gate.admitted)
            gate.leave(number)
            gone.add(number)
            await gate.aclose()
        else:
            clock.now += 0.1
            await gate.look()
        admitted = max(each.admitted for each in gates)
        assert seen <= admitted <= last
        seen = admitted
        present = sum(number not in gone for number in range(1, admitted + 1))
        assert present <= pace.burst + round((clock.now - began) * 1000) * pace.per_second // 1000
    clock.now += (last + 1) / pace.per_second + 1
    await gates[0].look()
    assert gates[0].admitted == last
    for database in databases:
        await database.aclose()
