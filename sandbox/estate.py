"""The whole estate: every system over one world, each on its own port of the loopback interface."""

from __future__ import annotations

from datetime import date
from importlib import import_module
from typing import Any

import httpx

from sandbox.kit.clock import Clock
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
    "wechatpay": 9,
    "alipay": 10,
    "dms": 11,
    "mes": 12,
    "erp": 13,
    "otd": 14,
    "stripe": 15,
}
"""Port of each system above the estate's first port."""


TIMELESS = frozenset({"mes", "erp", "otd"})
"""Systems that have no clock of their own."""

PROVIDERS = frozenset({"wechatpay", "alipay", "stripe"})
"""Systems that call us."""


def build_systems(
    world: World, *, clock: Clock | None = None, transport: httpx.AsyncBaseTransport | None = None
) -> dict[str, System]:
    """Every system by name. They share the world: what one changes, the others see.

    `clock` is the time of all of them, `transport` what carries notifications of payment providers.
    """
    return {
        name: import_module(f"sandbox.{name}.app").create(world, **_options(name, clock, transport)) for name in OFFSETS
    }


def _options(name: str, clock: Clock | None, transport: httpx.AsyncBaseTransport | None) -> dict[str, Any]:
    timely = {} if name in TIMELESS else {"clock": clock}
    return timely | ({"transport": transport} if name in PROVIDERS else {})


def build_estate(first_port: int | None = None, *, today: date | None = None) -> Estate:
    """Servers for every system; without a first port each takes a free one."""
    systems = build_systems(build_world(today=today))
    return Estate([(system, first_port + OFFSETS[name] if first_port else 0) for name, system in systems.items()])
