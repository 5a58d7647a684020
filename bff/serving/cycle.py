"""One request and its response on a connection, with the usual answer in a single write.

uvicorn writes head and body of an answer one after the other. Here a head that says its length waits for its body,
and both leave together. A head without a length begins a stream, and leaves at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_ALLOWED = bytes([*b"\t\r\n", *range(0x20, 0x7F), *range(0x80, 0x100)])
_JOIN_BELOW = 65_536
"""Bytes that are copied rather than written apart."""
MOST_NAMES = 256
_plain: set[bytes] = set()
"""Names that are header names in lower case, found out once."""


class Cycle(RequestResponseCycle):
    """As uvicorn's; whatever is not a whole answer of one part is left to it."""

    _held: Any = None
    """The message that began the response, until its body comes."""

    async def send(self, message: Any) -> None:
        if self.disconnected or self.flow.write_paused or self.access_log:
            return await self._send_plainly(message)
        held = self._held
        if held is None:
            if not self.response_started and message["type"] == "http.response.start" and _has_length(message):
                self._held, self.response_started, self.waiting_for_100_continue = message, True, False
                return None
            return await super().send(message)
        if message["type"] != "http.response.body" or message.get("more_body"):
            return await self._send_plainly(message)
        head = self._head(held["status"], held["headers"], body := message.get("body", b""))
        if head is None:
            return await self._send_plainly(message)
        self._held = None
        if self.scope["method"] == "HEAD":
            self.transport.write(head)
        elif len(body) > _JOIN_BELOW:
            self.transport.writelines((head, body))
        else:
            self.transport.write(head + body)
        self._complete()
        return None

    async def _send_plainly(self, message: Any) -> None:
        """As uvicorn does it, a head that was held back first."""
        held, self._held = self._held, None
        if held is not None:
            self.response_started = False
            await super().send(held)
        await super().send(message)

    def _head(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes | None:
        """None for an answer that is not framed by its length, or badly: uvicorn knows what to do with it."""
        headers = [*self.default_headers, *headers]
        names = [name for name, _ in headers]
        if not _plain.issuperset(names) and not all(map(_is_plain, names)):
            return None
        if names.count(b"content-length") != 1 or b"connection" in names or b"transfer-encoding" in names:
            return None
        if self.scope["method"] != "HEAD" and (b"content-length", b"%d" % len(body)) not in headers:
            return None
        lines = [STATUS_LINE[status], *[b"%b: %b\r\n" % header for header in headers]]
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        head = b"".join(lines)
        # A value that ends its line early would be a header of somebody else's choosing.
        is_sound = not head.translate(None, _ALLOWED) and head.count(b"\r") == head.count(b"\n") == len(lines)
        return head if is_sound else None

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _has_length(message: Any) -> bool:
    return b"content-length" in [name for name, _ in message.get("headers", ())]


def _is_plain(name: bytes) -> bool:
    if _NAME.fullmatch(name) is None:
        return False
    if len(_plain) < MOST_NAMES:
        _plain.add(name)
    return True
