"""B2MML messages: `GetOperationsPerformance` out, `ShowOperationsPerformance` or `ConfirmBOD` in, as JSON or XML.

The plants' dialects differ within the schema: an only child comes as itself rather than as a list, a value as text or
as `{"ValueString": …}`, the end of a segment as `ActualEndTime`, `EndTime` or, misspelt, `Endtime`; codes are padded
with blanks, and times are local and carry no zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

import msgspec

from adapters.transport.codes import report_unknown
from adapters.transport.xml import decode, local_name, parse
from bff.domain.vehicle_order import Production, ProductionSegment, ProductionStage, ProductionState

T = TypeVar("T")

PLANT_ZONE = ZoneInfo("Asia/Shanghai")
RELEASE = "V0701"

STATES: Mapping[str, ProductionState] = {
    "Waiting": ProductionState.WAITING,
    "Ready": ProductionState.READY,
    "Running": ProductionState.RUNNING,
    "Completed": ProductionState.COMPLETED,
    "Aborted": ProductionState.ABORTED,
    "Held": ProductionState.HELD,
    "Paused": ProductionState.PAUSED,
    "Suspended": ProductionState.SUSPENDED,
    "Closed": ProductionState.CLOSED,
    "Other": ProductionState.UNKNOWN,
}
STAGES: Mapping[str, ProductionStage] = {
    "BS": ProductionStage.BODY,
    "PT": ProductionStage.PAINT,
    "AS": ProductionStage.ASSEMBLY,
    "EL": ProductionStage.TEST,
    "YD": ProductionStage.YARD,
}


class Refused(Exception):
    """The MES answered `ConfirmBOD`: it read the message and will not serve it."""


class _Data(msgspec.Struct):
    id: str = msgspec.field(name="ID")
    value: Any = msgspec.field(name="Value", default=None)


class _Segment(msgspec.Struct, rename="pascal"):
    id: str = msgspec.field(name="ID")
    segment_state: str = ""
    actual_start_time: str | None = None
    start_time: str | None = None
    actual_end_time: str | None = None
    end_time: str | None = None
    misspelt_end_time: str | None = msgspec.field(name="Endtime", default=None)
    segment_data: list[_Data] | _Data = []


class _Response(msgspec.Struct, rename="pascal"):
    id: str = msgspec.field(name="ID")
    response_state: str = ""
    segment_response: list[_Segment] | _Segment = []


class _Performance(msgspec.Struct, rename="pascal"):
    operations_response: list[_Response] | _Response = []


class _ShowArea(msgspec.Struct, rename="pascal"):
    operations_performance: list[_Performance] | _Performance = []


class _Show(msgspec.Struct, rename="pascal"):
    data_area: _ShowArea


class _Document(msgspec.Struct, rename="pascal"):
    """One of the three is there: the message, a bare response (a top-level element of its own), or a refusal."""

    show_operations_performance: _Show | None = None
    operations_response: _Response | None = None
    confirm_bod: Any = msgspec.field(name="ConfirmBOD", default=None)


def get_operations_performance(order: str, bod_id: str, created_at: datetime) -> bytes:
    """The request for one production order, as JSON. `created_at` is sent as plant time."""
    message = {
        "releaseID": RELEASE,
        "ApplicationArea": {
            "Sender": {"LogicalID": "BFF"},
            "CreationDateTime": created_at.astimezone(PLANT_ZONE).strftime("%Y-%m-%dT%H:%M:%S"),
            "BODID": bod_id,
        },
        "DataArea": {"Get": {}, "OperationsPerformance": [{"OperationsResponse": [{"ID": order}]}]},
    }
    return msgspec.json.encode({"GetOperationsPerformance": message})


def read_performance(content_type: str, body: bytes, order: str) -> Production | None:
    """None: the MES does not know the order. Raises Refused, and ValueError for what is not such an answer."""
    document = _document(content_type, body)
    if document.confirm_bod is not None:
        raise Refused(str(document.confirm_bod)[:500])
    if document.operations_response is not None:
        responses = [document.operations_response]
    elif document.show_operations_performance is not None:
        area = document.show_operations_performance.data_area
        responses = [r for p in _many(area.operations_performance) for r in _many(p.operations_response)]
    else:
        raise ValueError("neither ShowOperationsPerformance nor OperationsResponse nor ConfirmBOD")
    if not responses:
        return None
    for response in responses:
        if response.id.strip() == order:
            return _production(order, response)
    raise ValueError(f"asked for {order}, answered {responses[0].id!r}")


def _document(content_type: str, body: bytes) -> _Document:
    if "json" in content_type:
        return msgspec.json.decode(body, type=_Document)
    if "xml" not in content_type:
        raise ValueError(f"neither JSON nor XML: {content_type!r}")
    root = parse(decode(body, ""))  # the contract names no HTTP charset: what the document declares decides
    return msgspec.convert({local_name(root): _tree(root)}, _Document)


def _tree(element: Element) -> Any:
    """An element as JSON would have it: its text, or its children by local name, repeated ones as a list."""
    if len(element) == 0 and local_name(element) not in _CONTAINERS:
        return element.text or ""
    children: dict[str, Any] = {}
    for child in element:
        children.setdefault(local_name(child), []).append(_tree(child))
    return {name: values[0] if len(values) == 1 else values for name, values in children.items()}


_CONTAINERS = frozenset({"DataArea", "OperationsPerformance", "ShowOperationsPerformance"})


def _many(value: list[T] | T) -> list[T]:
    return value if isinstance(value, list) else [value]


def _production(order: str, response: _Response) -> Production:
    segments = _many(response.segment_response)
    colours = (
        _text(data.value)
        for segment in segments
        if segment.id.startswith("PT")
        for data in _many(segment.segment_data)
        if data.id.strip() == "COLOR"
    )
    raw_state = response.response_state.strip()
    return Production(
        order=order,
        state=_state(raw_state),
        segments=[_segment(segment) for segment in segments],
        paint_code=next((colour for colour in colours if colour), None),
        raw_state=raw_state,
    )


def _segment(segment: _Segment) -> ProductionSegment:
    code, raw_state = segment.id.strip(), segment.segment_state.strip()
    stage = STAGES.get(code[:2], ProductionStage.UNKNOWN)
    if stage is ProductionStage.UNKNOWN:
        report_unknown("mes", "track point", code)
    return ProductionSegment(
        code=code,
        stage=stage,
        state=_state(raw_state),
        started_at=_instant(segment.actual_start_time or segment.start_time),
        ended_at=_instant(segment.actual_end_time or segment.end_time or segment.misspelt_end_time),
        raw_state=raw_state,
    )


def _state(raw: str) -> ProductionState:
    state = STATES.get(raw)
    if state is None:
        report_unknown("mes", "production state", raw)
        return ProductionState.UNKNOWN
    return state


def _text(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("ValueString")
    return str(value).strip() or None if value is not None else None


def _instant(text: str | None) -> datetime | None:
    """Plant time as an instant; a zone, should one be given, is honoured."""
    if text is None or not text.strip():
        return None
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=PLANT_ZONE)).astimezone(UTC)
