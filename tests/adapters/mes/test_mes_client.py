"""The MES client: one order a call, side by side, each order failing by itself."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
import respx

from adapters.mes.client import MesClient
from bff.domain.vehicle_order import Production
from bff.errors import BffError, UpstreamBusy, UpstreamContractBroken, UpstreamError, UpstreamRejected, UpstreamTimeout
from tests.support import BASE, entered_context, mocked_upstream

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parent / "fixtures"
SHOW = httpx.Response(200, content=(FIXTURES / "show.json").read_bytes(), headers={"content-type": "application/json"})
ORDER = "PO25030917"


def asked(request: httpx.Request) -> str:
    area = json.loads(request.content)["GetOperationsPerformance"]["DataArea"]
    return str(area["OperationsPerformance"][0]["OperationsResponse"][0]["ID"])


def show(order: str) -> httpx.Response:
    return httpx.Response(200, json={"OperationsResponse": {"ID": order, "ResponseState": "Ready"}})


@pytest.fixture
def router() -> respx.Router:
    return respx.Router()


@pytest.fixture
def mes(router: respx.Router) -> MesClient:
    return MesClient(mocked_upstream(router, "mes"))


async def test_one_message_an_order_in_one_round(router: respx.Router, mes: MesClient) -> None:
    route = router.post(BASE + "/mes/b2mml").mock(side_effect=lambda request: show(asked(request)))
    context = entered_context()
    found = await mes.productions(["PO1", "PO2", "PO3", "PO1"])
    assert list(found) == ["PO1", "PO2", "PO3"]
    assert sorted(asked(call.request) for call in route.calls) == ["PO1", "PO2", "PO3"]
    assert route.calls.last.request.headers["content-type"] == "application/json"
    assert (len(context.calls.records), context.calls.rounds) == (3, 1)


async def test_the_answer_is_read(router: respx.Router, mes: MesClient) -> None:
    router.post(BASE + "/mes/b2mml").mock(return_value=SHOW)
    production = (await mes.productions([ORDER]))[ORDER]
    assert isinstance(production, Production)
    assert production.paint_code == "K2G"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (httpx.Response(200, json={"ConfirmBOD": {"ReasonCode": "MES-2004"}}), UpstreamRejected),
        (httpx.Response(400, json={"ConfirmBOD": {}}), UpstreamRejected),
        (httpx.Response(503), UpstreamBusy),
        (httpx.Response(200, content=SHOW.content[:90], headers=SHOW.headers), UpstreamContractBroken),
        (httpx.Response(200, html="<html>系统维护</html>"), UpstreamContractBroken),
        (httpx.Response(200, json={"OperationsResponse": {"ID": 7}}), UpstreamContractBroken),
        (httpx.ReadTimeout("slow"), UpstreamTimeout),
    ],
)
async def test_an_order_that_fails_leaves_the_others(
    router: respx.Router, mes: MesClient, reply: httpx.Response | Exception, error: type[UpstreamError]
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if asked(request) != "PO2":
            return show(asked(request))
        if isinstance(reply, Exception):
            raise reply
        return reply

    router.post(BASE + "/mes/b2mml").mock(side_effect=answer)
    found = await mes.productions(["PO1", "PO2", "PO3"])
    failed = found["PO2"]
    assert isinstance(failed, BffError)
    assert type(failed) is error
    assert "工" not in failed.message
    assert "MES-" not in failed.message
    assert isinstance(found["PO1"], Production)
    assert isinstance(found["PO3"], Production)
