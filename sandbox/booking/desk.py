"""The rules of the booking desk: capacity, holds, the states of a booking, versions of an estimate.

Nothing here awaits, so each call is one atomic step: of two takers of the last place exactly one gets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sandbox.booking.shapes import BookingRequest
from sandbox.kit.clock import Clock
from sandbox.kit.rest import Refused
from sandbox.world import World
from sandbox.world.entities import Booking, Estimate, EstimateLine, Slot, SlotHold
from sandbox.world.entities.service import BookingState
from sandbox.world.operations import job

HOLD = timedelta(minutes=10)

NEXT: dict[BookingState, tuple[BookingState, ...]] = {
    "REQUESTED": ("CONFIRMED", "CANCELLED"),
    "CONFIRMED": ("PICKUP_ASSIGNED", "CHECKED_IN", "CANCELLED", "NO_SHOW"),
    "PICKUP_ASSIGNED": ("PICKED_UP", "CANCELLED", "NO_SHOW"),
    "PICKED_UP": ("CHECKED_IN", "CANCELLED"),
    "CHECKED_IN": ("DIAGNOSING",),
    "DIAGNOSING": ("AWAITING_APPROVAL", "IN_REPAIR"),
    "AWAITING_APPROVAL": ("IN_REPAIR",),
    "IN_REPAIR": ("WAITING_PARTS", "QUALITY_CHECK", "AWAITING_APPROVAL"),
    "WAITING_PARTS": ("IN_REPAIR",),
    "QUALITY_CHECK": ("READY", "IN_REPAIR"),
    "READY": ("RETURNING", "CLOSED"),
    "RETURNING": ("CLOSED",),
    "CLOSED": (),
    "CANCELLED": (),
    "NO_SHOW": (),
}
MOVABLE: frozenset[BookingState] = frozenset({"REQUESTED", "CONFIRMED"})


class Desk:
    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self.clock = clock
        self._served = 0

    # Slots and holds

    def free_slots(self, centre: str, first: datetime, end: datetime, brand: str | None) -> list[tuple[Slot, int]]:
        """Service slots that begin in [first, end) and are still ahead, by start, with the places left, if any are."""
        if brand is not None and brand not in self.world.centres[centre].brands:
            return []
        first = max(first, self.clock())
        ahead = (slot for slot in self.world.slots_of(centre) if first <= slot.starts_at < end)
        return [(slot, left) for slot in ahead if (left := self._left(slot)) > 0]

    def hold(self, slot_id: str, customer_id: str) -> SlotHold:
        slot = self._slot(slot_id)
        self._known_customer(customer_id)
        self._check_place(slot)
        hold = SlotHold(self._new_id("HD", self.world.slot_holds), slot.id, customer_id, self.clock() + HOLD)
        self.world.slot_holds[hold.id] = hold
        return hold

    def release(self, hold_id: str) -> None:
        self.world.slot_holds.pop(hold_id, None)

    def _holds(self, slot: Slot) -> list[SlotHold]:
        now = self.clock()
        return [hold for hold in self.world.slot_holds.values() if hold.slot_id == slot.id and hold.expires_at > now]

    def _left(self, slot: Slot) -> int:
        """A held place is not free, although nobody has taken it yet."""
        return slot.capacity_left - len(self._holds(slot))

    def _check_place(self, slot: Slot) -> None:
        if self._left(slot) <= 0:
            raise Refused("SLOT_TAKEN", f"slot {slot.id} is full", 409)

    # Bookings

    def create(self, wanted: BookingRequest, key: str) -> Booking:
        if wanted.vin not in self.world.vehicles:
            raise Refused("VEHICLE_UNKNOWN", f"no vehicle {wanted.vin}", 422)
        centre = self.world.centres.get(wanted.centre)
        if centre is None:
            raise Refused("CENTRE_UNKNOWN", f"no centre {wanted.centre}", 422)
        self._known_customer(wanted.customer_id)
        slot = self._slot(wanted.slot_id)
        if slot.centre_id != centre.id or slot.starts_at != wanted.starts_at:
            raise Refused("SLOT_UNKNOWN", f"slot {slot.id} is another place or time", 422)
        if unknown := [code for code in wanted.op_codes if code not in self.world.operations]:
            raise Refused("OPERATION_UNKNOWN", f"no operation {unknown[0]}", 422)
        if wanted.pickup and "PICKUP" not in centre.services:
            raise Refused("PICKUP_NOT_OFFERED", f"{centre.id} does not fetch cars", 422)
        self._take(slot, wanted.customer_id)
        now = self.clock()
        booking = Booking(
            id=self._new_id("BK", self.world.bookings),
            centre_id=centre.id,
            slot_id=slot.id,
            customer_id=wanted.customer_id,
            vin=wanted.vin,
            state="REQUESTED",
            starts_at=slot.starts_at,
            jobs=[job(self.world, code) for code in wanted.op_codes],
            created_at=now,
            updated_at=now,
            pickup=wanted.pickup,
            customer_note=wanted.note or "",
            idempotency_key=key,
        )
        self.world.bookings[booking.id] = booking
        return booking

    def move(self, booking: Booking, slot_id: str, starts_at: datetime) -> None:
        if booking.state not in MOVABLE:
            raise Refused("NOT_CHANGEABLE", f"{booking.id} is {booking.state}", 409)
        slot = self._slot(slot_id)
        if slot.centre_id != booking.centre_id or slot.starts_at != starts_at:
            raise Refused("SLOT_UNKNOWN", f"slot {slot.id} is another place or time", 422)
        if slot.id == booking.slot_id:
            return
        self._take(slot, booking.customer_id)
        self._give_back(booking.slot_id)
        booking.slot_id, booking.starts_at = slot.id, slot.starts_at
        self._touch(booking)

    def cancel(self, booking: Booking) -> None:
        if "CANCELLED" not in NEXT[booking.state]:
            raise Refused("NOT_CANCELLABLE", f"{booking.id} is {booking.state}", 409)
        self._give_back(booking.slot_id)
        booking.state = "CANCELLED"
        self._touch(booking)

    def approve(self, booking: Booking, version: int) -> Estimate:
        newest = booking.estimates[-1] if booking.estimates else None
        if newest is None or not 1 <= version <= newest.version:
            raise Refused("NOT_FOUND", f"{booking.id} has no estimate {version}", 404)
        if version != newest.version:
            raise Refused("ESTIMATE_OUTDATED", f"version {newest.version} has replaced {version}", 409)
        if newest.approved_at is not None:
            raise Refused("ALREADY_APPROVED", f"version {version} is approved", 409)
        newest.approved_at = self.clock()
        if booking.state == "AWAITING_APPROVAL":
            booking.state = "IN_REPAIR"
        self._touch(booking)
        return newest

    # The workshop's side

    def advance(self, booking: Booking, state: str) -> None:
        following = next((s for s in NEXT[booking.state] if s == state), None)
        if following is None or following == "CANCELLED":
            raise Refused("TRANSITION_NOT_ALLOWED", f"{booking.state} is not followed by {state}", 409)
        unapproved = booking.estimates and booking.estimates[-1].approved_at is None
        if booking.state == "AWAITING_APPROVAL" and unapproved:
            raise Refused("APPROVAL_MISSING", "the customer has not approved the newest estimate", 409)
        booking.state = following
        self._touch(booking)

    def estimate(self, booking: Booking, lines: Sequence[EstimateLine]) -> Estimate:
        """A new version. What the customer approved before is not enough for it."""
        if booking.state not in ("DIAGNOSING", "AWAITING_APPROVAL", "IN_REPAIR"):
            raise Refused("TRANSITION_NOT_ALLOWED", f"no estimate while {booking.state}", 409)
        version = booking.estimates[-1].version + 1 if booking.estimates else 1
        issued = Estimate(version, tuple(lines), sum(line.amount_fen for line in lines), self.clock())
        booking.estimates.append(issued)
        booking.state = "AWAITING_APPROVAL"
        self._touch(booking)
        return issued

    def booking(self, booking_id: str) -> Booking:
        found = self.world.bookings.get(booking_id)
        if found is None:
            raise Refused("NOT_FOUND", f"no booking {booking_id}", 404)
        return found

    def _slot(self, slot_id: str) -> Slot:
        slot = self.world.slots.get(slot_id)
        if slot is None or slot.kind != "SERVICE" or slot.starts_at <= self.clock():
            raise Refused("SLOT_UNKNOWN", f"no slot {slot_id}", 422)
        return slot

    def _take(self, slot: Slot, customer_id: str) -> None:
        """One place of the slot: the one that the customer holds already, else a free one."""
        mine = next((hold for hold in self._holds(slot) if hold.customer_id == customer_id), None)
        if mine is not None:
            self.release(mine.id)
        self._check_place(slot)
        slot.taken += 1

    def _give_back(self, slot_id: str | None) -> None:
        slot = self.world.slots.get(slot_id or "")
        if slot is not None and slot.taken > 0:
            slot.taken -= 1

    def _known_customer(self, customer_id: str) -> None:
        if self.world.customer(customer_id) is None:
            raise Refused("CUSTOMER_UNKNOWN", f"no customer {customer_id}", 422)

    def _new_id(self, prefix: str, taken: dict[str, Booking] | dict[str, SlotHold]) -> str:
        while True:
            self._served += 1
            if (made := f"{prefix}{900000 + self._served}") not in taken:
                return made

    def _touch(self, booking: Booking) -> None:
        booking.version += 1
        booking.updated_at = self.clock()
