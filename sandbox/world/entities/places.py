"""Regions, service centres (also the stores for test drives) and their slots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .common import BrandCode, RegionCode, Text

CentreService = Literal["MAINTENANCE", "REPAIR", "BODYWORK", "TEST_DRIVE", "DELIVERY", "PICKUP"]


@dataclass(frozen=True, slots=True)
class Region:
    """A sales region; it decides which system books service."""

    code: RegionCode
    name: Text


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """Local (Asia/Shanghai) hours of ISO weekdays, e.g. ``(1, 2, 3, 4, 5), "08:30", "18:00"``."""

    weekdays: tuple[int, ...]
    opens: str
    closes: str


@dataclass(frozen=True, slots=True)
class Centre:
    """A service centre and store. ``id`` is its code, which is also its DMS dealer number (``SH0217``)."""

    id: str
    region: RegionCode
    name: Text
    address: Text
    city: Text
    latitude: float
    longitude: float
    phone: str
    opening_hours: tuple[OpeningHours, ...]
    brands: tuple[BrandCode, ...]
    services: tuple[CentreService, ...]
    bays: int


@dataclass(slots=True)
class Slot:
    """A bookable window at a centre; times are UTC."""

    id: str
    centre_id: str
    kind: Literal["SERVICE", "TEST_DRIVE"]
    starts_at: datetime
    ends_at: datetime
    capacity: int
    taken: int

    @property
    def capacity_left(self) -> int:
        return max(0, self.capacity - self.taken)
