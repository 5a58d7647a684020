"""What the benchmark measures is right: its answers, its calls, and that a request leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from itertools import count
from typing import Any

import httpx
import orjson
import pytest

from benchmarks.gateway.app import Gateway, new_key, token
from benchmarks.load import run as run_load
from benchmarks.upstream import SERVICES, Connection, Tables
from benchmarks.workloads import CALLS, QUERIES, World, expected
from tests.support import without_collector

pytestmark = pytest.mark.anyio


class Estate:
    def __init__(self, base: int, tables: Tables) -> None:
        self.base = base
        self.tables = tables


@pytest.fixture
async def estate() -> AsyncIterator[Estate]:
    """The five services, on five free ports in a row."""
    tables, loop = Tables(World()), asyncio.get_running_loop()
    base = _free_row()
    servers = [
        await loop.create_server(lambda: Connection(tables), "127.0.0.1", base + offset) for offset in range(SERVICES)
    ]
    yield Estate(base, tables)
    for server in servers:
        server.close()
    await asyncio.sleep(0.01)  # connections see their end


def _free_row() -> int:
    for base in range(21_000, 31_000, 10):
        try:
            for offset in range(SERVICES):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        return base
    raise RuntimeError("no five free ports in a row")


@pytest.fixture
async def gateway(estate: Estate) -> AsyncIterator[Gateway]:
    gateway = Gateway(estate.base)
    yield gateway
    await gateway.aclose()


async def ask(gateway: Gateway, workload: str, token: str | None = None) -> dict[str, Any]:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway), base_url="http://bff.test") as client:
        reply = await client.post("/graphql", json={"query": QUERIES[workload]}, headers=headers)
    answer: dict[str, Any] = orjson.loads(reply.content)
    return answer


@pytest.mark.parametrize("workload", list(QUERIES))
async def test_workload_is_answered_right_in_the_fewest_calls(gateway: Gateway, estate: Estate, workload: str) -> None:
    assert await ask(gateway, workload) == {"data": expected(World())[workload]}
    assert estate.tables.calls == CALLS[workload]


async def test_token_of_the_gateway_is_checked(estate: Estate) -> None:
    key = new_key()
    gateway, good = Gateway(estate.base, key=key), token(key)
    assert "errors" not in await ask(gateway, "greet", good)
    assert (await ask(gateway, "greet", good[:-4] + "AAAA"))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    await gateway.aclose()


@pytest.mark.parametrize("workload", ["aggregate", "posts"])
async def test_answered_request_leaves_nothing_for_the_collector(gateway: Gateway, workload: str) -> None:
    body = orjson.dumps({"query": QUERIES[workload]})
    scope = {
        "type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "http_version": "1.1",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
    }  # fmt: skip

    async def one() -> None:
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not messages:
                await asyncio.sleep(60)
            return messages.pop()

        async def send(message: Any) -> None:
            assert message.get("status", 200) == 200

        await gateway(scope, receive, send)

    for _ in range(5):
        await asyncio.create_task(one())
    with without_collector():
        for _ in range(20):
            await asyncio.create_task(one())
        left = gc.collect()
    assert left < 20 * 5, f"{left / 20} objects a request"


async def test_load_counts_answers_and_failures() -> None:
    callers = set[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            for number in count():
                head = await reader.readuntil(b"\r\n\r\nbody")
                callers.add(head.partition(b"authorization: ")[2].partition(b"\r\n")[0])
                status = b"200 OK" if number % 2 else b"500 No"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    found = await run_load(url, b"body", ["x-one=1"], ["one", "two"], connections=2, seconds=0.2)
    server.close()
    await asyncio.sleep(0.05)
    assert callers == {b"Bearer one", b"Bearer two"}
    assert found["requests"] > 10
    assert found["bad"] == pytest.approx(found["requests"] / 2, abs=2)
    assert 0 < found["p50"] <= found["p99"] <= found["most"]


def test_gateway_loads_nothing_of_the_car_makers_systems() -> None:
    """What stands around a schema is measured, and held in memory, by itself."""
    code = "import os, sys; os.environ['BENCH_UPSTREAM_BASE'] = '1'; import benchmarks.gateway.app as m; m.create()"
    code += "; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    modules = done.stdout.split()
    assert "bff.serving.front" in modules
    assert not [each for each in modules if each.startswith("adapters.") and each.split(".")[1] != "transport"]
    elsewhere = (
        "bff.app",
        "bff.composition",
        "bff.ports",
        "bff.orders",
        "bff.durability",
        "resolvers.schema",
        "sqlite3",
    )
    assert not set(elsewhere) & set(modules)
