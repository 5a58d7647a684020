"""Builds the world: each part adds its registries, in the order in which they refer to each other."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from .bookings import add_bookings
from .catalogue import add_catalogue
from .centres import add_centres
from .commerce import add_commerce
from .community import add_community
from .configurations import add_saved_configurations
from .content import add_content
from .dms import add_dms
from .erp import add_erp
from .leads import add_leads
from .mes import add_production_orders
from .offering import add_offering
from .operations import add_operations
from .orders import add_vehicle_orders
from .otd import add_otd_feed
from .people import add_people
from .personas import add_personas
from .rng import SHANGHAI
from .rules import add_rules
from .vehicles import add_vehicles
from .world import World

_PARTS = (
    add_centres,
    add_offering,
    add_rules,
    add_people,
    add_vehicles,
    add_saved_configurations,
    add_vehicle_orders,
    add_production_orders,
    add_otd_feed,
    add_operations,
    add_dms,
    add_bookings,
    add_catalogue,
    add_commerce,
    add_erp,
    add_leads,
    add_community,
    add_content,
    add_personas,
)


def build_world(today: date | None = None, seed: int = 20250309) -> World:
    """A fresh, deterministic world: ids and relations depend on ``seed`` alone, dates are offsets from ``today``.

    Its clock stands at 10:00 Asia/Shanghai of a given day; without one, at the present hour of the present day.
    """
    hour = datetime.now(SHANGHAI).replace(minute=0, second=0, microsecond=0)
    clock = datetime.combine(today, time(10, 0), SHANGHAI) if today else hour
    world = World(today=clock.date(), now=clock.astimezone(UTC), seed=seed)
    for add in _PARTS:
        add(world)
    return world
