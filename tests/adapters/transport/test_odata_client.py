"""SAP's session rules and error envelopes: one token for all, one new one for a burst, codes instead of prose."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
import respx

from adapters.transport.odata import ODataClient, ODataRefusal, Results
from adapters.transport.odata_batch import Part
from adapters.transport.upstream import Effect, Operation
from bff.errors import (
    BffError,
    OutcomeUnknown,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.support import BASE, entered_context, mocked_upstream

pytestmark = pytest.mark.anyio

ROOT = "/sap/opu/odata/sap/API_SALES_ORDER_SRV"
READ = Operation(name="A_SalesOrder")
WRITE = Operation(name="A_SalesOrder change", effect=Effect.WRITE)
PARTS = [Part("GET", "A_SalesOrder('1')")]
REQUIRED = httpx.Response(403, headers={"x-csrf-token": "Required"}, text="CSRF token validation failed")
ERROR = {
    "error": {
        "code": "V1/302",
        "message": {"lang": "en", "value": "Sold-to party 77 not maintained"},
        "innererror": {
            "transactionid": "ABC",
            "errordetails": [{"code": "V1/302", "message": "…"}, {"code": "ZSD/010", "message": "…"}],
        },
    }
}


class Gateway:
    """Tokens T1, T2, … each with a session of its own; `expire` makes the last one stale."""

    def __init__(self, router: respx.Router) -> None:
        self.issued = 0
        self.valid: str | None = None
        self.batches: list[httpx.Request] = []
        self.fetch = router.get(f"{BASE}{ROOT}/").mock(side_effect=self._fetch)
        router.post(f"{BASE}{ROOT}/$batch").mock(side_effect=self._batch)

    def expire(self) -> None:
        self.valid = None

    async def _fetch(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["x-csrf-token"] == "Fetch"
        await asyncio.sleep(0.001)
        self.issued += 1
        self.valid = f"T{self.issued}"
        cookies = [
            ("set-cookie", "sap-usercontext=sap-client=100; path=/"),
            ("set-cookie", f"SAP_SESSIONID=s{self.issued}; expires=Fri, 31 Dec 2100 23:59:59 GMT; HttpOnly"),
        ]
        return httpx.Response(200, headers=[("x-csrf-token", self.valid), *cookies], json={"d": {}})

    async def _batch(self, request: httpx.Request) -> httpx.Response:
        self.batches.append(request)
        await asyncio.sleep(0)
        if request.headers["x-csrf-token"] != self.valid:
            return REQUIRED
        part = "Content-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}"
        headers = {"content-type": "multipart/mixed; boundary=r"}
        return httpx.Response(202, headers=headers, text=f"--r\r\n{part}\r\n--r--\r\n")


@pytest.fixture
def router() -> respx.Router:
    return respx.Router()


@pytest.fixture
def client(router: respx.Router) -> ODataClient:
    return ODataClient(mocked_upstream(router, "erp"), ROOT)


async def test_the_token_is_fetched_once_and_sent_with_its_cookies(router: respx.Router, client: ODataClient) -> None:
    gateway = Gateway(router)
    context = entered_context()
    await client.batch(READ, PARTS)
    await client.batch(READ, PARTS)
    assert gateway.issued == 1
    assert gateway.batches[1].headers["x-csrf-token"] == "T1"
    assert gateway.batches[1].headers["cookie"] == "sap-usercontext=sap-client=100; SAP_SESSIONID=s1"
    assert gateway.batches[1].headers["content-type"].startswith("multipart/mixed; boundary=batch_")
    assert [(record.operation, record.round) for record in context.calls.records] == [
        ("FetchToken", 1),
        ("A_SalesOrder", 2),
        ("A_SalesOrder", 3),
    ]


async def test_a_cold_burst_fetches_one_token(router: respx.Router, client: ODataClient) -> None:
    gateway = Gateway(router)
    await asyncio.gather(*(client.batch(READ, PARTS) for _ in range(50)))
    assert (gateway.issued, len(gateway.batches)) == (1, 50)


async def test_trap_7_a_burst_on_an_expired_token_fetches_exactly_one_new_one(
    router: respx.Router, client: ODataClient
) -> None:
    gateway = Gateway(router)
    await client.batch(READ, PARTS)
    gateway.expire()
    await asyncio.gather(*(client.batch(WRITE, PARTS) for _ in range(50)))
    assert gateway.issued == 2
    assert len(gateway.batches) == 1 + 50 + 50


async def test_a_call_that_learns_late_uses_the_token_that_others_fetched(
    router: respx.Router, client: ODataClient
) -> None:
    gateway = Gateway(router)
    await client.batch(READ, PARTS)
    gateway.expire()
    slow = asyncio.Event()
    original = gateway._batch

    async def held(request: httpx.Request) -> httpx.Response:
        reply = await original(request)
        if request.headers["x-csrf-token"] == "T1" and len(gateway.batches) == 2:
            await slow.wait()
        return reply

    router.post(f"{BASE}{ROOT}/$batch").mock(side_effect=held)
    late = asyncio.create_task(client.batch(READ, PARTS))
    await asyncio.sleep(0.01)
    await client.batch(READ, PARTS)
    slow.set()
    await late
    assert gateway.issued == 2


async def test_a_gateway_that_refuses_a_fresh_token_is_asked_no_third_time(
    router: respx.Router, client: ODataClient
) -> None:
    gateway = Gateway(router)
    route = router.post(f"{BASE}{ROOT}/$batch").mock(return_value=REQUIRED)
    with pytest.raises(UpstreamRejected):
        await client.batch(WRITE, PARTS)
    assert (gateway.issued, route.call_count) == (2, 2)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (httpx.Response(503), UpstreamBusy),
        (httpx.Response(401), UpstreamRejected),
        (httpx.Response(200, json={"d": {}}), UpstreamContractBroken),
        (httpx.Response(200, json={"d": {}}, headers={"x-csrf-token": "Required"}), UpstreamContractBroken),
        (httpx.ReadTimeout("slow"), UpstreamUnavailable),
    ],
)
async def test_without_a_token_a_write_has_certainly_not_happened(
    router: respx.Router, client: ODataClient, reply: httpx.Response | Exception, error: type[BffError]
) -> None:
    router.get(f"{BASE}{ROOT}/").mock(side_effect=[reply])
    with pytest.raises(error) as raised:
        await client.batch(WRITE, PARTS)
    assert not isinstance(raised.value, OutcomeUnknown)


@pytest.mark.parametrize(
    ("reply", "on_read", "on_write"),
    [
        (httpx.Response(500, json=ERROR), UpstreamUnavailable, OutcomeUnknown),
        (httpx.Response(400, json=ERROR), UpstreamRejected, UpstreamRejected),
        (httpx.Response(200, html="<html>maintenance</html>"), UpstreamContractBroken, OutcomeUnknown),
        (
            httpx.Response(202, headers={"content-type": "multipart/mixed; boundary=r"}, text="--r--"),
            UpstreamContractBroken,
            OutcomeUnknown,
        ),
        (httpx.ReadError("reset"), UpstreamUnavailable, OutcomeUnknown),
    ],
)
async def test_a_broken_batch_is_an_error_for_a_read_and_an_unknown_outcome_for_a_write(
    router: respx.Router,
    client: ODataClient,
    reply: httpx.Response | Exception,
    on_read: type[BffError],
    on_write: type[BffError],
) -> None:
    Gateway(router)
    router.post(f"{BASE}{ROOT}/$batch").mock(side_effect=[reply, reply])
    with pytest.raises(on_read):
        await client.batch(READ, PARTS)
    with pytest.raises(on_write):
        await client.batch(WRITE, PARTS)


async def test_a_get_reads_what_stands_under_d(router: respx.Router, client: ODataClient) -> None:
    route = router.get(url__startswith=f"{BASE}{ROOT}/A_SalesOrder").mock(
        side_effect=[httpx.Response(200, json={"d": {"results": [1, 2]}}), httpx.Response(404, json=ERROR)]
    )
    found = await client.get(READ, "A_SalesOrder?$filter=A%20eq%20%271%27", Results[int])
    assert found is not None
    assert found.results == [1, 2]
    assert str(route.calls.last.request.url).endswith("/A_SalesOrder?$filter=A%20eq%20%271%27")
    assert await client.get(READ, "A_SalesOrder('9')", Results[int]) is None


async def test_a_refusal_carries_saps_codes_outermost_first(router: respx.Router, client: ODataClient) -> None:
    router.get(url__startswith=BASE).mock(return_value=httpx.Response(400, json=ERROR))
    with pytest.raises(ODataRefusal) as raised:
        await client.get(READ, "A_SalesOrder", Results[int])
    assert (raised.value.status, raised.value.codes) == (400, ["V1/302", "ZSD/010"])
    rejected = raised.value.rejected()
    assert "Sold-to" not in rejected.message
    assert rejected.detail == "status 400 V1/302 Sold-to party 77 not maintained (transaction ABC)"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"d":{"results":', json.dumps({"d": {"results": ["x"]}}).encode(), b"\xff\xfe{"]
)
async def test_an_unreadable_answer_is_a_broken_contract(
    router: respx.Router, client: ODataClient, content: bytes
) -> None:
    router.get(url__startswith=BASE).mock(return_value=httpx.Response(200, content=content))
    with pytest.raises(UpstreamContractBroken):
        await client.get(READ, "A_SalesOrder", Results[int])
