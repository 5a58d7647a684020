"""What records add up to: progress by rank, holds, repetitions, lateness."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.otd.otd_wire import MILESTONES, RANKS, StatusRecord
from adapters.otd.projection import OrderProjection
from bff.domain.vehicle_order import Milestone

NOW = datetime(2026, 3, 9, 2, 0, tzinfo=UTC)
VIN = "LDCA1AB57SB000001"
FEED = [
    "1100", "1101", "1102", "2000", "2500", "3000", "3100", "3300", "3400", "3800", "4000", "4B00", "4V03", "4106",
    "4150", "4200", "7Z99", "5000", "6000",
]  # fmt: skip  # one car's history without a hold


def record(code: str, week: str = "202503", vin: str | None = None) -> StatusRecord:
    return StatusRecord("SO4711", code, vin, week)


def walk(*codes: str | tuple[str, str]) -> tuple[OrderProjection, list[Milestone]]:
    projection, seen = OrderProjection("SO4711"), []
    for code in codes:
        projection.apply(record(*code) if isinstance(code, tuple) else record(code), NOW)
        seen.append(projection.current)
    return projection, seen


def test_late_code_does_not_move_back_and_an_eta_is_no_progress() -> None:
    projection, seen = walk("3800", "3400", "4B00", ("4V03", "202505"))
    assert seen == [Milestone.BUILT, Milestone.BUILT, Milestone.YARD, Milestone.YARD]
    progress = projection.progress(NOW)
    assert progress.eta_week == "202505"
    assert [event.raw_code for event in progress.events] == ["3400", "3800", "4B00"]
    assert progress.as_of == NOW


def test_an_invoice_is_no_progress_and_no_event() -> None:
    projection, _ = walk("4106", "4150")
    assert [event.raw_code for event in projection.progress(NOW).events] == ["4106"]


def test_unknown_code_is_kept_and_does_not_advance(caplog: pytest.LogCaptureFixture) -> None:
    projection, seen = walk("3800", "8Q11", "8Q11")
    assert seen == [Milestone.BUILT] * 3
    assert [(e.milestone, e.raw_code) for e in projection.progress(NOW).events] == [
        (Milestone.BUILT, "3800"),
        (Milestone.UNKNOWN, "8Q11"),
    ]
    assert [entry.levelname for entry in caplog.records] == ["WARNING"]


def test_an_order_with_unknown_codes_only_stands_at_unknown() -> None:
    assert walk("7Z99")[1] == [Milestone.UNKNOWN]


@pytest.mark.parametrize("back", ["4B00", "4106"])
def test_a_hold_is_entered_and_left(back: str) -> None:
    _, seen = walk("4000", "4D00", back)
    assert seen == [Milestone.YARD, Milestone.QC_HOLD, MILESTONES[back]]


def test_a_hold_after_release_is_left_by_a_second_release_in_the_same_week() -> None:
    assert walk("4B00", "4D00", "4B00")[1] == [Milestone.YARD, Milestone.QC_HOLD, Milestone.YARD]


def test_a_held_car_is_not_released_by_what_comes_late_or_twice() -> None:
    _, seen = walk("3800", "4000", "4D00", "3400", "4000")
    assert seen[2:] == [Milestone.QC_HOLD] * 3


def test_a_hold_told_twice_does_not_hold_a_released_car_again() -> None:
    assert walk("4000", "4D00", "4B00", "4D00")[1][-1] is Milestone.YARD


def test_a_second_hold_in_another_week_holds_again() -> None:
    assert walk("4000", "4D00", "4B00", ("4D00", "202504"))[1][-1] is Milestone.QC_HOLD


def test_a_hold_from_before_the_last_step_is_history() -> None:
    projection, seen = walk(("4000", "202503"), ("4106", "202505"), ("4D00", "202504"))
    assert seen[-1] is Milestone.SHIPPED
    assert [event.raw_code for event in projection.progress(NOW).events] == ["4000", "4D00", "4106"]


@pytest.mark.parametrize("end", ["6000", "9000"])
def test_a_car_that_has_arrived_or_was_cancelled_cannot_be_held(end: str) -> None:
    assert walk(end, "4D00")[1][-1] is MILESTONES[end]


def test_the_vin_of_the_furthest_record_stands() -> None:
    projection = OrderProjection("SO4711")
    for code, vin in (("3400", None), ("4000", VIN), ("3800", "LDCA1AB5XSB000008"), ("4106", None)):
        projection.apply(record(code, vin=vin), NOW)
    assert projection.progress(NOW).vin == VIN


@given(st.permutations(FEED).flatmap(lambda codes: st.tuples(st.just(codes), st.lists(st.sampled_from(codes)))))
def test_any_order_and_repetition_of_a_feed_progresses_monotonously(case: tuple[list[str], list[str]]) -> None:
    codes, repeated = case
    projection, seen = walk(*codes, *repeated)
    ranks = [RANKS[milestone] for milestone in seen if milestone is not Milestone.UNKNOWN]
    assert ranks == sorted(ranks)
    assert Milestone.UNKNOWN not in seen[len(codes) :]
    assert projection.current is Milestone.DELIVERED
    known = [event for event in projection.progress(NOW).events if event.milestone is not Milestone.UNKNOWN]
    assert sorted(event.raw_code for event in known) == sorted(set(FEED) & set(MILESTONES))
    assert [RANKS[event.milestone] for event in known] == sorted(RANKS[event.milestone] for event in known)


@given(st.lists(st.tuples(st.sampled_from([*MILESTONES, "7Z99", "4V03"]), st.sampled_from(["202503", "202504"]))))
def test_with_holds_in_any_place_only_the_hold_ever_goes_back(records: list[tuple[str, str]]) -> None:
    seen = walk(*records)[1]
    steps = [RANKS[m] for m in seen if m not in (Milestone.QC_HOLD, Milestone.UNKNOWN)]
    assert steps == sorted(steps)
