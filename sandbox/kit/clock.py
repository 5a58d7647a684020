"""The time of a simulated system: it begins at the world's `now` and runs on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

Clock = Callable[[], datetime]


PRESENT = timedelta(hours=1)


def running_from(start: datetime) -> Clock:
    """A world that was made for this hour lives in real time, as those who call it do."""
    began = monotonic()
    if timedelta(0) <= datetime.now(UTC) - start < PRESENT:
        return lambda: datetime.now(UTC).replace(microsecond=0)

    def now() -> datetime:
        return (start + timedelta(seconds=monotonic() - began)).replace(microsecond=0)

    return now
