"""What leaves the wire is masked; what comes in as a phone number is one."""

from __future__ import annotations

import pytest

from adapters.identity.identity_wire import e164, mask_phone, mask_subject
from bff.errors import InvalidInput


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        ("+8613812341234", "138****1234"),
        ("+4915112345678", "+49****5678"),
        ("+12025550123", "+12****0123"),
        ("+120255501", "****"),
        ("12345678", "****"),
        ("", "****"),
    ],
)
def test_phone_shows_its_ends_only(phone: str, shown: str) -> None:
    assert mask_phone(phone) == shown


@pytest.mark.parametrize(
    ("subject", "shown"),
    [("oX2650953736bfb8591c3e9b48ce", "****48ce"), ("abcdefgh", "****efgh"), ("abcdefg", "****"), ("", "****")],
)
def test_subject_shows_its_end_and_a_short_one_nothing(subject: str, shown: str) -> None:
    assert mask_subject(subject) == shown


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("13812341234", "+8613812341234"),
        ("138 1234-1234", "+8613812341234"),
        ("+8613812341234", "+8613812341234"),
        ("+49 151 12345678", "+4915112345678"),
    ],
)
def test_number_is_told_in_one_way(given: str, number: str) -> None:
    assert e164(given) == number


@pytest.mark.parametrize(
    "given", ["", "abc", "1381234123", "138123412345", "+0138123412", "+86", "１３８１２３４１２３４", "1３812341234"]
)
def test_what_is_no_number_is_bad_input(given: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        e164(given)
    assert caught.value.field == "phone"
    assert given == "" or given not in caught.value.message
