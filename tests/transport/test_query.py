"""Query strings are written as RFC 3986 has it, however plain their keys are."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.transport.rest import key_query, query

KEYS = st.lists(st.text(st.characters(codec="utf-8")) | st.from_regex("[A-Z0-9]{1,5}") | st.integers(), min_size=1)


@given(KEYS)
def test_every_key_arrives_as_it_was_given(keys: list[str | int]) -> None:
    written = key_query("vin", keys)
    assert written == query([("vin", key) for key in keys])
    assert written == "?" + "&".join(f"vin={quote(str(key), safe='')}" for key in keys)
    assert parse_qsl(written[1:], keep_blank_values=True) == [("vin", str(key)) for key in keys]


@pytest.mark.parametrize("value", ["a b", "a&b=c", "a+b", "林", "%41", "٣"])
def test_one_key_that_needs_quoting_is_quoted(value: str) -> None:
    assert query([("a", "1"), ("b", value), ("c", None)]) == f"?a=1&b={quote(value, safe='')}"


def test_nothing_asked_is_no_query() -> None:
    assert query([]) == query([("a", None)]) == ""
