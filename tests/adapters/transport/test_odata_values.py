"""OData v2 values: addresses, dates, decimals."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.transport.odata_values import (
    count,
    entity,
    equals,
    minor_units,
    options,
    read_date,
    read_instant,
    scaled,
    write_date,
)


def test_keys_are_quoted_doubled_and_percent_encoded() -> None:
    assert entity("A_SalesOrder", "4711") == "A_SalesOrder('4711')"
    assert entity("A_SalesOrder", "O'Neil 5/6+") == "A_SalesOrder('O%27%27Neil%205%2F6%2B')"
    several = {"SalesOrder": "4711", "SalesOrderItem": "10"}
    assert entity("A_SalesOrderItem", several) == "A_SalesOrderItem(SalesOrder='4711',SalesOrderItem='10')"


def test_options_carry_no_plus_for_a_space() -> None:
    text = options(filter=equals("Material", "it's 1+1"), expand="to_Item,to_PricingElement", top=2, skip=None)
    assert text == "?$filter=Material%20eq%20%27it%27%27s%201%2B1%27&$expand=to_Item,to_PricingElement&$top=2"
    assert options() == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/Date(1741478400000)/", datetime(2025, 3, 9, tzinfo=UTC)),
        ("/Date(1741478400123+0480)/", datetime(2025, 3, 9, 0, 0, 0, 123000, tzinfo=UTC)),
        ("/Date(-86400000)/", datetime(1969, 12, 31, tzinfo=UTC)),
    ],
)
def test_dates_are_milliseconds_in_utc(text: str, expected: datetime) -> None:
    assert read_instant(text) == expected


@pytest.mark.parametrize("text", ["", "2025-03-09", "/Date()/", "/Date(12", "/Date(99999999999999999)/", "/Date(1.5)/"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an OData date"):
        read_instant(text)


@given(st.dates(min_value=date(1900, 1, 1)))
def test_a_day_survives_the_wire(day: date) -> None:
    assert read_date(write_date(day)) == day


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("219900.00", "CNY", 21990000),
        ("219900", "CNY", 21990000),
        ("-3000.10", "CNY", -300010),
        ("0.07", "CNY", 7),
        ("12.500", "CNY", 1250),
        ("5000.000", "JPY", 5000),
        ("1.234", "KWD", 1234),
        ("90071992547409.91", "CNY", 2**53 - 1),
    ],
)
def test_amounts_become_minor_units_exactly(text: str, currency: str, minor: int) -> None:
    assert minor_units(text, currency) == minor


@pytest.mark.parametrize("text", ["", "1,5", "1e3", "NaN", "Infinity", "--1", ".5", "1.", " 1", "1.005", "٣"])
def test_what_is_no_amount_or_would_be_rounded_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"decimal"):
        minor_units(text, "CNY")


def test_amounts_and_counts_that_our_schema_cannot_say_are_refused() -> None:
    """`MinorUnits` has 53 bits, `Int` 31: here it is the system's slip, later it would look like ours."""
    for text in ("90071992547409.92", "99999999999999999999.99"):
        with pytest.raises(ValueError, match="more than can be counted with"):
            minor_units(text, "CNY")
    assert count("2147483647.000") == 2**31 - 1
    with pytest.raises(ValueError, match="more than can be counted with"):
        count("2147483648")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12))
def test_scaling_agrees_with_decimal_arithmetic(value: Decimal) -> None:
    assert scaled(f"{value:f}", 3) == int(value * 1000)
