"""The estate's time: it stands at `World.now` when a system starts and runs on from there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

from sandbox.world import World

Clock = Callable[[], datetime]


def world_clock(world: World) -> Clock:
    began = monotonic()
    return lambda: world.now + timedelta(seconds=int(monotonic() - began))
