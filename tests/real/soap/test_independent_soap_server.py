"""Our envelopes read, and our reader fed, by a SOAP stack that others wrote (npm `soap`), from the contract's WSDL."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.dms.dms_wire import bod_id
from adapters.dms.service import DmsService
from adapters.dms.vehicles import DmsVehicles
from adapters.transport.http import HttpxEngine
from adapters.transport.upstream import Upstream
from bff.domain.service import BookingRequest, BookingStatus, CentreRef, SlotQuery
from bff.domain.vehicle import VehicleRef, WarrantyKind
from bff.errors import UpstreamUnavailable
from tools.nodejs import ensure_npm, node_binary, node_environment

pytestmark = [pytest.mark.anyio, pytest.mark.real]

HERE = Path(__file__).parent
WSDL = HERE.parents[2] / "docs" / "contracts" / "dms.wsdl"
CAR = VehicleRef(vin="LDCA1AB57SB000001", region="EAST", brand="ASTER", model="A5")
PUDONG = CentreRef(code="SH0217", region="EAST")
NAME, NOTE = "𠮷田健㐂", '右后门 <异响> & "漏水"\n请来电'
START = datetime(2026, 3, 12, 1, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of the Node server, on a port of its own."""
    ensure_npm(HERE)
    command = [str(node_binary()), str(HERE / "server.mjs"), str(WSDL), "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=node_environment(), cwd=HERE)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def upstream(server: str, **headers: str) -> Upstream:
    said = {f"x-{name.replace('_', '-')}": value for name, value in headers.items()}
    return Upstream("dms", server, HttpxEngine(httpx.AsyncClient(headers=said, trust_env=False)))


def request(key: str = "key-1") -> BookingRequest:
    return BookingRequest(
        vehicle=CAR,
        customer_id="C0043",
        slot_id="DMS:SH0217-20260312093000",
        centre=PUDONG,
        start=START,
        op_codes=("1010", "1020"),
        note=NOTE,
        pickup=True,
        idempotency_key=key,
        contact_name=NAME,
    )


def seen(server: str) -> list[Any]:
    return list(httpx.get(f"{server}/_seen", trust_env=False).json())


async def test_an_independent_stack_reads_from_our_envelope_what_we_meant(server: str) -> None:
    seen(server)
    gate = upstream(server)
    await DmsService(gate).book(request())
    await gate.aclose()
    [message] = seen(server)
    assert message["soapAction"].strip('"').endswith("/operations/ProcessMessage")
    manifest = message["headers"]["payloadManifest"]["manifest"]["attributes"]
    assert manifest["element"] == message["name"] == "ProcessServiceAppointment"
    sent = message["content"]["ProcessServiceAppointment"]
    assert sent["attributes"] == {"releaseID": "5.6.4", "languageCode": "zh-CN"}
    assert sent["ApplicationArea"]["BODID"] == str(bod_id("key-1"))
    assert sent["ApplicationArea"]["Sender"] == {"CreatorNameCode": "BFF", "DealerNumberID": "SH0217"}
    area = sent["ProcessServiceAppointmentDataArea"]
    assert area["Process"]["ActionExpression"]["attributes"] == {"actionCode": "Add"}
    assert area["ServiceAppointment"] == {
        "DealerNumberID": "SH0217",
        "VehicleID": CAR.vin,
        "ExternalPartyID": "C0043",
        "ContactName": NAME,
        "AppointmentDateTime": area["ServiceAppointment"]["AppointmentDateTime"],
        "AppointmentStatus": "10",
        "AppointmentType": "I",
        "PickupIndicator": "1",
        "CustomerComments": NOTE,
        "OpCode": {"V": ["1010", "1020"]},
    }


@pytest.mark.parametrize("charset", ["gb18030", "utf-8"])
async def test_we_read_what_an_independent_stack_writes_in_either_charset(server: str, charset: str) -> None:
    gate = upstream(server, answer_charset=charset)
    vehicles, service = DmsVehicles(gate), DmsService(gate)
    car = (await vehicles.vehicles([CAR]))[CAR]
    warranties = (await vehicles.warranties([CAR]))[CAR]
    bookings = (await service.bookings_of([CAR]))[CAR]
    query = SlotQuery(centre=PUDONG, from_day=date(2026, 3, 12), to_day=date(2026, 3, 12))
    slots = (await service.slots([query]))[query]
    booked = (await service.book(request())).entity
    await gate.aclose()

    assert not isinstance(car, Exception)
    assert (car.ref, car.licence_plate, car.odometer_km, car.option_codes) == (CAR, "沪AD92430", 30151, ["A2P"])
    assert car.built_on == date(2025, 3, 12)
    assert not isinstance(warranties, Exception)
    assert [(w.kind, w.limit_km) for w in warranties] == [(WarrantyKind.BASIC, 120000), (WarrantyKind.CORROSION, None)]
    assert not isinstance(bookings, Exception)
    assert [(b.contact_name, b.start, len(b.jobs)) for b in bookings] == [("𠮷田健 & <Söhne>", START, 1)]
    assert not isinstance(slots, Exception)
    assert [(s.id, s.start, s.capacity_left) for s in slots] == [("DMS:SH0217-20260312093000", START, 2)]
    assert booked is not None
    assert (booked.contact_name, booked.note, booked.status) == (NAME, NOTE, BookingStatus.REQUESTED)
    assert "内部备注" not in repr((bookings, booked))


async def test_its_refusal_becomes_data_and_its_fault_an_error(server: str) -> None:
    gate = upstream(server, answer="confirm")
    assert [refusal.code for refusal in (await DmsService(gate).book(request())).refusals] == ["SLOT_TAKEN"]
    await gate.aclose()
    gate = upstream(server, answer="fault")
    found = (await DmsVehicles(gate).vehicles([CAR]))[CAR]
    await gate.aclose()
    assert isinstance(found, UpstreamUnavailable)
    assert "内部错误" not in found.message
