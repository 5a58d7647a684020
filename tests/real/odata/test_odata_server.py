"""Our OData against SAP's own mock server: it reads our `$metadata` and answers our `$batch`, filters and changesets.

The mock server gets its data from the same world as the sandbox, so both must come to the same sales orders. It checks
no CSRF token, no ETag and reads no doubled quote: those are the sandbox's to enforce.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from adapters.erp.client import ErpClient
from adapters.transport.http import HttpxEngine
from adapters.transport.upstream import Upstream
from bff.domain.base import Found
from bff.domain.vehicle_order import RejectionReason, SalesOrder, SalesOrderDraft, SalesOrderLine
from sandbox.erp.app import create
from sandbox.erp.rows import Rows
from sandbox.erp.schema import ENTITY_SETS
from sandbox.world import World
from tests.support import sandbox_upstream
from tools.nodejs import ensure_npm, node_binary

pytestmark = [pytest.mark.anyio, pytest.mark.real]

HERE = Path(__file__).parent
METADATA = HERE.parents[2] / "docs/contracts/erp.metadata.xml"


def write_data(world: World, folder: Path) -> None:
    """One file an entity set, as the mock server wants them."""
    rows = Rows(world)
    for name in ENTITY_SETS:
        shown = [rows.show(name, row, frozenset(), "") for row in rows.of(name)]
        keep = ENTITY_SETS[name].properties.keys()
        (folder / f"{name}.json").write_text(json.dumps([{k: v for k, v in row.items() if k in keep} for row in shown]))


@pytest.fixture
async def upstream(world: World, tmp_path: Path) -> AsyncIterator[Upstream]:
    ensure_npm(HERE)
    write_data(world, tmp_path)
    server = await asyncio.create_subprocess_exec(
        node_binary(), "server.cjs", str(METADATA), str(tmp_path), cwd=HERE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert server.stdout is not None
        port = int(await asyncio.wait_for(server.stdout.readline(), 30))
        upstream = Upstream("erp", f"http://127.0.0.1:{port}", HttpxEngine(), timeout=20)
        yield upstream
        await upstream.aclose()
    finally:
        server.terminate()
        await server.wait()


def without_versions(found: Found[str, SalesOrder]) -> dict[str, dict[str, object]]:
    return {
        number: {name: getattr(order, name) for name in SalesOrder.__struct_fields__ if name != "etag"}
        for number, order in found.items()
    }


async def test_one_batch_reads_the_same_orders_as_from_the_sandbox(world: World, upstream: Upstream) -> None:
    numbers = [*list(world.sales_orders)[:40], "99999"]
    ours = await ErpClient(sandbox_upstream(create(world))).sales_orders(numbers)
    theirs = await ErpClient(upstream).sales_orders(numbers)
    assert len(theirs) == 40
    assert without_versions(theirs) == without_versions(ours)


async def test_filters_in_a_batch_find_what_can_be_promised(world: World, upstream: Upstream) -> None:
    materials = sorted({stock.material for stock in world.material_stock.values()})
    found = await ErpClient(upstream).available_to_promise([*materials, "NO-SUCH", "5 % + MORE"])
    expected = {
        name: sum(stock.available for stock in world.material_stock.values() if stock.material == name)
        for name in materials
    }
    assert found == expected


async def test_a_changeset_changes_every_item_and_the_read_behind_it_sees_it(world: World, upstream: Upstream) -> None:
    erp = ErpClient(upstream)
    number = next(order.number for order in world.sales_orders.values() if len(order.items) > 2 and not order.rejected)
    order = (await erp.sales_orders([number]))[number]
    assert isinstance(order, SalesOrder)
    moved = (await erp.reschedule(order, date(2026, 12, 24))).entity
    assert moved is not None
    assert moved.requested_delivery_on == date(2026, 12, 24)
    cancelled = (await erp.cancel(moved, RejectionReason.CUSTOMER_CANCELLED)).entity
    assert cancelled is not None
    assert all(item.rejected for item in cancelled.items)


async def test_a_lookup_by_reference_is_understood(world: World, upstream: Upstream) -> None:
    """Creating with a reference that is taken answers the order that has it, and creates nothing."""
    truth = next(iter(world.sales_orders.values()))
    draft = SalesOrderDraft(
        reference=truth.customer_reference,
        sold_to=truth.sold_to,
        requested_delivery_on=date(2026, 12, 24),
        lines=[SalesOrderLine(material="A5-PRO", quantity=1)],
    )
    existing = (await ErpClient(upstream).create(draft)).entity
    assert existing is not None
    assert existing.number == truth.number
