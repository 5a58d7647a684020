"""Known maintenance windows, in the time zone of whoever keeps them.

    23:30-01:00 Asia/Shanghai                     every night
    Sat,Sun 02:00-06:00 Europe/Berlin             on these days, by the day on which it begins
    23:30-01:00 Asia/Shanghai; Sun 04:00-05:00 Z  several

A window ends before it begins on the clock where it lies over midnight. Its hours are the zone's own, so a window grows
or shrinks by the hour that a change of daylight saving time takes or gives.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ONE = re.compile(r"(?:((?:\w{3})(?:,\w{3})*) )?(\d\d:\d\d)-(\d\d:\d\d) ([\w/+-]+)")


class WindowError(ValueError):
    """A text that describes no window; the message says what one looks like."""


class Window(msgspec.Struct, frozen=True):
    """`days` are those on which it begins, Monday 0."""

    days: frozenset[int]
    begins: time
    ends: time
    zone: ZoneInfo

    def on(self, day: date) -> tuple[datetime, datetime] | None:
        """The window that begins on `day`, in UTC."""
        if day.weekday() not in self.days:
            return None
        last = day + timedelta(days=self.ends <= self.begins)
        begin, end = datetime.combine(day, self.begins, self.zone), datetime.combine(last, self.ends, self.zone)
        return begin.astimezone(UTC), end.astimezone(UTC)


class Windows:
    """All windows of a system."""

    def __init__(self, windows: tuple[Window, ...] = ()) -> None:
        self._windows = windows
        self._known: tuple[datetime, datetime, datetime | None] | None = None

    def __bool__(self) -> bool:
        return bool(self._windows)

    def closed_until(self, now: datetime) -> datetime | None:
        """When the window that `now` lies in ends, windows that touch taken as one. None: the system is open."""
        known = self._known
        if known is None or not known[0] <= now < known[1]:
            known = self._known = self._around(now)
        return known[2]

    def next_window(self, now: datetime) -> tuple[datetime, datetime] | None:
        """The window that begins next, within a week."""
        return min((span for span in self._spans(now, 8) if span[0] > now), default=None)

    def _around(self, now: datetime) -> tuple[datetime, datetime, datetime | None]:
        """From when until when the answer stands, and the answer."""
        end = now
        for begin, last in sorted(self._spans(now, 3)):
            if begin <= end < last:
                end = last
        if end > now:
            return now, end, end
        upcoming = self.next_window(now)
        return now, min(now + timedelta(days=1), upcoming[0] if upcoming else datetime.max.replace(tzinfo=UTC)), None

    def _spans(self, now: datetime, days: int) -> list[tuple[datetime, datetime]]:
        first = now.date() - timedelta(days=2)
        return [
            span
            for window in self._windows
            for ahead in range(days + 3)
            if (span := window.on(first + timedelta(days=ahead))) is not None
        ]


@lru_cache(maxsize=256)
def parse_windows(text: str) -> Windows:
    """Raises WindowError."""
    return Windows(tuple(_window(part.strip()) for part in text.split(";") if part.strip()))


def _window(text: str) -> Window:
    found = _ONE.fullmatch(text)
    if found is None:
        raise WindowError(f"{text!r} is no window: write `23:30-01:00 Asia/Shanghai` or `Sat,Sun 02:00-06:00 UTC`")
    days, begins, ends, zone = found.groups()
    try:
        on = frozenset(DAYS.index(day.capitalize()) for day in days.split(",")) if days else frozenset(range(7))
        place = ZoneInfo("UTC" if zone == "Z" else zone)
        window = Window(on, time.fromisoformat(begins), time.fromisoformat(ends), place)
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise WindowError(f"{text!r} is no window: {error}") from error
    if window.begins == window.ends:
        raise WindowError(f"{text!r} is no window: it ends when it begins")
    return window
