"""Sources of events: one poller for all, ids that any process knows, windows that end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

import msgspec
import pytest

from bff.context import RequestContext
from bff.domain.base import Found
from bff.domain.events import Event
from bff.domain.service import Booking, BookingId, BookingOrigin, BookingStatus, CentreRef
from bff.domain.vehicle import VehicleRef
from bff.domain.vehicle_order import DeliveryProgress, Milestone, MilestoneEvent
from bff.errors import NotFound, UpstreamUnavailable
from bff.events import polled
from bff.events.polled import PolledSource
from bff.events.stories import BookingStory, ProgressStory
from bff.ports import Ports
from tests.estate.house import House

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 9, tzinfo=UTC)
CODES = {
    "1100": Milestone.PLACED,
    "2000": Milestone.ACCEPTED,
    "3400": Milestone.IN_PRODUCTION,
    "6000": Milestone.DELIVERED,
}


def report(arrival: int, code: str, week: str = "202610") -> MilestoneEvent:
    milestone = CODES.get(code, Milestone.UNKNOWN)
    return MilestoneEvent(milestone=milestone, raw_code=code, week=week, observed_at=NOW, arrival=arrival)


BOOKING = Booking(
    id=BookingId(origin=BookingOrigin.BOOKING, centre="SZ0412", number="BK1"),
    vehicle=VehicleRef(vin="LDCA1AB57SB000001", region="SOUTH", brand="DC", model="A1"),
    customer_id="C0001",
    centre=CentreRef(code="SZ0412", region="SOUTH"),
    start=NOW,
    end=None,
    status=BookingStatus.CONFIRMED,
    raw_status="CONFIRMED",
    jobs=[],
    note=None,
    pickup=False,
    repair_order=None,
)


class Feed:
    """Orders whose progress a test moves on; counts how it is asked."""

    def __init__(self) -> None:
        self.orders: dict[str, list[MilestoneEvent]] = {"A": [report(1, "1100"), report(2, "2000")], "B": []}
        self.asked: list[list[str]] = []
        self.error: UpstreamUnavailable | None = None

    def add(self, order: str, code: str, week: str = "202610") -> None:
        self.orders[order].append(report(len(self.orders[order]) + 1, code, week))

    async def progress(self, orders: Sequence[str]) -> Found[str, DeliveryProgress]:
        self.asked.append(list(orders))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return {
            order: DeliveryProgress(
                order=order,
                current=self.orders[order][-1].milestone if self.orders[order] else Milestone.UNKNOWN,
                events=list(self.orders[order]),
                vin=None,
                eta_week=None,
                as_of=NOW,
            )
            for order in orders
            if order in self.orders
        }


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
async def source(feed: Feed, house: House) -> AsyncIterator[PolledSource[str, DeliveryProgress]]:
    source = made(feed, house.services.ports)
    yield source
    await source.aclose()


def made(feed: Feed, ports: Ports) -> PolledSource[str, DeliveryProgress]:
    return PolledSource(feed.progress, ProgressStory(), lambda: RequestContext(ports=ports), interval=0.01)


async def take(stream: AsyncIterator[Event[DeliveryProgress]], count: int) -> list[Event[DeliveryProgress]]:
    async with asyncio.timeout(5):
        return [await anext(stream) for _ in range(count)]


async def test_stream_begins_with_how_things_stand(feed: Feed, source: PolledSource[str, DeliveryProgress]) -> None:
    async with aclosing(source.listen("A")) as stream:
        (first,) = await take(stream, 1)
        assert (first.is_snapshot, first.id) == (True, "2-2000-202610")
        feed.add("A", "3400")
        (second,) = await take(stream, 1)
        assert (second.is_snapshot, second.id) == (False, "3-3400-202610")


async def test_nobody_is_asked_while_nobody_listens(feed: Feed, source: PolledSource[str, DeliveryProgress]) -> None:
    stream = source.listen("A")
    await take(stream, 1)
    await stream.aclose()
    before = len(feed.asked)
    await asyncio.sleep(0.05)
    assert len(feed.asked) == before
    assert source.listened == []


async def test_all_listeners_share_one_question_a_round(
    feed: Feed, source: PolledSource[str, DeliveryProgress]
) -> None:
    streams = [source.listen(order) for order in "ABAABA"]
    await asyncio.gather(*[take(stream, 1) for stream in streams])
    assert sorted(map(tuple, feed.asked[:2])) == [("A",), ("B",)]
    await asyncio.sleep(0.03)
    assert {tuple(sorted(asked)) for asked in feed.asked[2:]} == {("A", "B")}
    feed.add("A", "3400")
    heard = await asyncio.gather(*[take(stream, 1) for stream in (streams[0], streams[2], streams[5])])
    assert {event.id for events in heard for event in events} == {"3-3400-202610"}
    for stream in streams:
        await stream.aclose()


async def test_whoever_comes_back_misses_nothing_and_sees_nothing_twice(
    feed: Feed, source: PolledSource[str, DeliveryProgress]
) -> None:
    assert [event.id for event in await source.since("A", "2-2000-202610")] == []
    feed.add("A", "2500")
    feed.add("A", "3400")
    await asyncio.sleep(0.02)
    told = await source.since("A", "2-2000-202610")
    assert [(event.id, event.is_snapshot) for event in told] == [("3-2500-202610", False), ("4-3400-202610", False)]
    stream = source.listen("A", "3-2500-202610")
    assert [event.id for event in await take(stream, 1)] == ["4-3400-202610"]
    await stream.aclose()


async def test_process_that_has_never_seen_the_client_knows_its_place(feed: Feed, house: House) -> None:
    feed.add("A", "3400")
    other = made(feed, house.services.ports)
    assert [event.id for event in await other.since("A", "2-2000-202610")] == ["3-3400-202610"]
    await other.aclose()


async def test_place_is_found_again_where_the_feed_began_anew(feed: Feed, house: House) -> None:
    feed.orders["A"] = [report(1, "2000"), report(2, "3400")]
    other = made(feed, house.services.ports)
    assert [event.id for event in await other.since("A", "2-2000-202610")] == ["2-3400-202610"]
    await other.aclose()


@pytest.mark.parametrize("after", ["9-9999-202610", "nonsense", ""])
async def test_unknown_place_gives_a_snapshot_that_says_so(
    source: PolledSource[str, DeliveryProgress], after: str
) -> None:
    (told,) = await source.since("A", after)
    assert (told.is_snapshot, told.id) == (True, "2-2000-202610")


async def test_order_without_reports_can_be_followed(feed: Feed, source: PolledSource[str, DeliveryProgress]) -> None:
    stream = source.listen("B")
    (first,) = await take(stream, 1)
    assert first.is_snapshot
    feed.add("B", "1100")
    assert [event.id for event in await take(stream, 1)] == ["1-1100-202610"]
    assert [event.id for event in await source.since("B", first.id)] == ["1-1100-202610"]
    await stream.aclose()


async def test_window_is_bounded_and_who_falls_out_gets_a_snapshot(
    feed: Feed, source: PolledSource[str, DeliveryProgress], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polled, "WINDOW_EVENTS", 3)
    slow = source.listen("A")
    await take(slow, 1)
    for week in range(10):
        feed.add("A", "3400", f"2026{week + 20}")
    await asyncio.sleep(0.1)
    assert [event.id for event in source._topics["A"].events][-3:] == [f"{n}-3400-2026{n + 17}" for n in (10, 11, 12)]
    assert (len(source._topics["A"].events), source._topics["A"].end) == (3, 12)
    late = await take(slow, 1)
    assert [(event.is_snapshot, event.id) for event in late] == [(True, "12-3400-202629")]
    await slow.aclose()


async def test_stream_completes_when_the_car_is_delivered(
    feed: Feed, source: PolledSource[str, DeliveryProgress]
) -> None:
    feed.add("A", "6000")
    async with asyncio.timeout(5):
        assert [event.id async for event in source.listen("A", "1-1100-202610")] == ["2-2000-202610", "3-6000-202610"]


async def test_system_that_is_down_breaks_no_stream(feed: Feed, source: PolledSource[str, DeliveryProgress]) -> None:
    stream = source.listen("A")
    await take(stream, 1)
    feed.error = UpstreamUnavailable("otd")
    await asyncio.sleep(0.05)
    feed.error = None
    feed.add("A", "3400")
    assert [event.id for event in await take(stream, 1)] == ["3-3400-202610"]
    await stream.aclose()


async def test_system_that_was_never_reached_is_an_error(
    feed: Feed, source: PolledSource[str, DeliveryProgress]
) -> None:
    feed.error = UpstreamUnavailable("otd")
    with pytest.raises(UpstreamUnavailable):
        await source.since("A")
    feed.error = None
    assert len(await source.since("A")) == 1


async def test_unknown_thing_cannot_be_followed(source: PolledSource[str, DeliveryProgress]) -> None:
    with pytest.raises(NotFound):
        await source.since("nothing")


async def test_windows_that_nobody_asks_for_are_forgotten(
    feed: Feed, source: PolledSource[str, DeliveryProgress], monkeypatch: pytest.MonkeyPatch
) -> None:
    await source.since("B")
    monkeypatch.setattr(polled, "WINDOW_SECONDS", 0.0)
    await source.since("A")
    assert list(source._topics) == ["A"]


def test_booking_is_told_anew_only_when_it_changed() -> None:
    story = BookingStory(lambda: NOW)
    (first,) = story.told(BOOKING, [])
    assert story.told(BOOKING, [first]) == []
    moved = msgspec.structs.replace(BOOKING, status=BookingStatus.IN_REPAIR)
    (second,) = story.told(moved, [first])
    assert second.id != first.id
    assert story.place([first, second], first.id) == 0
    assert story.place([second], first.id) is None
    assert [
        story.is_final(value) for value in (moved, msgspec.structs.replace(moved, status=BookingStatus.CLOSED))
    ] == [
        False,
        True,
    ]


def test_another_process_gives_the_same_state_the_same_id() -> None:
    (here,), (there,) = BookingStory().told(BOOKING, []), BookingStory().told(BOOKING, [])
    assert here.id == there.id


async def test_feed_that_begins_anew_under_a_listener_tells_only_what_is_new(
    feed: Feed, source: PolledSource[str, DeliveryProgress]
) -> None:
    stream = source.listen("A")
    await take(stream, 1)
    feed.orders["A"] = [report(1, "2000")]
    await asyncio.sleep(0.03)
    feed.add("A", "3400", "202611")
    feed.add("A", "3800", "202612")
    assert [event.id for event in await take(stream, 2)] == ["2-3400-202611", "3-3800-202612"]
    await stream.aclose()
