"""The same buckets in Redis (or Valkey), so that all processes count together. Needs the package `redis`.

One script does all charges of a request in one exchange, by the server's clock. A store that does not answer must not
take the service down with it: this process then counts for itself, and tries again a few seconds later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from importlib import import_module
from time import monotonic
from typing import Any, cast

from bff.operations.rates import Charge, MemoryStore, Standing, standing

log = logging.getLogger("bff.operations")

TIMEOUT_SECONDS = 0.1
TRY_AGAIN_SECONDS = 5.0

SCRIPT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local filled, refused = {}, false
for i, key in ipairs(KEYS) do
  local seconds, units, asked = tonumber(ARGV[i * 3 - 2]), tonumber(ARGV[i * 3 - 1]), tonumber(ARGV[i * 3])
  filled[i] = math.max(tonumber(redis.call('GET', key) or '0') - now, 0)
  if filled[i] + math.min(asked, units) * seconds / units - seconds > 1e-6 then refused = true end
end
for i, key in ipairs(KEYS) do
  if not refused then
    local seconds, units, asked = tonumber(ARGV[i * 3 - 2]), tonumber(ARGV[i * 3 - 1]), tonumber(ARGV[i * 3])
    local after = filled[i] + math.min(asked, units) * seconds / units
    redis.call('SET', key, string.format('%.6f', now + after), 'PX', math.max(1, math.ceil(after * 1000)))
  end
  filled[i] = string.format('%.6f', filled[i])
end
return filled
"""


class RedisStore:
    """`address` is a URL that `redis` understands; keys begin with `prefix`."""

    def __init__(self, address: str, *, prefix: str = "bff:rate:", clock: Callable[[], float] = monotonic) -> None:
        self._redis: Any = import_module("redis.asyncio").Redis.from_url(
            address, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
        self._script = self._redis.register_script(SCRIPT)
        self._failures: type[Exception] = import_module("redis.exceptions").RedisError
        self._prefix = prefix
        self._clock = clock
        self._try_again = 0.0
        self._alone = MemoryStore()

    async def take(self, charges: Sequence[Charge]) -> list[Standing]:
        if self._clock() < self._try_again:
            return await self._alone.take(charges)
        arguments: list[float] = []
        for charge in charges:
            arguments += [charge.quota.seconds, charge.quota.units, charge.units]
        try:
            filled = await self._script(keys=[self._prefix + charge.key for charge in charges], args=arguments)
        except (self._failures, OSError, TimeoutError) as error:
            self._try_again = self._clock() + TRY_AGAIN_SECONDS
            log.warning("Rates are counted by this process alone: %s", type(error).__name__)
            return await self._alone.take(charges)
        return [
            standing(charge, float(each)) for charge, each in zip(charges, cast("list[bytes]", filled), strict=True)
        ]

    async def aclose(self) -> None:
        await self._redis.aclose()
