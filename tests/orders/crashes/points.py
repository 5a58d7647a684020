"""Where a process can die: around each statement and commit, each request to a system, each batch of events.

A request has three points: before it is sent; after the system has done it and before its answer arrives (there the
system itself kills who asked); after the answer.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec.structs import replace

from adapters.transport.http import Engine, HttpReply, HttpRequest
from bff.domain.cloud_events import CloudEvent, Delivery, EventSink, EventStream
from bff.durability.database import Database, Script
from tests.orders.crashes.board import Board

T = TypeVar("T")

KILL = "x-kill-when-done"
"""A request's header: the process that a system kills when it has done what was asked, instead of answering it."""

BEFORE_SENT, BEFORE_ANSWER, AFTER_ANSWER = ": unsent", ": done, not answered", ": answered"
COMMITTED, WRITTEN = ": committed", ": written"


class Points:
    """Counts points on the board; at the fatal one the process dies. `names` are those that were passed."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.fatal: int | None = None
        self.step = ""
        self.is_counting = False
        self.names: list[str] = []

    def __call__(self, place: str) -> None:
        if self._is_fatal(place):
            os.kill(os.getpid(), signal.SIGKILL)

    def next_is_fatal(self, place: str) -> bool:
        """For a point at which somebody else kills."""
        return self._is_fatal(place)

    def _is_fatal(self, place: str) -> bool:
        if not self.is_counting:
            return False
        name = f"{self.step} │ {place}"
        passed = self._board.points
        self._board.points = passed + 1
        if self.fatal is None:
            self.names.append(name)
        elif passed == self.fatal:
            self._board.place = name
            return True
        return False


class MortalDatabase:
    """A database whose process may die between any two of its steps."""

    def __init__(self, inner: Database, points: Points) -> None:
        self._inner, self._points = inner, points

    async def run(self, script: Callable[[], Script[T]], *, write: bool = True) -> T:
        name = _name(script)
        result = await self._inner.run(lambda: self._watched(script(), name, write=write), write=write)
        self._points(f"state {name}{COMMITTED if write else ': read'}")
        return result

    def _watched(self, script: Script[T], name: str, *, write: bool) -> Script[T]:
        number = 0
        try:
            statement = next(script)
            while True:
                number += 1
                self._points(f"state {name}: before statement {number}")
                statement = script.send((yield statement))
        except StopIteration as end:
            if write:
                self._points(f"state {name}: before commit")
            result: T = end.value
            return result

    async def aclose(self) -> None:
        await self._inner.aclose()


def _name(script: Callable[..., object]) -> str:
    while isinstance(script, partial):
        script = script.func
    return script.__name__.strip("_")


class MortalEngine:
    def __init__(self, system: str, inner: Engine, points: Points) -> None:
        self._system, self._inner, self._points = system, inner, points

    async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109
        what = f"{self._system} {_asked(request)}"
        self._points(f"{what}{BEFORE_SENT}")
        if self._points.next_is_fatal(f"{what}{BEFORE_ANSWER}"):
            request = replace(request, headers={**request.headers, KILL: str(os.getpid())})
        reply = await self._inner.send(request, timeout)
        self._points(f"{what}{AFTER_ANSWER}")
        return reply

    async def aclose(self) -> None:
        await self._inner.aclose()


def _asked(request: HttpRequest) -> str:
    """Method and path, ids left out; of SOAP the action."""
    action = next((value for name, value in request.headers.items() if name.lower() == "soapaction"), None)
    if action is not None:
        return action.strip('"').rpartition("/")[2]
    parts = [part for part in urlsplit(request.url).path.split("/") if part]
    return f"{request.method} /" + "/".join("…" if any(c.isdigit() for c in p) and len(p) > 3 else p for p in parts)


class MortalSink:
    def __init__(self, inner: EventSink, points: Points) -> None:
        self._inner, self._points = inner, points

    async def send(self, stream: EventStream, events: Sequence[CloudEvent]) -> Delivery:
        self._points(f"events {stream.value}{BEFORE_SENT}")
        delivery = await self._inner.send(stream, events)
        self._points(f"events {stream.value}{WRITTEN}")
        return delivery

    async def aclose(self) -> None:
        await self._inner.aclose()
