"""How old what a request read is: which fields came from old answers, and how long the whole may be kept.

Old answers are noted where they are read, deep inside a load: in the request's context, without a path. Which paths
they fill only the execution knows: it calls `collect` at the start of each resolver's and each load's task, looks
afterwards at what was noted, and adds the paths.
"""

from __future__ import annotations

from contextvars import ContextVar
from datetime import datetime

import msgspec


class StaleRead(msgspec.Struct, frozen=True):
    """An answer past its fresh time. `reason` is `REVALIDATING`, or the code of what kept us from a new one."""

    source: str
    operation: str
    as_of: datetime
    reason: str


_collected: ContextVar[list[StaleRead] | None] = ContextVar("stale_reads", default=None)


def collect() -> list[StaleRead]:
    """What this task, and tasks that it starts, note from now on."""
    reads: list[StaleRead] = []
    _collected.set(reads)
    return reads


def note(*reads: StaleRead) -> None:
    collected = _collected.get()
    if collected is not None:
        collected.extend(reads)
