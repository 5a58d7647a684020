"""The connections to one server: at most so many, the warmest used first, waiters served in the order they came."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from contextvars import Context
from math import inf

from adapters.transport.h1_connection import Connection
from adapters.transport.http import ConnectFailed, TimedOut


class ConnectTimedOut(ConnectFailed, TimedOut):
    """No connection in time: the request was never sent."""


class SpeaksHttp2(ConnectFailed):
    """The server chose HTTP/2 while TLS was set up: nothing was sent, and another engine takes over."""


class Pool:
    """A connection holds its place from the wish to open it until it is gone; `size` counts the places taken."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        *,
        connections: int,
        idle_seconds: float,
        max_bytes: int,
        keeps: bool = True,
    ) -> None:
        self.host = host
        self.port = port
        self._tls = tls
        self._most = connections
        self._idle_seconds = idle_seconds
        self._max_bytes = max_bytes
        self._keeps = keeps
        self._size = 0
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._next_expiry = inf
        self._alarm: asyncio.TimerHandle | None = None
        self._is_closing = False
        self._emptied = asyncio.Event()

    def now(self) -> float:
        """The loop's clock. (`get_running_loop` asks the system for the process id, up to Python 3.11.)"""
        return self._loop.time()

    @property
    def size(self) -> int:
        """Places taken: connections that are open, being opened, or promised to somebody."""
        return self._size

    @property
    def idle(self) -> int:
        return len(self._idle)

    def take_idle(self, *, careful: bool = False) -> Connection | None:
        """The connection that was used last, or None. `careful` asks the system whether the server has hung up."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_usable:
                continue
            if careful and connection.has_word_from_the_server():
                connection.close()
                continue
            return connection
        return None

    async def acquire(self, deadline: float) -> Connection:
        """A connection of one's own by `deadline` (the loop's clock). Raises ConnectFailed; nothing was sent then."""
        try:
            async with asyncio.timeout_at(deadline):
                return await self._find_or_open()
        except TimeoutError as error:
            raise ConnectTimedOut(f"no connection to {self.host}:{self.port} in time") from error

    def watch(self, deadline: float) -> None:
        """An exchange that begins now is cut off at `deadline`. The alarm is set for the earliest of all."""
        if deadline < self._next_expiry:
            if self._alarm is not None:
                self._alarm.cancel()
            self._next_expiry = deadline
            self._alarm = self._loop.call_at(deadline, self._cut_off, context=Context())

    def _cut_off(self) -> None:
        now = self._loop.time()
        under_way = [connection for connection in self._all if connection.waiter is not None]
        self._next_expiry, self._alarm = inf, None
        for connection in under_way:
            if connection.deadline <= now:
                connection.expire()
            else:
                self.watch(connection.deadline)

    def drop_idle(self) -> None:
        """Close what waits unused: one of them turned out to be dead, and the others are older."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    async def _find_or_open(self) -> Connection:
        while True:
            if self._is_closing:
                raise ConnectFailed("the engine is closed")
            connection = self.take_idle()
            if connection is not None:
                return connection
            if self._size < self._most:
                self._size += 1
                return await self._open()
            granted = await self._wait()
            if granted is None:
                return await self._open()
            if granted.is_usable:
                return granted

    async def _open(self) -> Connection:
        """Fill a place that is taken already; give it up if that fails."""
        connection = Connection(self._loop, self._free, self._lost, self._max_bytes, keeps=self._keeps)
        self._all.add(connection)
        try:
            if self._is_closing:
                raise ConnectFailed("the engine is closed")
            await self._loop.create_task(self._connect(connection), context=Context())
        except OSError as error:
            self._lost(connection)
            raise ConnectFailed(f"{self.host}:{self.port}: {error!r}") from error
        except BaseException:
            connection.abort()
            self._lost(connection)
            raise
        if not connection.is_usable:
            raise ConnectFailed(f"{self.host}:{self.port} hung up at once")
        return connection

    async def _connect(self, connection: Connection) -> None:
        """Runs in an empty context: a transport keeps the one it was made in, and would keep its request with it."""
        await self._loop.create_connection(lambda: connection, self.host, self.port, ssl=self._tls)
        if self._tls is not None and connection.protocol_chosen == "h2":  # seen here, before it begins to speak
            raise SpeaksHttp2(f"{self.host}:{self.port} speaks HTTP/2")

    async def _wait(self) -> Connection | None:
        """A free connection, or None: the place of one that is gone, to open another."""
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                granted = waiter.result()
                if granted is None:
                    self._free_place()
                elif granted.is_usable:
                    self._free(granted)
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            raise

    def _next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    def _free(self, connection: Connection) -> None:
        if self._is_closing:
            connection.close()
            return
        waiter = self._next_waiter() if self._waiting else None
        if waiter is not None:
            waiter.set_result(connection)
            return
        connection.idle_since = self._loop.time()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._idle_seconds / 2, self._sweep, context=Context())

    def _lost(self, connection: Connection) -> None:
        if not connection.is_counted:
            return
        connection.is_counted = False
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._free_place()

    def _free_place(self) -> None:
        waiter = self._next_waiter()
        if waiter is not None:
            waiter.set_result(None)
            return
        self._size -= 1
        if not self._size:
            self._emptied.set()

    def _sweep(self) -> None:
        """Close what has idled too long, before the server does it with our next request under way."""
        oldest = self._loop.time() - self._idle_seconds
        keep = [connection for connection in self._idle if connection.idle_since > oldest]
        for connection in self._idle:
            if connection.idle_since <= oldest:
                connection.close()
        self._idle = keep
        self._sweeper = self._loop.call_later(self._idle_seconds / 2, self._sweep, context=Context()) if keep else None

    async def aclose(self, grace: float) -> None:
        """Let exchanges under way end for `grace` seconds, then cut them off."""
        self._is_closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        while (waiter := self._next_waiter()) is not None:
            waiter.set_exception(ConnectFailed("the engine is closed"))
        self.drop_idle()
        if self._size:
            self._emptied.clear()
            try:
                async with asyncio.timeout(grace):
                    await self._emptied.wait()
            except TimeoutError:
                for connection in list(self._all):
                    connection.abort()
        if self._alarm is not None:
            self._alarm.cancel()
