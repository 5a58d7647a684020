"""What the dealer system writes as text: a value that our schema could not say is unreadable where it comes in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters.dms.dms_wire import moment, scaled, whole, yuan
from adapters.transport.soap import Unreadable


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (moment, "00010101000000"),
        (moment, "99999999999999"),
        (whole, "2147483648"),
        (whole, "9" * 5000),
        (whole, "-1"),
        (yuan, "90071992547409.92"),
        (yuan, "1e999999"),
        (yuan, "NaN"),
        (yuan, "1.005"),
    ],
)
def test_value_beyond_what_can_be_said_is_unreadable(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(Unreadable):
        read(text)


def test_largest_values_are_read() -> None:
    assert whole("2147483647") == 2**31 - 1
    assert yuan("90071992547409.91").amount_minor == 2**53 - 1
    assert scaled("-1280.50", 2) == -128050
