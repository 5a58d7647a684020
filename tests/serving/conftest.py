"""A service over the sandbox: one for all tests of a module that change nothing, a fresh one for those that do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.estate.house import House
from tests.serving.loopback import hurry, served


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    await house.aclose()


@pytest.fixture(scope="module")
async def base(house: House) -> AsyncIterator[str]:
    """Where `house` is served on a socket."""
    async with served(house.app) as (base, _):
        yield base


@pytest.fixture
async def fresh() -> AsyncIterator[House]:
    house = House()
    hurry(house)
    yield house
    await house.aclose()
