"""Databases for flows: the fixtures of the durability tests, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from tests.durability.conftest import database, postgres_address, state_url

__all__ = ["database", "postgres_address", "state_url"]
