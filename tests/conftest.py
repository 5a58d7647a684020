"""Fixtures for every test."""

from __future__ import annotations

from datetime import date

import pytest

from sandbox.world import World, build_world

TODAY = date(2026, 3, 9)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def world() -> World:
    """A world of its own for each test, on a fixed day."""
    return build_world(today=TODAY)
