"""The feed's client: what it asks, how seldom, and what it answers when the feed is broken or gone."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import respx

from adapters.otd.client import OtdFeed
from bff.domain.vehicle_order import DeliveryProgress, Milestone
from bff.errors import UpstreamBusy, UpstreamContractBroken, UpstreamError, UpstreamRejected, UpstreamUnavailable
from tests.support import BASE, entered_context, mocked_upstream

pytestmark = pytest.mark.anyio

VIN = "LDCA1AB57SB000001"
BUILT = f"SO4711      3800{VIN}202503"
PLACED = f"SO4712      1100{'':17}202502"


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 3, 9, 2, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


def page(*lines: str, last: int, more: bool = False) -> httpx.Response:
    return httpx.Response(
        200,
        headers={
            "content-type": "text/plain; charset=us-ascii",
            "x-feed-last-sequence": str(last),
            "x-feed-more": str(more).lower(),
        },
        content="".join(line + "\r\n" for line in lines).encode(),
    )


@pytest.fixture
def router() -> respx.Router:
    return respx.Router(assert_all_mocked=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def feed(router: respx.Router, clock: Clock) -> OtdFeed:
    return OtdFeed(mocked_upstream(router, "otd"), max_age=15, now=clock)


async def standing(feed: OtdFeed, order: str = "SO4711") -> DeliveryProgress:
    found = (await feed.progress([order]))[order]
    assert isinstance(found, DeliveryProgress)
    return found


async def test_the_first_question_reads_the_feed_from_its_start(router: respx.Router, feed: OtdFeed) -> None:
    route = router.get(BASE + "/feed").mock(return_value=page(BUILT, PLACED, last=2))
    found = await feed.progress(["SO4711", "SO4712", "SO9999"])
    assert str(route.calls.last.request.url) == BASE + "/feed?after=0&limit=5000"
    assert route.calls.last.request.headers["accept"] == "text/plain"
    assert found.keys() == {"SO4711", "SO4712"}
    built = found["SO4711"]
    assert isinstance(built, DeliveryProgress)
    assert (built.current, built.vin, built.events[0].week) == (Milestone.BUILT, VIN, "202503")


async def test_what_is_fresh_costs_no_call_and_what_is_stale_pulls_only_the_new(
    router: respx.Router, feed: OtdFeed, clock: Clock
) -> None:
    router.get(BASE + "/feed", params={"after": "0"}).mock(return_value=page(BUILT, last=7))
    newer = router.get(BASE + "/feed", params={"after": "7"}).mock(
        return_value=page(f"SO4711      4106{VIN}202504", last=8)
    )
    context = entered_context()
    await standing(feed)
    clock.time += timedelta(seconds=15)
    assert (await standing(feed)).current is Milestone.BUILT
    assert len(context.calls.records) == 1
    clock.time += timedelta(seconds=1)
    assert (await standing(feed)).current is Milestone.SHIPPED
    assert newer.call_count == 1


async def test_no_keys_cost_no_call(router: respx.Router, feed: OtdFeed) -> None:
    assert await feed.progress([]) == {}


async def test_pages_are_followed_to_the_end(router: respx.Router, feed: OtdFeed) -> None:
    router.get(BASE + "/feed", params={"after": "0"}).mock(return_value=page(PLACED, last=1, more=True))
    router.get(BASE + "/feed", params={"after": "1"}).mock(return_value=page(BUILT, last=2))
    context = entered_context()
    assert len(await feed.progress(["SO4711", "SO4712"])) == 2
    assert context.calls.rounds == 2


async def test_many_askers_pull_once(router: respx.Router, feed: OtdFeed) -> None:
    route = router.get(BASE + "/feed").mock(return_value=page(BUILT, last=1))
    answers = await asyncio.gather(*(standing(feed) for _ in range(50)))
    assert {answer.current for answer in answers} == {Milestone.BUILT}
    assert route.call_count == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (httpx.Response(503), UpstreamBusy),
        (httpx.Response(500), UpstreamUnavailable),
        (httpx.Response(400, text="after is a sequence"), UpstreamRejected),
        (httpx.Response(200, html="<html>maintenance</html>"), UpstreamContractBroken),
        (httpx.Response(200, text=BUILT + "\r\n"), UpstreamContractBroken),
        (page("garbage", "more garbage", last=2), UpstreamContractBroken),
        (page(BUILT, last=0, more=True), UpstreamContractBroken),
        (httpx.ConnectError("refused"), UpstreamUnavailable),
    ],
)
async def test_a_first_pull_that_fails_is_an_error_that_names_the_feed(
    router: respx.Router, feed: OtdFeed, reply: httpx.Response | Exception, error: type[UpstreamError]
) -> None:
    router.get(BASE + "/feed").mock(side_effect=[reply])
    with pytest.raises(error) as raised:
        await feed.progress(["SO4711"])
    assert raised.value.upstream == "otd"


async def test_a_body_cut_inside_a_record_is_pulled_again_from_the_same_place(
    router: respx.Router, feed: OtdFeed
) -> None:
    whole = page(BUILT, PLACED, last=2)
    cut = httpx.Response(200, headers=whole.headers, content=whole.content[:60])
    router.get(BASE + "/feed", params={"after": "0"}).mock(side_effect=[cut, whole])
    with pytest.raises(UpstreamContractBroken) as raised:
        await feed.progress(["SO4711"])
    assert raised.value.detail == "byte 60: the body ends inside a record"
    assert len(await feed.progress(["SO4711", "SO4712"])) == 2


async def test_a_later_pull_that_fails_answers_as_of_the_last_good_one_and_does_not_try_each_time(
    router: respx.Router, feed: OtdFeed, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    route = router.get(BASE + "/feed").mock(side_effect=[page(BUILT, last=1), httpx.Response(500), page(last=1)])
    first = await standing(feed)
    clock.time += timedelta(seconds=16)
    assert await standing(feed) == first
    assert await standing(feed) == first
    assert route.call_count == 2
    assert "answered as of" in caplog.text
    clock.time += timedelta(seconds=16)
    assert (await standing(feed)).as_of == clock.time


async def test_one_damaged_record_fails_its_order_only(
    router: respx.Router, feed: OtdFeed, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    router.get(BASE + "/feed").mock(
        side_effect=[
            page(BUILT, f"SO4712      11?0{'':17}202502", f"\xc3      1100{'':17}202502", last=3),
            page(PLACED, last=4),
        ]
    )
    with caplog.at_level(logging.WARNING):
        found = await feed.progress(["SO4711", "SO4712"])
    assert isinstance(found["SO4711"], DeliveryProgress)
    damaged = found["SO4712"]
    assert isinstance(damaged, UpstreamContractBroken)
    assert damaged.detail == "byte 53: code is malformed: '11?0'"
    assert "byte 82: order has a byte beyond ASCII" in caplog.text
    clock.time += timedelta(seconds=16)
    assert (await standing(feed, "SO4712")).current is Milestone.PLACED


async def test_a_feed_that_began_anew_is_read_from_its_start(router: respx.Router, feed: OtdFeed, clock: Clock) -> None:
    router.get(BASE + "/feed", params={"after": "0"}).mock(side_effect=[page(BUILT, last=900), page(PLACED, last=5)])
    router.get(BASE + "/feed", params={"after": "900"}).mock(return_value=page(last=5))
    await standing(feed)
    clock.time += timedelta(seconds=16)
    assert (await feed.progress(["SO4711", "SO4712"])).keys() == {"SO4712"}
