"""Production orders of the plants, with a track point for every station a car passes."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from .entities import ProductionOrder, Segment, SegmentState, VehicleOrder
from .rng import SHANGHAI, stream
from .world import World

TRACK_POINTS = ("BS10", "BS90", "PT10", "PT90", "AS10", "AS90", "EL50", "EL99", "YD10", "YD50", "YD90")
# Days after the order was placed at which a track point starts and ends; EL99 ends with OTD 3800, YD10 with 4000.
_SPANS: dict[str, tuple[float, float]] = {
    "BS10": (25.0, 25.6),
    "BS90": (25.6, 26.1),
    "PT10": (26.1, 26.8),
    "PT90": (26.8, 27.1),
    "AS10": (27.1, 27.9),
    "AS90": (27.9, 28.4),
    "EL50": (28.4, 28.7),
    "EL99": (28.7, 29.0),
    "YD10": (29.2, 30.0),
    "YD50": (30.6, 31.4),
    "YD90": (31.6, 33.0),
}
PLANTS = {"A5": "SH01", "A7": "SH01", "E9": "CD02", "V3": "GZ03"}


def add_production_orders(world: World) -> None:
    random = stream(world, "mes")
    for order in world.vehicle_orders.values():
        if order.production_order is not None:
            world.production_orders[order.production_order] = _production_order(world, random, order)


def _production_order(world: World, random: Random, order: VehicleOrder) -> ProductionOrder:
    """YD50 exists only on a car that is or was held."""
    cancelled = order.milestone == "CANCELLED"
    held = order.milestone == "QC_HOLD" or (order.number.endswith("7") and order.vin is not None)
    segments = [_segment(world, random, order, point, cancelled) for point in TRACK_POINTS if point != "YD50" or held]
    if order.milestone == "SCHEDULED":
        segments[0].state = "Ready"
    states = {segment.state for segment in segments}
    state: SegmentState = "Running"
    if cancelled:
        state = "Aborted"
    elif "Held" in states:
        state = "Held"
    elif states == {"Completed"}:
        state = "Completed"
    elif states <= {"Waiting", "Ready"}:
        state = "Ready" if "Ready" in states else "Waiting"
    return ProductionOrder(
        id=order.production_order or "",
        order_number=order.number,
        plant=PLANTS[order.model_id],
        state=state,
        planned_start=_local(order, 25.0),
        vin=order.vin,
        segments=segments,
    )


def _segment(world: World, random: Random, order: VehicleOrder, point: str, cancelled: bool) -> Segment:
    if cancelled:
        return Segment(point, "Aborted" if point == "BS10" else "Waiting")
    start, end = (_local(order, days) for days in _SPANS[point])
    now = world.now.astimezone(SHANGHAI).replace(tzinfo=None)
    begun = start <= now and order.milestone != "SCHEDULED"
    segment = Segment(point, "Waiting", start if begun else None)
    if begun:
        segment.state = "Completed" if end <= now else "Running"
        segment.ended_at = end if end <= now else None
        segment.data = _data(random, order, point)
    if point == "YD50" and order.milestone == "QC_HOLD":
        segment.state, segment.ended_at = "Held", None
    return segment


def _data(random: Random, order: VehicleOrder, point: str) -> dict[str, str]:
    """The values a station notes, unpadded; the MES pads codes to four characters on the wire."""
    if point.startswith("PT"):
        paint = next(code for code in order.configuration.options if code.startswith("K"))
        return {"COLOR": paint, "BOOTH": f"B{random.randint(1, 6)}"}
    if point.startswith("BS"):
        return {"BODY": f"{order.model_id}B", "SKID": f"{random.randint(100, 999)}"}
    if point.startswith("AS"):
        return {"LINE": f"L{random.randint(1, 3)}", "SEQ": f"{random.randint(1, 9999):04d}"}
    if point.startswith("EL"):
        return {"RESULT": "OK", "TORQ": f"{random.randint(92, 99)}"}
    return {"LOT": f"{random.choice('ABCD')}{random.randint(10, 99)}"}


def _local(order: VehicleOrder, days: float) -> datetime:
    moment = order.created_at + timedelta(days=days)
    return moment.astimezone(SHANGHAI).replace(tzinfo=None, microsecond=0)
