"""graphql-transport-ws as its protocol document has it: every message, every close code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from starlette.types import Message

from bff.serving.limits import HttpLimits
from bff.serving.websocket import WebSocketApp
from sandbox.identity.tokens import issue
from tests.estate.house import House
from tests.serving.loopback import ORDER_ID, report

pytestmark = pytest.mark.anyio

FOLLOW = "subscription ($id: ID!) { vehicleOrderProgress(orderId: $id) { isSnapshot report { rawCode } } }"
INIT = {"type": "connection_init", "payload": {"authorization": f"Bearer {issue('owner')}"}}


class Socket:
    """The other end of an ASGI WebSocket."""

    def __init__(self) -> None:
        self.to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.from_app: asyncio.Queue[Message] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()

    async def receive(self) -> dict[str, Any]:
        return await self.to_app.get()

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.from_app.put_nowait(message)

    def say(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        self.to_app.put_nowait({"type": "websocket.receive", "text": text})

    async def hear(self) -> Any:
        """The next message; a close is its code."""
        async with asyncio.timeout(5):
            message = await self.from_app.get()
        if message["type"] == "websocket.close":
            return message["code"]
        return json.loads(message["text"])


@asynccontextmanager
async def connected(
    house: House, *, protocols: tuple[str, ...] = ("graphql-transport-ws",), headers: dict[str, str] | None = None
) -> AsyncIterator[Socket]:
    socket = Socket()
    raw = [(name.encode(), value.encode()) for name, value in ({"host": "bff.test"} | (headers or {})).items()]
    scope = {
        "type": "websocket", "path": "/graphql", "headers": raw, "subprotocols": list(protocols),
        "client": ("192.0.2.1", 1), "query_string": b"",
    }  # fmt: skip
    socket.to_app.put_nowait({"type": "websocket.connect"})
    app = WebSocketApp(house.app.graphql, ["https://app.example.com"])
    task = asyncio.create_task(app(scope, socket.receive, socket.send))
    async with asyncio.timeout(5):
        answer = await socket.from_app.get()
    if answer["type"] == "websocket.accept":
        assert answer.get("subprotocol") in ("graphql-transport-ws", None)
    else:
        socket.from_app.put_nowait(answer)
    yield socket
    socket.to_app.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(task, 5)
    assert house.app.graphql.streams.open == 0


async def greeted(socket: Socket) -> None:
    socket.say(INIT)
    assert await socket.hear() == {"type": "connection_ack"}


async def test_query_is_next_and_complete(house: House) -> None:
    async with connected(house) as socket:
        await greeted(socket)
        socket.say({"type": "subscribe", "id": "1", "payload": {"query": "{ viewer { kind } }"}})
        assert await socket.hear() == {"type": "next", "id": "1", "payload": {"data": {"viewer": {"kind": "CUSTOMER"}}}}
        assert await socket.hear() == {"type": "complete", "id": "1"}
        socket.say({"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}})
        assert (await socket.hear())["type"] == "next"


async def test_subscription_goes_on_until_the_client_completes_it(fresh: House) -> None:
    async with connected(fresh) as socket:
        await greeted(socket)
        socket.say({"type": "subscribe", "id": "a", "payload": {"query": FOLLOW, "variables": {"id": ORDER_ID}}})
        assert (await socket.hear())["payload"]["data"]["vehicleOrderProgress"]["isSnapshot"]
        await report(fresh, "3800")
        event = (await socket.hear())["payload"]["data"]["vehicleOrderProgress"]
        assert event == {"isSnapshot": False, "report": {"rawCode": "3800"}}
        socket.say({"type": "complete", "id": "a"})
        socket.say({"type": "ping"})
        assert await socket.hear() == {"type": "pong"}
        assert not any(source.listened for source in fresh.services.sources)


async def test_what_cannot_be_run_is_an_error_message(house: House) -> None:
    async with connected(house) as socket:
        await greeted(socket)
        for query in ("{ nope }", "{"):
            socket.say({"type": "subscribe", "id": "1", "payload": {"query": query}})
            answer = await socket.hear()
            assert (answer["type"], answer["id"]) == ("error", "1")
            assert isinstance(answer["payload"], list)
            assert answer["payload"][0]["message"]


async def test_pongs_and_completes_of_nothing_are_passed_over(house: House) -> None:
    async with connected(house) as socket:
        await greeted(socket)
        socket.say({"type": "pong", "payload": {"any": "thing"}})
        socket.say({"type": "complete", "id": "unknown"})
        socket.say({"type": "ping", "payload": {}})
        assert await socket.hear() == {"type": "pong"}


@pytest.mark.parametrize(
    "message",
    [
        "", "nonsense", "[]", "null", "{}", '{"type": "nonsense"}', '{"type": 1}', "[" * 90_000,
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": "1"}', '{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ __typename }"}}', '{"type": "complete"}',
        '{"type": "subscribe", "id": "1", "payload": "{ __typename }"}', "start", '{"type": "connection_ack"}',
        json.dumps({"type": "subscribe", "id": "x" * 300, "payload": {"query": "{ __typename }"}}),
    ],
)  # fmt: skip
async def test_message_that_is_none_closes_with_4400(house: House, message: str) -> None:
    async with connected(house) as socket:
        await greeted(socket)
        socket.say(message)
        assert await socket.hear() == 4400


async def test_binary_message_closes_with_4400(house: House) -> None:
    async with connected(house) as socket:
        socket.to_app.put_nowait({"type": "websocket.receive", "bytes": b"{}"})
        assert await socket.hear() == 4400


async def test_operation_before_the_acknowledgement_closes_with_4401(house: House) -> None:
    async with connected(house) as socket:
        socket.say({"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}})
        assert await socket.hear() == 4401


async def test_login_that_does_not_hold_closes_with_4403(house: House) -> None:
    async with connected(house) as socket:
        socket.say({"type": "connection_init", "payload": {"Authorization": "Bearer nonsense"}})
        assert await socket.hear() == 4403


async def test_login_that_ends_closes_with_4403(fresh: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.app.graphql.limits = msgspec.structs.replace(HttpLimits(), heartbeat_seconds=0.05)

    async def expired(_headers: object) -> bool:
        return False

    async with connected(fresh) as socket:
        await greeted(socket)
        monkeypatch.setattr(fresh.app.graphql.operations, "still_holds", expired)
        assert await socket.hear() == 4403


async def test_login_can_come_with_the_handshake(house: House) -> None:
    async with connected(house, headers={"authorization": f"Bearer {issue('adviser')}"}) as socket:
        socket.say({"type": "connection_init"})
        assert (await socket.hear())["type"] == "connection_ack"
        socket.say({"type": "subscribe", "id": "1", "payload": {"query": "{ viewer { kind } }"}})
        assert (await socket.hear())["payload"]["data"]["viewer"]["kind"] == "ADVISER"


async def test_silence_closes_with_4408(fresh: House) -> None:
    fresh.app.graphql.limits = msgspec.structs.replace(HttpLimits(), init_seconds=0.05)
    async with connected(fresh) as socket:
        assert await socket.hear() == 4408


async def test_id_in_use_closes_with_4409(fresh: House) -> None:
    async with connected(fresh) as socket:
        await greeted(socket)
        for _ in range(2):
            socket.say({"type": "subscribe", "id": "1", "payload": {"query": FOLLOW, "variables": {"id": ORDER_ID}}})
        while isinstance(heard := await socket.hear(), dict):
            assert heard["type"] == "next"
        assert heard == 4409


async def test_second_init_closes_with_4429(house: House) -> None:
    async with connected(house) as socket:
        await greeted(socket)
        socket.say(INIT)
        assert await socket.hear() == 4429


async def test_long_message_closes_with_1009(house: House) -> None:
    async with connected(house) as socket:
        await greeted(socket)
        socket.say({"type": "ping", "payload": {"x": "y" * 200_000}})
        assert await socket.hear() == 1009


async def test_other_subprotocol_closes_with_4406(house: House) -> None:
    async with connected(house, protocols=("graphql-ws",)) as socket:
        assert await socket.hear() == 4406


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        ("https://bff.test", True), ("https://app.example.com", True), ("https://evil.test", False), ("null", False),
        ("https://app.example.com.evil.test", False),
    ],
)  # fmt: skip
async def test_page_of_somebody_else_cannot_connect(house: House, origin: str, welcome: bool) -> None:
    async with connected(house, headers={"origin": origin}) as socket:
        if welcome:
            await greeted(socket)
        else:
            assert await socket.hear() == 4403


async def test_operations_of_a_caller_are_bounded() -> None:
    house = House(BFF_STREAMS_PER_CALLER="2")
    async with connected(house) as socket:
        await greeted(socket)
        for name in "123":
            socket.say({"type": "subscribe", "id": name, "payload": {"query": FOLLOW, "variables": {"id": ORDER_ID}}})
        heard = [await socket.hear() for _ in range(3)]
    refused = [message for message in heard if message["type"] == "error"]
    assert [message["payload"][0]["extensions"]["code"] for message in refused] == ["TOO_MANY_STREAMS"]
    await house.aclose()


async def test_stop_closes_with_1012(fresh: House) -> None:
    async with connected(fresh) as socket:
        await greeted(socket)
        fresh.app.drain()
        assert await socket.hear() == 1012


async def test_client_that_does_not_read_is_closed_with_1013(fresh: House) -> None:
    fresh.app.graphql.limits = msgspec.structs.replace(HttpLimits(), stalled_seconds=0.05)
    async with connected(fresh) as socket:
        await greeted(socket)
        socket.reads.clear()
        socket.say({"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}})
        await asyncio.sleep(0.2)
        socket.reads.set()
        assert await socket.hear() == 1013
