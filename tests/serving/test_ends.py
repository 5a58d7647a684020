"""How an operation ends that is not answered by itself: what its refusal tells, and that nothing of it stays."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from bff.context import RequestContext, current_or_none
from bff.serving.exchange import Exchange
from bff.serving.refusals import HttpRefusal
from sandbox.identity.tokens import issue
from tests.estate.house import House
from tests.serving.loopback import ORDER_ID, report, served
from tests.serving.test_websocket import connected, greeted

pytestmark = pytest.mark.anyio

NAME = "{ viewer { customer { profile { displayName } } } }"
LATER = "{ viewer { kind ... @defer { customer { profile { displayName } } } } }"
FOLLOW = f'subscription {{ vehicleOrderProgress(orderId: "{ORDER_ID}") {{ isSnapshot }} }}'
TWO_REFUSED = '{ customerByPhone(phone: "13800000001") { id } storeLeads { id } }'
MULTIPART = "multipart/mixed;deferSpec=20220824, application/json"


async def post(house: House, body: Any, accept: str = "application/json", *, owner: bool = True) -> httpx.Response:
    headers = {"accept": accept} | ({"authorization": f"Bearer {issue('owner')}"} if owner else {})
    return await house.client.post("/graphql", json=body, headers=headers)


def watched(house: House) -> list[RequestContext]:
    """The contexts of the operations that are run from now on."""
    found: list[RequestContext] = []
    house.app.graphql.stages.admit.append(lambda exchange: found.append(exchange.context))
    return found


def hurried(exchange: Exchange) -> None:
    raise HttpRefusal(429, "RATE_LIMITED", "Slower.", retryAfterSeconds=3)


@pytest.mark.parametrize(
    ("body", "accept"),
    [
        ({"query": NAME}, "application/json"),
        ([{"query": NAME}, {"query": NAME}], "application/json"),
        ({"query": LATER}, MULTIPART),
        ({"query": LATER}, "application/json"),
        ({"query": LATER}, "text/event-stream"),
        ({"query": NAME}, "text/event-stream"),
    ],
    ids=["one", "batch", "deferred", "in one piece", "deferred as events", "events"],
)
async def test_what_was_loaded_goes_with_the_answer(body: Any, accept: str) -> None:
    house = House(BFF_MAX_BATCH="2")
    contexts = watched(house)
    assert "林晓" in (await post(house, body, accept)).text
    assert len(contexts) == (len(body) if isinstance(body, list) else 1)
    for context in contexts:
        assert "GetCustomers" in {record.operation for record in context.calls.records}, "something was loaded"
        assert not context.loads
    await house.aclose()


async def test_every_event_of_a_stream_belongs_to_its_request(fresh: House) -> None:
    seen: list[RequestContext | None] = []
    progress = fresh.services.ports.vehicle_orders
    orders = type(progress).orders

    async def noted(self: Any, numbers: Any) -> Any:
        seen.append(current_or_none())
        return await orders(self, numbers)

    contexts = watched(fresh)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(progress), "orders", noted)
        async with served(fresh.app) as (base, _), httpx.AsyncClient(base_url=base, timeout=10) as client:
            headers = {"accept": "text/event-stream", "authorization": f"Bearer {issue('owner')}"}
            async with client.stream("POST", "/graphql", json={"query": FOLLOW}, headers=headers) as reply:
                lines = (line async for line in reply.aiter_lines() if line.startswith("data: {"))
                assert "isSnapshot" in await anext(lines)
                await report(fresh, "3800")
                assert "isSnapshot" in await anext(lines)
    (followed,) = contexts
    assert len(seen) > 2, "each event asks whether it may still be seen"
    assert all(context is followed for context in seen)


async def test_what_a_websocket_loaded_goes_with_its_operation(fresh: House) -> None:
    contexts = watched(fresh)
    async with connected(fresh) as socket:
        await greeted(socket)
        socket.say({"type": "subscribe", "id": "1", "payload": {"query": NAME}})
        socket.say({"type": "subscribe", "id": "2", "payload": {"query": FOLLOW}})
        heard = [await socket.hear() for _ in range(3)]
        assert sorted(message["type"] for message in heard) == ["complete", "next", "next"]
        followed = contexts[-1]
        socket.say({"type": "complete", "id": "2"})
        socket.say({"type": "ping"})
        assert await socket.hear() == {"type": "pong"}
        while any(source.listened for source in fresh.services.sources):  # noqa: ASYNC110 - it ends on its own
            await asyncio.sleep(0.005)
    assert len(contexts) == 2
    assert not followed.loads
    assert not contexts[0].loads


async def test_refusal_in_a_batch_tells_all_that_one_alone_does() -> None:
    house = House(BFF_MAX_BATCH="2", BFF_RIGHTS_MODE="reject")
    alone = await post(house, {"query": TWO_REFUSED}, owner=False)
    assert [error["extensions"]["retryable"] for error in alone.json()["errors"]] == [False, False]
    batch = await post(house, [{"query": "{ __typename }"}, {"query": TWO_REFUSED}], owner=False)
    assert batch.json() == [{"data": {"__typename": "Query"}}, alone.json()]
    house.app.graphql.stages.admit.append(hurried)
    (told,) = (await post(house, [{"query": "{ __typename }"}])).json()
    assert told["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 3}
    await house.aclose()


async def test_refusal_over_a_websocket_tells_its_extensions(fresh: House) -> None:
    fresh.app.graphql.stages.admit.append(hurried)
    async with connected(fresh) as socket:
        await greeted(socket)
        socket.say({"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}})
        told = (await socket.hear())["payload"]
    assert told == [{"message": "Slower.", "extensions": {"code": "RATE_LIMITED", "retryAfterSeconds": 3}}]
