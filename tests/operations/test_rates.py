"""Buckets leak evenly, hold what they hold, and are told in standard headers."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.operations.addresses import client_address
from bff.operations.rates import Charge, MemoryStore, Standing, headers
from bff.profiles import Quota

pytestmark = pytest.mark.anyio

QUOTA = Quota(units=60, seconds=60)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def charge(units: float, key: str = "k", quota: Quota = QUOTA) -> Charge:
    return Charge("caller", key, quota, units)


async def test_quota_may_be_spent_at_once_and_comes_back_evenly() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    (first,) = await store.take([charge(60)])
    assert (first.wait, first.remaining) == (0, 0)
    (refused,) = await store.take([charge(10)])
    assert refused.wait == pytest.approx(10)
    clock.now += 9.9
    assert (await store.take([charge(10)]))[0].wait > 0
    clock.now += 0.1
    (later,) = await store.take([charge(10)])
    assert (later.wait, later.remaining) == (0, 0)


async def test_refused_charge_takes_nothing() -> None:
    store = MemoryStore(clock=Clock())
    await store.take([charge(50)])
    for _ in range(5):
        assert (await store.take([charge(20)]))[0].wait > 0
    assert (await store.take([charge(10)]))[0].wait == 0


async def test_keys_do_not_share_and_a_request_takes_of_all_or_of_none() -> None:
    store = MemoryStore(clock=Clock())
    await store.take([charge(60, "a")])
    both = await store.take([charge(10, "a"), charge(10, "b")])
    assert [each.wait > 0 for each in both] == [True, False]
    assert (await store.take([charge(60, "b")]))[0].wait == 0


async def test_charge_above_the_quota_passes_when_the_bucket_is_empty() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    assert (await store.take([charge(1_000)]))[0].wait == 0
    assert (await store.take([charge(1_000)]))[0].wait == pytest.approx(60)


async def test_memory_is_bounded() -> None:
    store = MemoryStore(clock=Clock(), most_keys=10)
    for number in range(100):
        await store.take([charge(1, str(number))])
    assert len(store) == 10


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 40)), max_size=40))
async def test_no_window_passes_more_than_twice_the_quota(steps: list[tuple[float, int]]) -> None:
    """A full bucket and what leaks while the window lasts: never more, whatever the rhythm."""
    clock, passed = Clock(), list[tuple[float, int]]()
    store = MemoryStore(clock=clock)
    for pause, units in steps:
        clock.now += pause
        if (await store.take([charge(units)]))[0].wait == 0:
            passed.append((clock.now, units))
    for start, _ in passed:
        assert sum(units for at, units in passed if start <= at < start + 60) <= 2 * 60 + 1e-6


def test_headers_are_structured_fields_by_the_draft() -> None:
    told = dict(headers([Standing("caller", QUOTA, 41, 18.2, 0), Standing("client", QUOTA, 0, 60, 2.1)]))
    assert told == {
        b"ratelimit-policy": b'"caller";q=60;qu="cost";w=60, "client";q=60;qu="cost";w=60',
        b"ratelimit": b'"caller";r=41;t=19, "client";r=0;t=60',
        b"retry-after": b"3",
    }
    assert b"retry-after" not in dict(headers([Standing("caller", QUOTA, 41, 18.2, 0)]))


OURS = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # a stranger's word about itself
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # what the client wrote is left of it
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::/64"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("2001:db8:ffff::1", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        (None, "198.51.100.1", "unknown"),
    ],
)
def test_address_is_the_nearest_that_is_not_ours(peer: str | None, forwarded: str | None, address: str) -> None:
    assert client_address(peer, forwarded, OURS) == address
