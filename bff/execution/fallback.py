"""What was not compiled, and why: nothing falls back silently."""

from __future__ import annotations

from collections import Counter


class FallbackCounter:
    """Reason → how often. Reasons are few; a name in them comes from the schema, never from a client."""

    __slots__ = ("counts", "parent")

    def __init__(self, parent: FallbackCounter | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.parent = parent

    def add(self, reason: str) -> None:
        self.counts[reason] += 1
        if self.parent is not None:
            self.parent.add(reason)

    def __getitem__(self, reason: str) -> int:
        return self.counts[reason]

    def __bool__(self) -> bool:
        return bool(self.counts)

    def as_dict(self) -> dict[str, int]:
        return dict(self.counts)

    def __repr__(self) -> str:
        return f"FallbackCounter({dict(self.counts)!r})"
