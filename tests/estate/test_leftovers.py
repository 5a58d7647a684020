"""A request that was answered is gone, without the collector: whatever it read from slow systems weighs a lot."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

import orjson
import pytest

from adapters.transport.soap import Node
from bff.context import RequestContext
from bff.execution.run import Run
from resolvers.fields import KeyCache
from tests.estate.house import OPERATIONS, House

pytestmark = pytest.mark.anyio

EXAMPLES = sorted(path.stem for path in OPERATIONS.glob("*.graphql"))
OF_REQUESTS = (RequestContext, KeyCache, Run, Node)


def alive() -> Counter[str]:
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, OF_REQUESTS))


@pytest.mark.parametrize("name", EXAMPLES)
async def test_answered_request_leaves_nothing_to_the_collector(house: House, uncollected: None, name: str) -> None:
    async def ask() -> None:
        # A task, as a server has it: its context ends with it.
        answer = await asyncio.create_task(house.example(name))
        assert not answer.errors

    await ask()
    before = alive()  # what is made once, as the first is asked, may keep that one
    for _ in range(3):
        await ask()
    assert alive() == before


async def test_batch_leaves_nothing_to_the_collector(uncollected: None) -> None:
    house = House(BFF_MAX_BATCH="2")
    query = (OPERATIONS / "Configure.graphql").read_text()
    variables = orjson.loads((OPERATIONS / "Configure.variables.json").read_bytes())

    async def ask() -> None:
        batch = [{"query": query, "variables": variables}] * 2
        reply = await asyncio.create_task(house.client.post("/graphql", json=batch))
        assert reply.status_code == 200
        assert all("errors" not in each for each in reply.json())

    await ask()
    before = alive()
    for _ in range(3):
        await ask()
    assert alive() == before
    await house.aclose()
