"""Answers that may be kept: how long each serves, and a store of bounded size for one process.

What a system says of its answer can only shorten what its operation declares: `no-store` and `private` are not kept,
`max-age` limits the fresh time, `no-cache` makes every use ask again, after `must-revalidate` nothing old is served
(RFC 9111 section 5.2.2).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from time import time
from typing import Protocol

import msgspec

from adapters.transport.coalescing import Key
from adapters.transport.http import HttpReply
from adapters.transport.operation import CachePolicy

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?(\d+)")
_ENTRY_BYTES = 500
_VARIES_HARMLESSLY = frozenset({"", "accept", "accept-encoding", "accept-language", "origin"})


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A kept reply. Times are seconds since the epoch: fresh, then served while asked anew, then only on errors."""

    reply: HttpReply
    stored_at: float
    fresh_until: float
    revalidate_until: float
    error_until: float
    tags: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return len(self.reply.body) + _ENTRY_BYTES


class Store(Protocol):
    """Where entries are kept. A store that fails has nothing: it never makes a read fail."""

    async def get(self, key: Key) -> Entry | None: ...

    async def put(self, key: Key, entry: Entry) -> None: ...

    async def purge(self, tag: str) -> int:
        """Forget what carries the tag, in every process that shares the store; how many entries that were."""

    async def aclose(self) -> None: ...


class MemoryStore:
    """At most `most_bytes` of bodies; what was not used for longest goes first."""

    def __init__(self, most_bytes: int, clock: Callable[[], float] = time) -> None:
        self._most = most_bytes
        self._clock = clock
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._tagged: dict[str, set[Key]] = {}
        self.bytes = 0

    async def get(self, key: Key) -> Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.error_until <= self._clock():
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry

    async def put(self, key: Key, entry: Entry) -> None:
        self._remove(key)
        if entry.size > self._most // 8:  # one answer must not push all others out
            return
        self._entries[key] = entry
        self.bytes += entry.size
        for tag in entry.tags:
            self._tagged.setdefault(tag, set()).add(key)
        while self.bytes > self._most:
            self._remove(next(iter(self._entries)))

    async def purge(self, tag: str) -> int:
        keys = list(self._tagged.get(tag, ()))
        for key in keys:
            self._remove(key)
        return len(keys)

    async def aclose(self) -> None:
        self._entries.clear()
        self._tagged.clear()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self.bytes -= entry.size
        for tag in entry.tags:
            tagged = self._tagged[tag]
            tagged.discard(key)
            if not tagged:
                del self._tagged[tag]


def entry_of(policy: CachePolicy, reply: HttpReply, now: float) -> Entry | None:
    """What to keep of a reply. None: nothing, since it is no good answer, or says that it must not be kept."""
    if reply.status != 200 or not _may_be_kept(policy, reply):
        return None
    said = reply.headers.get("cache-control", "").lower()
    fresh = now + fresh_seconds(policy, reply)
    revalidate = fresh if "no-cache" in said or "must-revalidate" in said else fresh + policy.stale_while_revalidate
    error = revalidate if "must-revalidate" in said else revalidate + policy.stale_if_error
    return Entry(reply, now, fresh, revalidate, error, policy.tags)


def renewed(policy: CachePolicy, entry: Entry, not_modified: HttpReply, now: float) -> Entry:
    """The entry after a 304, whose headers replace those kept (RFC 9111 section 4.3.4)."""
    headers = {**entry.reply.headers, **not_modified.headers}
    for name in ("content-length", "content-type", "content-encoding"):
        if name in entry.reply.headers:
            headers[name] = entry.reply.headers[name]
    reply = HttpReply(status=200, headers=headers, body=entry.reply.body)
    return entry_of(policy, reply, now) or entry


def fresh_seconds(policy: CachePolicy, reply: HttpReply) -> float:
    said = reply.headers.get("cache-control")
    if said is None:
        return policy.fresh
    said = said.lower()
    if "no-cache" in said:
        return 0.0
    found = _MAX_AGE.search(said)
    return policy.fresh if found is None else min(policy.fresh, float(found[1]))


def _may_be_kept(policy: CachePolicy, reply: HttpReply) -> bool:
    """A page in place of JSON, or JSON that breaks off, would be served for as long as a good answer."""
    headers = reply.headers
    said = headers.get("cache-control", "").lower()
    if "no-store" in said or "set-cookie" in headers or ("private" in said and not policy.private):
        return False
    if not _VARIES_HARMLESSLY.issuperset(name.strip().lower() for name in headers.get("vary", "").split(",")):
        return False
    if "json" not in headers.get("content-type", ""):
        return False
    try:
        msgspec.json.decode(reply.body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
