"""Events in a file: one CloudEvent as JSON on a line, appended and on the disk before it counts as taken.

Any number of processes append to one file: a lock on it keeps their lines apart. The file is opened anew for each
batch, so whoever rotates it renames it, and needs to tell nobody.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep

import msgspec

from bff.domain.cloud_events import CloudEvent, Delivery, EventStream

log = logging.getLogger("bff.events")

LOCK_SECONDS = 5.0
"""How long another process's batch is waited for; it takes milliseconds."""

_TAIL = 64 * 1024


class EventLog:
    """`EventSink` into the file at `path`, made with its folder where it is not there; readable by the service only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # One thread, so that a batch which a caller gave up waiting for ends before the next begins.
        self._thread = ThreadPoolExecutor(1, "bff-events")

    async def send(self, stream: EventStream, events: Sequence[CloudEvent]) -> Delivery:
        lines = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._append, lines)
        except OSError as error:
            return Delivery(failed=dict.fromkeys((event.id for event in events), f"{self._path}: {error.strerror}"))
        return Delivery(taken=frozenset(event.id for event in events))

    async def aclose(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)

    def _append(self, lines: bytes) -> None:
        file = self._open()
        try:
            end = _mend(file)
            try:
                _write(file, lines)
                os.fsync(file)
            except OSError:
                os.ftruncate(file, end)  # no half line, no line that is sent again anyway
                raise
        finally:
            os.close(file)  # gives the lock back

    def _open(self) -> int:
        """The file that has the name now, locked."""
        while True:
            is_new = not self._path.exists()
            if is_new:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _lock(file)
                if _is_at(file, self._path):
                    if is_new:
                        _sync_folder(self._path.parent)
                    return file
            except BaseException:
                os.close(file)
                raise
            os.close(file)  # it was renamed while the lock was waited for


class NoSink:
    """`EventSink` that takes everything and keeps nothing."""

    async def send(self, stream: EventStream, events: Sequence[CloudEvent]) -> Delivery:
        return Delivery(taken=frozenset(event.id for event in events))

    async def aclose(self) -> None:
        pass


def _lock(file: int) -> None:
    """Raises OSError where another process holds it and does not let go."""
    give_up = monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() > give_up:
                raise OSError(errno.EAGAIN, "another process does not give back its lock") from None
            sleep(0.005)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _mend(file: int) -> int:
    """Cut off the half line of a process that died writing: it was never taken, and is sent again. The length then."""
    end = os.fstat(file).st_size
    kept = end
    while kept:
        start = max(0, kept - _TAIL)
        last = os.pread(file, kept - start, start).rfind(b"\n")
        if last >= 0:
            kept = start + last + 1
            break
        kept = start
    if kept < end:
        log.warning("%d bytes of an unfinished line were cut off the file of events", end - kept)
        os.ftruncate(file, kept)
    return kept


def _write(file: int, lines: bytes) -> None:
    rest = memoryview(lines)
    while rest:
        rest = rest[os.write(file, rest) :]


def _sync_folder(folder: Path) -> None:
    """A new name is on the disk only with its folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
