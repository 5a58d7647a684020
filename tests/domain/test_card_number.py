"""What counts as a card number in free text."""

from __future__ import annotations

import pytest

from bff.domain.payment import refuse_card_number
from bff.errors import InvalidInput


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "my card is 4111 1111 1111 1111, thanks",
        "4111-1111-1111-1111",
        "４１１１１１１１１１１１１１１１",
        "order 1234 4111 1111 1111 1111",
        "378282246310005",
        "6011000990139424",
        "4222222222222",
        "6799990100000000019",
        "4111  1111\n1111.1111",
    ],
)
def test_text_with_a_card_number_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        refuse_card_number(text, "input.reason")
    assert caught.value.field == "input.reason"
    assert "1111" not in caught.value.message
    assert caught.value.detail is None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "I changed my mind",
        "4111111111111112",
        "13800001234",
        "VO00004711 and MO500001",
        "41111111111111110000",
        "123456789012",
        "2025-03-09 10:00",
    ],
)
def test_other_text_passes(text: str | None) -> None:
    assert refuse_card_number(text, "input.reason") is None  # type: ignore[func-returns-value]  # it must not raise
