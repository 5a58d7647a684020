"""Phone numbers leave the adapter masked."""

from __future__ import annotations

import pytest

from adapters.leads import leads_wire as wire


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        ("+8613812345678", "138****5678"),
        ("13812345678", "138****5678"),
        ("+85291234567", "912****4567"),
        ("+6591234567", "912****4567"),
        ("1234567", "****"),
        ("", "****"),
    ],
)
def test_a_phone_shows_its_first_three_and_last_four_digits(phone: str, shown: str) -> None:
    assert wire.masked(phone) == shown
