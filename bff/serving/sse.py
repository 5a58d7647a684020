"""Server-sent events (HTML Living Standard, section 9.2) as the graphql-sse protocol uses them.

`next` carries a result, `complete` says that there is nothing more. An event that its source names has the name as
`id`, so that a client which reconnects sends it back as Last-Event-ID. A stream that ends because the process stops
has no `complete`: the client is meant to come back, after `retry` milliseconds.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

from bff.serving.refusals import error_entry
from bff.serving.results import to_bytes

log = logging.getLogger("bff.serving")

RETRY_MILLISECONDS = 2000
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),  # proxies that would collect the stream before passing it on
)
BEAT = b":\n\n"
OPENING = b"retry: %d\n:\n\n" % RETRY_MILLISECONDS
FAREWELL = b"retry: %d\n: stopping, please come back\n\n" % RETRY_MILLISECONDS
COMPLETE = b"event: complete\ndata:\n\n"


def next_event(payload: Any, event_id: str | None = None) -> bytes:
    named = f"id: {event_id}\n".encode() if event_id is not None else b""
    return named + b"event: next\ndata: %b\n\n" % to_bytes(payload)


EXPIRED = next_event({"errors": [error_entry("UNAUTHENTICATED", "The login has expired. Log in again.")]}) + COMPLETE


async def events(payloads: AsyncIterator[tuple[dict[str, Any], str | None]]) -> AsyncIterator[bytes]:
    """The whole stream of one operation in distinct connections mode."""
    yield OPENING
    async for payload, event_id in payloads:
        yield next_event(payload, event_id)
    yield COMPLETE
