"""How a serving process treats its memory.

CPython looks for cycles after every 700 new containers (`gc.get_threshold()`), and now and then walks every container
there is. A request holds a few thousand containers while it waits for upstreams, so that at fifty requests at once the
collector runs all the time, mostly over the schema and the compiled plans, and finds nothing: counting references is
enough to free what a request made. So the start is frozen (never walked again, nor written to, which keeps its pages
shared between forked workers) and the young generation may grow to 50,000. Cycles are still found, only later.

What is freed is not given back: the C library keeps the pages of what the start read and of what compiling operations
used, half of all that a process holds. It is told to let go of them, after the start and from then on twice a minute,
which takes a tenth of a millisecond (`malloc_trim(3)`; a C library that has none goes without).
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable

YOUNG, MIDDLE, OLD = 50_000, 20, 50
TRIM_SECONDS = 30.0


def settle() -> None:
    """Freeze what the start has made and collect less often from now on. Called once, when all that lasts exists."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    trim()


def trim() -> bool:
    """Give pages that nobody uses back to the system; whether the C library can."""
    let_go = _malloc_trim()
    if let_go is None:
        return False
    let_go(0)
    return True


class Trimmer:
    """Trims from time to time while a process serves."""

    def __init__(self, seconds: float = TRIM_SECONDS) -> None:
        self._seconds = seconds
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="trim")

    def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            self._running = None

    async def _run(self) -> None:
        while trim():  # noqa: ASYNC110 - there is no event to wait for: memory is freed all the time
            await asyncio.sleep(self._seconds)


def _malloc_trim() -> Callable[[int], int] | None:
    try:
        function: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):  # no C library to be found by that way
        return None
    return function
