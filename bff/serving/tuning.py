"""How a serving process treats its memory. Called once, when everything that lives as long as the process exists.

CPython looks for cycles after every 700 new containers (`gc.get_threshold()`), and now and then walks every container
there is. A request holds a few thousand containers while it waits for upstreams, so that at fifty requests at once the
collector runs all the time, mostly over the schema and the compiled plans, and finds nothing: counting references is
enough to free what a request made. So the start is frozen (never walked again, nor written to, which keeps its pages
shared between forked workers) and the young generation may grow to 50,000. Cycles are still found, only later: those of
requests that met an error, whose traceback leads back to it. What was under way during a pass is older at the next one,
so older generations are looked at soon after the young one: were they not, a night of errors would grow without end.
"""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 50_000, 5, 10


def settle() -> None:
    """Freeze what the start has made and collect less often from now on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


def share() -> None:
    """Ready to be forked: no pass of a child's collector writes to what exists now."""
    gc.collect()
    gc.freeze()
