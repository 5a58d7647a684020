"""A small HTTP/1.1 engine for plain http inside the estate: keep-alive, a bounded pool for each server, nothing else.

Why it exists and what it costs beside other clients: docs/adr/0004-upstream-engine.md. It follows RFC 9112. It has no
TLS, proxies, redirects or cookies on purpose: `https` upstreams are served by `PyreqwestEngine`.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from adapters.transport.h1_connection import Stale
from adapters.transport.h1_messages import IDEMPOTENT, RequestRefused, head_of
from adapters.transport.h1_pool import ConnectTimedOut, Pool
from adapters.transport.http import ConnectFailed, ExchangeFailed, HttpReply, HttpRequest, TimedOut

MAX_SERVERS = 64
MAX_REPLY_BYTES = 16 * 1024 * 1024


class H1Engine:
    """`connections` is the most for one server (host and port); further requests wait in order, inside their timeout.

    `idle_seconds` stays below the 5 s after which uvicorn and Node hang up, so that a write seldom meets a dead
    connection. Reads that do are sent once more.
    """

    def __init__(
        self,
        *,
        connections: int = 64,
        idle_seconds: float = 4.0,
        max_reply_bytes: int = MAX_REPLY_BYTES,
        grace_seconds: float = 5.0,
    ) -> None:
        self._connections = connections
        self._idle_seconds = idle_seconds
        self._max_bytes = max_reply_bytes
        self._grace = grace_seconds
        self._pools: dict[str, tuple[Pool, str]] = {}
        self._is_closed = False

    async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109 - the budget is the call's
        """One exchange. Raises ConnectFailed (never sent), TimedOut or ExchangeFailed (may have been acted upon)."""
        url, method = request.url, request.method
        cut = url.find("/", 8)
        origin, target = (url, "/") if cut < 0 else (url[:cut], url[cut:])
        found = self._pools.get(origin)
        pool, host = self._pool(origin) if found is None or self._is_closed else found
        head = head_of(request, target, host)
        if timeout <= 0:
            raise ConnectTimedOut("no time was left")
        deadline = pool.now() + timeout
        may_repeat = method in IDEMPOTENT
        connection = pool.take_idle(careful=not may_repeat) or await pool.acquire(deadline)
        waiter = connection.begin(method, head, request.body, deadline)
        pool.watch(deadline)
        try:
            return await waiter
        except asyncio.CancelledError:
            connection.abandon(waiter)
            raise
        except Stale:
            if not may_repeat:
                raise
        return await self._send_again(pool, method, head, request.body, deadline)

    async def _send_again(self, pool: Pool, method: str, head: bytes, body: bytes, deadline: float) -> HttpReply:
        """On a connection that is new or has just answered. Whatever fails here, the request was sent once before."""
        pool.drop_idle()
        try:
            connection = await pool.acquire(deadline)
        except TimedOut as error:
            raise TimedOut(f"after a dead connection: {error}") from error
        except ConnectFailed as error:
            raise ExchangeFailed(f"after a dead connection: {error}") from error
        waiter = connection.begin(method, head, body, deadline)
        pool.watch(deadline)
        try:
            return await waiter
        except asyncio.CancelledError:
            connection.abandon(waiter)
            raise

    def _pool(self, origin: str) -> tuple[Pool, str]:
        """The pool of a server and what its Host header says. Raises ConnectFailed for an address we do not serve."""
        if self._is_closed:
            raise ConnectFailed("the engine is closed")
        try:
            parts = urlsplit(origin)
            host, port = parts.hostname, parts.port or 80
        except ValueError as error:
            raise RequestRefused(f"not an address: {origin!r}") from error
        authority = parts.netloc
        is_plain = authority.isascii() and authority.isprintable() and not set(authority) & set(" @\\?#")
        if parts.scheme != "http" or not host or not is_plain or f"http://{authority}" != origin:
            raise RequestRefused(f"not an http address: {origin!r}")
        if len(self._pools) >= MAX_SERVERS:
            raise RequestRefused(f"more than {MAX_SERVERS} servers through one engine")
        pool = Pool(
            host, port, connections=self._connections, idle_seconds=self._idle_seconds, max_bytes=self._max_bytes
        )
        self._pools[origin] = pool, authority
        return self._pools[origin]

    async def aclose(self) -> None:
        """No new requests; those under way may end."""
        self._is_closed = True
        await asyncio.gather(*(pool.aclose(self._grace) for pool, _ in self._pools.values()))
