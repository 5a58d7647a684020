"""Told to stop, a service of one process or of several answers everything it was asked and ends in time."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.telemetry.service import SlowSystem, ask, serving

pytestmark = pytest.mark.anyio

CODES = [f"7K3M-9QX{last}" for last in "ABCDEFGH"]


@pytest.mark.parametrize("workers", [1, 2])
async def test_told_to_stop_all_that_was_asked_is_answered_and_the_exit_is_clean(tmp_path: Path, workers: int) -> None:
    async with (
        SlowSystem(2.0).running() as system,
        serving(system, tmp_path, workers=workers) as service,
        httpx.AsyncClient(timeout=20) as client,
    ):
        asked = [asyncio.create_task(ask(client, service, code)) for code in CODES]
        await system.was_asked(len(CODES))
        service.terminate()
        answers = await asyncio.gather(*asked)
        status = await asyncio.wait_for(service.process.wait(), 30)
    assert [answer.status_code for answer in answers] == [200] * len(CODES)
    assert all(answer.json()["data"] == {"configuration": None} for answer in answers)
    assert {answer.headers["connection"] for answer in answers} == {"close"}
    assert system.asked == len(CODES)
    assert status == 0, service.log.read_text()


async def test_while_it_drains_it_is_not_ready_and_still_answers_newcomers_then_refuses_connections(
    tmp_path: Path,
) -> None:
    async with (
        SlowSystem(3.0).running() as system,
        serving(system, tmp_path, BFF_DRAIN_SECONDS="2") as service,
        httpx.AsyncClient(timeout=20) as client,
        httpx.AsyncClient(timeout=20) as newcomer,
    ):
        slow = asyncio.create_task(ask(client, service, CODES[0]))
        await system.was_asked(1)
        service.terminate()
        await asyncio.sleep(0.5)
        ready = await newcomer.get(f"{service.url}/health/ready")
        assert ready.status_code == 503
        assert (await newcomer.get(f"{service.management}/health/ready")).status_code == 503
        assert (await newcomer.get(f"{service.management}/health/live")).status_code == 200
        metrics = (await newcomer.get(f"{service.management}/metrics")).text
        assert "\nbff_draining 1.0\n" in metrics
        late = await newcomer.post(f"{service.url}/graphql", json={"query": "{ __typename }"})
        assert (late.status_code, late.headers["connection"]) == (200, "close")
        await asyncio.sleep(2.0)
        with pytest.raises(httpx.ConnectError):
            await newcomer.get(f"{service.url}/health/live")
        assert (await slow).status_code == 200
        assert await asyncio.wait_for(service.process.wait(), 30) == 0


async def test_a_request_that_never_ends_does_not_keep_the_process(tmp_path: Path) -> None:
    """Its budget ends it: a reader of one byte a second is cut off with the rest of the thirty seconds."""
    async with SlowSystem(3600).running() as system, serving(system, tmp_path) as service:
        _, writer = await asyncio.open_connection("127.0.0.1", int(service.url.rsplit(":", 1)[1]))
        writer.write(
            b"POST /graphql HTTP/1.1\r\nhost: bff\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
        )
        await writer.drain()
        service.terminate()
        assert await asyncio.wait_for(service.process.wait(), 30) == 0
        writer.close()


async def test_killed_worker_is_replaced_under_its_number_and_both_are_seen_at_one_port(tmp_path: Path) -> None:
    async with (
        SlowSystem(0.0).running() as system,
        serving(system, tmp_path, workers=2) as service,
        httpx.AsyncClient(timeout=20) as client,
    ):
        for _ in range(20):  # a new connection each, so that both workers get some
            async with httpx.AsyncClient() as one:
                assert (await one.post(f"{service.url}/graphql", json={"query": "{ __typename }"})).status_code == 200
        page = (await client.get(f"{service.management}/metrics")).text
        requests = [
            float(line.rsplit(" ", 1)[1])
            for line in page.splitlines()
            if line.startswith("http_server_request_duration_seconds_count{") and 'http_route="/graphql"' in line
        ]
        assert sum(requests) == 20
        before = (await client.get(f"{service.management}/state")).json()["workers"]
        assert sorted(before) == ["0", "1"]
        os.kill(before["0"]["pid"], signal.SIGKILL)
        after = before
        for _ in range(200):
            after = (await client.get(f"{service.management}/state")).json()["workers"]
            if sorted(after) == ["0", "1"] and after["0"]["pid"] != before["0"]["pid"]:
                break
            await asyncio.sleep(0.1)
        assert after["0"]["pid"] != before["0"]["pid"]
        assert after["1"]["pid"] == before["1"]["pid"]
        service.terminate()
        assert await asyncio.wait_for(service.process.wait(), 30) == 0
