"""Maintenance windows in their own time zone, and systems left in peace inside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.transport.upstream import Effect, Operation, Upstream
from bff.errors import UpstreamMaintenance
from bff.policy import CallPolicy
from bff.windows import WindowError, parse_windows
from tests.transport.engines import Scripted, entered

NIGHTLY = "23:30-01:00 Asia/Shanghai"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-09T23:29:59+08:00", None),
        ("2026-03-09T23:30:00+08:00", "2026-03-10T01:00:00+08:00"),
        ("2026-03-10T00:00:00+08:00", "2026-03-10T01:00:00+08:00"),
        ("2026-03-10T00:59:59+08:00", "2026-03-10T01:00:00+08:00"),
        ("2026-03-10T01:00:00+08:00", None),
        ("2026-03-10T12:00:00+08:00", None),
    ],
)
def test_window_over_midnight(now: str, until: str | None) -> None:
    assert parse_windows(NIGHTLY).closed_until(at(now)) == (until and at(until))


@pytest.mark.parametrize(
    ("now", "is_closed"),
    [
        ("2026-03-14T23:00:00+01:00", True),  # Saturday
        ("2026-03-15T01:00:00+01:00", True),  # the rest of Saturday's
        ("2026-03-15T23:00:00+01:00", True),  # Sunday
        ("2026-03-16T01:00:00+01:00", True),
        ("2026-03-16T23:00:00+01:00", False),  # Monday
        ("2026-03-14T01:00:00+01:00", False),  # would be Friday's
    ],
)
def test_days_are_those_on_which_it_begins(now: str, is_closed: bool) -> None:
    windows = parse_windows("Sat,Sun 22:00-02:00 Europe/Berlin")
    assert (windows.closed_until(at(now)) is not None) is is_closed


def test_daylight_saving_takes_its_hour_from_the_window() -> None:
    windows = parse_windows("01:00-04:00 Europe/Berlin")
    assert windows.closed_until(at("2026-03-29T00:30:00+00:00")) == at("2026-03-29T02:00:00+00:00")
    assert windows.closed_until(at("2026-10-25T00:30:00+00:00")) == at("2026-10-25T03:00:00+00:00")
    assert windows.next_window(at("2026-10-24T12:00:00+00:00")) == (
        at("2026-10-24T23:00:00+00:00"),
        at("2026-10-25T03:00:00+00:00"),
    )


def test_windows_that_touch_end_together() -> None:
    windows = parse_windows("22:00-23:00 UTC; 23:00-00:30 UTC")
    assert windows.closed_until(at("2026-03-09T22:10:00+00:00")) == at("2026-03-10T00:30:00+00:00")


@pytest.mark.parametrize(
    "text",
    ["23:30", "23:30-01:00", "25:00-26:00 UTC", "23:30-01:00 Mars/Base", "Xyz 01:00-02:00 UTC", "01:00-01:00 UTC"],
)
def test_what_is_no_window_is_refused_and_named(text: str) -> None:
    with pytest.raises(WindowError, match="is no window"):
        parse_windows(text)


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)).map(lambda when: when.replace(tzinfo=UTC)),
    st.sampled_from([NIGHTLY, "Sat,Sun 22:00-02:00 Europe/Berlin", "01:00-04:00 America/New_York; Mon 05:00-05:30 Z"]),
    st.lists(st.integers(-4000, 4000), max_size=6),
)
def test_remembered_answers_are_those_of_a_fresh_look(now: datetime, text: str, steps: list[int]) -> None:
    remembering = parse_windows(text)
    for minutes in [0, *steps]:
        now += timedelta(minutes=minutes)
        parse_windows.cache_clear()
        assert remembering.closed_until(now) == parse_windows(text).closed_until(now)


class Dealer:
    """An upstream with a clock that the test turns."""

    def __init__(self, windows: str = NIGHTLY, cool_off: float = 30.0) -> None:
        self.now = at("2026-03-09T23:00:00+08:00")
        self.engine = Scripted()
        self.upstream = Upstream(
            "dms",
            "http://x",
            self.engine,
            policy=CallPolicy(cool_off=cool_off),
            windows=parse_windows(windows),
            clock=lambda: self.now,
        )

    async def ask(self, effect: Effect = Effect.READ) -> None:
        await self.upstream.call(Operation(name="Any", effect=effect), "POST", "/ws")


@pytest.mark.anyio
@pytest.mark.parametrize("effect", list(Effect))
async def test_no_call_is_wasted_in_a_window_and_the_refusal_says_when_it_ends(effect: Effect) -> None:
    dealer = Dealer()
    await dealer.ask(effect)
    dealer.now = at("2026-03-10T00:10:00+08:00")
    context = entered()
    with pytest.raises(UpstreamMaintenance) as refused:
        await dealer.ask(effect)
    assert refused.value.retry_after == at("2026-03-10T01:00:00+08:00")
    assert refused.value.extensions["code"] == "UPSTREAM_MAINTENANCE"
    assert context.calls.records[0].source == "refused"
    assert dealer.upstream.state.is_in_maintenance
    assert dealer.upstream.state.maintenance_until == "2026-03-09T17:00:00+00:00"
    dealer.now = at("2026-03-10T01:00:00+08:00")
    await dealer.ask(effect)
    assert len(dealer.engine.sent) == 2
    assert not dealer.upstream.state.is_in_maintenance


@pytest.mark.anyio
async def test_after_a_maintenance_page_the_system_is_left_alone_for_a_while() -> None:
    dealer = Dealer(windows="")
    said = at("2026-03-10T01:00:00+08:00")
    dealer.upstream.maintenance_seen(said)
    with pytest.raises(UpstreamMaintenance) as refused:
        await dealer.ask()
    assert refused.value.retry_after == said
    dealer.now += timedelta(seconds=31)
    await dealer.ask()
    assert len(dealer.engine.sent) == 1


@pytest.mark.anyio
async def test_without_a_cool_off_a_page_changes_nothing() -> None:
    dealer = Dealer(windows="", cool_off=0.0)
    dealer.upstream.maintenance_seen(None)
    await dealer.ask()
    assert len(dealer.engine.sent) == 1
