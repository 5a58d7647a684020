"""The outbox: what was decided is told, in order for each order, to whom it may be told, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from adapters.identity.client import IdentityAdapter
from bff.domain.base import Found, Outcome
from bff.domain.cloud_events import CloudEvent, Delivery, EventStream
from bff.domain.customer import ConsentPurpose, Customer
from bff.durability import flow_store, outbox_consent
from bff.durability.database import Database, Script
from bff.durability.open import open_database
from bff.durability.outbox_events import Pseudonyms
from bff.errors import UpstreamTimeout
from sandbox.identity import app as identity
from sandbox.world import World
from tests.orders.outbox_kit import (
    INSIGHT,
    ORDERS,
    PSEUDONYMS,
    Clock,
    Customers,
    Recorder,
    decide,
    event,
    outbox,
    plain,
    waiting,
)
from tests.support import entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sink() -> Recorder:
    return Recorder()


async def test_a_decided_event_leaves_as_a_cloud_event_in_both_streams(
    database: Database, sink: Recorder, clock: Clock
) -> None:
    at = datetime(2026, 3, 9, 1, 59, 30, 250_000, tzinfo=UTC)
    await decide(database, event("VF1:placed", data={"total": 21990000, "model": "A5"}), at=at)
    publisher = outbox(database, sink, Customers("C1"), clock)
    await publisher.settle()
    (told,), (counted,) = sink.taken[ORDERS], sink.taken[INSIGHT]
    assert plain(told) == {
        "specversion": "1.0",
        "id": "VF1:placed",
        "source": "/bff/orders",
        "type": "order.placed.v1",
        "subject": PSEUDONYMS.of("C1"),
        "time": "2026-03-09T01:59:30.250000Z",
        "datacontenttype": "application/json",
        "partitionkey": "SO1",
        "sequence": "00000000000000000001",
        "data": {"total": 21990000, "model": "A5"},
    }
    assert plain(counted) == plain(told) | {"source": "/bff/insight"}
    assert await waiting(publisher) == {ORDERS: 0, INSIGHT: 0}
    assert dict(+publisher.counts) == {(ORDERS, "published"): 1, (INSIGHT, "published"): 1}


async def test_pseudonyms_are_the_same_for_one_customer_and_key_only() -> None:
    assert PSEUDONYMS.of("C1") == PSEUDONYMS.of("C1") != PSEUDONYMS.of("C2")
    assert Pseudonyms("t1", b"j" * 32).of("C1") != PSEUDONYMS.of("C1")
    assert "C1" not in PSEUDONYMS.of("C1").partition(".")[2]


async def test_what_names_a_person_or_a_car_does_not_leave(database: Database, sink: Recorder, clock: Clock) -> None:
    data = {
        "vin": "LDCA1AB57SB000001",
        "contactName": "林晓",
        "lines": [{"sku": "CUP", "note": "给妈妈", "customer_id": "C1"}],
        "payment": {"provider": "ALIPAY", "payer": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"},
    }
    await decide(database, event("e1", data=data))
    await outbox(database, sink, Customers("C1"), clock).settle()
    assert sink.taken[ORDERS][0].data == {"lines": [{"sku": "CUP"}], "payment": {"provider": "ALIPAY"}}


async def test_events_of_an_order_come_in_the_order_of_their_decisions(
    database: Database, sink: Recorder, clock: Clock
) -> None:
    for number in range(250):  # more than two batches
        await decide(database, event(f"e{number}", f"SO{number % 3}"))
    await outbox(database, sink, Customers("C1"), clock).settle()
    assert sink.ids() == sink.ids(INSIGHT) == [f"e{number}" for number in range(250)]


async def test_what_is_not_about_an_order_is_for_insight_only(database: Database, sink: Recorder, clock: Clock) -> None:
    await decide(database, event("m1", type="otd.milestone.v1"), event("b1", type="booking.confirmed.v1"))
    await outbox(database, sink, Customers("C1"), clock).settle()
    assert (sink.ids(ORDERS), sink.ids(INSIGHT)) == (["b1"], ["m1", "b1"])


# Consent


async def test_trap_10_after_consent_is_withdrawn_the_next_insight_event_is_suppressed(
    database: Database, sink: Recorder, clock: Clock, world: World
) -> None:
    """On the identity service itself: granted, withdrawn, granted again; what the order needs is told always."""
    entered_context()
    customers = IdentityAdapter(sandbox_upstream(identity.create(world)))
    publisher = outbox(database, sink, customers, clock)
    for number, granted in enumerate((True, False, True)):
        said = await customers.set_consent(
            "C0001", ConsentPurpose.ANALYTICS, granted=granted, policy_version=identity.POLICY_VERSION, channel="APP"
        )
        assert isinstance(said, Outcome)
        assert said.entity is not None
        assert said.entity.granted is granted
        await decide(database, event(f"e{number}", customer_id="C0001"))
        await publisher.settle()
    assert (sink.ids(ORDERS), sink.ids(INSIGHT)) == (["e0", "e1", "e2"], ["e0", "e2"])
    assert publisher.counts[INSIGHT, "suppressed"] == 1
    assert await waiting(publisher) == {ORDERS: 0, INSIGHT: 0}


async def test_who_is_unknown_or_nobody_does_not_agree(database: Database, sink: Recorder, clock: Clock) -> None:
    customers = Customers("C1")
    await decide(database, event("e1", customer_id="C99"), event("e2", customer_id=""), event("e3"))
    await outbox(database, sink, customers, clock).settle()
    assert (sink.ids(ORDERS), sink.ids(INSIGHT)) == (["e1", "e2", "e3"], ["e3"])


async def test_while_consent_cannot_be_asked_insight_is_held_back_and_orders_go_on(
    database: Database, sink: Recorder, clock: Clock
) -> None:
    customers = Customers("C1")
    customers.away = UpstreamTimeout("identity")
    publisher = outbox(database, sink, customers, clock)
    await decide(database, event("e1"), event("e2", customer_id="C2"))
    await publisher.settle()
    came_to = await publisher.run_round(INSIGHT)
    assert (came_to.done, came_to.stalled) == (0, "consent could not be asked for: UPSTREAM_TIMEOUT")
    assert (sink.ids(ORDERS), sink.ids(INSIGHT)) == (["e1", "e2"], [])
    assert await waiting(publisher) == {ORDERS: 0, INSIGHT: 2}
    customers.away = None
    await publisher.settle()
    assert sink.ids(INSIGHT) == ["e1"]


async def test_an_answer_about_consent_that_does_not_come_is_no_answer(
    database: Database, sink: Recorder, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(Customers):
        async def customers(self, ids: Sequence[str]) -> Found[str, Customer]:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    monkeypatch.setattr(outbox_consent, "ASK_SECONDS", 0.01)
    publisher = outbox(database, sink, Silent(), clock)
    await decide(database, event("e1"))
    await publisher.run_round(ORDERS)
    assert (await publisher.run_round(INSIGHT)).stalled == "consent could not be asked for: it took too long"
    assert (sink.ids(ORDERS), sink.ids(INSIGHT)) == (["e1"], [])


async def test_one_customer_who_cannot_be_asked_for_holds_up_nobody_else(
    database: Database, sink: Recorder, clock: Clock
) -> None:
    customers = Customers("C1", "C2")
    customers.fails["C1"] = UpstreamTimeout("identity")
    publisher = outbox(database, sink, customers, clock)
    await decide(database, event("e1", "SO1"), event("e2", "SO2", customer_id="C2"), event("e3", "SO1"))
    await publisher.settle()
    assert sink.ids(INSIGHT) == ["e2"]
    customers.fails.clear()
    clock.move(1)
    await publisher.settle()
    assert sink.ids(INSIGHT) == ["e2", "e1", "e3"]
    assert await publisher.parked() == []


async def test_a_batch_asks_for_all_its_customers_at_once(database: Database, sink: Recorder, clock: Clock) -> None:
    customers = Customers("C1", "C2", "C3")
    await decide(database, *[event(f"e{n}", f"SO{n}", customer_id=f"C{1 + n % 3}") for n in range(90)])
    await outbox(database, sink, customers, clock).settle()
    assert customers.asked == [["C1", "C2", "C3"]]


# Failing


async def test_a_refused_event_parks_its_order_and_no_other(
    database: Database, sink: Recorder, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    sink.refuses = {"bad"}
    publisher = outbox(database, sink, Customers(), clock)
    await decide(database, event("a1", "SO1"), event("bad", "SO1"), event("a2", "SO1"), event("b1", "SO2"))
    await publisher.settle()
    await decide(database, event("a3", "SO1"), event("b2", "SO2"))
    await publisher.settle()
    assert sink.ids() == ["a1", "b1", "b2"]
    (parked,) = await publisher.parked()
    assert (parked.stream, parked.order_number, parked.event, parked.reason) == ("orders", "SO1", "bad", "as told")
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == ["event bad (order.placed.v1) of order SO1 was not taken, its order's events wait: as told"]
    backlog = (await publisher.backlog())[ORDERS]
    assert (backlog.waiting, backlog.parked) == (3, 1)
    sink.refuses = set()
    assert await publisher.retry("SO1")
    await publisher.settle()
    assert sink.ids() == ["a1", "b1", "b2", "bad", "a2", "a3"]
    assert await publisher.parked() == []
    assert not await publisher.retry("SO1")


async def test_a_parked_order_is_tried_again_by_itself_more_and_more_rarely(
    database: Database, sink: Recorder, clock: Clock
) -> None:
    sink.refuses = {"bad"}
    publisher = outbox(database, sink, Customers(), clock)
    await decide(database, event("bad"))
    tries = []
    for minute in range(130):
        before = sink.sendings
        await publisher.run_round(ORDERS)
        if sink.sendings > before:
            tries.append(minute)
        clock.move(60)
    assert tries == [0, 1, 3, 7, 15, 31, 63, 123]


async def test_an_event_can_be_given_up(database: Database, sink: Recorder, clock: Clock) -> None:
    sink.refuses = {"bad"}
    publisher = outbox(database, sink, Customers(), clock)
    await decide(database, event("bad"), event("good"))
    await publisher.settle()
    assert await publisher.drop(ORDERS, "bad")
    assert not await publisher.drop(ORDERS, "bad")
    await publisher.settle()
    assert sink.ids() == ["good"]
    assert await publisher.parked() == []


async def test_an_entry_that_cannot_be_read_parks_its_order_only(
    database: Database, sink: Recorder, clock: Clock
) -> None:
    def spoil() -> Script[None]:
        yield "UPDATE bff_outbox SET body = $1 WHERE id = $2", (b'{"id": 1}', "bad")

    await decide(database, event("bad"), event("a2"), event("b1", "SO2"), event("typeless", "SO3", type="x y"))
    await database.run(spoil)
    publisher = outbox(database, sink, Customers(), clock)
    await publisher.settle()
    assert sink.ids() == ["b1"]
    assert [(each.order_number, each.event) for each in await publisher.parked()] == [
        ("SO1", "bad"),
        ("SO3", "typeless"),
    ]


async def test_a_sink_that_is_away_loses_nothing_and_nothing_is_written_about_it(
    database: Database, sink: Recorder, clock: Clock
) -> None:
    sink.is_away = True
    publisher = outbox(database, sink, Customers(), clock)
    await decide(database, *[event(f"e{n}", f"SO{n % 7}") for n in range(300)])
    for _ in range(4):
        assert (await publisher.run_round(ORDERS)).stalled == "away"
    assert (await waiting(publisher))[ORDERS] == 300
    assert await publisher.parked() == []
    sink.is_away = False
    await publisher.settle()
    assert sink.ids() == [f"e{n}" for n in range(300)]


async def test_heads_that_never_pass_step_aside_for_a_while(database: Database, sink: Recorder, clock: Clock) -> None:
    """A hundred orders whose first event times out fill the batch; who stands behind them comes through."""
    bad = {f"bad{n}" for n in range(100)}
    sink.fails = set(bad)
    publisher = outbox(database, sink, Customers(), clock)
    await decide(database, *[event(f"bad{n}", f"SO{n}") for n in range(100)], event("good", "SO100"))
    for _ in range(6):
        await publisher.run_round(ORDERS)
    assert sink.ids() == ["good"]
    sink.fails = set()
    clock.move(60)
    await publisher.settle()
    assert set(sink.ids()) == bad | {"good"}


async def test_a_sink_that_breaks_is_a_sink_that_is_away(database: Database, clock: Clock) -> None:
    class Broken(Recorder):
        async def send(self, stream: EventStream, events: Sequence[CloudEvent]) -> Delivery:
            raise RuntimeError("a bug")

    publisher = outbox(database, Broken(), Customers(), clock)
    await decide(database, event("e1"))
    assert (await publisher.run_round(ORDERS)).stalled == "RuntimeError"
    assert (await waiting(publisher))[ORDERS] == 1


async def test_what_is_sent_again_is_the_same_event(database: Database, sink: Recorder, clock: Clock) -> None:
    """The process dies after the sink took it and before that was written down."""

    class Dies(Recorder):
        async def send(self, stream: EventStream, events: Sequence[CloudEvent]) -> Delivery:
            await sink.send(stream, events)
            raise KeyboardInterrupt

    await decide(database, event("e1"))
    with pytest.raises(KeyboardInterrupt):
        await outbox(database, Dies(), Customers(), clock).run_round(ORDERS)
    clock.move(60)
    await outbox(database, sink, Customers(), clock).settle()
    first, again = sink.taken[ORDERS]
    assert json.dumps(plain(first)) == json.dumps(plain(again))


# Several processes


async def test_one_process_publishes_a_stream_and_another_goes_on_when_it_leaves_or_dies(
    database: Database, sink: Recorder, clock: Clock
) -> None:
    theirs = Recorder()
    one, two = outbox(database, sink, Customers(), clock), outbox(database, theirs, Customers(), clock)
    await decide(database, event("e1"))
    await one.settle()
    await decide(database, event("e2"))
    await two.settle()
    assert (sink.ids(), theirs.ids()) == (["e1"], [])
    clock.move(31)  # `one` has died
    await two.settle()
    assert theirs.ids() == ["e2"]
    await two.aclose()
    assert theirs.is_closed
    await decide(database, event("e3"))
    await one.settle()
    assert sink.ids() == ["e1", "e3"]


async def test_a_publisher_that_lost_its_lease_spoils_nothing(database: Database, sink: Recorder, clock: Clock) -> None:
    """It sleeps while it sends, and another is done with the batch: what it then takes or refuses comes too late."""
    two = outbox(database, sink, Customers("C1"), clock)

    class Sleeps(Recorder):
        async def send(self, stream: EventStream, events: Sequence[CloudEvent]) -> Delivery:
            clock.move(31)
            await two.settle()
            return await super().send(stream, events)

    late = Sleeps()
    late.refuses = {"e2"}
    await decide(database, event("e1"), event("e2"), event("e3", "SO2"))
    await outbox(database, late, Customers("C1"), clock).run_round(ORDERS)
    assert sink.ids() == sink.ids(INSIGHT) == ["e1", "e2", "e3"]
    assert await two.parked() == []
    assert await waiting(two) == {ORDERS: 0, INSIGHT: 0}


async def test_in_the_background_it_publishes_and_stops_when_told(
    database: Database, sink: Recorder, clock: Clock
) -> None:
    await decide(database, event("e1"))
    publisher = outbox(database, sink, Customers("C1"), clock)
    publisher.start()
    async with asyncio.timeout(10):
        while not sink.taken[INSIGHT]:  # noqa: ASYNC110 - another task's work
            await asyncio.sleep(0.01)
    await publisher.aclose()
    assert sink.is_closed
    other = outbox(database, sink, Customers("C1"), clock)
    await decide(database, event("e2"))
    await other.settle()
    assert sink.ids() == ["e1", "e2"]


async def test_backlog_says_how_much_waits_and_since_when(database: Database, sink: Recorder, clock: Clock) -> None:
    publisher = outbox(database, sink, Customers(), clock)
    assert (await publisher.backlog())[ORDERS] == (0, None, 0)
    await decide(database, event("e1"), at=datetime(2026, 3, 9, tzinfo=UTC))
    await decide(database, event("e2"), at=datetime(2026, 3, 10, tzinfo=UTC))
    waits = (await publisher.backlog())[ORDERS]
    assert (waits.waiting, waits.oldest) == (2, 1_773_014_400_000)


@pytest.mark.real
async def test_an_event_committed_late_with_a_lower_position_is_not_skipped(
    postgres_address: str, sink: Recorder, clock: Clock
) -> None:
    """PostgreSQL gives positions before transactions commit: the second may be sent and deleted before the first."""
    import asyncpg  # type: ignore[import-untyped, import-not-found, unused-ignore]  # an extra without types

    url = postgres_address.format(name=f"t{uuid4().hex}")
    admin = await asyncpg.connect(postgres_address.format(name="postgres"))
    await admin.execute(f"CREATE DATABASE {url.removeprefix('postgresql:///').partition('?')[0]}")
    await admin.close()
    database = open_database(url)
    publisher = outbox(database, sink, Customers("C1"), clock)
    await publisher.settle()
    slow = await asyncpg.connect(url)
    transaction = slow.transaction()
    await transaction.start()
    sql, values = next(flow_store._publish(event("slow"), 0))
    await slow.fetch(sql, *values)
    await decide(database, event("quick", "SO2"))
    await publisher.settle()
    assert sink.ids() == sink.ids(INSIGHT) == ["quick"]
    await transaction.commit()
    await slow.close()
    await publisher.settle()
    assert sink.ids() == sink.ids(INSIGHT) == ["quick", "slow"]
    assert sink.taken[ORDERS][1].sequence < sink.taken[ORDERS][0].sequence
    await database.aclose()
