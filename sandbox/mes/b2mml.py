"""B2MML answers over the world's production orders, with what the plants' dialects do to them.

Shanghai writes `ActualEndTime`, Chengdu `EndTime`, Guangzhou `Endtime` as its vendor's schema had it. Guangzhou also
wraps values as `{"ValueString": …}` and writes an only child as itself. All pad codes to four characters and write
local time without a zone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from sandbox.world import World
from sandbox.world.entities import ProductionOrder, Segment

NAMESPACE = "http://www.mesa.org/xml/B2MML"
_SHANGHAI = ZoneInfo("Asia/Shanghai")
_END_NAMES = {"SH01": "ActualEndTime", "CD02": "EndTime", "GZ03": "Endtime"}


def show(world: World, order: ProductionOrder | None) -> dict[str, Any]:
    """`ShowOperationsPerformance`; without an order its performance is empty."""
    performance = [] if order is None else [{"ID": f"OP-{order.id}", "OperationsResponse": [_response(order)]}]
    area = {"Show": {}, "OperationsPerformance": performance}
    return _message("ShowOperationsPerformance", world, area)


def confirm(world: World, code: str, description: str) -> dict[str, Any]:
    """`ConfirmBOD` with one error."""
    error = {"Type": "Error", "ReasonCode": code, "Description": description}
    area = {"Confirm": {}, "BOD": [{"BODFailureMessage": {"ErrorProcessMessage": [error]}}]}
    return _message("ConfirmBOD", world, area)


def to_xml(message: dict[str, Any]) -> bytes:
    """The same message as XML in the B2MML namespace."""
    ElementTree.register_namespace("", NAMESPACE)
    ((name, content),) = message.items()
    root = ElementTree.Element(f"{{{NAMESPACE}}}{name}", releaseID=content.pop("releaseID"))
    _fill(root, content)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _fill(parent: ElementTree.Element, content: Any) -> None:
    if not isinstance(content, dict):
        parent.text = str(content)
        return
    for name, value in content.items():
        for item in value if isinstance(value, list) else [value]:
            _fill(ElementTree.SubElement(parent, f"{{{NAMESPACE}}}{name}"), item)


def _message(name: str, world: World, area: dict[str, Any]) -> dict[str, Any]:
    created = _local(world.now.astimezone(_SHANGHAI).replace(tzinfo=None))
    application = {"Sender": {"LogicalID": "MES"}, "CreationDateTime": created}
    return {name: {"releaseID": "V0701", "ApplicationArea": application, "DataArea": area}}


def _response(order: ProductionOrder) -> dict[str, Any]:
    return {
        "ID": order.id,
        "OperationsType": "Production",
        "ResponseState": order.state,
        "SegmentResponse": [_segment(order.plant, segment) for segment in order.segments],
    }


def _segment(plant: str, segment: Segment) -> dict[str, Any]:
    shown: dict[str, Any] = {"ID": segment.id, "SegmentState": segment.state}
    if segment.started_at is not None:
        shown["ActualStartTime"] = _local(segment.started_at)
    if segment.ended_at is not None:
        shown[_END_NAMES[plant]] = _local(segment.ended_at)
    data = [{"ID": name, "Value": _value(plant, value)} for name, value in segment.data.items()]
    if data:
        shown["SegmentData"] = data[0] if plant == "GZ03" and len(data) == 1 else data
    return shown


def _value(plant: str, value: str) -> Any:
    padded = f"{value:<4}"
    return {"ValueString": padded, "DataType": "string"} if plant == "GZ03" else padded


def _local(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
