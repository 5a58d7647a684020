"""The order-to-delivery feed: which codes an order has been through, and how the feed garbles their arrival."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from .entities import Milestone, OtdRecord, VehicleOrder
from .rng import SHANGHAI, stream
from .world import World

# Days after the order was placed at which each code is reached.
CODE_DAYS: dict[str, float] = {
    "1100": 0.02,
    "1101": 0.2,
    "1102": 7.3,
    "2000": 8.5,
    "2500": 12,
    "3000": 16,
    "3100": 20,
    "3300": 22,
    "3400": 25,
    "3800": 29,
    "4000": 30,
    "4D00": 30.6,
    "4B00": 31.4,
    "4106": 33,
    "4200": 34,
    "4300": 36,
    "4800": 38,
    "5000": 40,
    "6000": 44,
}
MILESTONE_CODES: dict[Milestone, tuple[str, ...]] = {
    "PLACED": ("1100", "1101", "1102"),
    "ACCEPTED": ("2000",),
    "PARTS": ("2500", "3000"),
    "SCHEDULED": ("3100", "3300"),
    "IN_PRODUCTION": ("3400",),
    "BUILT": ("3800",),
    "YARD": ("4000", "4B00"),
    "QC_HOLD": ("4D00",),
    "SHIPPED": ("4106", "4200", "4300", "4800"),
    "AT_CENTRE": ("5000",),
    "READY": ("5000",),  # the feed has no code for it: preparation is known to the order alone
    "DELIVERED": ("6000",),
    "CANCELLED": ("9000",),
}
VIN_FROM = "3800"
UNKNOWN_CODE = "7Z99"

_CODES = list(CODE_DAYS)


def codes_until(last: str, held: bool) -> list[str]:
    """The codes an order has passed once it reached ``last``; ``held``: it went into and out of a quality hold."""
    passed = _CODES[: _CODES.index(last) + 1]
    return passed if held or last == "4D00" else [code for code in passed if code != "4D00"]


def year_week(moment: datetime) -> str:
    """ISO year and week of the local date, e.g. ``202503``."""
    year, week, _ = moment.astimezone(SHANGHAI).isocalendar()
    return f"{year}{week:02d}"


def add_otd_feed(world: World) -> None:
    """Writes each order's history as records and puts them in the order in which the feed carried them."""
    random = stream(world, "otd")
    records: list[OtdRecord] = []
    for index, order in enumerate(o for o in world.vehicle_orders.values() if o.otd_number is not None):
        records += _garble(random, _history(world, order), index, world.now)
    records.sort(key=lambda r: (r.received_at, r.order_number, r.code))
    world.otd_feed = [replace(record, sequence=number) for number, record in enumerate(records, 1)]


def _history(world: World, order: VehicleOrder) -> list[OtdRecord]:
    """What really happened, in order, the ETA (4V03) and invoice (4150) records among it."""
    last = last_code(order)
    stop = "1102" if last == "9000" and order.production_order is None else "3100" if last == "9000" else last
    found = [
        _record(order, code, order.created_at + timedelta(days=CODE_DAYS[code]))
        for code in codes_until(stop, held=order.number.endswith("7"))
    ]
    if last == "9000" and order.cancelled_at is not None:
        found = [r for r in found if r.happened_at < order.cancelled_at]
        found.append(_record(order, "9000", order.cancelled_at))
    if last in CODE_DAYS and CODE_DAYS[last] >= CODE_DAYS["4B00"]:
        eta = _record(order, "4V03", order.created_at + timedelta(days=31.6))
        found.append(replace(eta, year_week=year_week(order.created_at + timedelta(days=40))))
    if last in CODE_DAYS and CODE_DAYS[last] >= CODE_DAYS["4200"]:
        found.append(_record(order, "4150", order.created_at + timedelta(days=34.2)))
    return [r for r in found if r.happened_at <= world.now]


def last_code(order: VehicleOrder) -> str:
    """The code the order has come to; within a milestone of several codes the order's number decides."""
    if order.milestone is None:
        raise ValueError(f"{order.number} is a draft: the feed does not know it")
    if order.milestone == "PLACED":
        return "1102" if order.locked_at else "1101" if order.deposit_paid_at else "1100"
    codes = MILESTONE_CODES[order.milestone]
    return codes[int(order.number[2:]) % len(codes)]


def _record(order: VehicleOrder, code: str, happened: datetime) -> OtdRecord:
    assert order.otd_number is not None
    happened = happened.replace(microsecond=0)
    known = code not in CODE_DAYS or CODE_DAYS[code] >= CODE_DAYS[VIN_FROM]
    return OtdRecord(
        sequence=0,
        order_number=order.otd_number,
        code=code,
        vin=order.vin if known else None,
        year_week=year_week(happened),
        happened_at=happened,
        received_at=happened + timedelta(minutes=7),
    )


def _garble(random: Random, records: list[OtdRecord], index: int, now: datetime) -> list[OtdRecord]:
    """Every fourth order: a record twice. Every fifth: 3400 after 3800. Every sixth: 2500 late. Every ninth: unknown.

    Nothing arrives after ``now``, and a quality hold keeps its place, since its order carries meaning.
    """
    found = {record.code: record for record in records}
    if index % 5 == 0 and "3400" in found and "3800" in found:
        found["3400"] = replace(found["3400"], received_at=found["3800"].received_at + timedelta(minutes=3))
    if index % 6 == 0 and "2500" in found and "3100" in found:
        found["2500"] = replace(found["2500"], received_at=found["3100"].received_at + timedelta(days=1))
    arrived = list(found.values())
    if index % 4 == 0:
        twice = random.choice([r for r in arrived if r.code not in ("4000", "4B00", "4D00")])
        arrived.append(replace(twice, received_at=twice.received_at + timedelta(hours=random.randint(1, 30))))
    if index % 9 == 0:
        arrived.append(replace(arrived[0], code=UNKNOWN_CODE, received_at=arrived[0].received_at + timedelta(hours=5)))
    return [replace(r, received_at=min(r.received_at, now - timedelta(minutes=1))) for r in arrived]
