"""The time of a simulated system: it begins at the world's `now` and runs on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

Clock = Callable[[], datetime]


def running_from(start: datetime) -> Clock:
    began = monotonic()

    def now() -> datetime:
        return (start + timedelta(seconds=monotonic() - began)).replace(microsecond=0)

    return now
