"""The feed in the sandbox: what the adapter makes of it is what the world knows to be true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from adapters.otd.client import OtdFeed
from bff.domain.vehicle_order import DeliveryProgress, Milestone
from sandbox.kit.server import System
from sandbox.otd.app import create
from sandbox.world import World
from tests.support import BASE, entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio


@pytest.fixture
def system(world: World) -> System:
    return create(world)


@pytest.fixture
def feed(system: System) -> OtdFeed:
    return OtdFeed(sandbox_upstream(system))


def client(system: System) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url=BASE)


async def test_every_order_stands_where_the_world_says_in_one_call(world: World, feed: OtdFeed) -> None:
    orders = {o.otd_number: o for o in world.vehicle_orders.values() if o.otd_number is not None}
    context = entered_context()
    found = await feed.progress(list(orders))
    assert len(context.calls.records) == 1
    assert found.keys() == orders.keys()
    for number, progress in found.items():
        assert isinstance(progress, DeliveryProgress)
        truth = orders[number]
        expected = "AT_CENTRE" if truth.milestone == "READY" else truth.milestone
        assert (number, progress.current.value, progress.vin) == (number, expected, truth.vin)


async def test_the_world_sets_the_traps_that_the_feed_is_known_for(world: World, feed: OtdFeed) -> None:
    codes = [(record.order_number, record.code) for record in world.otd_feed]
    assert len(codes) > len(set(codes)), "some record comes twice"
    everything = await feed.progress(list({order for order, _ in codes}))
    events = [e for p in everything.values() if isinstance(p, DeliveryProgress) for e in p.events]
    assert any(event.milestone is Milestone.UNKNOWN and event.raw_code == "7Z99" for event in events)


async def test_records_are_39_bytes_and_pages_say_whether_more_waits(world: World, system: System) -> None:
    async with client(system) as http:
        first = await http.get("/feed", params={"after": 0, "limit": 2})
        rest = await http.get("/feed", params={"after": first.headers["x-feed-last-sequence"], "limit": 10_000})
        empty = await http.get("/feed", params={"after": 99_999})
    assert [len(line) for line in first.content.split(b"\r\n")] == [39, 39, 0]
    assert first.headers["x-feed-more"] == "true"
    assert (rest.headers["x-feed-more"], rest.headers["x-feed-last-sequence"]) == ("false", str(len(world.otd_feed)))
    assert (empty.content, empty.headers["x-feed-last-sequence"]) == (b"", str(len(world.otd_feed)))


@pytest.mark.parametrize("query", ["after=x", "limit=0", "limit=10001", "after=-1"])
async def test_a_malformed_question_is_refused(system: System, query: str) -> None:
    async with client(system) as http:
        assert (await http.get(f"/feed?{query}")).status_code == 400


async def test_a_record_added_by_a_tester_reaches_the_next_pull(system: System) -> None:
    clock = [datetime(2026, 3, 9, 2, 0, tzinfo=UTC)]
    feed = OtdFeed(sandbox_upstream(system), now=lambda: clock[0])
    assert await feed.progress(["SO99"]) == {}
    async with client(system) as http:
        for code in ("3800", "3400", "4B00", "4V03"):
            body = {"order": "SO99", "code": code, "vin": "LDCA1AB57SB000001", "yearWeek": "202611"}
            assert (await http.post("/_records", json=body)).status_code == 201
        assert (await http.post("/_records", json={"order": "SO99", "code": "??"})).status_code == 400
        assert (await http.post("/_records", content=b"[]")).status_code == 400
    clock[0] += timedelta(seconds=16)
    progress = (await feed.progress(["SO99"]))["SO99"]
    assert isinstance(progress, DeliveryProgress)
    assert (progress.current, progress.eta_week) == (Milestone.YARD, "202611")


async def test_it_says_who_it_is(system: System) -> None:
    async with client(system) as http:
        assert (await http.get("/_ping")).json() == {"system": "otd", "simulated": True}
