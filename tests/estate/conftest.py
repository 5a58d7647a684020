"""The house for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.estate.house import House


@pytest.fixture
async def house() -> AsyncIterator[House]:
    built = House()
    yield built
    await built.aclose()
