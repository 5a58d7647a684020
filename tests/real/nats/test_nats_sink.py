"""Events on a real JetStream: in order, once within its window, through deaths of the server and of publishers."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.nats import client
from adapters.nats.client import DUPLICATE_SECONDS, NatsSink
from bff.domain.cloud_events import CloudEvent, EventStream
from bff.durability.sqlite import SqliteDatabase
from tests.orders.outbox_kit import Clock, Customers, decide, event, outbox, waiting
from tests.real.nats.conftest import Server

pytestmark = [pytest.mark.anyio, pytest.mark.real]

ROOT = Path(__file__).resolve().parents[3]
STREAM = "CARS"
ORDERS, INSIGHT = EventStream.ORDERS, EventStream.INSIGHT


def made(id: str, order: str = "SO1", type_: str = "order.placed.v1", **data: Any) -> CloudEvent:
    return CloudEvent(
        id=id,
        source="/bff/orders",
        type=type_,
        subject="t1.ab",
        time=datetime(2026, 3, 9, tzinfo=UTC),
        partitionkey=order,
        sequence="1",
        data=data,
    )


@pytest.fixture
async def sink(server: Server) -> AsyncIterator[NatsSink]:
    opened = NatsSink([server.url], STREAM)
    yield opened
    await opened.aclose()


async def kept(server: Server) -> list[tuple[str, str, dict[str, Any]]]:
    """What the stream holds, oldest first: (subject, message id, event)."""
    import nats

    connection = await nats.connect(server.url)
    context = connection.jetstream()
    state = (await context.stream_info(STREAM)).state
    found = []
    for sequence in range(state.first_seq, state.last_seq + 1):
        message = await context.get_msg(STREAM, sequence)
        assert message.subject is not None
        assert message.data is not None
        found.append((message.subject, (message.headers or {})["Nats-Msg-Id"], json.loads(message.data)))
    await connection.close()
    return found


def ids(found: list[tuple[str, str, dict[str, Any]]], stream: EventStream = ORDERS) -> list[str]:
    return [said["id"] for subject, _, said in found if subject.startswith(f"bff.events.{stream.value}.")]


async def test_an_event_is_a_message_that_says_what_it_is(server: Server, sink: NatsSink) -> None:
    assert (await sink.send(ORDERS, [made("e1", total=1)])).taken == {"e1"}
    ((subject, message_id, said),) = await kept(server)
    assert (subject, message_id) == ("bff.events.orders.order.placed.v1", "orders/e1")
    assert (said["specversion"], said["id"], said["partitionkey"], said["data"]) == ("1.0", "e1", "SO1", {"total": 1})


async def test_the_stream_is_made_once_and_left_as_it_is(server: Server, sink: NatsSink) -> None:
    import nats

    other = NatsSink([server.url], STREAM)
    both = await asyncio.gather(sink.send(ORDERS, [made("e1")]), other.send(ORDERS, [made("e2")]))
    assert [len(delivery.taken) for delivery in both] == [1, 1]
    await other.aclose()
    connection = await nats.connect(server.url)
    context = connection.jetstream()
    config = (await context.stream_info(STREAM)).config
    assert (config.subjects, config.duplicate_window) == (["bff.events.>"], DUPLICATE_SECONDS)
    await context.update_stream(config.evolve(max_age=3600.0))
    third = NatsSink([server.url], STREAM)
    await third.send(ORDERS, [made("e3")])
    await third.aclose()
    assert (await context.stream_info(STREAM)).config.max_age == 3600.0
    await connection.close()


async def test_each_order_in_its_order(server: Server, sink: NatsSink) -> None:
    events = [made(f"e{number}", f"SO{number % 7}") for number in range(100)]
    assert len((await sink.send(ORDERS, events)).taken) == 100
    found = await kept(server)
    for order in range(7):
        mine = [said["id"] for _, _, said in found if said["partitionkey"] == f"SO{order}"]
        assert mine == [f"e{number}" for number in range(100) if number % 7 == order]


async def test_what_is_sent_twice_is_kept_once_in_each_stream(server: Server, sink: NatsSink) -> None:
    for _ in range(2):
        for stream in EventStream:
            assert (await sink.send(stream, [made("e1"), made("e2")])).taken == {"e1", "e2"}
    found = await kept(server)
    assert (ids(found), ids(found, INSIGHT)) == (["e1", "e2"], ["e1", "e2"])


async def test_a_message_that_is_too_long_is_refused_and_its_order_waits(server: Server, sink: NatsSink) -> None:
    long = made("long", words="x" * 1_100_000)  # the server takes a mebibyte
    delivery = await sink.send(ORDERS, [made("a1"), long, made("a2"), made("b1", "SO2")])
    assert delivery.taken == {"a1", "b1"}
    assert list(delivery.refused) == ["long"]
    assert delivery.failed == {}
    assert (await sink.send(ORDERS, [made("b2", "SO2")])).taken == {"b2"}


async def test_a_message_that_the_stream_finds_too_long_is_refused(server: Server, sink: NatsSink) -> None:
    import nats

    connection = await nats.connect(server.url)
    await connection.jetstream().add_stream(name=STREAM, subjects=["bff.events.>"], max_msg_size=1000)
    await connection.close()
    delivery = await sink.send(ORDERS, [made("long", words="x" * 2000), made("b1", "SO2")])
    assert delivery.taken == {"b1"}
    assert list(delivery.refused) == ["long"]


async def test_a_stream_that_is_full_is_waited_for(server: Server, sink: NatsSink) -> None:
    import nats
    from nats.js.api import DiscardPolicy

    connection = await nats.connect(server.url)
    context = connection.jetstream()
    await context.add_stream(name=STREAM, subjects=["bff.events.>"], max_msgs=1, discard=DiscardPolicy.NEW)
    assert (await sink.send(ORDERS, [made("e1")])).taken == {"e1"}
    delivery = await sink.send(ORDERS, [made("e2")])
    assert (list(delivery.failed), delivery.refused) == (["e2"], {})
    await context.purge_stream(STREAM)
    assert (await sink.send(ORDERS, [made("e2")])).taken == {"e2"}
    await connection.close()


async def test_subjects_that_belong_to_another_stream_are_said_and_nothing_is_parked(
    server: Server, sink: NatsSink
) -> None:
    import nats

    connection = await nats.connect(server.url)
    context = connection.jetstream()
    await context.add_stream(name="OTHER", subjects=["bff.>"])
    delivery = await sink.send(ORDERS, [made("e1")])
    assert (list(delivery.failed), delivery.refused) == (["e1"], {})
    await context.add_stream(name=STREAM, subjects=["else"])
    delivery = await sink.send(ORDERS, [made("e1")])
    assert (list(delivery.failed), delivery.refused) == (["e1"], {})
    await connection.close()


async def test_without_a_server_it_says_so_and_goes_on_when_there_is_one(server: Server) -> None:
    server.kill()
    sink = NatsSink([server.url], STREAM)
    assert list((await sink.send(ORDERS, [made("e1")])).failed) == ["e1"]
    server.start()
    assert (await sink.send(ORDERS, [made("e1")])).taken == {"e1"}
    await sink.aclose()


async def test_a_server_that_stops_answering_is_left_and_found_again(
    server: Server, sink: NatsSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have taken what it did not acknowledge: sent again, it is kept once."""
    await sink.send(ORDERS, [made("e1")])
    monkeypatch.setattr(client, "ACK_SECONDS", 0.2)
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.3)
    server.signal(signal.SIGSTOP)
    batch = [made("e2"), made("e3", "SO2"), made("e4")]
    assert sorted((await sink.send(ORDERS, batch)).failed) == ["e2", "e3"]  # e4 comes after e2
    assert sorted((await sink.send(ORDERS, batch)).failed) == ["e2", "e3", "e4"]  # no connection
    server.signal(signal.SIGCONT)
    monkeypatch.undo()
    assert (await sink.send(ORDERS, batch)).taken == {"e2", "e3", "e4"}
    assert sorted(ids(await kept(server))) == ["e1", "e2", "e3", "e4"]


async def test_wrong_credentials_take_nothing_and_show_no_password(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.kill()
    server.start('authorization: {user: "bff", password: "right"}')
    wrong = NatsSink([server.url.replace("nats://", "nats://bff:wrong-word@")], STREAM)
    delivery = await wrong.send(ORDERS, [made("e1")])
    await wrong.aclose()
    assert list(delivery.failed) == ["e1"]
    assert "wrong-word" not in str(delivery) + caplog.text
    right = NatsSink([server.url.replace("nats://", "nats://bff:right@")], STREAM)
    assert (await right.send(ORDERS, [made("e1")])).taken == {"e1"}
    await right.aclose()


async def test_a_server_killed_and_started_again_mid_way_loses_nothing(server: Server, sink: NatsSink) -> None:
    """Two publishers on one outbox; the server dies three times under them."""
    database, clock = SqliteDatabase(None), Clock()
    other = NatsSink([server.url], STREAM)
    publishers = [outbox(database, each, Customers("C1"), clock) for each in (sink, other)]
    decided = [(f"e{number}", f"SO{number % 5}") for number in range(600)]
    await decide(database, *[event(id, order) for id, order in decided])

    async def publish(number: int) -> None:
        while sum((await waiting(publishers[0])).values()):
            for stream in EventStream:
                if (await publishers[number].run_round(stream)).stalled is not None:
                    await asyncio.sleep(0.05)
            clock.move(20)  # leases change hands every other round

    async def trouble() -> None:
        for _ in range(3):
            await asyncio.sleep(0.15)
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(0.1)
            await asyncio.to_thread(server.start)

    async with asyncio.timeout(120):
        await asyncio.gather(publish(0), publish(1), trouble())
    found = await kept(server)
    await other.aclose()
    await database.aclose()
    for stream in EventStream:
        told = list(dict.fromkeys(ids(found, stream)))
        assert len(told) == 600
        for order in range(5):
            mine = [id for id in told if int(id[1:]) % 5 == order]
            assert mine == [id for id, of in decided if of == f"SO{order}"]


async def test_publishers_killed_at_any_step_leave_each_event_once(server: Server, tmp_path: Path) -> None:
    """JetStream knows what was sent twice: no duplicates within its window."""
    given = {
        "state_url": f"sqlite:///{tmp_path}/state.sqlite3",
        "events_url": f"{server.url}/{STREAM}",
        "decided": [["a1", "SO1"], ["b1", "SO2"], ["a2", "SO1"]],
    }
    command = [sys.executable, "-m", "tests.orders.outbox_worker", json.dumps(given)]
    worker = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=240)
    assert worker.returncode == 0
    ends = [json.loads(line) for line in worker.stdout.splitlines()]
    assert len(ends) >= 30
    assert ends == [[-signal.SIGKILL, 0]] * len(ends)
    found = await kept(server)
    for stream in EventStream:
        told = ids(found, stream)
        assert len(told) == len(set(told)) == 3 * (len(ends) + 1)
        for number in range(-1, len(ends)):
            assert [id for id in told if id.startswith(f"{number}:a")] == [f"{number}:a1", f"{number}:a2"]
