"""The whole service on a real loopback socket, in the test's own event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from bff.app import Application
from bff.serving.connection import server_options
from resolvers.relay import encode_id
from tests.estate.house import House

ORDER = "VO00004711"
ORDER_ID = str(encode_id("VehicleOrder", ORDER))


@asynccontextmanager
async def served(app: ASGIApp, **options: Any) -> AsyncIterator[tuple[str, uvicorn.Server]]:
    """The base URL and the server, which is stopped as an orchestrator stops it: gracefully."""
    listener = socket.create_server(("127.0.0.1", 0))
    options = server_options() | {"timeout_graceful_shutdown": 5} | options
    config = uvicorn.Config(app, log_level="critical", access_log=False, **options)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    if isinstance(app, Application):
        app.process.overload.stop()  # a machine that runs tests is often behind; that is not what is tested here
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", server
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 20)


def hurry(house: House) -> None:
    """Rounds of polling that a test can wait for."""
    for source in house.services.sources:
        source.interval = 0.03
    house.services.ports.progress._max_age = timedelta(0)  # type: ignore[attr-defined]  # the adapter behind the port


async def report(house: House, code: str, week: str = "202650") -> None:
    """Write a record into the feed, as the plant does."""
    number = house.world.vehicle_orders[ORDER].otd_number
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.systems["otd"])) as client:
        reply = await client.post("http://otd.test/_records", json={"order": number, "code": code, "yearWeek": week})
        assert reply.status_code == 201, reply.text
