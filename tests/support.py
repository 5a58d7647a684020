"""What tests share: an upstream whose replies respx gives, one that the sandbox answers in process, and such."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import httpx
import respx

from adapters.transport.http import HttpxEngine
from adapters.transport.upstream import Upstream
from bff.context import RequestContext, enter
from bff.ports import Ports
from sandbox.kit.server import System

BASE = "http://upstream.test"


def mocked_upstream(router: respx.Router, name: str) -> Upstream:
    """An upstream at BASE whose every exchange goes to `router`; an exchange that it does not expect fails the test."""
    client = httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler))
    return Upstream(name, BASE, HttpxEngine(client), simulated=True)


def sandbox_upstream(system: System) -> Upstream:
    """An upstream answered by a simulated system in this process, without a socket."""
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=system))
    return Upstream(system.name, BASE, HttpxEngine(client), simulated=True)


def entered_context(ports: Ports | None = None) -> RequestContext:
    """A request context that is current for this test, so that calls and rounds can be counted."""
    context = RequestContext(ports=ports)  # type: ignore[arg-type]  # adapters never look at ports
    enter(context)
    return context


@contextmanager
def without_collector() -> Iterator[None]:
    """What is left over inside stays until somebody counts it; what was left before is gone."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def counted_calls() -> Iterator[Callable[[], int]]:
    """Gives how many functions, Python's and C's, this thread has called inside: work that no busy machine changes."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield lambda: count
    finally:
        sys.setprofile(before)


async def eventually(check: Callable[[], bool], *, seconds: float = 5) -> None:
    """Wait for what nobody tells of."""
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
