"""A request's body: bounded in bytes and in time, decompressed, and never kept beyond its bound."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from starlette.types import Receive

from bff.serving.codings import decompress
from bff.serving.limits import HttpLimits
from bff.serving.refusals import ClientGone, HttpRefusal

CLOSE = ((b"connection", b"close"),)


async def read_body(receive: Receive, headers: Mapping[str, str], limits: HttpLimits) -> bytes:
    """Raises HttpRefusal 413 (too long), 408 (too slow), 400 or 415 (coding), and ClientGone."""
    most = limits.body_bytes
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > most:
        raise _too_long(most)
    body = await _in_time(_all_of(receive, most), limits.body_seconds)
    coding = headers.get("content-encoding")
    return body if coding is None or coding.lower() == "identity" else decompress(body, coding, most)


async def _in_time(reading: Coroutine[Any, Any, bytes], seconds: float) -> bytes:
    """As `asyncio.timeout`, for a quarter of what that costs: most bodies are there when they are asked for."""
    task = asyncio.current_task()
    assert task is not None
    is_late = False

    def give_up() -> None:
        nonlocal is_late
        is_late = True
        task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, give_up)
    try:
        return await reading
    except asyncio.CancelledError as error:
        if is_late and task.uncancel() == 0:
            raise HttpRefusal(408, "REQUEST_TIMEOUT", "The body did not come in time.", CLOSE) from error
        raise
    finally:
        timer.cancel()


async def _all_of(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > most:
            raise _too_long(most)
        if not parts and not more:
            return part
        parts.append(part)
    return b"".join(parts)


def _too_long(most: int) -> HttpRefusal:
    # Not closed: closing on a client that is still sending resets the connection, and it never reads why.
    return HttpRefusal(413, "PAYLOAD_TOO_LARGE", f"A request has at most {most} bytes.")
