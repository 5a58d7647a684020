"""Wishes to buy, and test drives. Source: leads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum
from typing import Protocol

from bff.domain.base import Found, Outcome, Value


class LeadState(Enum):
    NEW = "NEW"
    ASSIGNED = "ASSIGNED"
    CONTACTED = "CONTACTED"
    TEST_DRIVE_BOOKED = "TEST_DRIVE_BOOKED"
    TEST_DRIVEN = "TEST_DRIVEN"
    QUOTED = "QUOTED"
    WON = "WON"
    LOST = "LOST"
    INVALID = "INVALID"
    UNKNOWN = "UNKNOWN"


class TestDriveState(Enum):
    __test__ = False

    BOOKED = "BOOKED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    NO_SHOW = "NO_SHOW"
    UNKNOWN = "UNKNOWN"


class TestDriveSlot(Value, frozen=True, kw_only=True):
    __test__ = False

    id: str
    centre: str
    start: datetime
    end: datetime
    capacity_left: int


class TestDrive(Value, frozen=True, kw_only=True):
    __test__ = False

    id: str
    customer_id: str | None
    centre: str
    model_code: str
    start: datetime
    end: datetime
    state: TestDriveState
    lead_id: str


class Lead(Value, frozen=True, kw_only=True):
    """One per phone and model in 30 days: a second wish returns the first."""

    id: str
    customer_id: str | None
    name: str
    phone_masked: str
    model_code: str
    state: LeadState
    created_at: datetime


class TestDriveSlotQuery(Value, frozen=True, kw_only=True):
    __test__ = False

    centre: str
    from_day: date
    to_day: date


class LeadPort(Protocol):
    """Refusal codes: SLOT_TAKEN, SLOT_UNKNOWN, MODEL_UNKNOWN, CENTRE_UNKNOWN, PHONE_INVALID, NOT_CANCELLABLE."""

    async def slots(self, queries: Sequence[TestDriveSlotQuery]) -> Found[TestDriveSlotQuery, list[TestDriveSlot]]: ...

    async def test_drives_of(self, customer_ids: Sequence[str]) -> Found[str, list[TestDrive]]: ...

    async def test_drives(self, ids: Sequence[str]) -> Found[str, TestDrive]: ...

    async def book_test_drive(
        self,
        *,
        customer_id: str | None,
        name: str,
        phone: str | None,
        model_code: str,
        slot_id: str,
        channel: str,
        idempotency_key: str,
    ) -> Outcome[TestDrive]:
        """A customer's phone is known to the service; a guest gives one."""
        ...

    async def cancel_test_drive(self, test_drive_id: str, *, idempotency_key: str) -> Outcome[TestDrive]: ...

    async def leads_of_store(self, centre: str, *, state: LeadState | None, limit: int) -> list[Lead]:
        """Newest first; for advisers."""
        ...
