"""What every stream has in common: a place among the caller's streams, a heartbeat, an end.

A stream ends when its source does, when the client goes away, when the client stops reading, when its login no longer
holds, or when the process is asked to stop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

from starlette.types import Receive, Send

from bff.context import CallerKind, RequestContext
from bff.serving.limits import HttpLimits
from bff.serving.refusals import HttpRefusal

RETRY_AFTER = ((b"retry-after", b"1"),)


class Streams:
    """All streams of this process, counted by who holds them."""

    def __init__(self, limits: HttpLimits) -> None:
        self.limits = limits
        self.draining = asyncio.Event()
        self._held: Counter[str] = Counter()

    @property
    def open(self) -> int:
        return self._held.total()

    def drain(self) -> None:
        """End every stream soon, and begin no new one."""
        self.draining.set()

    @contextmanager
    def place(self, holder: str) -> Iterator[None]:
        """Held as long as the stream is open. Raises HttpRefusal 429 or 503."""
        if self.draining.is_set() or self.open >= self.limits.streams:
            raise HttpRefusal(503, "UNAVAILABLE", "No stream can be opened at the moment.", RETRY_AFTER)
        if self._held[holder] >= self.limits.streams_per_caller:
            most = self.limits.streams_per_caller
            raise HttpRefusal(429, "TOO_MANY_STREAMS", f"A caller has at most {most} streams.", RETRY_AFTER)
        self._held[holder] += 1
        try:
            yield
        finally:
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]


def holder_of(context: RequestContext, network: str | None) -> str:
    """Whose streams are counted together: a caller's; guests are told apart by their address only."""
    caller = context.caller
    return f"network:{network}" if caller.kind is CallerKind.GUEST else caller.partition


class Stalled(Exception):
    """The client does not read what it is sent."""


async def pump(
    frames: AsyncIterator[bytes],
    receive: Receive,
    send: Send,
    streams: Streams,
    *,
    heartbeat: bytes,
    farewell: bytes,
    expired: bytes,
    holds: Callable[[], Awaitable[bool]],
) -> None:
    """Send frames as they come, a heartbeat where none does, and `farewell` where the process stops.

    The response was started before. `holds` is asked at every beat and before every frame; when it says no, `expired`
    is the last word. Raises Stalled.
    """
    limits = streams.limits
    inside = copy_context()  # one for all frames: the request that the first has entered is current for the others
    gone = asyncio.create_task(_until_gone(receive))
    draining = asyncio.create_task(streams.draining.wait())
    frame: asyncio.Task[bytes] | None = None

    async def write(body: bytes, *, more: bool) -> None:
        try:
            async with asyncio.timeout(limits.stalled_seconds):
                await send({"type": "http.response.body", "body": body, "more_body": more})
        except TimeoutError as error:
            raise Stalled from error

    try:
        while True:
            frame = frame or asyncio.create_task(_next(frames), context=inside)
            done, _ = await asyncio.wait(
                {frame, gone, draining}, timeout=limits.heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if gone in done:
                return None
            if frame in done:
                try:
                    body = frame.result()
                except StopAsyncIteration:
                    return await write(b"", more=False)
                frame = None
                if not await holds():
                    return await write(expired, more=False)
                await write(body, more=True)
            elif draining in done:
                return await write(farewell, more=False)
            elif await holds():
                await write(heartbeat, more=True)
            else:
                return await write(expired, more=False)
    finally:
        await _end(frame, gone, draining)
        await close(frames)


async def close(stream: AsyncIterator[Any]) -> None:
    if isinstance(stream, AsyncGenerator):
        await stream.aclose()


async def _next(frames: AsyncIterator[bytes]) -> bytes:
    return await anext(frames)


async def _end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel, and wait until they have let go of what they held."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
