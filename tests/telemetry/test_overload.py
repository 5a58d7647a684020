"""A process that is behind refuses what matters least, at once, and comes back slowly."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from bff.policy import Priority
from bff.serving.draining import Draining
from bff.serving.gate import Gate
from bff.serving.overload import CALM_SECONDS, Overload, Overloaded
from bff.telemetry.counts import BOUNDS
from tests.estate.house import House
from tests.support import eventually
from tests.telemetry.service import SlowSystem, ask, serving

pytestmark = pytest.mark.anyio

FEED = "{ communityFeed(first: 1) { edges { node { id } } } }"
MODELS = "{ vehicleModels { code } }"
PAY = 'mutation { closePayment(input: {paymentId: "x", idempotencyKey: "0123456789"}) { userErrors { code } } }'


def late(overload: Overload, seconds: float, now: float) -> None:
    """Two readings, since one long step is no overload."""
    overload.judge(seconds, now)
    overload.judge(seconds, now)


def refused(overload: Overload, priority: Priority) -> bool:
    try:
        overload.admit(priority)
    except Overloaded:
        return True
    return False


def shed(overload: Overload) -> list[Priority]:
    return [priority for priority in Priority if refused(overload, priority)]


def test_the_later_the_loop_the_more_is_shed_and_never_what_pays() -> None:
    overload = Overload(100)
    assert shed(overload) == []
    late(overload, 0.12, 1.0)
    assert shed(overload) == [Priority.LAST]
    late(overload, 0.35, 2.0)
    assert shed(overload) == [Priority.NORMAL, Priority.LAST]
    late(overload, 30.0, 3.0)
    assert shed(overload) == [Priority.NORMAL, Priority.LAST]


def test_one_long_step_is_no_overload() -> None:
    overload = Overload(100)
    overload.judge(0.0, 1.0)
    overload.judge(2.0, 1.05)
    overload.judge(0.0, 1.1)
    assert overload.level == 0


def test_a_level_ends_only_after_a_second_of_calm_and_one_at_a_time() -> None:
    overload = Overload(100)
    late(overload, 0.4, 10.0)
    assert overload.level == 2
    late(overload, 0.0, 10.0 + CALM_SECONDS / 2)
    assert overload.level == 2
    overload.judge(0.2, 10.6)  # under the begin of level 2, above its end: not calm
    overload.judge(0.0, 10.0 + CALM_SECONDS)
    assert overload.level == 2
    overload.judge(0.0, 11.7)
    assert overload.level == 1
    overload.judge(0.0, 11.8)
    assert overload.level == 1
    overload.judge(0.0, 12.8)
    assert overload.level == 0


def test_each_priority_fills_its_part_and_comes_back_at_low_water() -> None:
    overload = Overload(100)
    overload.in_flight = 50
    assert shed(overload) == []
    overload.in_flight = 51
    assert shed(overload) == [Priority.LAST]
    overload.in_flight = 76
    assert shed(overload) == [Priority.NORMAL, Priority.LAST]
    overload.in_flight = 45  # under the parts of both, above the low water of one
    overload.judge(0.0, 1.0)
    assert shed(overload) == [Priority.LAST]
    overload.in_flight = 40
    overload.judge(0.0, 2.0)
    assert shed(overload) == []


def test_the_last_tenth_is_for_those_known_to_go_first() -> None:
    overload = Overload(10)
    for _ in range(9):
        overload.enter(is_first=False)
    with pytest.raises(Overloaded):
        overload.enter(is_first=False)
    overload.enter(is_first=True)
    with pytest.raises(Overloaded):
        overload.enter(is_first=True)
    assert dict(overload.shed) == {("in_flight", "UNKNOWN"): 1, ("in_flight", "FIRST"): 1}


async def test_a_loop_that_is_held_up_is_measured_late() -> None:
    overload = Overload(10)
    overload.start()
    for _ in range(6):
        await asyncio.sleep(0.051)
        time.sleep(0.16)  # noqa: ASYNC251 - holding the loop up is the point
    assert overload.level >= 1
    assert sum(overload.lateness.buckets[bisect_right(BOUNDS, 0.1) :]) >= 2
    overload.stop()


async def test_many_callbacks_before_ours_are_measured_as_the_age_of_the_queue() -> None:
    overload = Overload(10)
    overload.start()
    loop, ages = asyncio.get_running_loop(), []
    end = loop.time() + 0.6

    def busy() -> None:
        time.sleep(0.03)
        if loop.time() < end:
            loop.call_soon(busy)
        ages.append(overload.queue_age)

    for _ in range(4):
        loop.call_soon(busy)
    await asyncio.sleep(0.7)
    assert max(ages) > 0.05
    overload.stop()


Answering = Callable[[Scope, Receive, Send], object]


async def through(gate: Gate, path: str = "/graphql", headers: tuple[tuple[bytes, bytes], ...] = ()) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("the body of a refused request is not read")

    scope = {"type": "http", "path": path, "method": "POST", "headers": list(headers)}
    await gate(scope, receive, send)
    return sent


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def gate_of(app: object, overload: Overload, draining: Draining | None = None) -> tuple[Gate, list[int]]:
    statuses: list[int] = []
    gate = Gate(
        app,  # type: ignore[arg-type]  # an ASGI application
        overload,
        draining or Draining(0.0),
        lambda scope, status, seconds: statuses.append(status),
    )
    return gate, statuses


async def test_full_process_refuses_before_the_body_is_read_and_says_when_to_come_back() -> None:
    overload = Overload(10)
    gate, statuses = gate_of(answer, overload)
    overload.in_flight = 9
    start, body = await through(gate)
    headers = dict(start["headers"])
    assert start["status"] == 503
    assert 1 <= int(headers[b"retry-after"]) <= 2
    said = orjson.loads(body["body"])["errors"][0]
    assert said["extensions"] == {"code": "OVERLOADED", "retryable": True}
    assert overload.in_flight == 9
    assert (await through(gate, headers=((b"bff-channel", b"in_car"),)))[0]["status"] == 200
    assert (await through(gate, "/health/live"))[0]["status"] == 200
    assert statuses == [503, 200]


async def test_requests_leave_room_when_they_end_however_they_end() -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    overload = Overload(10)
    gate, statuses = gate_of(fail, overload)
    with pytest.raises(RuntimeError):
        await through(gate)
    assert (overload.in_flight, statuses) == (0, [0])


async def test_a_response_that_became_a_stream_leaves_its_room() -> None:
    overload = Overload(10)
    seen: list[int] = []

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        seen.append(overload.in_flight)
        for _ in range(2):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            seen.append(overload.in_flight)
        await send({"type": "http.response.body", "body": b""})

    gate, _ = gate_of(stream, overload)
    await through(gate)
    assert seen == [1, 0, 0]
    assert overload.in_flight == 0


async def test_draining_tells_every_client_to_leave() -> None:
    draining = Draining(0.0)
    gate, _ = gate_of(answer, Overload(10), draining)
    assert (await through(gate))[0]["headers"] == []
    draining.begin()
    assert (await through(gate))[0]["headers"] == [(b"connection", b"close")]


async def test_what_pays_is_answered_while_the_feed_is_refused(house: House) -> None:
    overload = house.app.process.overload
    late(overload, 0.2, 1.0)
    feed, models, pay = [await house.ask(query) for query in (FEED, MODELS, PAY)]
    assert (feed.status, feed.body["errors"][0]["extensions"]["code"]) == (503, "OVERLOADED")
    assert feed.body["errors"][0]["extensions"]["retryable"] is True
    assert feed.headers["retry-after"].isdigit()
    assert (models.status, pay.status) == (200, 200)
    late(overload, 0.5, 2.0)
    models, pay = [await house.ask(query) for query in (MODELS, PAY)]
    assert (models.status, pay.status) == (503, 200)
    car = await house.ask(MODELS, headers={"bff-channel": "IN_CAR"})
    assert car.status == 200
    assert dict(overload.shed) == {("lag", "LAST"): 1, ("lag", "NORMAL"): 1}


class HeldSystem(SlowSystem):
    """Answers nobody until it is let."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.may_answer = asyncio.Event()

    async def pause(self) -> None:
        await self.may_answer.wait()


async def test_a_burst_is_bounded_refused_at_once_and_forgotten(tmp_path: Path) -> None:
    """Forty may be in work, thirty of them to browse: of two hundred at once no more reach the system."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    codes = [f"7K3M9Q{first}{second}" for first in alphabet for second in alphabet][:200]
    limits = httpx.Limits(max_connections=200)
    async with (
        (held := HeldSystem()).running() as system,
        serving(system, tmp_path, BFF_MAX_IN_FLIGHT="40") as service,
        httpx.AsyncClient(timeout=30, limits=limits) as client,
    ):
        asking = [asyncio.create_task(ask(client, service, code)) for code in codes]
        await eventually(lambda: sum(each.done() for each in asking) + system.asked >= len(codes), seconds=20)
        assert {each.result().status_code for each in asking if each.done()} == {503}, "while nobody is served yet"
        held.may_answer.set()
        answers = await asyncio.gather(*asking)
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) == {200, 503}
        assert statuses[200] == system.asked
        assert 1 <= system.asked <= 30
        refused = [answer for answer in answers if answer.status_code == 503]
        assert {answer.json()["errors"][0]["extensions"]["code"] for answer in refused} == {"OVERLOADED"}
        assert all(answer.headers["retry-after"].isdigit() for answer in refused)
        assert (await ask(client, service, "7K3M9QXT")).status_code == 200
        page = (await client.get(f"{service.management}/metrics")).text
        shed = [float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith("bff_shed_total{")]
        assert sum(shed) == len(refused)
