"""How a system may be treated: the shapes of the table in `bff/upstreams.py` (docs/resilience.md)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import msgspec


class Priority(IntEnum):
    """Who goes first where a system has no room. Within one, first come, first served."""

    FIRST = 0
    NORMAL = 1
    LAST = 2


class OperationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What differs for one operation of a system; None is the system's own."""

    timeout: float | None = None
    attempts: int | None = None
    priority: Priority | None = None
    failure_share: float | None = None
    least_calls: int | None = None


class CallPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What one system bears, and when it is left in peace. Times are seconds.

    `timeout`        one call, waiting for room and retries included
    `connections`    calls under way at once; None: any number
    `per_second`     calls begun in a second; 0: any number
    `shared`         both limits are kept across the workers of a host (and across hosts, with Redis), call by call;
                     otherwise each worker has its share of them
    `counts_idle`    the system counts connections, idle ones too: several processes keep none open between two calls
    `queue`          calls that may wait for room; one more is refused at once, as is one whose wait would be too long
    `attempts`       of a read, the first included; 1 is no retry
    `failure_share`  of the last `window` seconds' calls, if they are `least_calls` or more, opens the breaker
    `open_for`       before the first probe; doubles with each probe that fails, up to `open_at_most`
    `cool_off`       without a call after the system showed its maintenance page
    """

    timeout: float = 5.0
    connections: int | None = None
    per_second: float = 0.0
    shared: bool = False
    counts_idle: bool = False
    queue: int = 1000
    priority: Priority = Priority.NORMAL
    attempts: int = 1
    failure_share: float = 0.5
    least_calls: int = 20
    window: float = 10.0
    open_for: float = 5.0
    open_at_most: float = 60.0
    cool_off: float = 0.0
    operations: Mapping[str, OperationPolicy] = {}


class UpstreamPolicy(CallPolicy, frozen=True, kw_only=True):
    """A row of the table. `offset` is the system's port above the sandbox's first.

    `address`: a system of the world, which has one address for everybody, and is called only where settings say who we
    are to it.
    """

    offset: int
    title: str
    address: str | None = None
