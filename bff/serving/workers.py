"""Several processes on one port, forked from a parent that has imported and built all that they have in common.

uvicorn's supervisor watches them (signals, pings, restarts); it spawns, so that each worker would import everything
anew and hold a copy of its own. Here each is a copy-on-write image of one warm parent, the first as well as those that
replace it (docs/adr/0015-forked-workers.md). This asks three things of the parent, for as long as it lives: no second
thread, no event loop, and nothing open that only one process may use.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from multiprocessing.context import ForkProcess
from multiprocessing.process import parent_process
from pathlib import Path
from random import Random
from socket import socket
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess, multiprocess

from bff.serving.tuning import share

log = logging.getLogger("bff.serving")

Companion = Callable[[int], None]
"""A process beside so many workers. It blocks until its parent is gone, or ends it."""

_THREADS = Path("/proc/self/task")

SEAM = "get_subprocess"
"""What `uvicorn.supervisors.multiprocess` calls with config, target and sockets to have a process made."""

_generators: list[Random] = []
"""All that existed when the first worker was forked."""


def serve(config: uvicorn.Config, warm_up: Callable[[], object], companion: Companion | None = None) -> int:
    """Blocks until told to stop. Returns the exit code: 3, as uvicorn has it, where a worker cannot start.

    `warm_up` imports and builds what workers share. What it leaves must be safe to fork: modules, classes, values.
    """
    warm_up()
    _import_server(config)
    _generators[:] = [each for each in gc.get_objects() if issubclass(type(each), Random)]
    share()
    supervisor = Supervisor(config, [config.bind_socket()], companion)
    # The one seam: uvicorn's `Process` and `Multiprocess` are kept whole, and get their processes from here.
    setattr(multiprocess, SEAM, _worker)
    try:
        supervisor.run()
    except BaseException:
        supervisor.terminate_all()
        supervisor.join_all()
        raise
    return STARTUP_FAILURE if any(each.exitcode == STARTUP_FAILURE for each in supervisor.processes) else 0


class Supervisor(Multiprocess):
    """uvicorn's, with a companion that is started anew as workers are, and ends after them."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket], companion: Companion | None) -> None:
        super().__init__(config, sockets)
        self._run_companion = companion
        self._companion: Forked | None = None

    def init_processes(self) -> None:
        self._start_companion()
        super().init_processes()

    def handle_signals(self) -> None:
        with _told_where_no_process_can_be_started():
            super().handle_signals()

    def keep_subprocess_alive(self) -> None:
        with _told_where_no_process_can_be_started():
            super().keep_subprocess_alive()
            self._keep_companion_alive()

    def handle_ttin(self) -> None:
        super().handle_ttin()
        self._end_companion()  # its successor knows how many workers are wanted now

    def handle_ttou(self) -> None:
        super().handle_ttou()
        self._end_companion()

    def terminate_all(self) -> None:
        # As long as one process has it open, the kernel takes connections that nobody is going to answer.
        for each in self.sockets:
            each.close()
        super().terminate_all()

    def join_all(self) -> None:
        super().join_all()
        self._end_companion()

    def _start_companion(self) -> None:
        if self._run_companion is not None:
            arguments = (self._run_companion, self.processes_num, self.sockets)
            companion = Forked(target=_accompany, args=arguments, name="companion")
            companion.start()
            self._companion = companion

    def _keep_companion_alive(self) -> None:
        companion = self._companion
        if companion is None or self.should_exit.is_set() or companion.is_alive():
            return
        if companion.exitcode != STARTUP_FAILURE:  # or the next one would fail as well
            self._start_companion()

    def _end_companion(self) -> None:
        if self._companion is not None:
            self._companion.kill()  # it has nothing to finish
            self._companion.join()


@contextmanager
def _told_where_no_process_can_be_started() -> Generator[None, None, None]:
    """The machine has no room for another one: those that serve must not go for that. The dead are replaced later."""
    try:
        yield
    except OSError as error:
        log.error("No process can be started: %s", error)


class Forked(ForkProcess):
    """A process whose signals wait until its parent's handlers, which it is born with, are no longer in force."""

    _mask: set[Any]

    def start(self) -> None:
        """Raises RuntimeError where the parent has a second thread: its locks would be held for ever in the child."""
        if count := _other_threads():
            names = ", ".join(each.name for each in threading.enumerate())
            raise RuntimeError(f"workers are forked, which needs a parent of one thread; it has {count} more ({names})")
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def run(self) -> None:
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for generator in _generators:
            generator.seed()  # or all workers would name their traces alike
        super().run()


def _other_threads() -> int:
    """Native ones count too, where the system shows them."""
    native = len(list(_THREADS.iterdir())) if _THREADS.exists() else 1
    return max(native, threading.active_count()) - 1


def _worker(config: uvicorn.Config, target: Callable[..., None], sockets: list[socket]) -> Forked:
    """In place of `uvicorn._subprocess.get_subprocess`: the same, but forked."""
    return Forked(target=_work, kwargs={"config": config, "target": target, "sockets": sockets}, name="worker")


def _work(config: uvicorn.Config, target: Callable[..., None], sockets: list[socket]) -> None:
    config.callback_notify, config.timeout_notify = watching_parent(_end), 0
    try:
        target(sockets=sockets)
    except Exception:
        if config.loaded:
            raise
        log.exception("A worker cannot start.")
        raise SystemExit(STARTUP_FAILURE) from None  # its successors could not either


def _accompany(run: Companion, workers: int, sockets: list[socket]) -> None:
    # Whoever stops a service may tell all of its processes: this one has to tell until the end how it goes.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    for each in sockets:
        each.close()
    run(workers)


def _end() -> None:
    log.error("The parent process is gone.")
    signal.raise_signal(signal.SIGTERM)


def watching_parent(call: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """For `uvicorn.Config(callback_notify=…)`, which is called once a second: tell, once, when the parent is gone."""
    parent = parent_process()

    async def look() -> None:
        nonlocal parent
        if parent is not None and os.getppid() != parent.pid:
            parent = None
            call()

    return look


def _import_server(config: uvicorn.Config) -> None:
    """What a server imports when it starts: found by loading one of the same kind that serves nothing."""
    config.get_loop_factory()
    nothing = uvicorn.Config(
        _nothing, loop=config.loop, http=config.http, ws=config.ws, lifespan="on", log_config=None, log_level=None
    )
    nothing.load()


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotImplementedError
