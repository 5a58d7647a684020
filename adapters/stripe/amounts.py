"""Amounts as Stripe counts them. Nearly always that is the currency's minor unit, as ours is; a few differ.

Source: docs.stripe.com/currencies, "zero-decimal currencies", "three-decimal currencies" and "special cases".
"""

from __future__ import annotations

from bff.domain.base import Money
from bff.errors import InvalidInput

_WITH_TWO_MORE_DIGITS = frozenset({"ISK", "UGX"})  # ISO 4217: no decimals; Stripe keeps two, which are always 00
_WITHOUT_DECIMALS = frozenset({"MGA"})  # ISO 4217: two decimals; Stripe: none
_LAST_DIGIT_IS_ZERO = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})  # three decimals, of which networks know two


def to_stripe(money: Money) -> int:
    """Raises InvalidInput for an amount that Stripe cannot charge exactly."""
    amount, currency = money.amount_minor, money.currency
    if amount <= 0:
        raise InvalidInput("The amount is more than nothing.")
    step = 100 if currency in _WITHOUT_DECIMALS else 10 if currency in _LAST_DIGIT_IS_ZERO else 1
    if amount % step:
        raise InvalidInput(f"An amount in {currency} that goes over cards is a multiple of {step} minor units.")
    if currency in _WITH_TWO_MORE_DIGITS:
        return amount * 100
    return amount // 100 if currency in _WITHOUT_DECIMALS else amount


def from_stripe(amount: int, currency: str) -> Money:
    """`currency` is an ISO code in any case. Raises ValueError where there is no such amount of it."""
    code = currency.upper()
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        raise ValueError(f"{currency[:10]!r} is no currency")
    if amount < 0:
        raise ValueError("an amount below nothing")
    if code in _WITH_TWO_MORE_DIGITS:
        if amount % 100:
            raise ValueError(f"{amount} is a part of the smallest unit of {code}")
        amount //= 100
    elif code in _WITHOUT_DECIMALS:
        amount *= 100
    return Money(amount_minor=amount, currency=code)
