"""B2MML: the message we send, and every dialect of the answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.mes.mes_wire import Refused, get_operations_performance, read_performance
from bff.domain.vehicle_order import Production, ProductionStage, ProductionState

FIXTURES = Path(__file__).parent / "fixtures"
ORDER = "PO25030917"


def bare(*segments: object, state: str = "Running") -> bytes:
    response = {"ID": ORDER, "ResponseState": state, "SegmentResponse": segments}
    return json.dumps({"OperationsResponse": response}).encode()


def read(body: bytes) -> Production:
    production = read_performance("application/json", body, ORDER)
    assert production is not None
    return production


def test_the_request_names_one_order_in_plant_time() -> None:
    body = json.loads(get_operations_performance(ORDER, "b-1", datetime(2025, 3, 9, 7, 0, tzinfo=UTC)))
    assert body == {
        "GetOperationsPerformance": {
            "releaseID": "V0701",
            "ApplicationArea": {
                "Sender": {"LogicalID": "BFF"},
                "CreationDateTime": "2025-03-09T15:00:00",
                "BODID": "b-1",
            },
            "DataArea": {"Get": {}, "OperationsPerformance": [{"OperationsResponse": [{"ID": ORDER}]}]},
        }
    }


@pytest.mark.parametrize(
    ("name", "media"), [("show.json", "application/json"), ("show.xml", "text/xml; charset=utf-8")]
)
def test_json_and_xml_mean_the_same(name: str, media: str) -> None:
    production = read_performance(media, (FIXTURES / name).read_bytes(), ORDER)
    assert production is not None
    assert (production.order, production.state, production.paint_code) == (ORDER, ProductionState.RUNNING, "K2G")
    body, paint, yard = production.segments
    assert (body.code, body.stage, body.state) == ("BS90", ProductionStage.BODY, ProductionState.COMPLETED)
    assert body.started_at == datetime(2025, 3, 9, 4, 0, tzinfo=UTC)
    assert body.ended_at == datetime(2025, 3, 9, 6, 2, 11, tzinfo=UTC)
    assert (paint.code, paint.stage, paint.state, paint.ended_at) == (
        "PT10",
        ProductionStage.PAINT,
        ProductionState.RUNNING,
        None,
    )
    assert (yard.stage, yard.state, yard.started_at) == (ProductionStage.YARD, ProductionState.WAITING, None)


@pytest.mark.parametrize("codec", ["utf-8-sig", "gb18030"])
def test_the_charset_that_a_document_declares_is_its_own_whatever_http_says(codec: str) -> None:
    declared = {"utf-8-sig": "UTF-8", "gb18030": "GBK"}[codec]
    text = f'<?xml version="1.0" encoding="{declared}"?><OperationsResponse><ID>{ORDER}</ID><ResponseState>运行𠮷'
    body = (text + "</ResponseState></OperationsResponse>").encode(codec)
    production = read_performance("text/xml; charset=ISO-8859-1", body, ORDER)
    assert production is not None
    assert production.raw_state == "运行𠮷"


@pytest.mark.parametrize("name", ["ActualEndTime", "EndTime", "Endtime"])
def test_the_end_of_a_segment_is_read_however_it_is_spelt(name: str) -> None:
    production = read(bare({"ID": "BS10", "SegmentState": "Completed", name: "2025-03-09 14:02:11"}))
    assert production.segments[0].ended_at == datetime(2025, 3, 9, 6, 2, 11, tzinfo=UTC)


def test_an_only_child_and_a_wrapped_value_are_read_like_lists_and_text() -> None:
    segment = {"ID": "PT10 ", "SegmentState": "Held", "SegmentData": {"ID": "COLOR", "Value": {"ValueString": "K2G "}}}
    body = json.dumps({"OperationsResponse": {"ID": ORDER + "  ", "ResponseState": "Held", "SegmentResponse": segment}})
    production = read(body.encode())
    assert (production.paint_code, production.segments[0].code) == ("K2G", "PT10")


def test_a_zone_that_is_given_is_honoured() -> None:
    production = read(bare({"ID": "BS10", "SegmentState": "Running", "ActualStartTime": "2025-03-09T14:00:00Z"}))
    assert production.segments[0].started_at == datetime(2025, 3, 9, 14, 0, tzinfo=UTC)


def test_unknown_states_and_track_points_are_kept_and_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    body = bare({"ID": "ZZ77", "SegmentState": "Levitating "}, state="Other")
    production = read(body)
    read(body)
    segment = production.segments[0]
    assert (segment.code, segment.stage) == ("ZZ77", ProductionStage.UNKNOWN)
    assert (segment.state, segment.raw_state) == (ProductionState.UNKNOWN, "Levitating")
    assert (production.state, production.raw_state) == (ProductionState.UNKNOWN, "Other")
    assert [record.getMessage() for record in caplog.records] == [
        "mes sent an unknown track point: 'ZZ77'",
        "mes sent an unknown production state: 'Levitating'",
    ]


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/json", b'{"ShowOperationsPerformance":{"DataArea":{"Show":{},"OperationsPerformance":[]}}}'),
        (
            "application/xml",
            b"<ShowOperationsPerformance><DataArea><Show/></DataArea></ShowOperationsPerformance>",
        ),
    ],
)
def test_an_empty_show_means_not_known(media: str, body: bytes) -> None:
    assert read_performance(media, body, ORDER) is None


def test_confirm_bod_is_a_refusal_whatever_the_status() -> None:
    with pytest.raises(Refused, match="MES-2004"):
        read_performance("application/json", (FIXTURES / "confirm.json").read_bytes(), ORDER)


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/json", bare({"ID": "BS10"})[:-9]),
        ("application/json", b"[]"),
        ("application/json", b"{}"),
        ("application/json", bare({"ID": 10, "SegmentState": "Running"})),
        ("application/json", bare({"ID": "BS10", "ActualEndTime": "yesterday"})),
        ("application/json", bare().replace(ORDER.encode(), b"PO00000001")),
        ("text/html", b"<html><body>maintenance</body></html>"),
        ("application/xml", b"<ShowOperationsPerformance><DataArea>"),
        ("application/xml", b'<!DOCTYPE a [<!ENTITY b "c">]><OperationsResponse><ID>&b;</ID></OperationsResponse>'),
        ("application/xml", b"<a>" * 256 + b"</a>" * 256),
        ("application/xml", b"<a>" * 10_000 + b"</a>" * 10_000),
        ("application/xml", b'<?xml version="1.0" encoding="rot13"?><a/>'),
        ("application/xml", "<OperationsResponse><ID>é</ID></OperationsResponse>".encode("latin-1")),
    ],
)
def test_what_is_no_such_answer_is_a_value_error(media: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_performance(media, body, ORDER)
