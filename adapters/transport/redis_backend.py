"""Redis or Valkey for many machines: kept answers in one place, and a system's places counted across hosts.

A store that cannot be reached has nothing, and no request fails for it. Places are leases with an end, so that a killed
holder's come back by themselves. While Redis cannot be reached, each process keeps to its own share of them:

- it never grows beyond what it held when Redis was lost before all leases of others have ended;
- when Redis is back, or was begun anew, it keeps to its share *and* takes leases until calls that were never counted,
  or whose leases were forgotten, have ended.

A share may be none: with more processes than places, nobody calls without Redis.

Needs the package `redis` (`autobff[redis]`), which speaks to both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from hashlib import sha256
from importlib import import_module
from time import monotonic, time
from typing import Any, TypeVar
from uuid import uuid4

import msgspec

from adapters.transport.cache import Entry
from adapters.transport.coalescing import Key

logger = logging.getLogger(__name__)

T = TypeVar("T")

PREFIX = "bff:1:"
OFTEN = 1.0
"""Seconds between two tries at a Redis that did not answer."""

MOST_SECONDS = 0.25
"""What one command may take: a slow Redis must not be slower than no Redis."""

MARGIN = 1.0
"""Seconds that a lease outlives its call."""

_TAKE = """
redis.call('SET', KEYS[2], ARGV[2], 'NX')
local epoch = redis.call('GET', KEYS[2])
local now = redis.call('TIME')
local at = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', at)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return {0, epoch} end
if tonumber(ARGV[4]) > 0 then
  local second = KEYS[1] .. ':' .. now[1]
  if redis.call('INCR', second) > tonumber(ARGV[4]) then return {0, epoch} end
  redis.call('EXPIRE', second, 2)
end
redis.call('ZADD', KEYS[1], at + tonumber(ARGV[3]), ARGV[2])
redis.call('PEXPIRE', KEYS[1], math.max(tonumber(ARGV[3]), redis.call('PTTL', KEYS[1])))
return {1, epoch}
"""
"""A place, if one is free. The epoch is a name that a Redis gets once: a new one has forgotten all leases."""


def connect(url: str) -> Any:
    """A client for `redis://`, `rediss://` or `unix://`. Raises ImportError that says what to install."""
    try:
        client = import_module("redis.asyncio")
    except ImportError as error:
        raise ImportError("BFF_REDIS_URL needs the package redis: pip install 'autobff[redis]'") from error
    return client.from_url(url, socket_connect_timeout=MOST_SECONDS, socket_timeout=MOST_SECONDS, retry=None)


class Link:
    """One Redis, asked gently: after a failure it is left alone for a second, and its failures are logged once."""

    def __init__(self, client: Any, clock: Callable[[], float] = monotonic) -> None:
        self.client = client
        self._clock = clock
        self._not_before = 0.0
        self.lost_at: float | None = None
        self.back_at = float("-inf")

    async def ask(self, command: Callable[[], Awaitable[T]]) -> tuple[bool, T | None]:
        """Whether Redis answered, and what."""
        now = self._clock()
        if now < self._not_before:
            return False, None
        try:
            async with asyncio.timeout(MOST_SECONDS):
                answer = await command()
        except Exception as error:  # the client's own errors cannot be named without importing it
            self._not_before = self._clock() + OFTEN
            if self.lost_at is None:
                self.lost_at = self._clock()
                logger.warning("Redis does not answer: %r", error)
            return False, None
        if self.lost_at is not None:
            self.lost_at, self.back_at = None, self._clock()
            logger.warning("Redis answers again")
        return True, answer

    async def aclose(self) -> None:
        await self.client.aclose()


class RedisStore:
    """Entries under a digest of their key, until they serve no more; a set of digests for each tag."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Entry).decode

    async def get(self, key: Key) -> Entry | None:
        _, raw = await self._link.ask(lambda: self._link.client.get(_name(key)))
        if raw is None:
            return None
        try:
            entry = self._decode(raw)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return None  # written by another version
        return entry if entry.error_until > time() else None

    async def put(self, key: Key, entry: Entry) -> None:
        milliseconds = int((entry.error_until - time()) * 1000)
        if milliseconds <= 0:
            return

        async def write() -> None:
            name = _name(key)
            async with self._link.client.pipeline(transaction=False) as pipe:
                pipe.set(name, self._encode(entry), px=milliseconds)
                for tag in entry.tags:
                    pipe.sadd(_tag(tag), name)
                    pipe.expire(_tag(tag), 7 * 86_400)
                await pipe.execute()

        await self._link.ask(write)

    async def purge(self, tag: str) -> int:
        async def forget() -> int:
            names = await self._link.client.smembers(_tag(tag))
            if not names:
                return 0
            async with self._link.client.pipeline(transaction=False) as pipe:
                pipe.unlink(*names)
                pipe.srem(_tag(tag), *names)
                gone = (await pipe.execute())[0]
            return int(gone)

        _, count = await self._link.ask(forget)
        return count or 0

    async def aclose(self) -> None:
        await self._link.aclose()


class RedisSlots:
    """`capacity` places at a system for all hosts; without Redis this process keeps to `share` of them.

    `lease` is how long a call may hold a place at most, in seconds.
    """

    def __init__(
        self,
        link: Link,
        name: str,
        address: str,
        capacity: int,
        *,
        share: int,
        lease: float,
        per_second: float = 0.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._link = link
        self._key = f"{PREFIX}slots:{name}-{sha256(address.encode()).hexdigest()[:12]}"
        self._capacity, self._share, self._lease = capacity, share, lease
        self._per_second = per_second
        self._clock = clock
        self._held: set[str] = set()
        self._held_when_lost: int | None = None
        self._epoch: bytes | None = None
        self._giving: set[asyncio.Task[Any]] = set()

    async def take(self, seconds: float) -> str | None:
        if self._is_alone_or_was_lately() and len(self._held) >= self._share:
            return None
        lease = uuid4().hex
        self._held.add(lease)
        try:
            answered, taken = await self._link.ask(lambda: self._ask_for(lease, seconds))
        except BaseException:
            self.give(lease)
            raise
        if answered:
            self._held_when_lost = None
        elif self._held_when_lost is None:
            self._held_when_lost = len(self._held) - 1
        if taken if answered else len(self._held) <= self._alone():
            return lease
        self._held.discard(lease)
        return None

    def give(self, lease: str) -> None:
        self._held.discard(lease)
        task = asyncio.get_running_loop().create_task(self._link.ask(lambda: self._link.client.zrem(self._key, lease)))
        self._giving.add(task)
        task.add_done_callback(self._giving.discard)

    async def _ask_for(self, lease: str, seconds: float) -> bool:
        milliseconds = int((min(seconds, self._lease) + MARGIN) * 1000)
        keys = (self._key, PREFIX + "epoch")
        arguments = (self._capacity, lease, milliseconds, int(self._per_second))
        taken, epoch = await self._link.client.eval(_TAKE, len(keys), *keys, *arguments)
        if self._epoch is not None and epoch != self._epoch:
            self._link.back_at = self._clock()
        self._epoch = epoch
        # Asked again, since it may only now be known that leases were forgotten.
        if taken and self._is_alone_or_was_lately() and len(self._held) > self._share:
            await self._link.client.zrem(self._key, lease)
            return False
        return bool(taken)

    def _is_alone_or_was_lately(self) -> bool:
        """For a lease after Redis is back, others may still have calls that it does not know of."""
        link = self._link
        return link.lost_at is not None or self._clock() - link.back_at < self._lease + MARGIN + 2 * OFTEN

    def _alone(self) -> int:
        """How many places this process may hold without Redis."""
        lost_at = self._link.lost_at
        others_have_ended = lost_at is not None and self._clock() - lost_at > self._lease + MARGIN
        return self._share if others_have_ended else min(self._share, self._held_when_lost or 0)

    async def aclose(self) -> None:
        if self._giving:
            await asyncio.wait(self._giving, timeout=MOST_SECONDS)


def _name(key: Key) -> str:
    return f"{PREFIX}kept:{sha256(repr(key).encode()).hexdigest()}"


def _tag(tag: str) -> str:
    return f"{PREFIX}tag:{tag}"
