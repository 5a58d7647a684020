"""Parameters that several requests have, checked as Stripe does."""

from __future__ import annotations

from typing import Any

from .forms import amount_of, required
from .refusals import bad_parameter

Parameters = dict[str, Any]
_CURRENCIES = frozenset({"cny", "eur", "gbp", "hkd", "isk", "jpy", "krw", "kwd", "mga", "sgd", "ugx", "usd"})


def currency_of(said: Parameters) -> str:
    currency = required(said, "currency")
    if currency not in _CURRENCIES:
        raise bad_parameter("currency", f"Invalid currency: {currency}.")
    return currency


def capture_method_of(said: Parameters) -> str:
    method = said.get("capture_method", "automatic_async")
    if method not in ("automatic", "automatic_async", "manual"):
        raise bad_parameter("capture_method", "Invalid capture_method")
    return str(method)


def sold(said: Parameters) -> tuple[str, int, str]:
    """Name, sum and currency of the one line."""
    lines = said.get("line_items")
    if not isinstance(lines, list) or len(lines) != 1 or not isinstance(lines[0], dict):
        raise bad_parameter("line_items", "The sandbox takes one line item.")
    price = lines[0].get("price_data")
    if not isinstance(price, dict) or not isinstance(price.get("product_data"), dict):
        raise bad_parameter("line_items[0][price_data]", "Missing required param: line_items[0][price_data].")
    name = required(price["product_data"], "name")
    return name, amount_of(price, "unit_amount") * amount_of(lines[0], "quantity"), currency_of(price)


def address_of(said: Parameters, name: str) -> str:
    url = required(said, name)
    if not url.startswith(("https://", "http://")):
        raise bad_parameter(name, "Not a valid URL", code="url_invalid")
    return url


def limit_of(said: Parameters) -> int:
    limit = amount_of(said, "limit") if "limit" in said else 10
    if limit > 100:
        raise bad_parameter("limit", "This value must be less than or equal to 100.")
    return limit
