"""The new booking service, which keeps the bookings of the pilot region."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from .entities import Booking, BookingState, ServiceRecord, SlotHold, Text, Vehicle
from .operations import estimate_of, job, payable
from .people import OWNER
from .rng import ago, local, stream
from .world import PILOT_REGION, World

STATES: tuple[BookingState, ...] = (
    "CONFIRMED",
    "REQUESTED",
    "PICKUP_ASSIGNED",
    "PICKED_UP",
    "CHECKED_IN",
    "DIAGNOSING",
    "AWAITING_APPROVAL",
    "IN_REPAIR",
    "WAITING_PARTS",
    "QUALITY_CHECK",
    "READY",
    "RETURNING",
    "CLOSED",
    "CLOSED",
    "CANCELLED",
    "NO_SHOW",
)
_AHEAD = ("REQUESTED", "CONFIRMED", "PICKUP_ASSIGNED")
_PAST = ("CLOSED", "CANCELLED", "NO_SHOW")
_ESTIMATED = ("AWAITING_APPROVAL", "IN_REPAIR", "WAITING_PARTS", "QUALITY_CHECK", "READY", "RETURNING", "CLOSED")
_VISITS = (("1010", "1020"), ("1000",), ("2010", "2020"), ("6000", "1020"), ("3010",), ("5000",))


def add_bookings(world: World) -> None:
    random = stream(world, "bookings")
    south = (v for v in world.vehicles.values() if v.region == PILOT_REGION)
    pilot = [v for v in south if (owner := world.owner_of(v.vin)) is not None and owner.id != OWNER]
    mine = world.vehicles["LDCA1AB5XSB000008"]
    booking = _booking(world, random, mine, "CONFIRMED")
    _move(world, booking, "SL-SZ0412-D05-3")
    booking.customer_note = "需要上门取车，谢谢。"
    booking.pickup = True
    _booking(world, random, mine, "CLOSED")
    for turn in range(3):
        for vehicle, state in zip(pilot[turn::3], STATES, strict=False):
            _booking(world, random, vehicle, state)
    _add_holds(world)


def _booking(world: World, random: Random, vehicle: Vehicle, state: BookingState) -> Booking:
    owner = world.owner_of(vehicle.vin)
    slot = None
    if state in _AHEAD:
        slot = random.choice([s for s in world.slots_of(vehicle.home_centre_id) if s.capacity_left])
        slot.taken += 1
    past = local(world, -random.randint(3, 100), random.choice(("09:00", "10:00", "14:30")))
    starts = slot.starts_at if slot else past if state in _PAST else ago(world, hours=random.randint(1, 20))
    booking_id = f"BK{300001 + len(world.bookings)}"
    jobs = [job(world, code) for code in random.choice(_VISITS)]
    booking = Booking(
        id=booking_id,
        centre_id=vehicle.home_centre_id,
        slot_id=slot.id if slot else None,
        customer_id=owner.id if owner else OWNER,
        vin=vehicle.vin,
        state=state,
        starts_at=starts,
        jobs=jobs,
        created_at=min(starts, world.now) - timedelta(days=random.randint(1, 5)),
        updated_at=min(starts + timedelta(hours=3), world.now) - timedelta(minutes=random.randint(1, 50)),
        version=1 + STATES.index(state),
        pickup=state in ("PICKUP_ASSIGNED", "PICKED_UP", "RETURNING"),
        internal_notes=random.choice(("内部：客户为媒体从业者。", "内部：上次投诉未关闭。", "")),
    )
    if state in _ESTIMATED:
        first = starts + timedelta(minutes=30)
        booking.estimates.append(estimate_of(1, jobs, first, first + timedelta(minutes=6)))
    if state == "AWAITING_APPROVAL":
        jobs.append(job(world, "2030"))
        booking.estimates.append(estimate_of(2, jobs, starts + timedelta(minutes=55), None))
    world.bookings[booking_id] = booking
    if state == "CLOSED":
        _record(world, booking, vehicle)
    return booking


def _move(world: World, booking: Booking, slot_id: str) -> None:
    """Puts a booking into a named slot, which always keeps room for it."""
    if booking.slot_id is not None:
        world.slots[booking.slot_id].taken -= 1
    slot = world.slots[slot_id]
    slot.taken = min(slot.taken, slot.capacity - 1) + 1
    booking.slot_id, booking.starts_at = slot.id, slot.starts_at


def _record(world: World, booking: Booking, vehicle: Vehicle) -> None:
    names = [j.text for j in booking.jobs]
    record_id = f"SH-{booking.id}"
    world.service_history[record_id] = ServiceRecord(
        id=record_id,
        vin=booking.vin,
        centre_id=booking.centre_id,
        customer_id=booking.customer_id,
        on=booking.starts_at.date(),
        odometer_km=max(50, vehicle.odometer_km - 400),
        summary=Text("、".join(n.zh for n in names), "; ".join(n.en for n in names)),
        op_codes=tuple(j.op_code for j in booking.jobs),
        total_fen=payable(booking.jobs),
        system="BOOKING",
        source_id=booking.id,
    )


def _add_holds(world: World) -> None:
    """Two slots are held: one still is, one has just run out."""
    for number, (slot_id, minutes) in enumerate((("SL-GZ0106-D02-1", 8), ("SL-GZ0106-D02-2", -2)), 1):
        hold = SlotHold(f"HD{number:05d}", slot_id, f"C{20 + number:04d}", world.now + timedelta(minutes=minutes))
        world.slot_holds[hold.id] = hold
