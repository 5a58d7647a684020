"""Cars that exist: master data, warranty and workshop history from the DMS; software and state from the car itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum
from typing import Protocol

from bff.domain.base import Found, Money, Text, Value
from bff.errors import InvalidInput

_VALUES = {
    **{str(digit): digit for digit in range(10)},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def parse_vin(text: str) -> str:
    """A VIN in capitals, its check digit verified (ISO 3779; 49 CFR 565.15). InvalidInput says what is wrong."""
    vin = text.strip().upper()
    if len(vin) != 17:
        raise InvalidInput(f"A VIN has 17 characters; this one has {len(vin)}.", field="vin")
    if wrong := sorted(set(vin) - _VALUES.keys()):
        raise InvalidInput(
            f"A VIN has no {', '.join(wrong)}: only digits and capitals without I, O and Q.", field="vin"
        )
    remainder = sum(_VALUES[char] * weight for char, weight in zip(vin, _WEIGHTS, strict=True)) % 11
    if vin[8] != ("X" if remainder == 10 else str(remainder)):
        raise InvalidInput("The VIN's check digit (position 9) does not match: a character is mistyped.", field="vin")
    return vin


class VehicleRef(Value, frozen=True, kw_only=True):
    """A car and what routing needs to know of it, so that no look-up is needed to find the system that serves it."""

    vin: str
    region: str
    brand: str
    model: str


class Vehicle(Value, frozen=True, kw_only=True):
    """Master data as the dealer system holds it. `option_codes` is what was built in."""

    ref: VehicleRef
    licence_plate: str | None
    trim_code: str | None
    colour_code: str | None
    odometer_km: int | None
    built_on: date | None
    delivered_on: date | None
    home_centre: str | None
    option_codes: list[str]

    @property
    def vin(self) -> str:
        return self.ref.vin


class WarrantyKind(Enum):
    BASIC = "BASIC"
    POWERTRAIN = "POWERTRAIN"
    BATTERY = "BATTERY"
    CORROSION = "CORROSION"
    EXTENDED = "EXTENDED"
    ROADSIDE = "ROADSIDE"
    UNKNOWN = "UNKNOWN"


class Warranty(Value, frozen=True, kw_only=True):
    """`limit_km` None: no limit. `raw_kind` keeps a code that we do not know."""

    kind: WarrantyKind
    raw_kind: str
    starts_on: date
    ends_on: date
    limit_km: int | None


class ServiceVisit(Value, frozen=True, kw_only=True):
    """A closed or open repair order as a customer may see it: internal notes are not part of it."""

    vin: str
    number: str
    centre: str
    opened_at: datetime
    closed_at: datetime | None
    odometer_km: int | None
    status: str
    works: list[Text]
    total: Money | None


class SoftwareState(Enum):
    UP_TO_DATE = "UP_TO_DATE"
    AVAILABLE = "AVAILABLE"
    DOWNLOADING = "DOWNLOADING"
    READY_TO_INSTALL = "READY_TO_INSTALL"
    INSTALLING = "INSTALLING"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class Software(Value, frozen=True, kw_only=True):
    """`raw_state` keeps a state that we do not know."""

    current: str
    available: str | None
    state: SoftwareState
    raw_state: str = ""


class VehicleState(Value, frozen=True, kw_only=True):
    """What the car last said of itself, `as_of`. Pressures are kPa: front left, front right, rear left, rear right."""

    as_of: datetime
    battery_percent: int | None
    range_km: int | None
    charging: bool | None
    locked: bool | None
    odometer_km: int | None
    tyre_pressures_kpa: list[int]


class VehiclePort(Protocol):
    """The dealer system's record of a car."""

    async def vehicles(self, refs: Sequence[VehicleRef]) -> Found[VehicleRef, Vehicle]: ...

    async def locate(self, vins: Sequence[str]) -> Found[str, VehicleRef]:
        """The reference of a car known by its VIN alone (a head unit, an adviser at the counter)."""
        ...

    async def warranties(self, refs: Sequence[VehicleRef]) -> Found[VehicleRef, list[Warranty]]: ...

    async def visits(self, refs: Sequence[VehicleRef]) -> Found[VehicleRef, list[ServiceVisit]]:
        """Workshop visits, newest first."""
        ...


class ConnectedVehiclePort(Protocol):
    """What the car itself reports, as the in-car content platform knows it. Keys are VINs; one bulk call."""

    async def software(self, vins: Sequence[str]) -> Found[str, Software]: ...

    async def states(self, vins: Sequence[str]) -> Found[str, VehicleState]: ...
