"""Real connections broken by an independent proxy, and a system that bears ten connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import Context
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from adapters.dms.vehicles import DmsVehicles
from adapters.transport.h1 import H1Engine
from adapters.transport.http import Engine, HttpxEngine
from adapters.transport.upstream import Upstream
from bff.composition import default_engine
from bff.context import RequestContext, enter
from bff.domain.vehicle import VehicleRef
from bff.errors import BffError
from bff.settings import UpstreamAddress
from bff.upstreams import UPSTREAMS
from resolvers.relay import encode_id
from sandbox.commerce.app import create as create_commerce
from sandbox.dms.app import create as create_dms
from sandbox.kit.server import Estate
from sandbox.world import World, build_world
from tests.estate.house import House
from tests.estate.injector import Break, Injector

pytestmark = pytest.mark.anyio

ENGINES: dict[str, Callable[[], Engine]] = {"httpx": HttpxEngine, "h1": H1Engine}
SCREEN = """{
  viewer { customer { id profile { displayName } cart { id lines { id } } } }
  communityFeed(first: 2) { edges { node { id } } }
}"""


class WiredHouse(House):
    """One system is reached over real connections, through the injector."""

    def __init__(self, wired: str, engine: Callable[[], Engine], address: str) -> None:
        self._wired, self._make = wired, engine
        environ: dict[str, Any] = {f"BFF_{wired.upper()}_URL": address}
        super().__init__(**environ)

    def _engine(self, address: UpstreamAddress) -> Engine:
        return self._make() if address.name == self._wired else super()._engine(address)


class Wire:
    """The commerce service behind an injector, and the whole service in front of it."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    async def __aenter__(self) -> Wire:
        self.system = create_commerce(build_world())
        self.estate = Estate([(self.system, 0)])
        await self.estate.start()
        there = urlsplit(self.estate.addresses["commerce"])
        assert there.hostname is not None
        assert there.port is not None
        self.injector = Injector((there.hostname, there.port))
        self.house = WiredHouse("commerce", self._engine, await self.injector.start())
        await self.house.ask("{ viewer { kind } }")
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.house.aclose()
        await self.injector.stop()
        await self.estate.stop()


@pytest.fixture(params=ENGINES)
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    async with Wire(ENGINES[request.param]) as built:
        yield built


async def test_what_only_delays_costs_only_time(wire: Wire) -> None:
    whole = await wire.house.ask(SCREEN)
    assert whole.errors == []
    wire.injector.breaks = Break.LATE
    late = await wire.house.ask(SCREEN)
    assert late.errors == []
    assert late.data == whole.data


@pytest.mark.parametrize(
    ("breaks", "code"),
    [
        (Break.RESET, "UPSTREAM_UNAVAILABLE"),
        (Break.HALF, "UPSTREAM_UNAVAILABLE"),
        (Break.HALF_THEN_RESET, "UPSTREAM_UNAVAILABLE"),
        (Break.GARBAGE, "UPSTREAM_UNAVAILABLE"),
        (Break.HANG_UP, "UPSTREAM_UNAVAILABLE"),
        (Break.DRIBBLE, "DEADLINE_EXCEEDED"),
        (Break.SILENCE, "DEADLINE_EXCEEDED"),
    ],
)
async def test_broken_connection_costs_its_own_field_and_heals(wire: Wire, breaks: Break, code: str) -> None:
    whole = await wire.house.ask(SCREEN)
    wire.injector.breaks = breaks
    if breaks is Break.HANG_UP:
        await wire.injector.cut()  # or a connection that is open already would do
    patience = "700" if code == "DEADLINE_EXCEEDED" else "8000"
    answer = await wire.house.ask(SCREEN, headers={"bff-timeout": patience})
    assert answer.codes() == {"viewer.customer.cart": code}
    assert answer.errors[0]["extensions"]["retryable"] is True
    assert answer.data["communityFeed"] == whole.data["communityFeed"]
    assert answer.data["viewer"]["customer"]["profile"] == whole.data["viewer"]["customer"]["profile"]
    assert wire.house.services.states["commerce"].in_flight == 0
    wire.injector.breaks = Break.NOTHING
    assert (await wire.house.ask(SCREEN)).data == whole.data


ADD = """mutation Add($product: ID!, $version: Int!) {
  addCartLine(input: {productId: $product, quantity: 1, version: $version}) { entity { version } userErrors { code } }
}"""


@pytest.mark.parametrize("breaks", [Break.RESET, Break.HALF, Break.HALF_THEN_RESET, Break.SILENCE])
async def test_write_that_lost_its_answer_is_sent_once_and_its_outcome_unknown(wire: Wire, breaks: Break) -> None:
    asked = await wire.house.ask("{ viewer { customer { cart { version } } } }")
    version = asked.data["viewer"]["customer"]["cart"]["version"]
    wire.injector.breaks = breaks
    wire.system.stats.requests = 0
    given = {"product": encode_id("Product", "P1001"), "version": version}
    code = "DEADLINE_EXCEEDED" if breaks is Break.SILENCE else "OUTCOME_UNKNOWN"
    patience = "700" if breaks is Break.SILENCE else "8000"
    answer = await wire.house.ask(ADD, given, headers={"bff-timeout": patience})
    assert answer.codes() == {"addCartLine": code}
    assert answer.errors[0]["extensions"]["retryable"] is False
    assert wire.system.stats.requests == 1


async def test_killed_system_is_unavailable_and_not_waited_for(wire: Wire) -> None:
    whole = await wire.house.ask(SCREEN)
    await wire.injector.stop()
    answer = await wire.house.ask(SCREEN)
    assert answer.codes() == {"viewer.customer.cart": "UPSTREAM_UNAVAILABLE"}
    assert answer.data["communityFeed"] == whole.data["communityFeed"]


class Places:
    """Ten places that two processes share, as `HostSlots` keeps them."""

    def __init__(self, count: int) -> None:
        self._free = [str(number) for number in range(count)]

    async def take(self, seconds: float) -> str | None:
        return self._free.pop() if self._free else None

    def give(self, lease: str) -> None:
        self._free.append(lease)

    async def aclose(self) -> None:
        pass


async def test_two_processes_in_turn_never_open_an_eleventh_connection(world: World) -> None:
    """What the one has left open would keep the other out: the dealer system counts it, whatever it is used for."""
    system = create_dms(world)
    estate = Estate([(system, 0)])
    await estate.start()
    address = UpstreamAddress(name="dms", url=estate.addresses["dms"], simulated=True, policy=UPSTREAMS["dms"])
    policy, places = msgspec.structs.replace(UPSTREAMS["dms"], per_second=0), Places(10)
    processes = [
        Upstream("dms", address.url, default_engine(address, processes=2), policy=policy, slots=places)
        for _ in range(2)
    ]

    async def client(number: int) -> str:
        enter(RequestContext(ports=None, budget_seconds=10.0))  # type: ignore[arg-type]  # adapters never look at ports
        ref = VehicleRef(vin=f"LDCA1AB5XSB{number:06}", region="EAST", brand="LINGDONG", model="A5")
        # Twenty of one process, then twenty of the other: each time all ten places change hands.
        found = (await DmsVehicles(processes[number // 20 % 2]).vehicles([ref])).get(ref)
        return found.code if isinstance(found, BffError) else "ANSWERED"

    for begin in range(0, 160, 40):
        ends = await asyncio.gather(
            *[asyncio.create_task(client(number), context=Context()) for number in range(begin, begin + 40)]
        )
        assert set(ends) == {"ANSWERED"}
    for each in processes:
        await each.aclose()
    await estate.stop()
    assert (system.stats.refused, system.stats.most_open) == (0, 10)


@pytest.mark.parametrize("engine", ENGINES)
async def test_five_hundred_clients_never_open_an_eleventh_connection(world: World, engine: str) -> None:
    """The dealer system resets whoever comes eleventh; each client asks for a car of its own, more than it bears."""
    system = create_dms(world)
    estate = Estate([(system, 0)])
    await estate.start()
    made = HttpxEngine(connections=10) if engine == "httpx" else H1Engine(connections=10)
    upstream = Upstream("dms", estate.addresses["dms"], made, policy=UPSTREAMS["dms"])
    vehicles = DmsVehicles(upstream)

    async def client(number: int) -> str:
        enter(RequestContext(ports=None, budget_seconds=3.0))  # type: ignore[arg-type]  # adapters never look at ports
        ref = VehicleRef(vin=f"LDCA1AB5XSB{number:06}", region="EAST", brand="LINGDONG", model="A5")
        found = (await vehicles.vehicles([ref])).get(ref)
        return found.code if isinstance(found, BffError) else "ANSWERED"

    loop = asyncio.get_running_loop()
    ends = await asyncio.gather(*[loop.create_task(client(number), context=Context()) for number in range(500)])
    await upstream.aclose()
    await estate.stop()
    assert (system.stats.refused, system.stats.most_open) == (0, 10)
    assert set(ends) == {"ANSWERED", "UPSTREAM_BUSY"}
    assert 100 <= ends.count("ANSWERED") <= 250  # fifty at once and fifty a second, for as long as the queue is
