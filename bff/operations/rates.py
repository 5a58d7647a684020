"""How much may be asked in a while: a leaky bucket per key, in units of operation cost.

The generic cell rate algorithm (ITU-T I.371) keeps one number a key: the time at which everything that was taken will
have leaked away. Nothing is refilled by a timer, and a key that is not used costs nothing once that time has passed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache
from math import ceil, floor
from time import time
from typing import NamedTuple, Protocol

from bff.profiles import Quota

MOST_KEYS = 200_000
"""Keys that a process remembers, about 150 bytes each; beyond, the least recently used is forgiven."""


class Charge(NamedTuple):
    """`policy` is the name told to clients, `key` whose bucket it is."""

    policy: str
    key: str
    quota: Quota
    units: float


class Standing(NamedTuple):
    """How a bucket stands after a charge. `wait`: seconds until the charge would pass; 0 where it did."""

    policy: str
    quota: Quota
    remaining: int
    resets_in: float
    wait: float


class RateStore(Protocol):
    """Counts charges. All of a request's charges are taken, or none."""

    async def take(self, charges: Sequence[Charge]) -> list[Standing]: ...

    async def aclose(self) -> None: ...


class MemoryStore:
    """Each process counts for itself: with N processes a caller has N quotas."""

    def __init__(self, *, clock: Callable[[], float] = time, most_keys: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most = most_keys
        self._empty_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._empty_at)

    async def take(self, charges: Sequence[Charge]) -> list[Standing]:
        now = self._clock()
        empty_at = self._empty_at
        if len(charges) == 1:  # most requests
            (charge,) = charges
            only = standing(charge, max(empty_at.get(charge.key, 0.0) - now, 0.0))
            if not only.wait:
                self._keep(charge.key, now + only.resets_in)
            return [only]
        standings = [standing(charge, max(empty_at.get(charge.key, 0.0) - now, 0.0)) for charge in charges]
        if not any(each.wait for each in standings):
            for charge, each in zip(charges, standings, strict=True):
                self._keep(charge.key, now + each.resets_in)
        return standings

    def _keep(self, key: str, empty_at: float) -> None:
        self._empty_at[key] = empty_at
        self._empty_at.move_to_end(key)
        if len(self._empty_at) > self._most:
            self._empty_at.popitem(last=False)

    async def aclose(self) -> None:
        """Nothing is held open."""


def standing(charge: Charge, filled: float) -> Standing:
    """`filled`: seconds that the bucket takes to empty, before the charge."""
    quota = charge.quota
    seconds, units = quota.seconds, quota.units
    per_unit = seconds / units
    after = filled + min(charge.units, units) * per_unit
    if after - seconds > 1e-9:
        return Standing(
            charge.policy, charge.quota, floor((seconds - filled) / per_unit + 1e-9), filled, after - seconds
        )
    return Standing(charge.policy, charge.quota, floor((seconds - after) / per_unit + 1e-9), after, 0.0)


def headers(standings: Sequence[Standing]) -> list[tuple[bytes, bytes]]:
    """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-09), `Retry-After` where refused."""
    states = ", ".join([f'"{each.policy}";r={each.remaining};t={ceil(each.resets_in)}' for each in standings])
    first = standings[0]
    policies = _policy(first.policy, first.quota)
    if len(standings) > 1:
        policies = b", ".join([_policy(each.policy, each.quota) for each in standings])
    told = [(b"ratelimit-policy", policies), (b"ratelimit", states.encode())]
    wait = max([each.wait for each in standings])
    if wait > 0:
        told.append((b"retry-after", b"%d" % ceil(wait)))
    return told


@cache
def _policy(name: str, quota: Quota) -> bytes:
    return f'"{name}";q={quota.units};qu="cost";w={quota.seconds}'.encode()
