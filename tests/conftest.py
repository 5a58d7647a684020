"""Fixtures for every test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import HealthCheck, settings

from bff import calls, context
from sandbox.world import World, build_world
from tests.support import without_collector

TODAY = date(2026, 3, 9)

# Hypothesis times examples and draws unless it is told not to: a machine that pauses would fail what is right.
settings.register_profile(
    "unhurried", parent=settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_request_of_another_test() -> Iterator[None]:
    """A request that a test entered ends with it: its budget runs out, and its answers and rounds are its own."""
    request = context._current.set(None)  # type: ignore[arg-type]  # as if nothing had been entered
    rounds = calls.current_round.set(0)
    yield
    context._current.reset(request)
    calls.current_round.reset(rounds)


@pytest.fixture
def world() -> World:
    """A world of its own for each test, on a fixed day."""
    return build_world(today=TODAY)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """The whole test runs without the collector."""
    with without_collector():
        yield
