"""A service over the sandbox for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.estate.house import House


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    await house.aclose()
