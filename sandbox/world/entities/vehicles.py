"""Built vehicles, what they carry, how they are, and whose garage they stand in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from .common import BrandCode, RegionCode

SoftwareUpdateState = Literal["UP_TO_DATE", "AVAILABLE", "DOWNLOADING", "READY_TO_INSTALL", "INSTALLING", "FAILED"]
GarageRole = Literal["OWNER", "DRIVER", "FAMILY"]
WarrantyKind = Literal["VEHICLE", "BATTERY", "POWERTRAIN", "PAINT", "ROADSIDE"]


@dataclass(slots=True)
class Software:
    """Versions are ``major.minor.patch``; ``available`` is None when nothing newer waits."""

    current: str
    available: str | None
    state: SoftwareUpdateState


@dataclass(frozen=True, slots=True)
class Warranty:
    kind: WarrantyKind
    starts_on: date
    ends_on: date
    limit_km: int | None


@dataclass(slots=True)
class Telemetry:
    """The last report of a car: state of charge and health in percent, pressures in kPa (front left, front right, rear
    left, rear right).
    """

    reported_at: datetime
    soc_percent: int
    soh_percent: int
    range_km: int
    charging: bool
    locked: bool
    cabin_celsius: float
    tyre_kpa: tuple[int, int, int, int]


@dataclass(slots=True)
class Vehicle:
    """A built car. ``colour`` is the option code of its paint; ``order_number`` is set while the car belongs to a
    vehicle order here.
    """

    vin: str
    brand: BrandCode
    model_id: str
    trim_id: str
    options: tuple[str, ...]
    colour: str
    produced_on: date
    region: RegionCode
    home_centre_id: str
    licence_plate: str | None
    odometer_km: int
    software: Software
    telemetry: Telemetry
    hardware: frozenset[str]
    warranties: list[Warranty] = field(default_factory=list)
    order_number: str | None = None


@dataclass(slots=True)
class GarageEntry:
    """A person's relation to a car; ``until`` closes it (a transfer) and hides its history from the next owner."""

    id: str
    customer_id: str
    vin: str
    role: GarageRole
    since: datetime
    until: datetime | None = None
    nickname: str | None = None
