"""Share codes as people type them."""

from __future__ import annotations

import pytest

from adapters.configurator import configurator_wire as wire


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("A5KX9W7H", "A5KX9W7H"),
        ("a5kx-9w7h", "A5KX9W7H"),
        (" A5KX 9W7H ", "A5KX9W7H"),
        ("oOiIlL00", "00111100"),
        ("A5KX9W7", None),
        ("A5KX9W7HH", None),
        ("A5KX9W7U", None),
        ("A5KX9W7Ｈ", None),
        ("", None),
    ],
)
def test_a_share_code_is_read_as_crockford_meant_it(typed: str, code: str | None) -> None:
    assert wire.share_code(typed) == code
