"""The end of a process, politely: not ready, `Connection: close` on every answer, then no more connections, then gone.

SIGTERM does not reach the server at once. For `seconds` it goes on accepting, so that balancers see that it is not
ready and clients leave with their next answer; then the server's own handler runs, which closes what is idle and waits
for what is under way. SIGINT, from a person at a terminal, is handed on at once.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType

log = logging.getLogger("bff.serving")

Handler = Callable[[int, FrameType | None], object]


class Draining:
    """`begun` turns true once. `when_begun` are called then, in the event loop."""

    def __init__(self, seconds: float) -> None:
        self.begun = False
        self.when_begun: list[Callable[[], None]] = []
        self._seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._servers: Handler | None = None

    def start(self) -> None:
        """Stand before the server's handler of SIGTERM, where a server has one."""
        if threading.current_thread() is not threading.main_thread():
            return
        present = signal.getsignal(signal.SIGTERM)
        if callable(present):
            self._loop, self._servers = asyncio.get_running_loop(), present
            signal.signal(signal.SIGTERM, self._told)

    def stop(self) -> None:
        if self._servers is not None:
            if signal.getsignal(signal.SIGTERM) == self._told:
                signal.signal(signal.SIGTERM, self._servers)
            self._servers = None

    def begin(self) -> None:
        """From now on clients are told to leave."""
        if not self.begun:
            self.begun = True
            for call in self.when_begun:
                call()

    def _told(self, number: int, frame: FrameType | None) -> None:
        # A signal comes between any two instructions: all that happens here is that the loop is told.
        if self._loop is not None and not self.begun:
            self._loop.call_soon_threadsafe(self._begin_for_a_while, number)

    def _begin_for_a_while(self, number: int) -> None:
        if self.begun or self._loop is None:
            return
        log.info("Told to stop: accepting for %.1f s more, then finishing what runs.", self._seconds)
        self.begin()
        self._loop.call_later(self._seconds, self._hand_on, number)

    def _hand_on(self, number: int) -> None:
        if self._servers is not None:
            self._servers(number, None)
