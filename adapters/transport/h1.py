"""A small HTTP/1.1 engine: keep-alive, a bounded pool for each server, TLS by the standard library, nothing else.

Why it exists and what it costs beside other clients: docs/adr/0004-upstream-engine.md. It follows RFC 9112. There are
no proxies, redirects or cookies on purpose. A server that prefers HTTP/2 is left to the engine given as `http2`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from adapters.transport.h1_connection import Stale
from adapters.transport.h1_messages import IDEMPOTENT, RequestRefused, head_of
from adapters.transport.h1_pool import ConnectTimedOut, Pool, SpeaksHttp2
from adapters.transport.http import ConnectFailed, Engine, ExchangeFailed, HttpReply, HttpRequest, TimedOut
from adapters.transport.tls import client_context

MAX_SERVERS = 64
MAX_REPLY_BYTES = 16 * 1024 * 1024


class H1Engine:
    """`connections` is the most for one server (host and port); further requests wait in order, inside their timeout.

    `idle_seconds` stays below the 5 s after which uvicorn and Node hang up, so that a write seldom meets a dead
    connection. Reads that do are sent once more. `http2` makes the engine for servers that choose HTTP/2 by ALPN;
    without it HTTP/2 is not offered. Without `keeps` each exchange has a connection of its own, which the server is
    asked to end; the exchange is over when the server has, and so counts one less. `trust` replaces
    `tls.client_context`, its ALPN protocols included.
    """

    def __init__(
        self,
        *,
        connections: int = 64,
        idle_seconds: float = 4.0,
        max_reply_bytes: int = MAX_REPLY_BYTES,
        grace_seconds: float = 5.0,
        keeps: bool = True,
        http2: Callable[[], Engine] | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._connections = connections
        self._idle_seconds = idle_seconds
        self._max_bytes = max_reply_bytes
        self._grace = grace_seconds
        self._keeps = keeps
        self._make_http2 = http2
        self._http2: Engine | None = None
        self._http2_origins: set[str] = set()
        self._trust = trust
        self._pools: dict[str, tuple[Pool, str]] = {}
        self._is_closed = False

    async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109 - the budget is the call's
        """One exchange. Raises ConnectFailed (never sent), TimedOut or ExchangeFailed (may have been acted upon)."""
        url, method = request.url, request.method
        cut = url.find("/", 8)
        origin, target = (url, "/") if cut < 0 else (url[:cut], url[cut:])
        found = self._pools.get(origin)
        pool, host = self._pool(origin) if found is None or self._is_closed else found
        head = head_of(request, target, host, keeps=self._keeps)
        if timeout <= 0:
            raise ConnectTimedOut("no time was left")
        deadline = pool.now() + timeout
        may_repeat = method in IDEMPOTENT
        connection = pool.take_idle(careful=not may_repeat)
        if connection is None:
            if origin in self._http2_origins:
                return await self._by_http2(origin, request, timeout)
            try:
                connection = await pool.acquire(deadline)
            except SpeaksHttp2:
                return await self._by_http2(origin, request, deadline - pool.now())
        waiter = connection.begin(method, head, request.body, deadline)
        pool.watch(deadline)
        try:
            reply = await waiter
            if not self._keeps:
                await connection.gone()
            return reply
        except asyncio.CancelledError:
            connection.abandon(waiter)
            raise
        except Stale:
            if not may_repeat:
                raise
        return await self._send_again(pool, method, head, request.body, deadline)

    async def _by_http2(self, origin: str, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109
        assert self._make_http2 is not None
        self._http2_origins.add(origin)
        if self._http2 is None:
            self._http2 = self._make_http2()
        return await self._http2.send(request, timeout)

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
            host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise RequestRefused(f"not an address: {origin!r}") from error
        authority = parts.netloc
        is_plain = authority.isascii() and authority.isprintable() and not set(authority) & set(" @\\?#")
        if not host or not is_plain or origin not in (f"http://{authority}", f"https://{authority}"):
            raise RequestRefused(f"not an http or https address: {origin!r}")
        if len(self._pools) >= MAX_SERVERS:
            raise RequestRefused(f"more than {MAX_SERVERS} servers through one engine")
        pool = Pool(
            host,
            port,
            self._tls() if parts.scheme == "https" else None,
            connections=self._connections,
            idle_seconds=self._idle_seconds,
            max_bytes=self._max_bytes,
            keeps=self._keeps,
        )
        self._pools[origin] = pool, authority
        return self._pools[origin]

    def _tls(self) -> ssl.SSLContext:
        if self._trust is not None:
            return self._trust
        return client_context(*(("h2",) if self._make_http2 is not None else ()), "http/1.1")

    async def aclose(self) -> None:
        """No new requests; those under way may end."""
        self._is_closed = True
        await asyncio.gather(*(pool.aclose(self._grace) for pool, _ in self._pools.values()))
        if self._http2 is not None:
            await self._http2.aclose()
