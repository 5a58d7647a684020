"""Readiness tells of the state database, and does not depend on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from bff.durability.database import Script, T
from bff.durability.open import open_database
from bff.errors import StateUnavailable
from bff.serving import health
from bff.serving.health import FRESH_SECONDS, Readiness, StatePulse
from bff.serving.merged import merged_app
from tests.estate.house import House

pytestmark = pytest.mark.anyio


class Flaky:
    """A database that answers, fails or hangs, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_away = self.hangs = False
        self._real = open_database("sqlite://")

    async def run(self, script: Callable[[], Script[T]], *, write: bool = True) -> T:
        self.asked += 1
        if self.is_away:
            raise StateUnavailable(detail="away")
        if self.hangs:
            await asyncio.Event().wait()
        return await self._real.run(script, write=write)

    async def aclose(self) -> None:
        await self._real.aclose()


async def told(readiness: Readiness) -> httpx.Response:
    app = Starlette(routes=readiness.routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bff.test") as client:
        return await client.get("/health/ready")


async def test_service_without_its_database_is_ready_and_says_so() -> None:
    database = Flaky()
    readiness = Readiness(database=database)
    readiness.ready = database.is_away = True
    reply = await told(readiness)
    assert (reply.status_code, reply.json()["state"]) == (200, "down")
    await database.aclose()


async def test_database_that_is_up_makes_nobody_ready() -> None:
    database = Flaky()
    reply = await told(Readiness(database=database))
    assert (reply.status_code, reply.json()["state"]) == (503, "up")
    await database.aclose()


async def test_database_is_asked_once_in_a_while_however_many_probe() -> None:
    database, now = Flaky(), [100.0]
    pulse = StatePulse(database, clock=lambda: now[0])
    assert await asyncio.gather(*[pulse.look() for _ in range(5)]) == ["up"] * 5
    database.is_away = True
    assert (await pulse.look(), database.asked) == ("up", 1)
    now[0] += FRESH_SECONDS
    assert (await pulse.look(), database.asked) == ("down", 2)
    database.is_away = False
    now[0] += FRESH_SECONDS
    assert (await pulse.look(), database.asked) == ("up", 3)
    await database.aclose()


async def test_probe_does_not_hang_with_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.01)
    database = Flaky()
    database.hangs = True
    assert await StatePulse(database).look() == "down"
    await database.aclose()


async def test_whole_service_tells_its_state(house: House) -> None:
    house.app.readiness.ready = True
    assert (await house.client.get("/health/ready")).json() == {"status": "ready", "upstreams": {}, "state": "up"}


@pytest.mark.parametrize(("bodies", "state"), [(["up", "up"], "up"), (["up", "down"], "down"), ([], "down")])
async def test_one_worker_that_cannot_reach_it_is_told(
    bodies: list[str], state: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    async def ask_all(_folder: object, _path: str) -> dict[str, tuple[int, bytes]]:
        return {str(number): (200, f'{{"state": "{said}"}}'.encode()) for number, said in enumerate(bodies)}

    monkeypatch.setattr("bff.serving.merged.ask_all", ask_all)
    transport = httpx.ASGITransport(merged_app(tmp_path, 2))
    async with httpx.AsyncClient(transport=transport, base_url="http://bff.test") as client:
        assert (await client.get("/health/ready")).json()["state"] == state
