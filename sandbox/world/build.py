"""Builds the world: each part adds its registries, in the order in which they refer to each other."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from .world import World

SHANGHAI = ZoneInfo("Asia/Shanghai")


def build_world(today: date | None = None, seed: int = 20250309) -> World:
    """A fresh, deterministic world: ids and relations depend on ``seed`` alone, dates are offsets from ``today``
    (Asia/Shanghai).
    """
    day = today or datetime.now(SHANGHAI).date()
    now = datetime.combine(day, time(10, 0), SHANGHAI).astimezone(UTC)
    world = World(today=day, now=now, seed=seed)
    return world
