"""The ERP in the sandbox: coherent with the world, and as strict as SAP Gateway is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from pathlib import Path

import httpx
import pytest

from adapters.erp.client import ROOT, ErpClient
from bff.domain.vehicle_order import RejectionReason, SalesOrder, SalesOrderDraft, SalesOrderLine, SalesOrderStatus
from bff.errors import NotFound, UpstreamContractBroken
from sandbox.erp.app import create
from sandbox.erp.schema import metadata
from sandbox.kit.faults import Fault
from sandbox.kit.server import System
from sandbox.world import World
from tests.support import BASE, entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio

CONTRACT = Path(__file__).parents[2] / "docs/contracts/erp.metadata.xml"
JSON = {"accept": "application/json"}


@pytest.fixture
def system(world: World) -> System:
    return create(world)


@pytest.fixture
def erp(system: System) -> ErpClient:
    return ErpClient(sandbox_upstream(system))


def client(system: System) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url=BASE)


def draft(world: World, reference: str = "VO00099999", material: str = "A5-PRO", quantity: int = 1) -> SalesOrderDraft:
    return SalesOrderDraft(
        reference=reference,
        sold_to=next(iter(world.customers.values())).erp_business_partner,
        requested_delivery_on=date(2026, 5, 1),
        lines=[SalesOrderLine(material=material, quantity=quantity)],
    )


async def created(erp: ErpClient, wanted: SalesOrderDraft) -> SalesOrder:
    order = (await erp.create(wanted)).entity
    assert order is not None
    return order


def test_the_published_metadata_is_what_the_service_has() -> None:
    assert CONTRACT.read_text() == metadata()


async def test_all_orders_come_in_one_batch_and_read_as_the_world_has_them(world: World, erp: ErpClient) -> None:
    context = entered_context()
    found = await erp.sales_orders([*world.sales_orders, "99999"])
    assert [record.operation for record in context.calls.records] == ["FetchToken", "A_SalesOrder"]
    assert found.keys() == world.sales_orders.keys()
    for number, order in found.items():
        truth = world.sales_orders[number]
        assert isinstance(order, SalesOrder)
        assert (order.raw_status, order.rejected, order.reference, order.net_total.amount_minor) == (
            truth.overall_status,
            truth.rejected,
            truth.customer_reference,
            truth.net_fen,
        )
        assert [(i.number, i.material, i.net.amount_minor) for i in order.items] == [
            (i.item, i.material, i.net_fen) for i in truth.items
        ]
        conditions = {condition.code: condition.amount.amount_minor for condition in order.conditions}
        assert conditions.pop("MWST") == truth.tax_fen
        assert sum(conditions.values()) == truth.net_fen
        assert order.requested_delivery_on == truth.requested_delivery_on


async def test_availability_is_the_stock_that_is_not_reserved(world: World, erp: ErpClient) -> None:
    found = await erp.available_to_promise(["A5-PRO", "NO-SUCH", "IT'S"])
    assert found == {"A5-PRO": world.material_stock["A5-PRO/SH01"].available}


async def test_a_burst_on_an_expired_token_fetches_one_new_one(system: System, erp: ErpClient) -> None:
    both = ["4711", "4712"]  # one order alone needs no token
    await erp.sales_orders(both)
    async with client(system) as http:
        assert (await http.put("/_csrf", json={"expire": True})).json() == {"issued": 1, "live": 0}
        found = await asyncio.gather(*(erp.sales_orders(both) for _ in range(50)))
        assert all(isinstance(one["4711"], SalesOrder) for one in found)
        assert (await http.get("/_csrf")).json() == {"issued": 2, "live": 1}
        assert (await http.put("/_csrf", json={"expire": "please"})).status_code == 400


async def test_an_order_is_created_once_a_reference_and_reserves_stock(world: World, erp: ErpClient) -> None:
    before = world.material_stock["A5-PRO/SH01"].available
    first = await created(erp, draft(world))
    again = await created(erp, draft(world))
    assert first == again
    assert (first.status, first.reference, first.items[0].quantity) == (SalesOrderStatus.OPEN, "VO00099999", 1)
    assert first.net_total.amount_minor == 22115044
    assert world.material_stock["A5-PRO/SH01"].available == before - 1


async def test_two_creates_at_once_come_to_one_order(world: World, erp: ErpClient) -> None:
    orders = await asyncio.gather(*(created(erp, draft(world)) for _ in range(5)))
    assert len({order.number for order in orders}) == 1


async def test_sales_order_of_a_car_takes_the_build_place_that_its_order_holds(world: World, erp: ErpClient) -> None:
    vehicle_order = next(order for order in world.vehicle_orders.values() if order.status == "DRAFT")
    stock = world.material_stock["A5-PRO/SH01"]
    stock.on_hand = stock.reserved  # the order has taken the last one
    order = await created(erp, draft(world, vehicle_order.number))
    assert vehicle_order.sales_order is None, "commerce is told by whoever made it"
    cancelled = (await erp.cancel(order, RejectionReason.CUSTOMER_CANCELLED)).entity
    assert cancelled is not None
    assert cancelled.rejected
    assert stock.available == 0, "commerce gives it back"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"sold_to": "77"}, "CUSTOMER_UNKNOWN"),
        ({"lines": [SalesOrderLine(material="NO-SUCH", quantity=1)]}, "MATERIAL_UNKNOWN"),
        ({"lines": [SalesOrderLine(material="A5-PRO", quantity=9999)]}, "NOT_AVAILABLE"),
    ],
)
async def test_what_cannot_be_sold_is_refused_by_name(
    world: World, erp: ErpClient, changed: dict[str, object], code: str
) -> None:
    wanted = draft(world)
    fields = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    outcome = await erp.create(SalesOrderDraft(**{**fields, **changed}))
    assert [refusal.code for refusal in outcome.refusals] == [code]
    assert outcome.entity is None


async def test_a_refused_item_leaves_no_trace_of_the_others(world: World, erp: ErpClient) -> None:
    stock, orders = world.material_stock["A5-PRO/SH01"].reserved, len(world.sales_orders)
    lines = [SalesOrderLine(material="A5-PRO", quantity=1), SalesOrderLine(material="NO-SUCH", quantity=1)]
    wanted = draft(world)
    outcome = await erp.create(
        SalesOrderDraft(
            reference=wanted.reference,
            sold_to=wanted.sold_to,
            requested_delivery_on=wanted.requested_delivery_on,
            lines=lines,
        )
    )
    assert outcome.refusals
    assert (world.material_stock["A5-PRO/SH01"].reserved, len(world.sales_orders)) == (stock, orders)


async def test_a_change_needs_the_version_that_was_read(world: World, erp: ErpClient) -> None:
    order = await created(erp, draft(world))
    moved = (await erp.reschedule(order, date(2026, 6, 1))).entity
    assert moved is not None
    assert moved.requested_delivery_on == date(2026, 6, 1)
    assert moved.etag != order.etag
    stale = await erp.reschedule(order, date(2026, 7, 1))
    assert [refusal.code for refusal in stale.refusals] == ["CHANGED_MEANWHILE"]


async def test_cancelling_rejects_every_item_and_frees_the_stock(world: World, erp: ErpClient) -> None:
    before = world.material_stock["A5-PRO/SH01"].available
    fields = draft(world)
    wanted = SalesOrderDraft(
        reference=fields.reference,
        sold_to=fields.sold_to,
        requested_delivery_on=fields.requested_delivery_on,
        lines=[SalesOrderLine(material="A5-PRO", quantity=2), SalesOrderLine(material="B2H", quantity=1)],
    )
    order = await created(erp, wanted)
    cancelled = (await erp.cancel(order, RejectionReason.CUSTOMER_CANCELLED)).entity
    assert cancelled is not None
    assert (cancelled.rejected, cancelled.status) == (True, SalesOrderStatus.COMPLETED)
    assert [item.rejected for item in cancelled.items] == [True, True]
    assert world.material_stock["A5-PRO/SH01"].available == before
    assert (await erp.cancel(cancelled, RejectionReason.CUSTOMER_CANCELLED)).entity == cancelled
    refused = await erp.reschedule(cancelled, date(2026, 6, 1))
    assert [refusal.code for refusal in refused.refusals] == ["NOT_CHANGEABLE"]


async def test_a_change_of_an_order_that_is_not_there_is_not_found(world: World, erp: ErpClient) -> None:
    order = await created(erp, draft(world))
    del world.sales_orders[order.number]
    with pytest.raises(NotFound):
        await erp.reschedule(order, date(2026, 6, 1))


async def test_a_changeset_that_fails_in_its_middle_changes_nothing(world: World, erp: ErpClient) -> None:
    order = await created(erp, draft(world))
    truth = world.sales_orders[order.number]
    truth.items.append(replace(truth.items[0], item="20"))
    ((_, read),) = (await erp.sales_orders([order.number])).items()
    assert isinstance(read, SalesOrder)
    truth.items.pop()
    with pytest.raises(NotFound):
        await erp.cancel(read, RejectionReason.NOT_DELIVERABLE)
    ((_, after),) = (await erp.sales_orders([order.number])).items()
    assert isinstance(after, SalesOrder)
    assert (after.rejected, after.items[0].rejected, after.etag) == (False, False, order.etag)


async def session(http: httpx.AsyncClient) -> dict[str, str]:
    reply = await http.get(f"{ROOT}/", headers={**JSON, "x-csrf-token": "Fetch"})
    assert len(reply.headers.get_list("set-cookie")) == 2
    return {**JSON, "x-csrf-token": reply.headers["x-csrf-token"], "content-type": "application/json"}


async def test_without_a_token_nothing_is_written(world: World, system: System) -> None:
    async with client(system) as http:
        for path in ("A_SalesOrder", "$batch"):
            reply = await http.post(f"{ROOT}/{path}", json={}, headers={"x-csrf-token": "guess"})
            assert (reply.status_code, reply.headers["x-csrf-token"]) == (403, "Required")


async def test_single_writes_need_if_match(world: World, system: System) -> None:
    body = {"RequestedDeliveryDate": "/Date(1780272000000)/"}
    async with client(system) as http:
        headers = await session(http)
        path = f"{ROOT}/A_SalesOrder('4711')"
        assert (await http.patch(path, json=body, headers=headers)).status_code == 428
        assert (await http.patch(path, json=body, headers={**headers, "if-match": 'W/"x"'})).status_code == 412
        etag = (await http.get(path, headers=JSON)).headers["etag"]
        assert (await http.patch(path, json=body, headers={**headers, "if-match": etag})).status_code == 204
        assert (await http.get(path, headers=JSON)).json()["d"]["RequestedDeliveryDate"] == "/Date(1780272000000)/"


async def test_queries_of_the_documented_subset(world: World, system: System) -> None:
    async with client(system) as http:

        async def ask(path: str) -> httpx.Response:
            return await http.get(f"{ROOT}/{path}", headers=JSON)

        found = (await ask("A_SalesOrder?$filter=SalesOrder%20eq%20'4711'%20or%20SalesOrder%20eq%20'4712'")).json()
        assert [row["SalesOrder"] for row in found["d"]["results"]] == ["4711", "4712"]
        both = "(SalesOrder%20eq%20'4711'%20or%20SalesOrder%20eq%20'4712')%20and%20SalesOrder%20eq%20'4712'"
        assert len((await ask(f"A_SalesOrder?$filter={both}")).json()["d"]["results"]) == 1
        page = (await ask("A_SalesOrder?$top=2&$skip=1&$inlinecount=allpages")).json()["d"]
        assert (page["__count"], [r["SalesOrder"] for r in page["results"]]) == (
            str(len(world.sales_orders)),
            ["4712", "4713"],
        )
        items = (await ask("A_SalesOrder('4711')/to_Item")).json()["d"]["results"]
        assert items[0]["__metadata"]["type"] == "API_SALES_ORDER_SRV.A_SalesOrderItemType"
        assert (await ask("A_SalesOrderItem(SalesOrder='4711',SalesOrderItem='10')")).json()["d"]["Material"]
        tax = (await ask("A_SlsPrcgConditionRecord?$filter=ConditionType%20eq%20'MWST'")).json()["d"]["results"]
        assert tax[0]["ConditionRateValue"] == "13.000000000"
        deferred = (await ask("A_SalesOrder('4711')")).json()["d"]["to_Item"]["__deferred"]["uri"]
        assert deferred.endswith("A_SalesOrder('4711')/to_Item")
        assert (await ask("")).json()["d"]["EntitySets"][0] == "A_SalesOrder"
        assert (await ask("$metadata")).text == metadata()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("A_SalesOrder('1')", 404),
        ("A_Nothing", 404),
        ("A_SalesOrder('4711')/to_Nothing", 404),
        ("A_SalesOrder(4711)", 400),
        ("A_SalesOrderItem('4711')", 400),
        ("A_SalesOrder?$filter=SalesOrder+eq+'4711'", 400),
        ("A_SalesOrder?$filter=SalesOrder%20eq%20'4711", 400),
        ("A_SalesOrder?$filter=Nothing%20eq%20'1'", 400),
        ("A_SalesOrder?$filter=SalesOrder%20gt%20'1'", 501),
        ("A_SalesOrder?$expand=to_Nothing", 400),
        ("A_SalesOrder?$top=x", 400),
        ("A_SalesOrder?$orderby=SalesOrder", 501),
        ("A_SalesOrder?$format=atom", 501),
    ],
)
async def test_what_it_does_not_know_is_refused_in_saps_shape(system: System, path: str, status: int) -> None:
    async with client(system) as http:
        reply = await http.get(f"{ROOT}/{path}", headers=JSON)
    assert reply.status_code == status
    error = reply.json()["error"]
    assert error["code"]
    assert error["message"]["lang"] == "en"
    assert error["innererror"]["transactionid"]
    assert error["innererror"]["errordetails"]


async def test_malformed_batches_are_refused(system: System) -> None:
    async with client(system) as http:
        headers = await session(http)

        async def post(content_type: str, body: bytes) -> int:
            reply = await http.post(f"{ROOT}/$batch", content=body, headers={**headers, "content-type": content_type})
            return reply.status_code

        part = b"--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        assert await post("application/json", b"{}") == 400
        assert await post("multipart/mixed; boundary=b", part + b"GET A_SalesOrder HTTP/1.1\r\n\r\n\r\n") == 400
        assert await post("multipart/mixed; boundary=b", part + b"POST A_SalesOrder HTTP/1.1\r\n\r\n\r\n--b--") == 400
        assert await post("multipart/mixed; boundary=b", part + b"hello\r\n\r\n\r\n--b--") == 400


async def test_html_in_place_of_a_batch_is_a_broken_contract_for_all_its_keys(system: System, erp: ErpClient) -> None:
    assert (await erp.sales_orders(["4711"])).keys() == {"4711"}
    system.faulty.faults = [Fault(kind="html", match="$batch")]
    found = await erp.sales_orders(["4711", "4712"])
    assert [type(error) for error in found.values()] == [UpstreamContractBroken, UpstreamContractBroken]


async def test_sessions_end_with_their_cookie(system: System) -> None:
    async with client(system) as http:
        headers = await session(http)
        assert (await http.post(f"{ROOT}/A_SalesOrder", json={}, headers=headers)).status_code == 400
        http.cookies.clear()
        assert (await http.post(f"{ROOT}/A_SalesOrder", json={}, headers=headers)).status_code == 403


async def test_it_says_who_it_is(system: System) -> None:
    async with client(system) as http:
        assert (await http.get("/_ping")).json() == {"system": "erp", "simulated": True}
