"""A client that goes away takes its query with it: nobody waits for the answer, and upstreams are spared the rest.

Most queries are done in a few milliseconds, so watching begins only for those that are not: what all pay is one timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Receive

from bff.serving.refusals import ClientGone

T = TypeVar("T")

PATIENCE_SECONDS = 0.1
"""Longer than a busy process takes for an ordinary query, so that load does not start a watcher for each."""


async def while_connected(work: Awaitable[T], receive: Receive) -> T:
    """The outcome of `work`. Raises ClientGone, after `work` was cancelled, when the client went away before."""
    task = asyncio.current_task()
    assert task is not None
    watcher: asyncio.Task[None] | None = None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    def begin() -> None:
        nonlocal watcher
        watcher = loop.create_task(watch())

    loop = asyncio.get_running_loop()
    timer = loop.call_later(PATIENCE_SECONDS, begin)
    try:
        return await work
    except asyncio.CancelledError:
        if gone and task.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        timer.cancel()
        if watcher is not None:
            watcher.cancel()
