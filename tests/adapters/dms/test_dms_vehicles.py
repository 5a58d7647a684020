"""Cars from the dealer system: what is asked, and what an answer means."""

from __future__ import annotations

from datetime import UTC, date, datetime
from xml.etree import ElementTree as ET

import httpx
import pytest
import respx

from adapters.dms.vehicles import DmsVehicles
from adapters.transport.soap import STAR
from bff.domain.base import Money
from bff.domain.vehicle import Vehicle, VehicleRef, WarrantyKind
from bff.errors import BffError, UpstreamBusy, UpstreamContractBroken, UpstreamMaintenance, UpstreamRejected
from tests.adapters.dms.documents import answer, fixture, page, refusal
from tests.support import BASE, entered_context, mocked_upstream

pytestmark = pytest.mark.anyio

CAR = VehicleRef(vin="LDCA1AB57SB000001", region="EAST", brand="ASTER", model="A5")
OTHER = VehicleRef(vin="LDCA1AB5XSB000008", region="SOUTH", brand="ASTER", model="A5")


def dms(*replies: httpx.Response | Exception) -> tuple[DmsVehicles, respx.Route]:
    """The adapter over a system that gives these answers in turn, the last one again and again."""
    router = respx.Router()
    given = list(replies)

    def respond(_request: httpx.Request) -> httpx.Response:
        reply = given.pop(0) if len(given) > 1 else given[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    route = router.post(f"{BASE}/ws/star").mock(side_effect=respond)
    return DmsVehicles(mocked_upstream(router, "dms")), route


def sent(route: respx.Route, number: int = 0) -> ET.Element:
    """The BOD of a request."""
    body = route.calls[number].request.content.decode("gb18030")
    found = ET.fromstring(body.partition("?>")[2]).find(".//{*}content/*")
    assert found is not None
    return found


def said(bod: ET.Element, name: str) -> str | None:
    return bod.findtext(f".//{{{STAR}}}{name}")


async def test_a_car_is_asked_for_by_its_vin_at_head_office() -> None:
    adapter, route = dms(answer("ShowVehicle", fixture("ShowVehicle")))
    await adapter.vehicles([CAR])
    bod = sent(route)
    assert bod.tag == f"{{{STAR}}}GetVehicle"
    assert (said(bod, "VehicleID"), said(bod, "DealerNumberID")) == (CAR.vin, "HQ0000")
    assert (said(bod, "CreatorNameCode"), bod.get("releaseID")) == ("BFF", "5.6.4")


async def test_master_data_is_read_with_its_dates_and_columns() -> None:
    adapter, _ = dms(answer("ShowVehicle", fixture("ShowVehicle")))
    assert await adapter.vehicles([CAR]) == {
        CAR: Vehicle(
            ref=CAR,
            licence_plate="沪AD92430",
            trim_code="A5-PRO",
            colour_code="K1W",
            odometer_km=30151,
            built_on=date(2025, 3, 12),
            delivered_on=date(2025, 4, 1),
            home_centre="SH0217",
            option_codes=["A2P", "K1W"],
        )
    }


async def test_a_car_is_located_by_its_vin_alone() -> None:
    adapter, _ = dms(answer("ShowVehicle", fixture("ShowVehicle")))
    assert await adapter.locate([CAR.vin]) == {CAR.vin: CAR}


async def test_warranties_are_columns_zipped_by_index_and_an_unknown_kind_keeps_its_code(
    caplog: pytest.LogCaptureFixture,
) -> None:
    adapter, _ = dms(answer("ShowWarranty", fixture("ShowWarranty")))
    found = (await adapter.warranties([CAR]))[CAR]
    assert not isinstance(found, BffError)
    assert [(w.kind, w.raw_kind, w.limit_km) for w in found] == [
        (WarrantyKind.BASIC, "10", 120000),
        (WarrantyKind.CORROSION, "40", None),
        (WarrantyKind.UNKNOWN, "77", 50000),
    ]
    assert (found[2].starts_on, found[2].ends_on) == (date(2025, 4, 1), date(2026, 3, 31))
    assert any("'77'" in record.getMessage() for record in caplog.records)


async def test_visits_are_newest_first_in_utc_and_without_internal_notes() -> None:
    adapter, _ = dms(answer("ShowRepairOrder", fixture("ShowRepairOrder")))
    found = (await adapter.visits([CAR]))[CAR]
    assert not isinstance(found, BffError)
    assert [(visit.number, visit.status) for visit in found] == [("RO101", "AWAITING_APPROVAL"), ("RO100", "CLOSED")]
    closed = found[1]
    assert closed.opened_at == datetime(2025, 6, 1, 0, 30, tzinfo=UTC)
    assert closed.closed_at == datetime(2025, 6, 1, 16, 30, tzinfo=UTC)
    assert closed.total == Money(amount_minor=128050, currency="CNY")
    assert [work.pick("en") for work in closed.works] == ["Annual service"]
    assert found[0].total is None
    assert "内部" not in repr(found)
    assert "事故" not in repr(found)


async def test_a_car_that_the_system_does_not_know_is_absent() -> None:
    for reply in (answer("ShowVehicle", code="0"), refusal("E1003")):
        adapter, _ = dms(reply)
        assert await adapter.vehicles([CAR]) == {}


async def test_a_known_car_without_visits_has_an_empty_list() -> None:
    adapter, _ = dms(answer("ShowRepairOrder"))
    assert await adapter.visits([CAR]) == {CAR: []}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (refusal("E5001"), UpstreamBusy),
        (refusal("E2001"), UpstreamBusy),
        (refusal("E1001"), UpstreamRejected),
        (refusal("E7777"), UpstreamRejected),
        (answer("ShowVehicle", code="E5001"), UpstreamBusy),
        (page(), UpstreamMaintenance),
        (answer("ShowVehicle"), UpstreamContractBroken),
        (answer("ShowVehicle", "<s:Vehicle><s:VehicleID>X</s:VehicleID></s:Vehicle>"), UpstreamContractBroken),
        (answer("ShowVehicle", fixture("ShowVehicle").replace("30151", "30,151")), UpstreamContractBroken),
        (answer("ShowVehicle", fixture("ShowVehicle").replace("20250312", "20251312")), UpstreamContractBroken),
        (httpx.Response(200, headers={"content-type": "text/xml; charset=GBK"}, content=b"<"), UpstreamContractBroken),
    ],
)
async def test_a_refusal_or_a_broken_answer_is_the_error_of_that_car(
    reply: httpx.Response, expected: type[BffError]
) -> None:
    adapter, _ = dms(reply)
    found = (await adapter.vehicles([CAR]))[CAR]
    assert type(found) is expected
    assert "trace" not in str(found)


async def test_a_garbled_car_leaves_the_other_one_readable() -> None:
    garbled = answer("ShowVehicle", fixture("ShowVehicle").replace("<s:MakeCode>ASTER</s:MakeCode>", ""))
    adapter, _ = dms(garbled, answer("ShowVehicle", fixture("ShowVehicle")))
    found = await adapter.vehicles([CAR, OTHER])
    assert isinstance(found[CAR], UpstreamContractBroken)
    assert isinstance(found[OTHER], Vehicle)


async def test_several_cars_are_one_round_and_a_repeated_car_is_one_call() -> None:
    adapter, route = dms(answer("ShowVehicle", fixture("ShowVehicle")))
    context = entered_context()
    await adapter.vehicles([CAR, OTHER, CAR])
    assert (route.call_count, context.calls.rounds) == (2, 1)


async def test_the_same_question_is_asked_once_a_request_and_again_in_the_next() -> None:
    adapter, route = dms(answer("ShowVehicle", fixture("ShowVehicle")))
    context = entered_context()
    await adapter.vehicles([CAR])
    await adapter.locate([CAR.vin])
    assert (route.call_count, context.calls.rounds) == (1, 1)
    entered_context()
    await adapter.vehicles([CAR])
    assert route.call_count == 2
