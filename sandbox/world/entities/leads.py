"""Sales leads and test drives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .common import Channel

LeadState = Literal[
    "NEW", "ASSIGNED", "CONTACTED", "TEST_DRIVE_BOOKED", "TEST_DRIVEN", "QUOTED", "WON", "LOST", "INVALID"
]
TestDriveState = Literal["BOOKED", "COMPLETED", "CANCELLED", "NO_SHOW"]


@dataclass(slots=True)
class Lead:
    """A wish to buy: one per phone and model in 30 days. ``customer_id`` is None for people without an account."""

    id: str
    name: str
    phone: str
    model_id: str
    state: LeadState
    channel: Channel
    created_at: datetime
    updated_at: datetime
    customer_id: str | None = None
    centre_id: str | None = None
    staff_id: str | None = None
    note: str = ""


@dataclass(slots=True)
class TestDrive:
    """A test drive in a TEST_DRIVE slot of a store."""

    __test__ = False  # pytest would collect the name

    id: str
    lead_id: str
    centre_id: str
    slot_id: str
    model_id: str
    name: str
    phone: str
    state: TestDriveState
    created_at: datetime
    customer_id: str | None = None
    idempotency_key: str | None = None
