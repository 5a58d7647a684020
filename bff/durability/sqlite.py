"""State in one SQLite file, for one machine: any number of processes, and no server.

One thread for each process has the connection, so the event loop never waits for the disk. Write-ahead logging lets
processes read while one writes; `synchronous=FULL` keeps what was committed through a loss of power.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

from bff.durability.database import LOCK, Script, migrate
from bff.errors import StateUnavailable

T = TypeVar("T")

log = logging.getLogger("bff.durability")

BUSY_SECONDS = 5.0
"""How long a transaction waits for another process's. Ours take milliseconds."""


class SqliteDatabase:
    """`path` None keeps everything in memory, for as long as the process lives."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "bff-state")
        self._is_closed = False

    async def run(self, script: Callable[[], Script[T]], *, write: bool = True) -> T:
        if self._is_closed:
            raise StateUnavailable(detail="the service is stopping")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, script, write)

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _run(self, script: Callable[[], Script[T]], write: bool) -> T:
        try:
            if self._connection is None:
                self._connection = self._open()
            return _transact(self._connection, script(), write=write)
        except (sqlite3.Error, OSError) as error:
            log.error("the state database %s failed", self._path or "in memory", exc_info=error)
            raise StateUnavailable(detail=str(error)) from error

    def _open(self) -> sqlite3.Connection:
        if self._path is not None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Answers hold personal data: the file is the service's own.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self._path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            _transact(connection, migrate("BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT"), write=True)
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Changing the mode of a new file does not wait for its turn as transactions do."""
    give_up = monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
            return
        except sqlite3.OperationalError:
            if monotonic() > give_up:
                raise
            sleep(0.02)


def _transact(connection: sqlite3.Connection, script: Script[T], *, write: bool) -> T:
    # A transaction that reads first and writes later could be refused in the middle: take the lock at the beginning.
    connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    try:
        sql, values = next(script)
        while True:
            rows = connection.execute(sql.replace(LOCK, "").replace("$", "?"), values).fetchall()
            sql, values = script.send(rows)
    except StopIteration as end:
        connection.execute("COMMIT")
        result: T = end.value
        return result
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
