"""A simulated system adds no delay of its own."""

from __future__ import annotations

from statistics import median
from time import perf_counter

import httpx
import pytest

from sandbox.configurator.app import create
from sandbox.kit.server import Estate
from sandbox.world import World

pytestmark = pytest.mark.anyio


async def test_answers_do_not_wait_for_delayed_acknowledgements(world: World) -> None:
    estate = Estate([(create(world), 0)])
    await estate.start()
    took = []
    try:
        async with httpx.AsyncClient(trust_env=False, base_url=estate.addresses["configurator"]) as http:
            for _ in range(15):
                began = perf_counter()
                assert (await http.get("/_ping")).is_success
                took.append(perf_counter() - began)
    finally:
        await estate.stop()
    assert median(took) < 0.03  # a delayed acknowledgement takes 40 ms
