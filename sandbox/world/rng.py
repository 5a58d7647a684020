"""Deterministic randomness, ids and clock offsets: each part of the world draws from its own stream."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from .world import World

SHANGHAI = ZoneInfo("Asia/Shanghai")
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def stream(world: World, part: str) -> Random:
    """A generator of its own for ``part``, so that adding to one part never changes another."""
    return Random(f"{world.seed}:{part}")


def crockford(random: Random, length: int = 8) -> str:
    return "".join(random.choice(CROCKFORD) for _ in range(length))


def hexadecimal(random: Random, length: int) -> str:
    return f"{random.getrandbits(length * 4):0{length}x}"


def local(world: World, days: int, clock: str = "10:00") -> datetime:
    """The wall clock time (Asia/Shanghai) ``days`` after today, in UTC."""
    hour, minute = clock.split(":")
    moment = datetime.combine(world.today, time(int(hour), int(minute)), SHANGHAI) + timedelta(days=days)
    return moment.astimezone(UTC)


def ago(world: World, **parts: float) -> datetime:
    """A moment before ``world.now``, in whole seconds: ``ago(world, days=2, hours=3)``."""
    return (world.now - timedelta(**parts)).replace(microsecond=0)
