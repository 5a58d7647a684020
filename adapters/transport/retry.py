"""When a call may be tried again, and after how long."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

from adapters.transport.http import HttpReply

AGAIN = frozenset({429, 502, 503, 504})
"""Statuses that say that the request was not served and may be sent again (RFC 9110 section 15)."""

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0


class RetryBudget:
    """Retries may be a tenth of the calls, and a few more at first: a dying system gets no storm from us on top."""

    __slots__ = ("_most", "_share", "tokens")

    def __init__(self, share: float = 0.1, most: float = 10.0) -> None:
        self._share, self._most = share, most
        self.tokens = most

    def earn(self) -> None:
        if self.tokens < self._most:
            self.tokens += self._share

    def spend(self) -> bool:
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


def pause(attempt: int, random: Random) -> float:
    """Seconds before the attempt after `attempt`: exponential with full jitter, so that callers do not come in step."""
    return random.uniform(0.0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt))


def retry_after(reply: HttpReply, now: datetime) -> float | None:
    """What the reply asks us to wait, in seconds (RFC 9110 section 10.2.3). None: it does not say."""
    said = reply.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said).replace(tzinfo=UTC) - now).total_seconds())
    except ValueError:
        return None
