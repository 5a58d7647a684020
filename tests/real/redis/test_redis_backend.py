"""Kept answers and shared places in a real Valkey, alive, killed, and begun anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import time

import pytest

from adapters.transport.cache import Entry
from adapters.transport.redis_backend import MARGIN, OFTEN, Link, RedisSlots, RedisStore, connect
from adapters.transport.upstream import Audience, CachePolicy, Operation, Upstream
from bff.policy import CallPolicy
from tests.real.redis.conftest import Server
from tests.transport.engines import Gated, Scripted, customer, entered, reply, turns

pytestmark = [pytest.mark.anyio, pytest.mark.real]

MODELS = Operation(
    name="ListModels", audience=Audience.PUBLIC, cache=CachePolicy(fresh=60, stale_if_error=60, tags=("models",))
)


class Host:
    """One process of many: its own connection to the server, and a clock that the test turns."""

    def __init__(self, server: Server, *, share: int = 2, lease: float = 5.0, per_second: float = 0.0) -> None:
        self.turned = 0.0
        self.link = Link(connect(server.url), self.clock)
        self.store = RedisStore(self.link)
        self.slots = RedisSlots(
            self.link, "dms", "http://dms", 4, share=share, lease=lease, per_second=per_second, clock=self.clock
        )

    def clock(self) -> float:
        return asyncio.get_running_loop().time() + self.turned

    async def take(self, tries: int) -> list[str]:
        return [lease for _ in range(tries) if (lease := await self.slots.take(5.0)) is not None]

    async def aclose(self) -> None:
        await self.slots.aclose()
        await self.link.aclose()


@pytest.fixture
async def hosts(server: Server) -> AsyncIterator[tuple[Host, Host]]:
    pair = Host(server), Host(server)
    for host in pair:
        assert await host.store.get(("warm",)) is None
        host.turned += 100  # nothing was lost lately
    yield pair
    for host in pair:
        await host.aclose()


def entry(body: bytes = b"[1]", seconds: float = 60) -> Entry:
    now = time()
    return Entry(reply(body=body, etag='"1"'), now, now + seconds, now + seconds, now + seconds, ("models",))


async def test_what_one_machine_keeps_another_serves(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    key = ("configurator", "ListModels", "GET", "/models", b"")
    await one.store.put(key, entry())
    assert await other.store.get(key) == await one.store.get(key)
    assert await other.store.get((*key, "other")) is None


async def test_tag_is_forgotten_by_all_machines(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    for number in range(3):
        await one.store.put(("configurator", str(number)), entry())
    assert await other.store.purge("models") == 3
    assert await one.store.get(("configurator", "0")) is None
    assert await other.store.purge("models") == 0


async def test_entry_ends_with_its_time(hosts: tuple[Host, Host]) -> None:
    one, _ = hosts
    await one.store.put(("short",), entry(seconds=0.05))
    await asyncio.sleep(0.08)
    assert await one.store.get(("short",)) is None
    assert await one.link.client.dbsize() <= 2  # the tag's set, and nothing of the entry


async def test_upstreams_of_two_machines_make_one_call(hosts: tuple[Host, Host]) -> None:
    engine = Scripted()
    for host in hosts:
        entered(customer())
        await Upstream("configurator", "http://x", engine, store=host.store).call(MODELS, "GET", "/models")
    assert len(engine.sent) == 1


async def test_personal_answers_lie_under_their_caller(hosts: tuple[Host, Host]) -> None:
    garage = Operation(name="GetGarage", cache=CachePolicy(fresh=60, private=True))
    engine = Scripted(*[reply(body=b'"%d"' % number) for number in range(9)])
    seen: dict[int, set[bytes]] = {}
    for number in (1, 2):
        for host in hosts:
            entered(customer(number))
            upstream = Upstream("identity", "http://x", engine, store=host.store)
            seen.setdefault(number, set()).add((await upstream.call(garage, "GET", "/garage")).body)
    assert seen == {1: {b'"0"'}, 2: {b'"1"'}}


async def test_killed_server_costs_an_answer_its_age_and_no_request_its_answer(
    server: Server, hosts: tuple[Host, Host]
) -> None:
    engine = Scripted()
    upstream = Upstream("configurator", "http://x", engine, store=hosts[0].store)
    await upstream.call(MODELS, "GET", "/models")
    server.stop()
    for _ in range(20):
        assert (await upstream.call(MODELS, "GET", "/models")).status == 200
    assert len(engine.sent) == 21
    server.start()
    hosts[0].turned += 10
    for _ in range(2):
        await upstream.call(MODELS, "GET", "/models")
    assert len(engine.sent) == 22


async def test_all_machines_together_have_no_more_places_than_there_are(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    leases = await one.take(3)
    assert len(leases) == 3
    assert len(await other.take(3)) == 1
    one.slots.give(leases[0])
    await asyncio.sleep(0.05)
    assert len(await other.take(3)) == 1


async def test_killed_holders_places_come_back_when_their_calls_must_have_ended(server: Server) -> None:
    dead, alive = Host(server, lease=0.1), Host(server)
    for host in (dead, alive):
        await host.store.get(("warm",))
        host.turned += 100
    assert len(await dead.take(4)) == 4
    await dead.link.aclose()  # it never gives them back
    assert await alive.take(1) == []
    await asyncio.sleep(0.1 + MARGIN + 0.05)
    assert len(await alive.take(5)) == 4
    await alive.aclose()


async def test_no_more_calls_a_second_than_allowed_by_all_machines(server: Server) -> None:
    hosts = [Host(server, per_second=3) for _ in range(2)]
    taken = 0
    for host in hosts:
        await host.store.get(("warm",))
        host.turned += 100
        for _ in range(4):
            for lease in await host.take(1):
                taken += 1
                host.slots.give(lease)
                await asyncio.sleep(0.01)
    assert 3 <= taken <= 6  # a second may end in between
    for host in hosts:
        await host.aclose()


async def test_without_the_server_nobody_grows_before_the_leases_of_others_have_ended(
    server: Server, hosts: tuple[Host, Host]
) -> None:
    one, other = hosts
    assert (len(await one.take(3)), len(await other.take(1))) == (3, 1)
    server.stop()
    assert await one.take(2) == []
    assert await other.take(2) == []  # its share is two, but the first still has three calls under way
    for host in hosts:
        host.turned += 5.0 + MARGIN + OFTEN
    assert await one.take(2) == []
    assert len(await other.take(3)) == 1
    for lease in list(one.slots._held):
        one.slots.give(lease)
    assert len(await one.take(4)) == 2


async def test_server_that_was_begun_anew_does_not_give_out_what_is_still_held(
    server: Server, hosts: tuple[Host, Host]
) -> None:
    one, other = hosts
    assert (len(await one.take(4)), len(await other.take(1))) == (4, 0)
    server.stop()
    server.start()
    assert await one.take(1) == []
    assert len(await other.take(4)) <= 2
    for host in hosts:
        host.turned += 2 * OFTEN
    assert len(other.slots._held) + len(await other.take(4)) <= 2
    for lease in list(one.slots._held):
        one.slots.give(lease)
    for host in hosts:
        host.turned += 100
    await asyncio.sleep(0.05)
    assert len(await one.take(4)) + len(other.slots._held) == 4


async def test_callers_of_two_machines_never_open_more_connections_than_the_system_bears(
    hosts: tuple[Host, Host],
) -> None:
    engine = Gated()
    policy = CallPolicy(connections=4, queue=200, timeout=10.0)
    upstreams = [Upstream("dms", "http://dms", engine, policy=policy, slots=host.slots) for host in hosts]
    read = Operation(name="Get")
    calls = [asyncio.ensure_future(upstreams[n % 2].call(read, "GET", f"/{n}")) for n in range(60)]
    while engine.now < 4:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert engine.now == 4
    engine.gate.set()
    await asyncio.gather(*calls)
    await turns()
    assert engine.most == 4
