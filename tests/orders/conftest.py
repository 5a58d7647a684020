"""Databases for flows, on SQLite and on a real PostgreSQL (as the durability tests have them); a shop in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bff.durability.sqlite import SqliteDatabase
from tests.durability.conftest import database, postgres_address, state_url
from tests.orders.shop_kit import Floor

__all__ = ["database", "floor", "postgres_address", "state_url"]


@pytest.fixture
async def floor() -> AsyncIterator[Floor]:
    """Two processes over one database."""
    memory = SqliteDatabase(None)
    yield Floor(memory, processes=2)
    await memory.aclose()
