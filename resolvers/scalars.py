"""Days and moments as RFC 3339 writes them. What is anything else is refused where it stands in the document."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from operator import methodcaller
from typing import Any

import strawberry
from strawberry.types.scalar import ScalarDefinition

from bff.errors import InvalidInput

RFC_3339 = "https://www.rfc-editor.org/rfc/rfc3339#section-5.6"
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _read(written: re.Pattern[str], read: Callable[[str], Any], what: str) -> Callable[[object], Any]:
    def parse(value: object) -> Any:
        if not isinstance(value, str) or not written.fullmatch(value):
            raise InvalidInput(what)
        try:
            return read(value)
        except ValueError:  # the 30th of February
            raise InvalidInput(what) from None

    return parse


DATE: ScalarDefinition = strawberry.scalar(
    name="Date",
    description="A day, without time and zone: `2026-01-31`.",
    specified_by_url=RFC_3339,
    serialize=methodcaller("isoformat"),
    parse_value=_read(_DAY, date.fromisoformat, "Date is a day of the calendar, as in 2026-01-31."),
)

DATE_TIME: ScalarDefinition = strawberry.scalar(
    name="DateTime",
    description="A moment, with its zone: `2026-01-31T09:30:00+08:00`, or `2026-01-31T01:30:00Z`.",
    specified_by_url=RFC_3339,
    serialize=methodcaller("isoformat"),
    parse_value=_read(
        _MOMENT,
        lambda text: datetime.fromisoformat(text.upper()),
        "DateTime is a moment with its zone, as in 2026-01-31T09:30:00+08:00.",
    ),
)
