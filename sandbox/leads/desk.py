"""What the service decides: whose lead a wish is, which seat is free, what may still be cancelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from sandbox.kit.clock import Clock
from sandbox.kit.rest import Refused
from sandbox.world import World
from sandbox.world.entities import Channel, Lead, Slot, TestDrive
from sandbox.world.entities.leads import LeadState

from .contract import BookTestDrive

ONE_LEAD_FOR = timedelta(days=30)
_BEFORE_A_DRIVE: tuple[LeadState, ...] = ("NEW", "ASSIGNED", "CONTACTED", "LOST", "INVALID")
_MAINLAND = re.compile(r"(?:\+?86)?(1[3-9]\d{9})")
_ABROAD = re.compile(r"\+(?:852[4-9]\d{7}|65[89]\d{7})")


class Desk:
    def __init__(self, world: World, clock: Clock) -> None:
        self._world, self._clock = world, clock

    def slots(self, centre_id: str, first: datetime, end: datetime) -> list[Slot]:
        """The slots of a store that begin in `first <= start < end` and not before now."""
        first = max(first, self._clock())
        return [s for s in self._world.slots_of(centre_id, "TEST_DRIVE") if first <= s.starts_at < end]

    def book(self, wish: BookTestDrive) -> TestDrive:
        """Who asks for the same slot and model twice has one drive; another slot is another drive of the same lead."""
        slot = self._world.slots.get(wish.slot_id)
        if slot is None or slot.kind != "TEST_DRIVE" or slot.starts_at <= self._clock():
            raise Refused("SLOT_UNKNOWN", "there is no such slot ahead", 422)
        model = self._world.models.get(wish.model_code)
        if model is None or model.brand not in self._world.centres[slot.centre_id].brands:
            raise Refused("MODEL_UNKNOWN", "the store has no such model", 422)
        customer_id, phone = self._who(wish)
        lead = self._lead(phone, model.id)
        drives = self._drives_of(lead) if lead else iter(())
        mine = (d for d in drives if (d.slot_id, d.customer_id, d.state) == (slot.id, customer_id, "BOOKED"))
        known = next(mine, None)
        if known is not None:
            return known
        if not slot.capacity_left:
            raise Refused("SLOT_TAKEN", "the slot is full")
        lead = lead or self._new_lead(wish.name, phone, model.id, wish.channel, customer_id)
        slot.taken += 1
        return self._seat(lead, slot, wish.name, customer_id)

    def cancel(self, drive_id: str) -> TestDrive:
        drive = self._world.test_drives.get(drive_id)
        if drive is None:
            raise Refused("NOT_FOUND", "there is no such test drive", 404)
        slot = self._world.slots.get(drive.slot_id)
        if drive.state != "BOOKED" or (slot is not None and slot.starts_at <= self._clock()):
            raise Refused("NOT_CANCELLABLE", "the drive is over or cancelled")
        drive.state = "CANCELLED"
        if slot is not None:
            slot.taken -= 1
        lead = self._world.leads[drive.lead_id]
        if lead.state == "TEST_DRIVE_BOOKED" and not any(d.state == "BOOKED" for d in self._drives_of(lead)):
            lead.state, lead.updated_at = "CONTACTED", self._clock()
        return drive

    def leads_of(self, centre_id: str, state: str | None) -> list[Lead]:
        """Newest first."""
        mine = (x for x in self._world.leads.values() if x.centre_id == centre_id and state in (None, x.state))
        return sorted(mine, key=lambda lead: (lead.created_at, lead.id), reverse=True)

    def times(self, drive: TestDrive) -> tuple[datetime, datetime]:
        """When a drive is or was. The slots of past drives are gone: they took place halfway between wish and now."""
        slot = self._world.slots.get(drive.slot_id)
        if slot is not None:
            return slot.starts_at, slot.ends_at
        halfway = drive.created_at + (self._world.now - drive.created_at) / 2
        start = halfway.replace(minute=0, second=0, microsecond=0)
        return start, start + timedelta(hours=1)

    def _who(self, wish: BookTestDrive) -> tuple[str | None, str]:
        """Account and phone. The account's phone counts, whatever was typed."""
        if wish.customer_id is not None:
            customer = self._world.customer(wish.customer_id)
            if customer is None:
                raise Refused("CUSTOMER_UNKNOWN", "there is no such customer", 422)
            return customer.id, customer.phone
        typed = re.sub(r"[\s()-]", "", wish.phone or "")
        if found := _MAINLAND.fullmatch(typed):
            return None, "+86" + found[1]
        if _ABROAD.fullmatch(typed):
            return None, typed
        raise Refused("PHONE_INVALID", "that is no mobile number", 422)

    def _lead(self, phone: str, model_id: str) -> Lead | None:
        since = self._clock() - ONE_LEAD_FOR
        return next(
            (
                x
                for x in self._world.leads.values()
                if (x.phone, x.model_id) == (phone, model_id) and x.created_at > since
            ),
            None,
        )

    def _drives_of(self, lead: Lead) -> Iterator[TestDrive]:
        return (drive for drive in self._world.test_drives.values() if drive.lead_id == lead.id)

    def _new_lead(self, name: str, phone: str, model_id: str, channel: Channel, customer_id: str | None) -> Lead:
        lead = Lead(
            id=f"LD{len(self._world.leads) + 1:05d}",
            name=name,
            phone=phone,
            model_id=model_id,
            state="NEW",
            channel=channel,
            created_at=self._clock(),
            updated_at=self._clock(),
            customer_id=customer_id,
        )
        self._world.leads[lead.id] = lead
        return lead

    def _seat(self, lead: Lead, slot: Slot, name: str, customer_id: str | None) -> TestDrive:
        """A drive moves its lead on and to the store where it takes place; it belongs to the account that booked it."""
        lead.customer_id = lead.customer_id or customer_id
        lead.centre_id, lead.updated_at = slot.centre_id, self._clock()
        if lead.state in _BEFORE_A_DRIVE:
            lead.state = "TEST_DRIVE_BOOKED"
        drive = TestDrive(
            id=f"DR{len(self._world.test_drives) + 1:05d}",
            lead_id=lead.id,
            centre_id=slot.centre_id,
            slot_id=slot.id,
            model_id=lead.model_id,
            name=name,
            phone=lead.phone,
            state="BOOKED",
            created_at=self._clock(),
            customer_id=customer_id,
        )
        self._world.test_drives[drive.id] = drive
        return drive
