"""What an idempotency key promises, on both databases."""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast
from weakref import ref

import pytest
from graphql import parse

from bff.context import Caller, CallerKind, RequestContext
from bff.durability import idempotency as journal
from bff.durability import once
from bff.durability.database import Database
from bff.durability.once import KEPT_SECONDS
from bff.durability.open import open_database
from bff.durability.sqlite import SqliteDatabase
from bff.errors import (
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    StateUnavailable,
    UpstreamMaintenance,
    UpstreamRejected,
    UpstreamUnavailable,
)
from bff.execution import Plan
from tests.durability.shop import PLACE, PLANS, Clock, Shop, Upstream

if TYPE_CHECKING:
    from bff.ports import Ports

pytestmark = pytest.mark.anyio


async def test_same_key_and_input_is_the_same_answer_byte_for_byte(shop: Shop, upstream: Upstream) -> None:
    first, second = await shop.ask(), await shop.ask()
    assert first["data"]["place"]["number"].startswith("car-")
    assert first["bytes"] == second["bytes"]
    assert upstream.calls == 1


async def test_answer_outlives_the_process(state_url: str, upstream: Upstream, clock: Clock) -> None:
    answers = []
    for _ in range(2):
        database = open_database(state_url)
        answers.append((await Shop(database, upstream, clock).ask())["bytes"])
        await database.aclose()
    assert answers[0] == answers[1]
    assert upstream.calls == 1


async def test_same_key_with_another_input_is_refused_and_not_run(shop: Shop, upstream: Upstream) -> None:
    first = await shop.ask()
    other = await shop.ask(item="bicycle")
    assert other["codes"] == ["IDEMPOTENCY_KEY_REUSED"]
    assert other["errors"][0]["path"] == ["place"]
    assert other["errors"][0]["extensions"]["retryable"] is False
    assert other["data"] == {"place": None}
    assert upstream.calls == 1
    assert (await shop.ask())["bytes"] == first["bytes"]


async def test_input_is_compared_by_meaning(shop: Shop, upstream: Upstream) -> None:
    selection = "{ number receipt refusal note }"
    first = await shop.ask(f'mutation {{ place(input: {{item: "car", idempotencyKey: "key-0001"}}) {selection} }}')
    spelled = (
        f"mutation Other($i: PlaceInput!) {{ place(input: $i) {selection} }}",
        f'mutation {{ place(input: {{quantity: 1, idempotencyKey: "key-0001", item: "car"}}) {selection} }}',
    )
    for document in spelled:
        answer = await shop.ask(document, i={"idempotencyKey": "key-0001", "item": "car", "quantity": 1})
        assert answer["bytes"] == first["bytes"]
    two = await shop.ask(spelled[0], i={"idempotencyKey": "key-0001", "item": "car", "quantity": 2})
    assert two["codes"] == ["IDEMPOTENCY_KEY_REUSED"]
    assert upstream.calls == 1


async def test_keys_of_two_callers_never_meet(shop: Shop, upstream: Upstream) -> None:
    mine, theirs = await shop.ask(), await shop.ask(subject="C0002", item="bicycle")
    assert (mine["codes"], theirs["codes"]) == ([], [])
    assert upstream.orders == 2


async def test_request_during_the_first_waits_for_its_answer(shop: Shop, upstream: Upstream) -> None:
    gate = asyncio.Event()
    upstream.gate = asyncio.shield(asyncio.ensure_future(gate.wait()))
    first = asyncio.create_task(shop.ask())
    await _until_called(upstream)
    second = asyncio.create_task(shop.ask())
    await asyncio.sleep(0.1)
    assert not second.done()
    gate.set()
    assert (await first)["bytes"] == (await second)["bytes"]
    assert upstream.calls == 1


async def test_request_that_may_not_wait_so_long_is_told(shop: Shop, upstream: Upstream) -> None:
    gate = asyncio.Event()
    upstream.gate = asyncio.shield(asyncio.ensure_future(gate.wait()))
    first = asyncio.create_task(shop.ask())
    await _until_called(upstream)
    second = await shop.ask(budget=0.3)
    assert second["codes"] == ["IDEMPOTENCY_IN_PROGRESS"]
    assert second["errors"][0]["extensions"]["retryable"] is True
    gate.set()
    assert (await first)["bytes"] == (await shop.ask())["bytes"]
    assert upstream.calls == 1


async def test_what_becomes_of_keys_is_counted(shop: Shop, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, waits, wait = asyncio.Event(), asyncio.Event(), shop.once._wait

    async def noted(scope: str, context: RequestContext) -> None:
        waits.set()
        await wait(scope, context)

    upstream.gate = asyncio.shield(asyncio.ensure_future(gate.wait()))
    first = asyncio.create_task(shop.ask())
    await _until_called(upstream)
    assert (await shop.ask(budget=0.3))["codes"] == ["IDEMPOTENCY_IN_PROGRESS"]
    monkeypatch.setattr(shop.once, "_wait", noted)
    second = asyncio.create_task(shop.ask())
    await waits.wait()
    gate.set()
    await asyncio.gather(first, second)
    await shop.ask()
    await shop.ask(item="bicycle")
    upstream.gate, upstream.fails = None, [(True, OutcomeUnknown("commerce"))]
    for _ in range(2):
        await shop.ask(key="key-0002")
    assert shop.once.outcomes == {
        "first": 2, "again": 1, "replayed": 1, "waited": 1, "reused": 1, "in_progress": 1,
    }  # fmt: skip


async def test_fifty_requests_at_once_ask_the_upstream_once(shop: Shop, upstream: Upstream) -> None:
    assert len(set(await shop.together(50))) == 1
    assert upstream.calls == 1


async def test_refusal_is_an_answer_and_stays_when_its_cause_is_gone(shop: Shop, upstream: Upstream) -> None:
    upstream.refusal = "SOLD_OUT"
    first = await shop.ask()
    upstream.refusal = None
    assert (await shop.ask())["bytes"] == first["bytes"]
    assert (await shop.ask(key="key-0002"))["data"]["place"]["refusal"] is None


async def test_rejection_is_told_again_to_the_letter(shop: Shop, upstream: Upstream) -> None:
    upstream.fails = [(True, UpstreamRejected("commerce"))]
    first = await shop.ask()
    assert first["codes"] == ["UPSTREAM_REJECTED"]
    assert (await shop.ask())["bytes"] == first["bytes"]
    assert upstream.calls == 1


async def test_upstream_that_was_away_is_asked_again(shop: Shop, upstream: Upstream) -> None:
    upstream.fails = [(True, UpstreamUnavailable("commerce")), (True, UpstreamMaintenance("commerce"))]
    assert (await shop.ask())["codes"] == ["UPSTREAM_UNAVAILABLE"]
    assert (await shop.ask())["codes"] == ["UPSTREAM_MAINTENANCE"]
    assert (await shop.ask())["codes"] == []
    assert upstream.orders == 1


async def test_unknown_outcome_is_resolved_under_the_same_upstream_key(shop: Shop, upstream: Upstream) -> None:
    upstream.fails = [(False, OutcomeUnknown("commerce"))]
    assert (await shop.ask())["codes"] == ["OUTCOME_UNKNOWN"]
    assert (await shop.ask(item="bicycle"))["codes"] == ["IDEMPOTENCY_KEY_REUSED"]
    found = await shop.ask()
    assert found["codes"] == []
    assert (await shop.ask())["bytes"] == found["bytes"]
    assert (upstream.orders, upstream.calls) == (1, 2)


async def test_spent_budget_leaves_the_key_to_the_next_request(shop: Shop, upstream: Upstream) -> None:
    upstream.gate = asyncio.sleep(3600)
    assert (await shop.ask(budget=0.2))["codes"] == ["DEADLINE_EXCEEDED"]
    upstream.gate = None
    assert (await shop.ask())["codes"] == []
    assert (upstream.orders, upstream.calls) == (1, 2)


async def test_cancelled_request_leaves_the_key_to_the_next(shop: Shop, upstream: Upstream) -> None:
    upstream.gate = asyncio.sleep(3600)
    first = asyncio.create_task(shop.ask())
    await _until_called(upstream)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    upstream.gate = None
    assert (await shop.ask(budget=1.0))["codes"] == []
    assert upstream.orders == 1


@pytest.mark.parametrize("error", [InvalidInput("no"), NotFound("no")])
async def test_mended_request_may_use_the_key_of_one_that_could_not_be_right(
    shop: Shop, upstream: Upstream, error: InvalidInput | NotFound
) -> None:
    upstream.fails = [(True, error)]
    assert (await shop.ask())["codes"] == [error.code]
    assert (await shop.ask(item="bicycle"))["codes"] == []


async def test_key_of_an_unknown_outcome_is_not_freed_by_a_later_error(shop: Shop, upstream: Upstream) -> None:
    upstream.fails = [(False, OutcomeUnknown("commerce")), (True, NotFound("no"))]
    await shop.ask()
    assert (await shop.ask())["codes"] == ["NOT_FOUND"]
    assert (await shop.ask(item="bicycle"))["codes"] == ["IDEMPOTENCY_KEY_REUSED"]


async def test_failure_below_a_payload_is_part_of_the_answer(shop: Shop, upstream: Upstream) -> None:
    first = await shop.ask(note=UpstreamUnavailable("erp"))
    assert first["codes"] == ["UPSTREAM_UNAVAILABLE"]
    assert first["data"]["place"]["number"] is not None
    assert (await shop.ask())["bytes"] == first["bytes"]
    assert upstream.calls == 1


async def test_key_is_remembered_for_a_day_and_free_after_it(shop: Shop, upstream: Upstream, clock: Clock) -> None:
    first = await shop.ask()
    clock.now += KEPT_SECONDS - 1
    assert (await shop.ask())["bytes"] == first["bytes"]
    clock.now += 2
    assert (await shop.ask(item="bicycle"))["codes"] == []


async def test_purge_deletes_what_is_over_and_nothing_else(shop: Shop, database: Database, clock: Clock) -> None:
    for number in range(5):
        await shop.ask(key=f"old-key-{number}")
    clock.now += KEPT_SECONDS / 2
    kept = await shop.ask(key="new-key-0")
    clock.now += KEPT_SECONDS / 2 + 1
    now = round(clock.now * 1000)
    assert await database.run(partial(journal.purge, now, 3)) == 3
    assert await database.run(partial(journal.purge, now, 3)) == 2
    assert await database.run(partial(journal.purge, now, 3)) == 0
    assert (await shop.ask(key="new-key-0"))["bytes"] == kept["bytes"]


async def test_another_selection_asks_again_for_the_same_order(shop: Shop, upstream: Upstream) -> None:
    first = await shop.ask()
    shorter = PLACE.replace("receipt", "")
    other = await shop.ask(shorter)
    assert other["data"]["place"]["number"] == first["data"]["place"]["number"]
    assert (await shop.ask(shorter))["bytes"] == other["bytes"]
    assert (await shop.ask())["bytes"] == first["bytes"]
    assert (upstream.orders, upstream.calls) == (1, 2)


async def test_variable_and_fragment_of_a_selection_belong_to_it(shop: Shop, upstream: Upstream) -> None:
    document = """mutation($key: String!, $item: String!, $short: Boolean!) {
      place(input: {item: $item, idempotencyKey: $key}) { ...Parts } }
      fragment Parts on Placed { number receipt @skip(if: $short) }"""
    long, short = await shop.ask(document, short=False), await shop.ask(document, short=True)
    assert list(long["data"]["place"]) == ["number", "receipt"]
    assert list(short["data"]["place"]) == ["number"]
    assert (await shop.ask(document, short=False))["bytes"] == long["bytes"]
    assert upstream.orders == 1


TWO = """mutation($item: String!) {
  __typename
  one: place(input: {item: $item, idempotencyKey: "key-0001"}) { number receipt }
  touch
  two: place(input: {item: $item, idempotencyKey: "key-0002"}) { number receipt } }"""


async def test_each_root_field_has_its_own_key(shop: Shop, upstream: Upstream) -> None:
    upstream.fails = [(True, UpstreamUnavailable("commerce"))]
    first = await shop.ask(TWO)
    assert list(first["data"]) == ["__typename", "one", "touch", "two"]
    assert [error["path"] for error in first["errors"]] == [["one"]]
    second = await shop.ask(TWO)
    assert second["codes"] == []
    assert second["data"]["two"] == first["data"]["two"]
    assert (await shop.ask(TWO))["bytes"] == second["bytes"]


async def test_late_finisher_tells_the_answer_that_was_stored_meanwhile(
    shop: Shop, upstream: Upstream, clock: Clock
) -> None:
    gate = asyncio.Event()
    upstream.gate = asyncio.shield(asyncio.ensure_future(gate.wait()))
    late = asyncio.create_task(shop.ask())
    await _until_called(upstream)
    clock.now += 60  # its lease is over, as if its machine had been asleep
    upstream.gate = None
    stored = await shop.ask()
    gate.set()
    assert (await late)["bytes"] == stored["bytes"]
    assert (await shop.ask())["bytes"] == stored["bytes"]
    assert upstream.orders == 1


async def test_nothing_is_done_that_cannot_be_written_down(tmp_path: Path, upstream: Upstream, clock: Clock) -> None:
    (tmp_path / "file").write_text("not a folder")
    database = SqliteDatabase(tmp_path / "file" / "bff.sqlite3")
    answer = await Shop(database, upstream, clock).ask()
    await database.aclose()
    assert answer["codes"] == ["STATE_UNAVAILABLE"]
    assert upstream.calls == 0


async def test_answer_is_told_although_it_could_not_be_stored(
    shop: Shop, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StateUnavailable()

    with monkeypatch.context() as patch:
        patch.setattr(journal, "complete", fail)
        told = await shop.ask()
    assert told["codes"] == []


async def test_what_has_no_key_never_asks_the_database(upstream: Upstream, clock: Clock) -> None:
    class Untouched:
        async def run(self, *_: object, **__: object) -> None:
            raise AssertionError("asked")

        async def aclose(self) -> None: ...

    shop = Shop(Untouched(), upstream, clock)  # type: ignore[arg-type]  # a database that must not be asked
    assert (await shop.ask("mutation { touch }"))["codes"] == []


async def test_state_is_the_services_own(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/new/state.sqlite3")
    await database.run(partial(journal.purge, 0, 1))
    await database.aclose()
    assert (tmp_path / "new" / "state.sqlite3").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("url", ["mysql://x", "sqlite", "sqlite:relative", ""])
def test_address_of_no_known_database_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite"):
        open_database(url)


async def _until_called(upstream: Upstream) -> None:
    while not upstream.orders:  # noqa: ASYNC110 - the upstream is a folder
        await asyncio.sleep(0.005)


async def test_expired_keys_go_as_new_answers_come(
    database: Database, upstream: Upstream, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "PURGE_MOST", 2)
    await database.run(partial(journal.purge, 0, 1))
    shop = Shop(database, upstream, clock)
    for number in range(5):
        await shop.ask(key=f"old-key-{number}")
    clock.now += KEPT_SECONDS + 1
    later = Shop(database, upstream, clock)
    for number in range(3):
        await later.ask(key=f"new-key-{number}")
    assert await database.run(partial(journal.purge, round(clock.now * 1000), 10)) == 0


@pytest.mark.parametrize("extra", ["", ' two: place(input: {item: "bicycle", idempotencyKey: "key-0002"}) { number }'])
async def test_mutation_that_is_forgotten_is_gone(shop: Shop, extra: str) -> None:
    """What is known of a plan's root fields does not keep the plan: any stranger can write one more mutation."""
    one = 'one: place(input: {item: "car", idempotencyKey: "key-0001"}) { number }'
    text = f"mutation {{ {one}{extra} }}"
    plan: Plan | None = PLANS.compile(parse(text))
    assert plan is not None
    context = RequestContext(ports=cast("Ports", None), caller=Caller(kind=CallerKind.CUSTOMER, subject="C0001"))
    context.state |= {"upstream": shop.upstream, "note": None}
    assert (await shop.once.run(plan, context, {})).errors is None
    gone = ref(plan)
    plan = None
    gc.collect()
    assert gone() is None
