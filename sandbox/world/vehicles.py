"""The four hundred vehicles and the garages they stand in; those of open orders are made by ``orders``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from random import Random

from .entities import (
    GarageEntry,
    RegionCode,
    Software,
    SoftwareUpdateState,
    Telemetry,
    Trim,
    Vehicle,
    Warranty,
)
from .people import MERGED, OWNER, PROSPECTS
from .rng import ago, stream
from .rules import broken_rules
from .vin import make_vin
from .world import World

IN_THE_FIELD = 365  # the other 35 belong to vehicle orders from BUILT on
VEHICLES = 400
LATEST_SOFTWARE = "3.4.0"
# serial → trim and centre of the cars that examples and tests name; all belong to C0001
OWNER_CARS = {1: ("A5-PRO", "SH0217"), 8: ("A5-PLUS", "SZ0412"), 15: ("V3-JOY", "HZ0118")}

_DESCRIPTORS = {"A5": "A1AB5", "A7": "A2BC7", "E9": "E1CD9", "V3": "V1AE3"}
_PLANTS = {"A5": "B", "A7": "B", "E9": "C", "V3": "D"}
_PLATES = {"SH": "沪A", "HZ": "浙A", "NJ": "苏A", "GZ": "粤A", "SZ": "粤B", "XM": "闽D"} | {
    "BJ": "京A",
    "TJ": "津A",
    "SY": "辽A",
    "CD": "川A",
    "CQ": "渝A",
    "XA": "陕A",
}
_BASE_HARDWARE = {
    "A5": ("H-SEAT-HEAT", "H-AMP", "H-V2L"),
    "A7": ("H-SEAT-HEAT", "H-AMP", "H-360"),
    "E9": ("H-SEAT-HEAT", "H-SEAT-HEAT-REAR", "H-HUD", "H-AMBIENT"),
    "V3": ("H-DASHCAM",),
}
_SOFTWARE: tuple[tuple[str, str | None, SoftwareUpdateState], ...] = (
    (LATEST_SOFTWARE, None, "UP_TO_DATE"),
    (LATEST_SOFTWARE, None, "UP_TO_DATE"),
    ("3.3.2", LATEST_SOFTWARE, "AVAILABLE"),
    ("3.3.2", LATEST_SOFTWARE, "DOWNLOADING"),
    ("3.2.0", LATEST_SOFTWARE, "READY_TO_INSTALL"),
    ("3.1.4", LATEST_SOFTWARE, "FAILED"),
    ("2.9.1", "3.0.0", "AVAILABLE"),
)
_NICKNAMES = ("小白", "闪电", "阿福", "豆包", "大灰", None, None, None)


def add_vehicles(world: World) -> None:
    random = stream(world, "vehicles")
    trims = list(world.trims.values())
    for serial in range(1, IN_THE_FIELD + 1):
        trim = random.choice(trims)
        brand = world.models[trim.model_id].brand
        centre = random.choice([c for c in world.centres.values() if brand in c.brands])
        trim_id, centre_id = OWNER_CARS.get(serial, (trim.id, centre.id))
        make_vehicle(world, random, serial, world.trims[trim_id], centre_id, random.randint(40, 1300))
    first = world.vehicles["LDCA1AB57SB000001"]
    first.software = Software("3.3.2", LATEST_SOFTWARE, "AVAILABLE")
    first.hardware |= {"H-SEAT-HEAT", "H-HU12"}
    _fill_garages(world, random)


def make_vehicle(
    world: World,
    random: Random,
    serial: int,
    trim: Trim,
    centre_id: str,
    age_days: int,
    options: Iterable[str] | None = None,
) -> Vehicle:
    """Builds a car and registers it; without ``options`` it gets a buildable choice of its own."""
    model = world.models[trim.model_id]
    chosen = tuple(options) if options is not None else pick_options(world, random, trim)
    vin = make_vin("LDC", _DESCRIPTORS[model.id], _year_letter(serial), _PLANTS[model.id], serial)
    region: RegionCode = world.centres[centre_id].region
    hardware = set(_BASE_HARDWARE[model.id])
    hardware |= {code for option in chosen if (code := world.options[option].hardware_code)}
    produced = world.today - timedelta(days=age_days)
    current, available, state = random.choice(_SOFTWARE)
    soc = random.randint(12, 100)
    vehicle = Vehicle(
        vin=vin,
        brand=model.brand,
        model_id=model.id,
        trim_id=trim.id,
        options=chosen,
        colour=next(code for code in chosen if world.options[code].group == "PAINT"),
        produced_on=produced,
        region=region,
        home_centre_id=centre_id,
        licence_plate=f"{_PLATES[centre_id[:2]]}D{random.randint(10000, 99999)}",
        odometer_km=int(age_days * random.uniform(15, 55)),
        software=Software(current, available, state),
        telemetry=Telemetry(
            reported_at=ago(world, minutes=random.randint(1, 900)),
            soc_percent=soc,
            soh_percent=max(84, 100 - age_days // 110),
            range_km=trim.range_km * soc // 100,
            charging=random.random() < 0.2,
            locked=random.random() < 0.9,
            cabin_celsius=round(random.uniform(8, 31), 1),
            tyre_kpa=(
                random.randint(228, 255),
                random.randint(228, 255),
                random.randint(228, 255),
                random.randint(218, 255),
            ),
        ),
        hardware=frozenset(hardware),
        warranties=_warranties(world, age_days),
    )
    world.vehicles[vin] = vehicle
    return vehicle


def pick_options(world: World, random: Random, trim: Trim) -> tuple[str, ...]:
    """The default selection, changed in up to four places where no rule objects."""
    selected = set(trim.default_options)
    today = world.today
    for _ in range(4):
        code = random.choice(list(trim.options))
        option = world.options[code]
        if code in selected or (option.withdrawn_on is not None and option.withdrawn_on <= today):
            continue
        single = world.option_groups[option.group].cardinality != "ANY"
        rivals = {other for other in selected if single and world.options[other].group == option.group}
        candidate = (selected - rivals) | {code}
        if not broken_rules(world, candidate, today):
            selected = candidate
    return tuple(sorted(selected))


def _year_letter(serial: int) -> str:
    """Model year: S (2025) for the first half, then T (2026), a few R (2024)."""
    if serial <= 200 or serial % 9 == 0:
        return "S" if serial < 150 or serial % 2 else "R"
    return "T"


def _warranties(world: World, age_days: int) -> list[Warranty]:
    start = world.today - timedelta(days=max(0, age_days - 20))
    return [
        Warranty("VEHICLE", start, start + timedelta(days=365 * 4), 120_000),
        Warranty("BATTERY", start, start + timedelta(days=365 * 8), 160_000),
        Warranty("POWERTRAIN", start, start + timedelta(days=365 * 8), 160_000),
        Warranty("PAINT", start, start + timedelta(days=365 * 3), None),
        Warranty("ROADSIDE", start, start + timedelta(days=365 * 2), None),
    ]


def park(
    world: World, customer_id: str, vin: str, role: str, days_ago: float, until_days_ago: float | None = None
) -> GarageEntry:
    """Puts a car into a garage; ``until_days_ago`` closes the entry."""
    entry = GarageEntry(
        id=f"GE{len(world.garage) + 1:04d}",
        customer_id=customer_id,
        vin=vin,
        role="OWNER" if role == "OWNER" else "DRIVER" if role == "DRIVER" else "FAMILY",
        since=ago(world, days=days_ago),
        until=ago(world, days=until_days_ago) if until_days_ago is not None else None,
    )
    world.garage[entry.id] = entry
    return entry


def _fill_garages(world: World, random: Random) -> None:
    """Serial n belongs to customer n where there is one; later cars to anyone; some were handed on, some are shared."""
    drivers = [c for c in world.customers if c not in PROSPECTS and c not in MERGED and c != OWNER]
    for vehicle in list(world.vehicles.values()):
        serial = int(vehicle.vin[-6:])
        own = f"C{serial:04d}"
        owner = OWNER if serial in OWNER_CARS else own if own in drivers else random.choice(drivers)
        age = max(2, (world.today - vehicle.produced_on).days - 20)
        if serial % 14 == 0:
            before = next(c for c in drivers[serial % len(drivers) :] + drivers if c != owner)
            park(world, before, vehicle.vin, "OWNER", age, age / 2)
            age //= 2
        entry = park(world, owner, vehicle.vin, "OWNER", age)
        entry.nickname = random.choice(_NICKNAMES)
        if serial == 1 or serial % 6 == 0:
            other = "C0002" if serial == 1 else random.choice([c for c in drivers if c != owner])
            park(world, other, vehicle.vin, random.choice(("DRIVER", "FAMILY")), age / 3)
