"""One connection to one server: an exchange at a time, and the judgement whether it may carry another."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from contextvars import Context
from typing import cast

import httptools

from adapters.transport.h1_messages import decoded, joined
from adapters.transport.http import ExchangeFailed, HttpReply, TimedOut, TransportFailed

MAX_HEAD_BYTES = 65_536
"""Status line, headers, trailers and interim replies of one exchange, together."""

FAREWELL_SECONDS = 1.0
"""How long a server may take to close a connection that it said it would close."""

_INTERIM = range(100, 200)
_JOIN_BELOW = 65_536


class Stale(ExchangeFailed):
    """A connection that had served before was closed without one byte of a reply: most likely it had idled too long."""


class _Unacceptable(Exception):
    """Raised inside the parser's callbacks; the parser stops and the exchange fails with this reason."""


class Connection(asyncio.Protocol):
    """`on_free` is called when an exchange left the connection clean, `on_lost` when it is gone for good.

    An exchange ends by its `deadline` (the loop's clock) only if somebody calls `expire` then: its pool does, with one
    timer for all connections, since a timer for each exchange costs a tenth of the exchange.
    """

    __slots__ = (
        "_body", "_fault", "_gone", "_head_bytes", "_headers", "_in_head", "_is_clean", "_is_complete", "_is_head",
        "_keep_alive", "_keeps", "_loop", "_max_bytes", "_on_free", "_on_lost", "_parser", "_size", "_status",
        "_transport", "deadline", "idle_since", "is_counted", "is_reused", "waiter",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_free: Callable[[Connection], None],
        on_lost: Callable[[Connection], None],
        max_bytes: int,
        *,
        keeps: bool = True,
    ) -> None:
        self._keeps = keeps
        self._gone: asyncio.Future[None] | None = None
        self._loop, self._on_free, self._on_lost, self._max_bytes = loop, on_free, on_lost, max_bytes
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self.deadline = 0.0
        self.waiter: asyncio.Future[HttpReply] | None = None
        self.is_counted = True
        self.is_reused = False
        self.idle_since = 0.0

    # The life of the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self.is_counted:  # whoever wanted it has gone
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiter is not None:
            if exc is None and self._ends_with_the_connection():
                self._is_complete, self._keep_alive = True, False
                self._finish()
            else:
                self._fail(self._broken(exc))
        self._on_lost(self)
        self._transport = self._parser = None  # each knows this one, which would wait for the collector
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    @property
    def is_usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing() and self.waiter is None

    @property
    def protocol_chosen(self) -> str | None:
        """What the server chose by ALPN; None without TLS."""
        secured = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        return None if secured is None else cast("str | None", secured.selected_alpn_protocol())

    def has_word_from_the_server(self) -> bool:
        """Whether anything arrived that the loop has not read yet; while idle that is the end, or something wrong."""
        assert self._transport is not None
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLHUP)
        return bool(poll.poll(0))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # An exchange

    def begin(self, method: str, head: bytes, body: bytes, deadline: float) -> asyncio.Future[HttpReply]:
        """Send; the reply, or a TransportFailed, comes through the future."""
        assert self._transport is not None
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = self._head_bytes = self._status = 0
        self._is_complete = self._keep_alive = False
        self._in_head = self._is_clean = True
        self._fault: str | None = None
        self._is_head = method == "HEAD"
        self.deadline = deadline
        self.waiter = waiter = self._loop.create_future()
        if len(body) > _JOIN_BELOW:
            self._transport.writelines((head, body))
        else:
            self._transport.write(head + body)
        return waiter

    def abandon(self, waiter: asyncio.Future[HttpReply]) -> None:
        """The caller has gone. An exchange that is over already has passed its connection on, and is left alone."""
        if self.waiter is waiter:
            self.waiter = None
            self.abort()

    async def gone(self) -> None:
        """When the connection is no more, which is soon after an exchange that it is not kept for."""
        if self._transport is None:
            return
        self._gone = self._loop.create_future()
        try:
            await self._gone
        except asyncio.CancelledError:
            self.abort()
            raise

    def expire(self) -> None:
        self._fail(TimedOut("no complete reply in time"))

    def data_received(self, data: bytes) -> None:
        if self.waiter is None or self._parser is None:  # nobody asked: what it says can belong to no request of ours
            self.abort()
            return
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._is_complete:
                self._fail(ExchangeFailed(self._fault or f"not HTTP/1.1: {error}"))
                return
            self._is_clean = False
        if self._is_complete:
            self._finish()
        elif self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._fail(ExchangeFailed(f"a head of more than {MAX_HEAD_BYTES} bytes"))

    def _finish(self) -> None:
        body = b"".join(self._body) if len(self._body) != 1 else self._body[0]
        headers = joined(self._headers)
        if "content-encoding" in headers and not self._is_head:
            try:
                body = decoded(body, headers, self._max_bytes)
            except ExchangeFailed as error:
                self._fail(error)
                return
        waiter, may_stay = self.waiter, self._may_carry_another(headers)
        self.waiter = None
        if waiter is not None and not waiter.done():
            waiter.set_result(HttpReply(status=self._status, headers=headers, body=body))
        if may_stay and self._keeps:
            self.is_reused = True
            self._on_free(self)
        elif self._keeps or self._keep_alive or not self._is_clean:
            self.abort()
        else:  # the server closes, and has counted one less when that arrives here
            self._loop.call_later(FAREWELL_SECONDS, self.abort, context=Context())

    def _may_carry_another(self, headers: dict[str, str]) -> bool:
        assert self._transport is not None
        if self._is_head or "transfer-encoding" in headers:
            # The parser cannot be told that a reply to HEAD has no body, and it keeps trailers for the next reply.
            self._parser = None
        unsent = self._transport.get_write_buffer_size()
        return self._is_clean and self._keep_alive and not unsent and not self._transport.is_closing()

    def _fail(self, error: TransportFailed) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self.abort()

    def _broken(self, cause: Exception | None) -> ExchangeFailed:
        said = f": {cause!r}" if cause is not None else ""
        if self._head_bytes:
            return ExchangeFailed(f"the connection ended inside the reply{said}")
        kind = Stale if self.is_reused else ExchangeFailed
        return kind(f"the connection was closed without a reply{said}")

    def _ends_with_the_connection(self) -> bool:
        """Whether the end of the connection is how this reply says that it is whole (RFC 9112 section 6.3).

        Never through TLS: anybody on the way can end a connection, and asyncio does not say whether the server did.
        """
        if self._in_head or self._transport is None or self._transport.get_extra_info("sslcontext") is not None:
            return False
        return not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._headers)

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._is_complete:
            self._is_clean = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_complete:
            return
        if self._in_head:
            self._headers.append((name, value))
        else:  # a trailer: counted, never taken for a header
            self._head_bytes += len(name) + len(value)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(f"trailers of more than {MAX_HEAD_BYTES} bytes")

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        if self._is_complete:
            return
        status = self._parser.get_status_code()
        if status < 100:
            self._refuse(f"status {status}")
        if status in _INTERIM:
            self._headers = []
            return
        self._status, self._in_head = status, False
        if self._is_head:
            self._is_complete, self._keep_alive = True, self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        if self._is_complete:
            self._is_clean = False
            return
        self._size += len(data)
        if self._size > self._max_bytes:
            self._refuse(f"more than {self._max_bytes} bytes")
        self._body.append(data)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if not self._in_head and not self._is_complete:
            self._is_complete, self._keep_alive = True, self._parser.should_keep_alive()

    def _refuse(self, reason: str) -> None:
        self._fault = reason
        raise _Unacceptable(reason)
