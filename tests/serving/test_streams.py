"""Subscriptions over server-sent events on a real socket: what they say, who may have them, how they end."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from bff.serving.limits import HttpLimits
from bff.serving.streams import Stalled, Streams, pump
from sandbox.identity.tokens import issue
from tests.estate.house import House
from tests.serving.loopback import ORDER, ORDER_ID, report, served
from tests.serving.sse_client import opened
from tests.support import eventually

pytestmark = pytest.mark.anyio

FOLLOW = """subscription ($id: ID!, $after: String) {
  vehicleOrderProgress(orderId: $id, after: $after) {
    id isSnapshot report { rawCode } progress { current } order { number }
  }
}"""
POLL = """query ($id: ID!, $after: String, $first: Int) {
  vehicleOrderEvents(orderId: $id, after: $after, first: $first) {
    cursor hasMore events { id isSnapshot report { rawCode } }
  }
}"""
BOOKING = (
    """subscription ($id: ID!) { serviceBookingProgress(bookingId: $id) { id isSnapshot status booking { id } } }"""
)
OF_ORDER = {"id": ORDER_ID}
STREAM = "/graphql/stream"


def told(data: Any) -> dict[str, Any]:
    event: dict[str, Any] = data["data"]["vehicleOrderProgress"]
    return event


async def test_stream_is_marked_as_what_it_is(fresh: House) -> None:
    async with served(fresh.app) as (base, _), opened(base, FOLLOW, OF_ORDER, token=issue("owner")) as stream:
        first = await stream.next()
        assert first is not None
        assert first.name == "next"
        assert first.id == told(first.data)["id"]
        assert told(first.data)["isSnapshot"]
        headers = stream.reply.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert "no-store" in headers["cache-control"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "retry: " in stream.raw


async def test_client_that_comes_back_misses_nothing(fresh: House) -> None:
    async with served(fresh.app) as (base, _):
        async with opened(base, FOLLOW, OF_ORDER, token=issue("owner")) as stream:
            seen = await stream.next()
            assert seen is not None
        await report(fresh, "3800")
        await report(fresh, "4000")
        by_header = {"last_event_id": str(seen.id)}
        async with opened(base, FOLLOW, OF_ORDER, token=issue("owner"), **by_header) as stream:
            missed = [await stream.next(), await stream.next()]
        async with opened(base, FOLLOW, OF_ORDER | {"after": seen.id}, token=issue("owner")) as stream:
            again = [await stream.next(), await stream.next()]
    assert missed == again
    codes = [told(event.data)["report"]["rawCode"] for event in missed if event is not None]
    assert codes == ["3800", "4000"]
    assert not any(told(event.data)["isSnapshot"] for event in missed if event is not None)


async def test_polling_gives_the_same_events_with_the_same_ids(fresh: House) -> None:
    first = (await fresh.ask(POLL, OF_ORDER)).data["vehicleOrderEvents"]
    assert [event["isSnapshot"] for event in first["events"]] == [True]
    nothing = (await fresh.ask(POLL, OF_ORDER | {"after": first["cursor"]})).data["vehicleOrderEvents"]
    assert nothing == {"cursor": first["cursor"], "hasMore": False, "events": []}
    async with served(fresh.app) as (base, _), opened(base, FOLLOW, OF_ORDER, token=issue("owner")) as stream:
        snapshot = await stream.next()
        await report(fresh, "3800")
        await report(fresh, "4000")
        streamed = [await stream.next(), await stream.next()]
        one = (await fresh.ask(POLL, OF_ORDER | {"after": first["cursor"], "first": 1})).data["vehicleOrderEvents"]
        two = (await fresh.ask(POLL, OF_ORDER | {"after": one["cursor"]})).data["vehicleOrderEvents"]
    assert snapshot is not None
    assert snapshot.id == first["cursor"]
    assert one["hasMore"] is True
    polled = [*one["events"], *two["events"]]
    assert [event["id"] for event in polled] == [event.id for event in streamed if event is not None]


@pytest.mark.parametrize(
    ("persona", "variables", "code"),
    [
        (None, OF_ORDER, "UNAUTHENTICATED"),
        ("head-unit", OF_ORDER, "FORBIDDEN"),
        ("owner", {"id": "nonsense"}, "BAD_USER_INPUT"),
        ("owner", OF_ORDER | {"after": "nonsense"}, "BAD_USER_INPUT"),
    ],
)
async def test_refused_stream_says_why_and_completes(
    base: str, persona: str | None, variables: dict[str, Any], code: str
) -> None:
    token = issue(persona) if persona else None
    async with opened(base, FOLLOW, variables, token=token) as stream:
        answer, complete = await stream.rest()
    assert answer.data["errors"][0]["extensions"]["code"] == code
    assert complete.name == "complete"


async def test_order_of_somebody_else_is_not_there(fresh: House) -> None:
    fresh.world.vehicle_orders[ORDER].customer_id = "C0002"
    async with served(fresh.app) as (base, _), opened(base, FOLLOW, OF_ORDER, token=issue("owner")) as stream:
        answer, _ = await stream.rest()
    assert answer.data["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert "SO4711" not in stream.raw


async def test_rights_are_asked_again_before_every_event(fresh: House) -> None:
    async with served(fresh.app) as (base, _), opened(base, FOLLOW, OF_ORDER, token=issue("owner")) as stream:
        await stream.next()
        fresh.world.vehicle_orders[ORDER].customer_id = "C0002"
        await report(fresh, "3800")
        refused, complete = await stream.rest()
    assert refused.data["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert "3800" not in stream.raw
    assert complete.name == "complete"


async def test_stream_ends_with_its_login(fresh: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def expired(_headers: object) -> bool:
        return False

    async with served(fresh.app) as (base, _), opened(base, FOLLOW, OF_ORDER, token=issue("owner")) as stream:
        await stream.next()
        monkeypatch.setattr(fresh.app.graphql.operations, "still_holds", expired)
        await report(fresh, "3800")
        refused, complete = await stream.rest()
    assert refused.data["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert complete.name == "complete"
    assert "3800" not in stream.raw


async def test_validation_errors_come_as_events(base: str) -> None:
    async with opened(base, "subscription { nope }", {}) as stream:
        assert stream.reply.status_code == 200
        answer, complete = await stream.rest()
    assert answer.data["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert (complete.name, complete.data) == ("complete", None)


async def test_query_is_one_event_and_the_end(base: str) -> None:
    async with opened(base, "{ __typename }", {}) as stream:
        assert [(event.name, event.data) for event in await stream.rest()] == [
            ("next", {"data": {"__typename": "Query"}}),
            ("complete", None),
        ]


async def test_caller_has_so_many_streams_and_no_more() -> None:
    house = House(BFF_STREAMS_PER_CALLER="1")
    async with served(house.app) as (base, _):
        async with opened(base, FOLLOW, OF_ORDER, token=issue("owner")) as first:
            await first.next()
            async with opened(base, FOLLOW, OF_ORDER, token=issue("owner")) as second:
                await second.reply.aread()
                assert second.reply.status_code == 429
                assert second.reply.json()["errors"][0]["extensions"]["code"] == "TOO_MANY_STREAMS"
                assert second.reply.headers["retry-after"]
        await eventually(lambda: house.app.graphql.streams.open == 0)
        async with opened(base, FOLLOW, OF_ORDER, token=issue("owner")) as third:
            assert await third.next() is not None
    await house.aclose()


async def test_client_that_goes_away_leaves_nothing_behind(fresh: House) -> None:
    async with served(fresh.app) as (base, _):
        async with opened(base, FOLLOW, OF_ORDER, token=issue("owner")) as stream:
            await stream.next()
            assert [source.listened for source in fresh.services.sources] == [["SO4711"], []]
        await eventually(lambda: not any(source.listened for source in fresh.services.sources))
        assert fresh.app.graphql.streams.open == 0


async def test_stop_ends_streams_so_that_clients_come_back(fresh: House) -> None:
    """Of themselves: this server would wait for them for ever."""
    async with (
        served(fresh.app, timeout_graceful_shutdown=None) as (base, server),
        opened(base, FOLLOW, OF_ORDER, token=issue("owner")) as stream,
        asyncio.timeout(20),
    ):
        await stream.next()
        server.should_exit = True
        assert await stream.rest() == []
        assert "complete" not in stream.raw


async def test_quiet_stream_has_heartbeats(fresh: House) -> None:
    streams = fresh.app.graphql.streams
    streams.limits = msgspec.structs.replace(streams.limits, heartbeat_seconds=0.05)
    async with served(fresh.app) as (base, _), opened(base, FOLLOW, OF_ORDER, token=issue("owner")) as stream:
        await stream.next()
        await asyncio.sleep(0.3)
        await report(fresh, "3800")
        await stream.next()
    assert stream.raw.count("\n:\n") >= 3


async def test_subscription_for_who_takes_no_stream_is_406(house: House) -> None:
    reply = await house.client.post("/graphql", json={"query": FOLLOW, "variables": OF_ORDER})
    assert reply.status_code == 406, reply.text
    assert "text/event-stream" in reply.json()["errors"][0]["message"]


async def test_booking_is_followed(fresh: House) -> None:
    booking = next(iter(each for each in fresh.world.bookings.values()))
    query = "{ vehicle(vin: $vin) { serviceBookings { items { id status } } } }".replace("$vin", f'"{booking.vin}"')
    answer = await fresh.ask(query, persona="adviser", headers={"bff-act-for": booking.customer_id})
    booking_id = answer.data["vehicle"]["serviceBookings"]["items"][0]["id"]
    headers = {"bff_act_for": booking.customer_id}
    cancel = """mutation ($id: ID!) {
      cancelServiceBooking(input: {bookingId: $id, idempotencyKey: "follow-and-cancel"}) {
        entity { status } userErrors { code }
      }
    }"""
    async with (
        served(fresh.app) as (base, _),
        opened(base, BOOKING, {"id": booking_id}, token=issue("adviser"), **headers) as stream,
    ):
        first = await stream.next()
        assert first is not None
        assert first.data["data"]["serviceBookingProgress"]["isSnapshot"]
        done = await fresh.ask(
            cancel, {"id": booking_id}, persona="adviser", headers={"bff-act-for": booking.customer_id}
        )
        assert done.data["cancelServiceBooking"]["userErrors"] == []
        second, complete = await stream.rest()
    assert second.data["data"]["serviceBookingProgress"]["status"] == "CANCELLED"
    assert complete.name == "complete"


async def never() -> Any:
    await asyncio.sleep(3600)


async def test_client_that_does_not_read_is_dropped() -> None:
    async def frames() -> Any:
        while True:
            yield b"x"

    async def send(_message: Any) -> None:
        await asyncio.sleep(3600)

    async def holds() -> bool:
        return True

    streams = Streams(HttpLimits(stalled_seconds=0.05))
    with pytest.raises(Stalled):
        await pump(frames(), never, send, streams, heartbeat=b"", farewell=b"", expired=b"", holds=holds)


async def test_single_connection_belongs_to_who_reserved_it(house: House, base: str) -> None:
    async with httpx.AsyncClient(base_url=base) as client:
        owner = {"authorization": f"Bearer {issue('owner')}"}
        token = (await client.put(STREAM, headers=owner)).text
        named = {"x-graphql-event-stream-token": token}
        body = {"query": "{ viewer { kind } }", "extensions": {"operationId": "1"}}
        assert (await client.post(STREAM, json=body, headers=named)).status_code == 403
        assert (await client.post(STREAM, json=body | {"extensions": {}}, headers=owner | named)).status_code == 400
        assert (await client.post(STREAM, json=body | {"query": "{ nope }"}, headers=owner | named)).status_code == 400
        assert (await client.post(STREAM, content=b"x", headers=owner | named)).status_code == 415
        assert (await client.post(STREAM, json=body, headers=owner | named)).status_code == 202
        assert (await client.delete(STREAM, params={"operationId": "none"}, headers=owner | named)).status_code == 404
        assert (await client.get(STREAM, params={"token": "guessed"})).status_code == 404
        assert (await client.patch(STREAM, headers=owner)).headers["allow"] == "GET, POST, PUT, DELETE"
        async with client.stream(
            "GET", STREAM, params={"token": token}, headers={"accept": "text/event-stream"}
        ) as reply:
            lines = reply.aiter_lines()
            async with asyncio.timeout(5):
                got = [line async for line in _until(lines, "event: complete")]
            assert any('"id":"1"' in line and '"kind":"CUSTOMER"' in line for line in got)
            again = await client.get(STREAM, params={"token": token}, headers={"accept": "text/event-stream"})
            assert again.status_code == 409
    await eventually(lambda: house.app.graphql.streams.open == 0)


async def _until(lines: Any, last: str) -> Any:
    async for line in lines:
        yield line
        if line == last:
            return
