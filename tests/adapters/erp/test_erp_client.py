"""The ERP client: what goes into a batch, what comes out of each part, and which refusals have a name."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from adapters.erp.client import ROOT, ErpClient
from bff.domain.base import Money
from bff.domain.vehicle_order import RejectionReason, SalesOrder, SalesOrderDraft, SalesOrderLine, SalesOrderStatus
from bff.errors import (
    BffError,
    NotFound,
    OutcomeUnknown,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.support import BASE, entered_context, mocked_upstream

pytestmark = pytest.mark.anyio

ORDER: dict[str, Any] = json.loads((Path(__file__).parent / "fixtures/order.json").read_bytes())["d"]
DRAFT = SalesOrderDraft(
    reference="VO00004711",
    sold_to="1000001",
    requested_delivery_on=date(2025, 5, 1),
    lines=[SalesOrderLine(material="A5-PRO", quantity=2)],
)
Reply = tuple[int, Any]


def order(number: str = "4711", **changed: Any) -> Reply:
    return 200, {"d": {**ORDER, "SalesOrder": number, **changed}}


def refused(status: int, *codes: str) -> Reply:
    details = [{"code": code, "message": "Sold-to 77", "severity": "error"} for code in codes]
    inner = {"transactionid": "ABC", "errordetails": details}
    return status, {"error": {"code": codes[0], "message": {"lang": "en", "value": "Sold-to 77"}, "innererror": inner}}


def message(reply: Reply | bytes) -> bytes:
    if isinstance(reply, bytes):
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + reply
    status, body = reply
    return f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\r\n".encode() + json.dumps(body).encode()


def multipart(boundary: str, *contents: bytes) -> bytes:
    return b"".join(f"--{boundary}\r\n".encode() + c + b"\r\n" for c in contents) + f"--{boundary}--\r\n".encode()


def batch(*replies: Reply | bytes | list[Reply]) -> httpx.Response:
    head = b"Content-Type: application/http\r\n\r\n"
    contents = [
        b"Content-Type: multipart/mixed; boundary=c\r\n\r\n" + multipart("c", *(head + message(r) for r in reply))
        if isinstance(reply, list)
        else head + message(reply)
        for reply in replies
    ]
    return httpx.Response(
        202, headers={"content-type": "multipart/mixed; boundary=r"}, content=multipart("r", *contents)
    )


def sent(route: respx.Route, call: int = -1) -> list[str]:
    """The lines of a batch that was sent."""
    content: bytes = route.calls[call].request.content
    return content.decode().split("\r\n")


@pytest.fixture
def router() -> respx.Router:
    router = respx.Router()
    router.get(f"{BASE}{ROOT}/").mock(
        return_value=httpx.Response(200, headers={"x-csrf-token": "T1", "set-cookie": "S=1"}, json={"d": {}})
    )
    return router


@pytest.fixture
def erp(router: respx.Router) -> ErpClient:
    return ErpClient(mocked_upstream(router, "erp"))


def batches(router: respx.Router, *replies: httpx.Response | Exception) -> respx.Route:
    return router.post(f"{BASE}{ROOT}/$batch").mock(side_effect=list(replies))


def lookup(router: respx.Router, *results: Any, status: int = 200) -> respx.Route:
    return router.get(url__startswith=f"{BASE}{ROOT}/A_SalesOrder?").mock(
        return_value=httpx.Response(status, json={"d": {"results": list(results)}})
    )


def alone(router: respx.Router, reply: Reply) -> respx.Route:
    """One order by itself: no batch, no token."""
    status, body = reply
    return router.get(url__startswith=f"{BASE}{ROOT}/A_SalesOrder('4711')").mock(
        return_value=httpx.Response(status, json=body)
    )


async def read(erp: ErpClient, number: str = "4711") -> SalesOrder:
    found = (await erp.sales_orders([number]))[number]
    assert isinstance(found, SalesOrder)
    return found


async def test_all_numbers_go_in_one_batch_each_with_items_and_prices(router: respx.Router, erp: ErpClient) -> None:
    route = batches(router, batch(order("1"), order("2")), batch(order("1"), order("2")))
    await erp.sales_orders(["1", "2", "1"])
    context = entered_context()
    assert list(await erp.sales_orders(["1", "2"])) == ["1", "2"]
    assert [line for line in sent(route) if line.startswith("GET")] == [
        "GET A_SalesOrder('1')?$expand=to_Item,to_PricingElement HTTP/1.1",
        "GET A_SalesOrder('2')?$expand=to_Item,to_PricingElement HTTP/1.1",
    ]
    assert (len(context.calls.records), context.calls.rounds) == (1, 1)


async def test_one_order_is_read_by_itself_without_token_and_envelope(router: respx.Router, erp: ErpClient) -> None:
    route = alone(router, order())
    context = entered_context()
    assert list(await erp.sales_orders(["4711", "4711"])) == ["4711"]
    assert str(route.calls[0].request.url).endswith("/A_SalesOrder('4711')?$expand=to_Item,to_PricingElement")
    assert [record.operation for record in context.calls.records] == ["A_SalesOrder"]


async def test_one_order_that_is_not_there_is_absent(router: respx.Router, erp: ErpClient) -> None:
    alone(router, refused(404, "/IWBEP/CM_MGW_RT/020"))
    assert await erp.sales_orders(["4711"]) == {}


async def test_an_order_is_read_with_exact_amounts(router: respx.Router, erp: ErpClient) -> None:
    alone(router, order())
    found = await read(erp)
    assert (found.status, found.raw_status, found.reference) == (SalesOrderStatus.IN_PROCESS, "B", "VO00004711")
    assert found.net_total == Money(amount_minor=21990000)
    assert (found.created_on, found.requested_delivery_on) == (date(2025, 3, 9), date(2025, 5, 1))
    assert [(i.number, i.quantity, i.net.amount_minor, i.rejected) for i in found.items] == [
        ("10", 1, 22255487, False),
        ("20", 1, -265487, True),
    ]
    assert [(c.code, c.amount.amount_minor) for c in found.conditions] == [("PR00", 22255487), ("MWST", 2858700)]
    assert found.etag.startswith('W/"datetimeoffset')
    assert not found.rejected


async def test_a_hundred_keys_a_batch_and_the_rest_beside_it(router: respx.Router, erp: ErpClient) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        numbers = [line.split("'")[1] for line in request.content.decode().split("\r\n") if line.startswith("GET")]
        return batch(*(order(number) for number in numbers))

    route = router.post(f"{BASE}{ROOT}/$batch").mock(side_effect=answer)
    context = entered_context()
    assert len(await erp.sales_orders([str(number) for number in range(250)])) == 250
    assert route.call_count == 3
    assert context.calls.rounds == 2  # the token, then three batches side by side


async def test_a_missing_part_is_absent_and_a_broken_one_fails_its_key_alone(
    router: respx.Router, erp: ErpClient
) -> None:
    deferred = {"to_Item": {"__deferred": {"uri": "…"}}}
    replies: dict[str, Reply | bytes] = {
        "1": order("1"),
        "2": refused(404, "/IWBEP/CM_MGW_RT/020"),
        "3": b'{"d": {"SalesOrder": ',
        "4": order("4", TotalNetAmount=219900.0),
        "5": order("5", TotalNetAmount="about 5"),
        "6": order("7"),
        "7": order("7", **deferred),
        "8": (500, {"error": {"code": "SY/530", "message": {"lang": "en", "value": "dump"}}}),
        "9": refused(400, "SY/530"),
        "10": b"<html>oops</html>",
        "11": order("11", CreationDate="yesterday"),
    }
    batches(router, batch(*replies.values()))
    found = await erp.sales_orders(list(replies))
    assert isinstance(found["1"], SalesOrder)
    kinds = {number: type(value) for number, value in found.items() if number != "1"}
    broken = dict.fromkeys(["3", "4", "5", "6", "7", "10", "11"], UpstreamContractBroken)
    assert kinds == broken | {"8": UpstreamUnavailable, "9": UpstreamRejected}
    assert not any("dump" in value.message for value in found.values() if isinstance(value, BffError))


async def test_an_unknown_status_is_kept(
    router: respx.Router, erp: ErpClient, caplog: pytest.LogCaptureFixture
) -> None:
    alone(router, order(OverallSDProcessStatus="Q"))
    found = await read(erp)
    assert (found.status, found.raw_status) == (SalesOrderStatus.UNKNOWN, "Q")
    assert "unknown sales order status: 'Q'" in caplog.text


@pytest.mark.parametrize(
    "reply",
    [httpx.Response(500), httpx.Response(200, html="<html>maintenance</html>"), batch(order()), httpx.ReadError("x")],
)
async def test_a_batch_that_fails_fails_all_its_keys(
    router: respx.Router, erp: ErpClient, reply: httpx.Response | Exception
) -> None:
    batches(router, reply)
    found = await erp.sales_orders(["1", "2"])
    assert all(isinstance(value, BffError) for value in found.values())
    assert found.keys() == {"1", "2"}


async def test_no_keys_cost_no_call(router: respx.Router, erp: ErpClient) -> None:
    context = entered_context()
    assert await erp.sales_orders([]) == {}
    assert context.calls.records == []


async def test_availability_is_summed_over_plants(router: respx.Router, erp: ErpClient) -> None:
    def stock(*quantities: str, material: str = "A5") -> Reply:
        rows = [{"Material": material, "Plant": "SH01", "AvailableQuantity": quantity} for quantity in quantities]
        return 200, {"d": {"results": rows}}

    route = batches(router, batch(stock("12.000", "3"), stock(), stock("1.5"), stock("1", material="B9")))
    found = await erp.available_to_promise(["A5", "NONE", "HALF", "WRONG"])
    assert (found["A5"], "NONE" in found) == (15, False)
    assert isinstance(found["HALF"], UpstreamContractBroken)
    assert isinstance(found["WRONG"], UpstreamContractBroken)
    assert "GET ZC_AvailableToPromise?$filter=Material%20eq%20%27A5%27 HTTP/1.1" in sent(route)


async def test_creating_looks_up_the_reference_then_inserts_and_reads_in_one_batch(
    router: respx.Router, erp: ErpClient
) -> None:
    looked = lookup(router)
    route = batches(router, batch([(201, {"d": {}})], (200, {"d": {"results": [ORDER]}})))
    outcome = await erp.create(DRAFT)
    assert outcome.entity is not None
    assert outcome.entity.number == "4711"
    assert "$filter=PurchaseOrderByCustomer%20eq%20%27VO00004711%27" in str(looked.calls.last.request.url)
    lines = sent(route)
    assert "POST A_SalesOrder HTTP/1.1" in lines
    body = json.loads(next(line for line in lines if line.startswith("{")))
    assert body == {
        "SalesOrderType": "ZVEH",
        "SalesOrganization": "CN01",
        "DistributionChannel": "10",
        "OrganizationDivision": "00",
        "SoldToParty": "1000001",
        "PurchaseOrderByCustomer": "VO00004711",
        "RequestedDeliveryDate": "/Date(1746057600000)/",
        "to_Item": {"results": [{"Material": "A5-PRO", "RequestedQuantity": "2"}]},
    }


async def test_after_an_unknown_outcome_the_same_create_finds_what_was_created(
    router: respx.Router, erp: ErpClient
) -> None:
    route = batches(router, httpx.ReadTimeout("slow"))
    lookup(router)
    with pytest.raises(OutcomeUnknown):
        await erp.create(DRAFT)
    lookup(router, ORDER)
    outcome = await erp.create(DRAFT)
    assert outcome.entity is not None
    assert outcome.entity.number == "4711"
    assert route.call_count == 1


async def test_a_create_that_loses_a_race_answers_the_order_that_won(router: respx.Router, erp: ErpClient) -> None:
    router.get(url__startswith=f"{BASE}{ROOT}/A_SalesOrder?").mock(
        side_effect=[
            httpx.Response(200, json={"d": {"results": []}}),
            httpx.Response(200, json={"d": {"results": [ORDER]}}),
        ]
    )
    batches(router, batch(refused(400, "ZSD/021"), (200, {"d": {"results": [ORDER]}})))
    outcome = await erp.create(DRAFT)
    assert outcome.entity is not None
    assert outcome.entity.number == "4711"


@pytest.mark.parametrize(
    ("code", "expected"),
    [("V1/382", "MATERIAL_UNKNOWN"), ("VP/199", "CUSTOMER_UNKNOWN"), ("ZSD/010", "NOT_AVAILABLE")],
)
async def test_business_refusals_have_a_name_and_no_upstream_text(
    router: respx.Router, erp: ErpClient, code: str, expected: str
) -> None:
    lookup(router)
    batches(router, batch(refused(400, "/IWBEP/CX_MGW_BUSI", code), (200, {"d": {"results": []}})))
    outcome = await erp.create(DRAFT)
    assert [refusal.code for refusal in outcome.refusals] == [expected]
    assert "Sold-to 77" not in outcome.refusals[0].message


async def test_a_refusal_without_a_name_is_a_rejection(router: respx.Router, erp: ErpClient) -> None:
    lookup(router)
    batches(router, batch(refused(400, "SY/530"), (200, {"d": {"results": []}})))
    with pytest.raises(UpstreamRejected):
        await erp.create(DRAFT)


@pytest.mark.parametrize("after", [(200, {"d": {"results": []}}), (200, {"d": 1}), refused(500, "SY/530")])
async def test_a_create_that_cannot_be_read_back_is_unknown(router: respx.Router, erp: ErpClient, after: Reply) -> None:
    lookup(router)
    batches(router, batch([(201, {"d": {}})], after))
    with pytest.raises(OutcomeUnknown):
        await erp.create(DRAFT)


async def test_a_lookup_that_fails_creates_nothing(router: respx.Router, erp: ErpClient) -> None:
    route = batches(router)
    lookup(router, {"SalesOrder": 1})
    with pytest.raises(UpstreamContractBroken):
        await erp.create(DRAFT)
    assert route.call_count == 0


async def test_rescheduling_sends_the_version_that_was_read(router: respx.Router, erp: ErpClient) -> None:
    alone(router, order())
    route = batches(router, batch([(204, {})], order(RequestedDeliveryDate="/Date(1748736000000)/")))
    known = await read(erp)
    outcome = await erp.reschedule(known, date(2025, 6, 1))
    assert outcome.entity is not None
    assert outcome.entity.requested_delivery_on == date(2025, 6, 1)
    lines = sent(route)
    assert "PATCH A_SalesOrder('4711') HTTP/1.1" in lines
    assert f"If-Match: {known.etag}" in lines
    assert '{"RequestedDeliveryDate":"/Date(1748736000000)/"}' in lines


async def test_an_order_that_changed_meanwhile_is_refused_as_such(router: respx.Router, erp: ErpClient) -> None:
    alone(router, order())
    batches(router, batch(refused(412, "/IWFND/CM_MGW/412"), order()))
    outcome = await erp.reschedule(await read(erp), date(2025, 6, 1))
    assert [refusal.code for refusal in outcome.refusals] == ["CHANGED_MEANWHILE"]


async def test_cancelling_rejects_the_items_that_are_left_in_one_changeset(
    router: respx.Router, erp: ErpClient
) -> None:
    alone(router, order())
    route = batches(router, batch([(204, {})], order(OverallSDDocumentRejectionSts="C")))
    outcome = await erp.cancel(await read(erp), RejectionReason.NOT_DELIVERABLE)
    assert outcome.entity is not None
    assert outcome.entity.rejected
    patches = [line for line in sent(route) if line.startswith("PATCH")]
    assert patches == ["PATCH A_SalesOrderItem(SalesOrder='4711',SalesOrderItem='10') HTTP/1.1"]
    assert '{"SalesDocumentRjcnReason":"Z2"}' in sent(route)


async def test_cancelling_what_is_cancelled_costs_no_call(router: respx.Router, erp: ErpClient) -> None:
    route = alone(router, order(OverallSDDocumentRejectionSts="C"))
    known = await read(erp)
    assert (await erp.cancel(known, RejectionReason.CUSTOMER_CANCELLED)).entity == known
    assert route.call_count == 1


async def test_a_completed_order_cannot_be_changed_and_a_missing_one_is_not_found(
    router: respx.Router, erp: ErpClient
) -> None:
    missing = refused(404, "/IWBEP/CM_MGW_RT/020")
    alone(router, order())
    batches(router, batch(refused(400, "ZSD/030"), order()), batch(missing, missing))
    known = await read(erp)
    outcome = await erp.cancel(known, RejectionReason.CUSTOMER_CANCELLED)
    assert [refusal.code for refusal in outcome.refusals] == ["NOT_CHANGEABLE"]
    with pytest.raises(NotFound):
        await erp.cancel(known, RejectionReason.CUSTOMER_CANCELLED)


async def test_an_order_is_found_by_our_number_or_is_not_there(router: respx.Router, erp: ErpClient) -> None:
    looked = lookup(router, ORDER)
    found = await erp.find("VO00004711")
    assert found is not None
    assert (found.number, found.reference) == ("4711", "VO00004711")
    assert "PurchaseOrderByCustomer%20eq%20%27VO00004711%27" in str(looked.calls.last.request.url)
    lookup(router)
    assert await erp.find("VO00004711") is None
