"""An empty PostgreSQL database for a test."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from tests.durability.conftest import _create


@pytest.fixture
def postgres_url(postgres_address: str) -> str:
    name = f"t{uuid4().hex}"
    asyncio.run(_create(postgres_address, name))
    return postgres_address.format(name=name)
