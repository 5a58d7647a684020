"""Which database a setting names."""

from __future__ import annotations

from pathlib import Path

from bff.durability.database import Database
from bff.durability.postgres import PostgresDatabase
from bff.durability.sqlite import SqliteDatabase


def open_database(url: str) -> Database:
    """`sqlite://` is memory, `sqlite:///a/b` a path relative to here, `sqlite:////a/b` an absolute one; `postgresql://…`.

    Raises ValueError. Nothing is opened before the first use.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme in ("postgresql", "postgres"):
        return PostgresDatabase(url)
    if separator and scheme == "sqlite" and (not rest or (rest.startswith("/") and len(rest) > 1)):
        return SqliteDatabase(Path(rest[1:]) if rest else None)
    raise ValueError("begins with sqlite:/// or postgresql://")
