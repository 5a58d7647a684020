"""Memory that nobody uses goes back to the system, where the C library can give it back."""

from __future__ import annotations

import asyncio
import ctypes

import pytest

from bff.serving import tuning
from bff.serving.tuning import Trimmer, trim

pytestmark = pytest.mark.anyio


def resident_kilobytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4


def test_what_was_freed_between_things_that_stay_goes_back_to_the_system() -> None:
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("the C library has no malloc_trim")
    # Pages of their own among what stays: too big for Python's arenas, too small for a mapping of their own.
    blocks = [b"x" * 40_000 if number % 2 else b"y" * 600 for number in range(4_000)]
    blocks[1::2] = [b""] * 2_000
    before = resident_kilobytes()
    assert trim()
    assert resident_kilobytes() < before - 40_000
    assert len(blocks) == 4_000


async def test_trimming_goes_on_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    times = 0

    def count() -> bool:
        nonlocal times
        times += 1
        return True

    monkeypatch.setattr(tuning, "trim", count)
    trimmer = Trimmer(seconds=0.001)
    trimmer.start()
    async with asyncio.timeout(10):
        while times < 3:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)
    trimmer.stop()
    await asyncio.sleep(0)
    seen = times
    await asyncio.sleep(0.02)
    assert times == seen


async def test_where_it_cannot_be_done_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "_malloc_trim", lambda: None)
    assert trim() is False
    trimmer = Trimmer()
    trimmer.start()
    task = trimmer._running
    assert task is not None
    await task
    trimmer.stop()
