"""The whole estate: every system over one world, each on its own port of the loopback interface."""

from __future__ import annotations

from datetime import date
from importlib import import_module

from sandbox.kit.server import Estate, System
from sandbox.world import World, build_world

OFFSETS: dict[str, int] = {
    "identity": 1,
    "configurator": 2,
    "commerce": 3,
    "payment": 4,
    "booking": 5,
    "content": 6,
    "community": 7,
    "leads": 8,
    "dms": 11,
    "mes": 12,
    "erp": 13,
    "otd": 14,
}
"""Port of each system above the estate's first port."""


def build_systems(world: World) -> dict[str, System]:
    """Every system by name. They share the world: what one changes, the others see."""
    return {name: import_module(f"sandbox.{name}.app").create(world) for name in OFFSETS}


def build_estate(first_port: int | None = None, *, today: date | None = None) -> Estate:
    """Servers for every system; without a first port each takes a free one."""
    systems = build_systems(build_world(today=today))
    return Estate([(system, first_port + OFFSETS[name] if first_port else 0) for name, system in systems.items()])
