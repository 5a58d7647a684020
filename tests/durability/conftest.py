"""State on both databases: every test that takes `state_url` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from bff.durability.database import Database
from bff.durability.open import open_database
from tests.durability.postgres_server import binaries, server
from tests.durability.shop import Clock, Shop, Upstream


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    pytest.importorskip("asyncpg", reason="PostgreSQL needs asyncpg")
    folder = binaries()
    if folder is None:
        pytest.skip("there is no PostgreSQL on this machine")
    with server(folder) as address:
        yield address


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of the test's own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/bff.sqlite3"
    address: str = request.getfixturevalue("postgres_address")
    name = f"t{uuid4().hex}"
    asyncio.run(_create(address, name))
    return address.format(name=name)


async def _create(address: str, name: str) -> None:
    import asyncpg  # type: ignore[import-untyped, import-not-found, unused-ignore]  # an extra without types

    connection = await asyncpg.connect(address.format(name="postgres"))
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()


@pytest.fixture
async def database(state_url: str) -> AsyncIterator[Database]:
    opened = open_database(state_url)
    yield opened
    await opened.aclose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream")


@pytest.fixture
def shop(database: Database, upstream: Upstream, clock: Clock) -> Shop:
    return Shop(database, upstream, clock)
