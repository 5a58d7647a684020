"""What an adapter may ask of its system, and what may be done with the answer."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Effect(StrEnum):
    READ = "READ"
    WRITE = "WRITE"


class Audience(StrEnum):
    """PUBLIC answers are the same for everybody; PERSONAL ones belong to the caller's partition."""

    PUBLIC = "PUBLIC"
    PERSONAL = "PERSONAL"


class CachePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How long an answer may be kept, in seconds, each counted from the end of the one before.

    `fresh`: served without asking. `stale_while_revalidate`: served, and asked for in the background.
    `stale_if_error`: served only where the system fails. `private` keeps an answer for one caller alone, and must be
    said for a PERSONAL operation. `tags` are what `bff cache purge` names.
    """

    fresh: float
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    private: bool = False
    tags: tuple[str, ...] = ()


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the system's own word (`GetRepairOrder`, `A_SalesOrder`)."""

    name: str
    effect: Effect = Effect.READ
    audience: Audience = Audience.PERSONAL
    timeout: float | None = None
    cache: CachePolicy | None = None

    def __post_init__(self) -> None:
        if self.cache is None:
            return
        if self.effect is Effect.WRITE:
            raise ValueError(f"{self.name}: a write is never cached")
        if self.audience is Audience.PERSONAL and not self.cache.private:
            raise ValueError(f"{self.name}: a personal answer is cached for its caller alone: say private=True")
