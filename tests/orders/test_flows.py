"""The engine of flows by itself: what is told is decided once, what is due is done, whatever hangs or dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

import pytest

from bff.domain.base import Value
from bff.durability.database import Database
from bff.durability.flow import Decision, DomainEvent, Effect, Fact, LedgerEntry, Planned, Tell, Wake, Woken
from bff.durability.flows import AT_ONCE, LEASE_SECONDS, Flows
from bff.errors import OutcomeUnknown, UpstreamMaintenance, UpstreamUnavailable
from tests.orders.bank import Time

pytestmark = pytest.mark.anyio


class Count(Value, frozen=True, kw_only=True):
    """How often each effect was done, by name; and which reasons it was woken for."""

    done: tuple[str, ...] = ()
    woken: tuple[str, ...] = ()


class Wanted(Fact, frozen=True, kw_only=True, tag="wanted"):
    name: str
    at: datetime | None = None


class Done(Fact, frozen=True, kw_only=True, tag="done"):
    name: str


class Work(Effect, frozen=True, kw_only=True, tag="work"):
    what: str

    @property
    def name(self) -> str:
        return self.what


class Counting:
    """A flow that does what it is told. `hang` names effects that never end, `fail` what others raise, once each."""

    name = "counting"
    state_type = Count
    fact_type: Any = Wanted | Done | Woken
    effect_type: Any = Work | Tell | Wake

    def __init__(self) -> None:
        self.hang: set[str] = set()
        self.fail: dict[str, list[Exception]] = {}
        self.performed: list[str] = []

    def decide(self, flow: str, state: Count | None, fact: Any, now: datetime) -> Decision[Count] | None:
        state = state or Count()
        if isinstance(fact, Wanted):
            effect: Effect = Wake(reason=fact.name) if fact.name.startswith("wake") else Work(what=fact.name)
            return Decision(state=state, effects=[Planned(effect, fact.at)])
        if isinstance(fact, Woken):
            return Decision(state=Count(done=state.done, woken=(*state.woken, fact.reason)))
        if fact.name in state.done:
            return None
        return Decision(state=Count(done=(*state.done, fact.name), woken=state.woken))

    async def perform(self, flow: str, effect: Any) -> Fact | None:
        self.performed.append(effect.what)
        if effect.what in self.hang:
            await asyncio.Event().wait()
        if self.fail.get(effect.what):
            raise self.fail[effect.what].pop(0)
        return Done(name=effect.what)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def kind() -> Counting:
    return Counting()


@pytest.fixture
async def flows(database: Database, time: Time, kind: Counting) -> AsyncIterator[Flows]:
    built = process(database, time, kind)
    yield built
    await built.aclose()


def process(database: Database, time: Time, kind: Counting) -> Flows:
    built = Flows(database, clock=time, ambient=nullcontext)
    built.add(kind)
    return built


async def want(flows: Flows, *names: str, flow: str = "F1", at: datetime | None = None) -> None:
    for name in names:
        await flows.tell("counting", flow, Wanted(name=name, at=at), reference="R1")


async def done(flows: Flows, flow: str = "F1") -> tuple[str, ...]:
    state: Count = (await flows.states("counting", [flow]))[flow]
    return state.done


async def test_what_hangs_holds_its_own_place_and_nobody_elses(flows: Flows, kind: Counting) -> None:
    hanging = [f"hangs{number}" for number in range(AT_ONCE - 1)]
    kind.hang.update(hanging)
    await want(flows, *hanging, *[f"quick{number}" for number in range(20)])
    flows.start()
    async with asyncio.timeout(30):
        while len(await done(flows)) < 20:  # noqa: ASYNC110 - the flow has no event to wait for
            await asyncio.sleep(0.01)
    assert sorted(name for name in kind.performed if name.startswith("hangs")) == sorted(hanging)


async def test_process_that_is_stopped_gives_back_what_it_was_at(flows: Flows, kind: Counting) -> None:
    kind.hang.add("slow")
    await want(flows, "slow")
    flows.start()
    async with asyncio.timeout(30):
        while not kind.performed:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await flows.aclose()
    (waiting,) = await flows.waiting_of(["F1"])
    assert (waiting.is_held, waiting.error, waiting.attempts) == (False, "CANCELLED", 1)


async def test_process_that_died_is_succeeded_when_its_lease_is_over(
    database: Database, flows: Flows, kind: Counting, time: Time
) -> None:
    kind.hang.add("slow")
    await want(flows, "slow")
    dying = asyncio.create_task(flows.run_due())
    while not kind.performed:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    other = process(database, time, Counting())
    assert await other.run_due() == 0
    time.pass_by(seconds=LEASE_SECONDS + 1)
    assert await other.run_due() == 1
    assert await done(other) == ("slow",)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert await flows.waiting_of(["F1"]) == []


async def test_two_processes_do_what_is_due_once_each(database: Database, time: Time) -> None:
    kinds = [Counting(), Counting()]
    both = [process(database, time, kind) for kind in kinds]
    for number in range(12):
        await want(both[0], f"work{number}", flow=f"F{number}")
    await asyncio.gather(*[flows.settle() for flows in both])
    assert sorted(kinds[0].performed + kinds[1].performed) == sorted(f"work{number}" for number in range(12))


async def test_failure_is_tried_again_ever_later_and_a_sleeping_system_not_before_it_is_back(
    flows: Flows, kind: Counting, time: Time
) -> None:
    back = time.now + timedelta(hours=2)
    kind.fail["work"] = [
        UpstreamUnavailable("erp"),
        OutcomeUnknown("erp"),
        UpstreamMaintenance("erp", retry_after=back),
    ]
    await want(flows, "work")
    seen = []
    for _ in range(3):
        await flows.run_due()
        (waiting,) = await flows.waiting_of(["F1"])
        seen.append((waiting.error, waiting.attempts))
        time.pass_by(minutes=6)
    assert seen == [("UPSTREAM_UNAVAILABLE", 1), ("OUTCOME_UNKNOWN", 2), ("UPSTREAM_MAINTENANCE", 3)]
    assert await flows.run_due() == 0
    time.now = back
    assert await flows.run_due() == 1
    assert await done(flows) == ("work",)


async def test_fault_of_ours_is_told_in_the_log_and_stops_nobody(
    flows: Flows, kind: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    kind.fail["broken"] = [ValueError("a fault of ours")]
    await want(flows, "broken", "fine")
    await flows.run_due()
    assert await done(flows) == ("fine",)
    assert "effect broken of flow F1 failed" in caplog.text


async def test_time_that_has_come_is_a_fact_and_one_that_was_moved_comes_once(flows: Flows, time: Time) -> None:
    await want(flows, "wake-up", at=time.now + timedelta(hours=1))
    await want(flows, "wake-up", at=time.now + timedelta(hours=168))
    time.pass_by(hours=167)
    assert await flows.run_due() == 0
    time.pass_by(hours=1)
    await flows.settle()
    state: Count = (await flows.states("counting", ["F1"]))["F1"]
    assert state.woken == ("wake-up",)


async def test_flow_that_nobody_began_stays_unknown(flows: Flows, database: Database) -> None:
    told = await flows.tell("counting", "F9", Done(name="x"))
    assert (told.state, told.is_changed) == (None, False)
    assert await flows.states("counting", ["F9"]) == {}


async def test_another_kinds_flow_is_not_mistaken_for_ours(database: Database, flows: Flows, time: Time) -> None:
    await want(flows, "work")

    class Other(Counting):
        name = "other"

    flows.add(Other())
    with pytest.raises(ValueError, match="is a counting"):
        await flows.tell("other", "F1", Done(name="x"))


async def test_driving_waits_for_whoever_is_at_it_and_tells_why_it_could_not(flows: Flows, kind: Counting) -> None:
    kind.fail["work"] = [UpstreamUnavailable("erp")]
    await want(flows, "work")
    state, error = await flows.drive("counting", "F1", lambda state: bool(state and state.done), seconds=5)
    assert (state.done, type(error)) == ((), UpstreamUnavailable)


def test_events_and_entries_have_names_of_their_own() -> None:
    """What is stored under an id must not change its shape between releases."""
    assert DomainEvent.__struct_fields__ == ("id", "type", "order_number", "customer_id", "data")
    assert LedgerEntry.__struct_fields__ == ("id", "order_number", "payment_id", "kind", "amount", "movement")
