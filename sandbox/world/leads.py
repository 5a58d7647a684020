"""Sales leads in every state, and the test drives that some led to."""

from __future__ import annotations

from datetime import timedelta

from .entities import Channel, Lead, LeadState, TestDrive, TestDriveState
from .names import draw_names
from .people import PROSPECTS
from .rng import ago, stream
from .world import World

_STATES: tuple[LeadState, ...] = (
    "NEW",
    "ASSIGNED",
    "CONTACTED",
    "TEST_DRIVE_BOOKED",
    "TEST_DRIVEN",
    "QUOTED",
    "WON",
    "LOST",
    "INVALID",
    "TEST_DRIVE_BOOKED",
)
_CHANNELS: tuple[Channel, ...] = ("APP", "MINI_PROGRAM", "WEB", "STORE")
_DRIVEN: dict[LeadState, TestDriveState] = {
    "TEST_DRIVE_BOOKED": "BOOKED",
    "TEST_DRIVEN": "COMPLETED",
    "QUOTED": "COMPLETED",
    "LOST": "NO_SHOW",
    "INVALID": "CANCELLED",
}
_NOTES = ("关注续航与家充。", "置换一台油车。", "周末方便试驾。", "希望带家人一起看七座。", "")


def add_leads(world: World) -> None:
    """Forty leads, the first of people with an account; phones are distinct, so none is a duplicate."""
    random = stream(world, "leads")
    for number, (name, _latin) in enumerate(draw_names(random, 40), 1):
        state = _STATES[(number - 1) % len(_STATES)]
        customer = world.customers[PROSPECTS[number - 1]] if number <= len(PROSPECTS) else None
        model = random.choice(list(world.models.values()))
        centre = random.choice([c for c in world.centres.values() if model.brand in c.brands])
        created = ago(world, days=random.randint(1, 28), hours=random.randint(0, 10))
        lead = Lead(
            id=f"LD{number:05d}",
            name=customer.name_zh if customer else name,
            phone=customer.phone if customer else f"+861390000{number:04d}",
            model_id=model.id,
            state=state,
            channel=random.choice(_CHANNELS),
            created_at=created,
            updated_at=min(world.now, created + timedelta(hours=random.randint(1, 60))),
            customer_id=customer.id if customer else None,
            centre_id=None if state == "NEW" else centre.id,
            staff_id=None if state == "NEW" else f"ST-{centre.id}-1",
            note=random.choice(_NOTES),
        )
        world.leads[lead.id] = lead
        if state in _DRIVEN:
            free = [s for s in world.slots_of(centre.id, "TEST_DRIVE") if s.capacity_left]
            _test_drive(world, lead, random.choice(free).id, _DRIVEN[state])


def _test_drive(world: World, lead: Lead, slot_id: str, state: TestDriveState) -> None:
    """A booked drive lies ahead in its slot; the slot of a past one is no longer listed, so its id says ``PAST``."""
    booked = state == "BOOKED"
    if booked:
        world.slots[slot_id].taken += 1
    drive_id = f"DR{len(world.test_drives) + 1:05d}"
    world.test_drives[drive_id] = TestDrive(
        id=drive_id,
        lead_id=lead.id,
        centre_id=lead.centre_id or "",
        slot_id=slot_id if booked else f"TD-{lead.centre_id}-PAST-{len(world.test_drives) + 1}",
        model_id=lead.model_id,
        name=lead.name,
        phone=lead.phone,
        state=state,
        created_at=lead.created_at,
        customer_id=lead.customer_id,
    )
