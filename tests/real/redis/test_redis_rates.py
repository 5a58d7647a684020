"""Rates counted in a real server: as in memory, shared by processes, and no outage of ours when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from bff.operations.rates import Charge, MemoryStore, RateStore
from bff.operations.rates_redis import TRY_AGAIN_SECONDS, RedisStore
from bff.profiles import Quota
from tests.real.redis.conftest import Server

pytestmark = [pytest.mark.anyio, pytest.mark.real]

QUOTA = Quota(units=100, seconds=1_000)


def charge(units: float, key: str) -> Charge:
    return Charge("caller", key, QUOTA, units)


@pytest.fixture
async def store(server: Server) -> AsyncIterator[RedisStore]:
    opened = RedisStore(server.url, prefix=f"{uuid4()}:")
    yield opened
    await opened.aclose()


async def test_same_charges_come_out_as_in_memory(store: RedisStore) -> None:
    memory: RateStore = MemoryStore()
    for units in (30, 50.5, 40, 10, 1_000, 9.5, 1):
        charges = [charge(units, "a"), charge(units / 2, "b")]
        here, there = await memory.take(charges), await store.take(charges)
        assert [each.wait > 0 for each in there] == [each.wait > 0 for each in here], units
        for ours, theirs in zip(here, there, strict=True):
            assert theirs.remaining == pytest.approx(ours.remaining, abs=1)
            assert theirs.wait == pytest.approx(ours.wait, abs=1)


async def test_two_processes_share_one_quota(server: Server, store: RedisStore) -> None:
    other = RedisStore(server.url, prefix=store._prefix)
    taken = await asyncio.gather(*[each.take([charge(10, "k")]) for each in (store, other) for _ in range(10)])
    assert sum(standing.wait == 0 for (standing,) in taken) == 10
    await other.aclose()


async def test_key_vanishes_when_its_bucket_is_empty(store: RedisStore) -> None:
    await store.take([Charge("caller", "k", Quota(units=100, seconds=100), 1)])
    assert 0 < await store._redis.pttl(f"{store._prefix}k") <= 1_000


async def test_server_that_is_gone_leaves_each_process_counting(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    store = RedisStore("redis://127.0.0.1:1/0", clock=lambda: now[0])
    assert [(await store.take([charge(60, "k")]))[0].wait > 0 for _ in range(3)] == [False, True, True]
    assert len(caplog.records) == 1
    now[0] += TRY_AGAIN_SECONDS
    await store.take([charge(1, "k")])
    assert len(caplog.records) == 2
    await store.aclose()
