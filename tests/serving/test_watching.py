"""A client that goes away takes its query with it, and leaves its mutation to be finished."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bff.serving.refusals import ClientGone
from bff.serving.watching import while_connected
from sandbox.identity.tokens import issue
from tests.estate.house import House
from tests.serving.loopback import served

pytestmark = pytest.mark.anyio


async def gone() -> dict[str, Any]:
    return {"type": "http.disconnect"}


async def waiting() -> dict[str, Any]:
    await asyncio.sleep(3600)
    raise AssertionError


async def test_work_is_cancelled_when_the_client_goes_away() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    with pytest.raises(ClientGone):
        async with asyncio.timeout(5):
            await while_connected(work(), gone)
    assert ended.is_set()


async def test_quick_work_is_never_watched() -> None:
    async def work() -> int:
        return 1

    async def receive() -> dict[str, Any]:
        raise AssertionError("nobody needs to know")

    assert await while_connected(work(), receive) == 1
    await asyncio.sleep(0.03)


async def test_slow_work_for_a_patient_client_is_finished() -> None:
    async def work() -> int:
        await asyncio.sleep(0.05)
        return 1

    assert await while_connected(work(), waiting) == 1


async def test_cancellation_from_elsewhere_stays_one() -> None:
    task = asyncio.create_task(while_connected(asyncio.sleep(3600), waiting))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("query", "finished"),
    [
        ("{ serviceCentres { code } }", False),
        ('mutation { renameCustomer(input: {displayName: "Away"}) { entity { id } } }', True),
    ],
)
async def test_closed_connection_ends_a_query_and_not_a_mutation(fresh: House, query: str, finished: bool) -> None:
    system = "identity" if finished else "booking"
    await fresh.ask("{ viewer { kind } }")
    outcomes: list[str] = []
    call = fresh.services.upstreams[system].call

    async def watched(*args: Any, **kwargs: Any) -> Any:
        try:
            reply = await call(*args, **kwargs)
        except asyncio.CancelledError:
            outcomes.append("cancelled")
            raise
        outcomes.append("finished")
        return reply

    fresh.services.upstreams[system].call = watched  # type: ignore[method-assign]  # to see how calls end
    await fresh.fault(system, {"kind": "delay", "milliseconds": 300})
    async with served(fresh.app) as (base, _):
        _, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
        body = json.dumps({"query": query}).encode()
        writer.write(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer "
            + issue("owner").encode()
            + b"\r\ncontent-length: %d\r\n\r\n" % len(body)
            + body
        )
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
        await asyncio.sleep(0.6)
    assert outcomes
    assert set(outcomes) == {"finished" if finished else "cancelled"}
