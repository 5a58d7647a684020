"""When a system is left in peace: its known windows, and a while after it showed its maintenance page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bff.windows import Windows

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class Maintenance:
    """`cool_off` is how many seconds pass without a call after a page was seen: then one call looks again."""

    __slots__ = ("_cool_off", "_quiet_until", "_said", "clock", "is_possible", "windows")

    def __init__(self, windows: Windows, cool_off: float, clock: Clock = utc_now) -> None:
        self.windows = windows
        self.clock = clock
        self._cool_off = timedelta(seconds=cool_off)
        self._quiet_until: datetime | None = None
        self._said: datetime | None = None
        self.is_possible = bool(windows)

    def seen(self, until: datetime | None) -> None:
        """The system showed its page, which may have named its end."""
        if self._cool_off:
            self._quiet_until, self._said = self.clock() + self._cool_off, until
            self.is_possible = True

    def closed(self) -> tuple[bool, datetime | None]:
        """Whether it is closed now, and until when, where that is known."""
        now = self.clock()
        until = self.windows.closed_until(now) if self.windows else None
        if until is not None:
            return True, until
        if self._quiet_until is not None:
            if now < self._quiet_until:
                return True, self._said or self._quiet_until
            self._quiet_until = None
            self.is_possible = bool(self.windows)
        return False, None
