"""The leads service's JSON and what it means. Phone numbers leave this module masked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from adapters.transport.records import Codes, Moment, Records, Refusals, utc
from bff.domain.base import Int
from bff.domain.leads import Lead, LeadState, TestDrive, TestDriveSlot, TestDriveState

SYSTEM = "leads"

lead_state = Codes(SYSTEM, LeadState)
test_drive_state = Codes(SYSTEM, TestDriveState)


class Wire(msgspec.Struct, kw_only=True, rename="camel"):
    """A JSON object in camel case; members that are not named here are skipped."""


class WireSlot(Wire):
    id: str
    start: Moment
    end: Moment
    capacity_left: Int


class WireCentreSlots(Wire):
    centre: str
    slots: list[WireSlot]


class WireTestDrive(Wire):
    id: str
    customer_id: str | None
    centre: str
    model_code: str
    start: Moment
    end: Moment
    state: str
    lead_id: str


class WireLead(Wire):
    id: str
    customer_id: str | None
    name: str
    phone: str
    model_code: str
    state: str
    created_at: Moment


def booking_body(
    *, customer_id: str | None, name: str, phone: str | None, model_code: str, slot_id: str, channel: str
) -> dict[str, Any]:
    """What is not known is not sent."""
    said: Mapping[str, str | None] = {
        "slotId": slot_id,
        "modelCode": model_code,
        "name": name,
        "channel": channel,
        "customerId": customer_id,
        "phone": phone,
    }
    return {member: value for member, value in said.items() if value is not None}


_COUNTRY_CODE = re.compile(r"\+(?:86|852|853|886|65)")


def masked(phone: str) -> str:
    """`+8613800001234` → `138****1234`; nothing of a number too short to hide anything in."""
    national = _COUNTRY_CODE.sub("", phone, count=1)
    return f"{national[:3]}****{national[-4:]}" if len(national) >= 8 else "****"


def read_slots(wire: WireCentreSlots) -> tuple[str, list[TestDriveSlot]]:
    return wire.centre, [
        TestDriveSlot(
            id=slot.id, centre=wire.centre, start=utc(slot.start), end=utc(slot.end), capacity_left=slot.capacity_left
        )
        for slot in wire.slots
    ]


def read_test_drive(wire: WireTestDrive) -> TestDrive:
    return TestDrive(
        id=wire.id,
        customer_id=wire.customer_id,
        centre=wire.centre,
        model_code=wire.model_code,
        start=utc(wire.start),
        end=utc(wire.end),
        state=test_drive_state(wire.state),
        lead_id=wire.lead_id,
    )


def read_lead(wire: WireLead) -> Lead:
    return Lead(
        id=wire.id,
        customer_id=wire.customer_id,
        name=wire.name,
        phone_masked=masked(wire.phone),
        model_code=wire.model_code,
        state=lead_state(wire.state),
        created_at=utc(wire.created_at),
    )


SLOTS = Records(WireCentreSlots, read_slots, key="centre")
TEST_DRIVES = Records(WireTestDrive, read_test_drive, key="id")
TEST_DRIVES_OF = Records(WireTestDrive, read_test_drive, key="customerId")
LEADS = Records(WireLead, read_lead, key="id")

REFUSALS = Refusals(
    {
        "SLOT_TAKEN": ("This slot is full. Read the slots again and choose another.", ["slotId"]),
        "SLOT_UNKNOWN": ("There is no such slot ahead.", ["slotId"]),
        "MODEL_UNKNOWN": ("This store does not offer that model.", ["modelCode"]),
        "CENTRE_UNKNOWN": ("There is no such store.", ["centre"]),
        "PHONE_INVALID": ("This is not a mobile number.", ["phone"]),
        "NOT_CANCELLABLE": ("The test drive is over or cancelled already.", ["testDriveId"]),
    }
)

MISTAKES = {"IDEMPOTENCY_KEY_REUSED": ("This idempotencyKey was used for another request.", "idempotencyKey")}
"""Problem codes that mean a mistake of the caller: the message, and the argument it is about."""
