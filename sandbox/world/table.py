"""Reads the small text tables that hold the world's copy: one row a line, columns between bars."""

from __future__ import annotations

from collections.abc import Iterator


def rows(text: str) -> Iterator[list[str]]:
    """The rows of ``text`` as lists of trimmed columns; an indented line continues the row above it."""
    for line in text.replace("\n  ", "").splitlines():
        if line.strip():
            yield [column.strip() for column in line.split("|")]
