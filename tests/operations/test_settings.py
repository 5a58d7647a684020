"""How many compiled fields a process keeps is a setting, checked as all are."""

from __future__ import annotations

import pytest

from bff.profiles import PLAN_FIELDS, read_operation_settings


@pytest.mark.parametrize(("said", "kept"), [(None, PLAN_FIELDS), ("500", 500)])
def test_plan_fields_are_as_said(said: str | None, kept: int) -> None:
    problems: list[str] = []
    environ = {} if said is None else {"BFF_PLAN_FIELDS": said}
    assert read_operation_settings(environ, "development", problems).plan_fields == kept
    assert problems == []


@pytest.mark.parametrize("said", ["0", "-1", "many", "", "1.5", "１"])
def test_plan_fields_that_are_no_number_are_refused_by_name(said: str) -> None:
    problems: list[str] = []
    read_operation_settings({"BFF_PLAN_FIELDS": said}, "development", problems)
    assert problems == [f"BFF_PLAN_FIELDS is a whole number from 1 on, not {said!r}."]
