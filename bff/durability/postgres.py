"""State in PostgreSQL, for many machines. Needs the extra `postgres` (asyncpg)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from bff.durability.database import Script, migrate
from bff.errors import StateUnavailable

if TYPE_CHECKING:
    import asyncpg  # type: ignore[import-untyped, import-not-found, unused-ignore]  # an extra; it has no types of its own

T = TypeVar("T")

log = logging.getLogger("bff.durability")

CONNECTIONS = 8
"""A process: transactions are short, and PostgreSQL pays for each connection."""

MIGRATING = 4_202_611
"""The advisory lock of whoever brings the tables up to date."""


class PostgresDatabase:
    """`url` as libpq has it: `postgresql://user:password@host:5432/name?sslmode=verify-full`."""

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self._url = url
        self._timeout = timeout
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self._is_closed = False

    async def run(self, script: Callable[[], Script[T]], *, write: bool = True) -> T:
        import asyncpg

        broken = _broken()
        for attempt in (1, 2):
            try:
                pool = await self._open()
                async with pool.acquire(timeout=self._timeout) as connection:
                    return await _transact(connection, script())
            except broken as error:
                if attempt == 2:
                    raise self._unavailable(error) from error
                if self._pool is not None:  # its other connections have likely broken at the same time
                    await self._pool.expire_connections()
            except asyncpg.PostgresError as error:
                raise self._unavailable(error) from error
        raise AssertionError("two attempts end in an answer or an error")

    async def aclose(self) -> None:
        self._is_closed = True
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()

    async def _open(self) -> Any:
        import asyncpg

        async with self._opening:
            if self._is_closed:
                raise StateUnavailable(detail="the service is stopping")
            if self._pool is None:
                pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=CONNECTIONS,
                    timeout=self._timeout,
                    command_timeout=self._timeout,
                    connection_class=_connection_class(),
                )
                try:
                    async with pool.acquire() as connection, connection.transaction():
                        await connection.execute(f"SELECT pg_advisory_xact_lock({MIGRATING})")
                        await _play(connection, migrate("BYTEA", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"))
                except BaseException:
                    pool.terminate()
                    raise
                self._pool = pool
            return self._pool

    def _unavailable(self, error: Exception) -> StateUnavailable:
        log.error("the state database failed: %s", type(error).__name__)
        return StateUnavailable(detail=f"{type(error).__name__}: {error}")


@cache
def _broken() -> tuple[type[Exception], ...]:
    """What a connection that is no good any more says."""
    import asyncpg

    return (
        OSError,
        TimeoutError,
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,  # the server is shutting down, or starting
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # a farewell that arrived while the connection was idle
    )


@cache
def _connection_class() -> Any:
    """A connection that may be broken when it is closed: it is gone either way.

    The pool closes connections that it has replaced in a task that nobody awaits, whose error would be logged as ours.
    """
    import asyncpg

    class Connection(asyncpg.Connection):  # type: ignore[misc, unused-ignore]  # an extra; it has no types of its own
        __slots__ = ()

        async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as asyncpg has it
            with suppress(*_broken()):
                await super().close(timeout=timeout)

    return Connection


async def _transact(connection: Any, script: Script[T]) -> T:
    # Read committed is enough, and never has to be tried again: scripts lock the row that they decide about.
    async with connection.transaction(isolation="read_committed"):
        return await _play(connection, script)


async def _play(connection: Any, script: Script[T]) -> T:
    try:
        sql, values = next(script)
        while True:
            rows = [tuple(row) for row in await connection.fetch(sql, *values)]
            sql, values = script.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result
