"""The one wrapper around the server's `send`: what every layer adds to an answer, or wants to see of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.types import Message, Send

from bff.serving.cors import Headers

CLOSE = (b"connection", b"close")


class Outgoing:
    """Called as `send` is. `status` is 0 until the answer has begun.

    `always` are headers that an answer may have of its own, `added` are ours whatever it has. `is_last` is asked
    whether the client is to leave; `on_stream` is called once, when the answer turns out to come in parts.
    """

    __slots__ = ("_send", "added", "always", "is_last", "on_stream", "status")

    def __init__(self, send: Send, always: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self._send = send
        self.always = always
        self.added: Headers = []
        self.status = 0
        self.is_last: Callable[[], bool] | None = None
        self.on_stream: Callable[[], None] | None = None

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._headers(list(message.get("headers", ())))
        elif self.on_stream is not None and message.get("more_body"):
            self.on_stream()
            self.on_stream = None
        return self._send(message)

    def _headers(self, headers: Headers) -> Headers:
        there = {name.lower() for name, _ in headers}
        headers += [header for header in self.always if header[0] not in there]
        headers += self.added
        if self.is_last is not None and self.is_last():
            headers.append(CLOSE)
        return headers


def outgoing(send: Send) -> Outgoing:
    """The wrapper that another layer has made already, or a new one."""
    return send if isinstance(send, Outgoing) else Outgoing(send)
