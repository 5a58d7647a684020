"""The MES in the sandbox: what the adapter reads is the world's truth, and what the real one enforces is enforced."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import httpx
import pytest

from adapters.mes.client import MesClient
from adapters.mes.mes_wire import get_operations_performance, read_performance
from adapters.transport.http import HttpxEngine
from adapters.transport.upstream import Upstream
from bff.domain.vehicle_order import Production
from bff.errors import UpstreamRejected, UpstreamUnavailable
from sandbox.kit.faults import Fault
from sandbox.kit.server import Estate, System
from sandbox.mes.app import create
from sandbox.world import World
from tests.support import BASE, sandbox_upstream

pytestmark = pytest.mark.anyio

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def system(world: World) -> System:
    return create(world)


def client(system: System) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url=BASE)


def message(world: World, *orders: str) -> bytes:
    body = get_operations_performance(orders[0], "b-1", world.now)
    more = b"".join(b',{"ID":"' + order.encode() + b'"}' for order in orders[1:])
    return body.replace(b'"}]}]}}}', b'"}' + more + b"]}]}}}")


def check(world: World, production: Production) -> None:
    truth = world.production_orders[production.order]
    assert production.raw_state == truth.state
    assert [(s.code, s.raw_state) for s in production.segments] == [(s.id, s.state) for s in truth.segments]
    for shown, kept in zip(production.segments, truth.segments, strict=True):
        for instant, local in ((shown.started_at, kept.started_at), (shown.ended_at, kept.ended_at)):
            assert (instant and instant.astimezone(SHANGHAI).replace(tzinfo=None)) == local
    paints = [s.data["COLOR"] for s in truth.segments if "COLOR" in s.data]
    assert production.paint_code == (paints[0] if paints else None)


async def test_every_order_of_every_plant_reads_as_the_world_has_it(world: World, system: System) -> None:
    found = await MesClient(sandbox_upstream(system)).productions([*world.production_orders, "PO99999999"])
    assert found.keys() == world.production_orders.keys()
    assert {order.plant for order in world.production_orders.values()} == {"SH01", "CD02", "GZ03"}
    for production in found.values():
        assert isinstance(production, Production)
        check(world, production)


async def test_xml_is_answered_with_the_same_content(world: World, system: System) -> None:
    order = next(iter(world.production_orders))
    request = (
        '<GetOperationsPerformance xmlns="http://www.mesa.org/xml/B2MML" releaseID="V0701"><DataArea><Get/>'
        f"<OperationsPerformance><OperationsResponse><ID>{order}</ID></OperationsResponse></OperationsPerformance>"
        "</DataArea></GetOperationsPerformance>"
    )
    headers = {"content-type": "application/xml", "accept": "application/xml"}
    async with client(system) as http:
        reply = await http.post("/mes/b2mml", content=request, headers=headers)
    production = read_performance(reply.headers["content-type"], reply.content, order)
    assert production is not None
    check(world, production)


async def test_two_orders_in_one_message_are_refused(world: World, system: System) -> None:
    async with client(system) as http:
        headers = {"content-type": "application/json"}
        reply = await http.post("/mes/b2mml", content=message(world, "PO25030917", "PO25030918"), headers=headers)
        assert (reply.status_code, "MES-1002" in reply.text) == (400, True)
        for content in (b"", b"{}", message(world, "PO25030917").replace(b"V0701", b"V0600")):
            reply = await http.post("/mes/b2mml", content=content, headers=headers)
            assert (reply.status_code, "MES-1001" in reply.text) == (400, True)


async def test_a_malformed_number_is_a_business_error_at_200(system: System) -> None:
    found = await MesClient(sandbox_upstream(system)).productions(["nonsense"])
    assert isinstance(found["nonsense"], UpstreamRejected)


async def test_a_capped_upstream_keeps_within_eight_connections_on_a_real_socket(world: World, system: System) -> None:
    estate = Estate([(system, 0)])
    await estate.start()
    upstream = Upstream("mes", estate.addresses["mes"], HttpxEngine(), max_in_flight=8)
    try:
        found = await MesClient(upstream).productions(list(world.production_orders))
    finally:
        await upstream.aclose()
        await estate.stop()
    assert all(isinstance(production, Production) for production in found.values())
    assert system.stats.refused == 0
    assert 1 < system.stats.most_open <= 8


async def test_the_ninth_connection_is_reset(world: World, system: System) -> None:
    estate = Estate([(system, 0)])
    await estate.start()
    upstream = Upstream("mes", estate.addresses["mes"], HttpxEngine())
    system.faulty.faults = [Fault(kind="delay", milliseconds=100)]
    try:
        found = await MesClient(upstream).productions(list(world.production_orders)[:20])
    finally:
        await upstream.aclose()
        await estate.stop()
    assert system.stats.refused > 0
    assert any(isinstance(production, UpstreamUnavailable) for production in found.values())


async def test_it_says_who_it_is(system: System) -> None:
    async with client(system) as http:
        assert (await http.get("/_ping")).json() == {"system": "mes", "simulated": True}
