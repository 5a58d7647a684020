"""Amounts and forms as Stripe takes them."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stripe.amounts import from_stripe, to_stripe
from adapters.stripe.form import Form, encode
from adapters.stripe.requests_wire import back_to
from bff.domain.base import Money
from bff.errors import InvalidInput
from sandbox.stripe.forms import decode


@pytest.mark.parametrize(
    ("minor", "currency", "stripe"),
    [
        (21990000, "CNY", 21990000),
        (1099, "EUR", 1099),
        (500, "JPY", 500),
        (500, "KRW", 500),
        (5, "ISK", 500),
        (5, "UGX", 500),
        (500, "MGA", 5),
        (5120, "KWD", 5120),
    ],
)
def test_amounts_there_and_back(minor: int, currency: str, stripe: int) -> None:
    money = Money(amount_minor=minor, currency=currency)
    assert to_stripe(money) == stripe
    assert from_stripe(stripe, currency.lower()) == money


@pytest.mark.parametrize(("minor", "currency"), [(0, "CNY"), (-1, "CNY"), (501, "MGA"), (5124, "KWD"), (5124, "BHD")])
def test_amounts_that_cannot_be_charged(minor: int, currency: str) -> None:
    with pytest.raises(InvalidInput):
        to_stripe(Money(amount_minor=minor, currency=currency))


@pytest.mark.parametrize(
    ("amount", "currency"), [(-1, "cny"), (501, "isk"), (1, ""), (1, "yuan"), (1, "¥¥¥"), (1, "c1y")]
)
def test_amounts_that_cannot_be(amount: int, currency: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_stripe(amount, currency)


def test_nested_parameters() -> None:
    form: Form = {"a": 1, "m": {"k": "v", "none": None}, "l": [{"q": 2}, "x"], "e": [], "ü": "&=+ 少"}
    pairs = parse_qsl(encode(form).decode(), keep_blank_values=True)
    assert pairs == [("a", "1"), ("m[k]", "v"), ("l[0][q]", "2"), ("l[1]", "x"), ("ü", "&=+ 少")]


_words = st.text(st.characters(codec="utf-8", exclude_characters="[]"), min_size=1).filter(
    lambda word: not word.isdigit()
)


@given(st.dictionaries(_words, st.text(st.characters(codec="utf-8")) | st.dictionaries(_words, _words, min_size=1)))
def test_what_we_write_the_other_side_reads(form: dict[str, str | dict[str, str]]) -> None:
    assert decode(encode(form).decode()) == form


@pytest.mark.parametrize(
    ("base", "there"),
    [
        ("https://shop.test", "https://shop.test?charge=CH1&outcome=returned"),
        ("https://shop.test/a/?x=1", "https://shop.test/a/?x=1&charge=CH1&outcome=returned"),
    ],
)
def test_way_back(base: str, there: str) -> None:
    assert back_to(base, "CH1", "returned") == there
