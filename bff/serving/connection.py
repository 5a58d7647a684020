"""uvicorn's HTTP/1.1 connection with what it lacks: limits on headers and their time, and errors in our shape.

A request's head must have come `header_seconds` after its first byte, and its body `body_seconds` later: whoever drips
bytes is shut out whatever the application does. llhttp, below, refuses malformed framing (RFC 9112 sections 6 and 7).
"""

from __future__ import annotations

import socket
from asyncio import Event, TimerHandle, Transport
from contextlib import suppress
from importlib.util import find_spec
from math import inf
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from bff.serving.cycle import Cycle
from bff.serving.limits import HttpLimits
from bff.serving.refusals import error_body

DRAIN = "drain"
"""Key in the lifespan state: called once when the server begins to stop."""

LINE_OVERHEAD = 4  # ": " and CRLF
LEAST_STEP = 0.05
"""Seconds between two looks at a connection's moment: what a shorter limit may be late by."""


class GuardedHttp(HttpToolsProtocol):
    """One connection. Limits are the class's: uvicorn makes connections, and passes nothing of ours on.

    What a request must have done by when is a moment (`_due`), looked at by one timer a connection: a timer for each
    of head, body and pause would cost more than reading the head.
    """

    limits = HttpLimits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._due = inf
        self._alarm: TimerHandle | None = None
        # No moment is set nearer than this, so that an alarm that is set need never be moved forward.
        shortest = min(self.limits.header_seconds, self.limits.body_seconds * 2, self.timeout_keep_alive)
        self._step = max(LEAST_STEP, shortest)
        self._in_message = False
        self._head_complete = False
        self._unread_bytes = 0
        self._discarded_bytes = 0
        self._refusal = (400, "BAD_REQUEST", "The request is not valid HTTP.")
        self._target: tuple[bytes, dict[str, Any]] = (b"", {})

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        # asyncio does this only for sockets that name their protocol; without it the parts of an answer are packets
        # of their own, and the second waits 40 ms for a delayed acknowledgement of the first.
        with suppress(OSError, AttributeError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._await(self.limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._due = inf
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_message, self._head_complete = True, False
        self._unread_bytes = self._discarded_bytes = 0
        self._await(self.limits.header_seconds)

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.limits.url_bytes:
            self._refuse(414, "URI_TOO_LONG", f"A URL has at most {self.limits.url_bytes} bytes. Send a POST.")

    def on_headers_complete(self) -> None:
        self._check_headers()
        self._head_complete = True
        # The application's own deadline strikes first, and can say so; this one is for those that never ask.
        self._await(self.limits.body_seconds * 2)
        if self.parser.should_upgrade():
            return super().on_headers_complete()
        return self._begin_cycle()

    def _check_headers(self) -> None:
        headers, limits = self.headers, self.limits
        if len(headers) > limits.header_count:
            self._refuse(431, "HEADERS_TOO_LARGE", f"A request has at most {limits.header_count} headers.")
        if sum([len(name) + len(value) + LINE_OVERHEAD for name, value in headers]) > limits.header_bytes:
            self._refuse(431, "HEADERS_TOO_LARGE", f"Headers have at most {limits.header_bytes} bytes.")

    def _begin_cycle(self) -> None:
        """As uvicorn does it, with our cycle. The parts of a target are remembered: clients repeat theirs."""
        scope: Any = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        http_version = self.parser.get_http_version()
        if http_version != "1.1":
            scope["http_version"] = http_version
        if self._target[0] != self.url:
            self._target = self.url, self._parts(self.url)
        scope.update(self._target[1])
        previous: Any = self.cycle  # None before the first request
        cycle = self.cycle = Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=http_version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        app = service_unavailable if self._is_full() else self.app
        if previous is None or previous.response_complete:
            self._start_asgi_task(cycle, app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))

    def _is_full(self) -> bool:
        most = self.limit_concurrency
        return most is not None and (len(self.connections) >= most or len(self.tasks) >= most)

    def _parts(self, url: bytes) -> dict[str, Any]:
        parsed = httptools.parse_url(url)
        path = parsed.path.decode("ascii")
        return {
            "path": self.root_path + (unquote(path) if "%" in path else path),
            "raw_path": self.root_path.encode("ascii") + parsed.path,
            "query_string": parsed.query or b"",
        }

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        # A client reads its refusal only after it has sent its body, which is thrown away until then.
        if self._is_answered():
            self._discarded_bytes += len(body)
            if self._discarded_bytes > self.limits.discarded_bytes:
                self.transport.close()

    def on_message_complete(self) -> None:
        self._due = inf
        self._in_message = False
        super().on_message_complete()
        if self._is_answered():
            self._await(self.timeout_keep_alive)

    def on_response_complete(self) -> None:
        """As uvicorn does it, the pause until the next request watched by our timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._in_message:
            self._await(self.timeout_keep_alive)

    def handle_websocket_upgrade(self) -> None:
        self._due = inf
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        in_head = self._in_message and not self._head_complete
        super().data_received(data)
        # A header line that never ends reaches no callback before it does.
        if in_head and self._in_message and not self._head_complete:
            self._unread_bytes += len(data)
            if self._unread_bytes > self.limits.header_bytes + self.limits.url_bytes:
                self._answer(431, "HEADERS_TOO_LARGE", f"Headers have at most {self.limits.header_bytes} bytes.")

    def send_400_response(self, msg: str) -> None:
        self._answer(*self._refusal)

    def shutdown(self) -> None:
        drain = self.app_state.get(DRAIN)
        if drain is not None:
            drain()
        super().shutdown()

    def _is_answered(self) -> bool:
        cycle: Any = self.cycle  # None before the first request
        return cycle is not None and cycle.response_complete is True

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Stop the parser; uvicorn answers with `send_400_response` when a callback fails."""
        self._refusal = (status, code, message)
        raise httptools.HttpParserError(message)

    def _answer(self, status: int, code: str, message: str) -> None:
        """Refuse and close. What is wrong behind a whole request waits for that one's response, and says nothing."""
        self._due = inf
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle  # None before the first request
        idle = cycle is None or cycle.response_complete
        in_body = self._in_message and self._head_complete
        if not idle and not in_body:
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if not in_body if idle else not cycle.response_started:
            body = error_body(code, message)
            head = b"content-type: application/json; charset=utf-8\r\nconnection: close\r\ncache-control: no-store\r\n"
            self.transport.write(STATUS_LINE[status] + head + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()

    def _await(self, seconds: float) -> None:
        now = self.loop.time()
        self._due = now + seconds
        if self._alarm is None:
            self._alarm = self.loop.call_at(now + self._step, self._look)

    def _look(self) -> None:
        self._alarm = None
        left = self._due - self.loop.time()
        if left <= 0:
            self._too_slow()
        elif self._due != inf:
            self._alarm = self.loop.call_later(min(left, self._step), self._look)

    def _too_slow(self) -> None:
        self._due = inf
        if not self._in_message:
            return self.transport.close()
        part = "body" if self._head_complete else "head"
        return self._answer(408, "REQUEST_TIMEOUT", f"The request's {part} did not come in time.")


def server_options() -> dict[str, Any]:
    """For `uvicorn.Config`: our connection, and WebSockets whose frames are bounded before we see them."""
    return {
        "http": GuardedHttp,
        "ws": "websockets-sansio" if find_spec("websockets") else "none",
        "ws_max_size": GuardedHttp.limits.message_bytes,
        "ws_ping_interval": 20.0,
        "ws_ping_timeout": 20.0,
        "ws_per_message_deflate": False,
        "h11_max_incomplete_event_size": GuardedHttp.limits.header_bytes,
        "server_header": False,
        # uvicorn would put what X-Forwarded-For says in place of the peer: whom to believe, BFF_TRUSTED_PROXIES says.
        "proxy_headers": False,
    }
