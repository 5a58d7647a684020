"""Which points somebody dies at, and what follows."""

from __future__ import annotations

from itertools import cycle

from tests.orders.crashes.points import BEFORE_ANSWER, COMMITTED, WRITTEN

BACK, GONE, AGAIN = "BACK", "GONE", "AGAIN"
"""The customer comes back and goes on; or never does, and no provider tells anything any more; or does, and the process
that they find dies as well, somewhere, before a third one goes on.
"""

ENDINGS = (BACK, GONE, AGAIN)


def chosen(names: list[str], every: int | None, stride: int, step: str | None = None) -> list[tuple[int, str]]:
    """Points and endings. `every` 1: all of both; n: each n-th point. None: a point of each `stride`-th state that
    lasts, another place in it each time. Endings take turns. `step` limits that to states of that step, with BACK.
    """
    if step is not None:
        here = [point for point in _one_of_each(names) if names[point].startswith(f"{step} │")]
        return [(point, BACK) for point in here[::stride]]
    if every == 1:
        return [(point, ending) for point in range(len(names)) for ending in ENDINGS]
    points = list(range(every // 2, len(names), every)) if every else _one_of_each(names)[::stride]
    return list(zip(points, cycle(ENDINGS)))


def second(fatal: int, points: int) -> int:
    """Where the second process dies: spread over all points, and the same in every run. It may not come so far."""
    return fatal * 7919 % points


def _one_of_each(names: list[str]) -> list[int]:
    """Between two points at which something lasting is done, dying is the same wherever it happens."""
    begins = [0, *(point for point, name in enumerate(names) if point > 0 and lasts(name))]
    ends = [*begins[1:], len(names)]
    return [begin + turn % (end - begin) for turn, (begin, end) in enumerate(zip(begins, ends, strict=True))]


def lasts(name: str) -> bool:
    """Whether something outlives the process that was not there at the point before."""
    is_done = name.endswith(BEFORE_ANSWER) and " GET /" not in name
    return is_done or name.endswith((COMMITTED, WRITTEN))
