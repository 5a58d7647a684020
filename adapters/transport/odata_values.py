"""OData v2 values: literals in addresses, and dates and decimals in JSON (OData 2.0 JSON format and URI conventions).

Decimals travel as strings and never become floats; a date is `/Date(milliseconds)/`, with minutes of offset where the
property is an Edm.DateTimeOffset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote

from bff.domain.base import MOST_INT, MOST_MINOR

_DATE = re.compile(r"/Date\((-?\d{1,17})([+-]\d{1,4})?\)/", re.ASCII)
_DECIMAL = re.compile(r"(-?)(\d{1,30})(?:\.(\d{1,30}))?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINOR_DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "BHD": 3, "KWD": 3, "JOD": 3}  # ISO 4217, where it is not 2


def entity(entity_set: str, key: str | Mapping[str, str]) -> str:
    """`A_SalesOrder('4711')`, or by several key properties; percent-encoded."""
    if isinstance(key, str):
        return f"{entity_set}({_literal(key)})"
    return f"{entity_set}({','.join(f'{name}={_literal(value)}' for name, value in key.items())})"


def equals(name: str, value: str) -> str:
    """The `$filter` expression `name eq 'value'`, not yet encoded."""
    doubled = value.replace("'", "''")
    return f"{name} eq '{doubled}'"


def options(**system: str | int | None) -> str:
    """`?$expand=to_Item&$top=2`: system query options by their names without the dollar; a space becomes %20."""
    pairs = [f"${name}={quote(str(value), safe=chr(44))}" for name, value in system.items() if value is not None]
    return "?" + "&".join(pairs) if pairs else ""


def _literal(text: str) -> str:
    return f"'{quote(text.replace(chr(39), chr(39) * 2), safe='')}'"


def read_instant(text: str) -> datetime:
    """UTC. Milliseconds count from the epoch in UTC; an offset only tells where the clock stood. Raises ValueError."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(f"not an OData date: {text!r}")
    try:
        return _EPOCH + timedelta(milliseconds=int(match[1]))
    except OverflowError as error:
        raise ValueError(f"not an OData date: {text!r}") from error


def read_date(text: str) -> date:
    """An Edm.DateTime that stands for a day: midnight without a zone."""
    return read_instant(text).date()


def write_date(day: date) -> str:
    return f"/Date({(day - _EPOCH.date()) // timedelta(milliseconds=1)})/"


def minor_units(text: str, currency: str) -> int:
    """`219900.00` CNY is 21990000. Raises ValueError where a fraction of the minor unit would be lost."""
    return scaled(text, _MINOR_DIGITS.get(currency, 2))


def scaled(text: str, digits: int, *, most: int = MOST_MINOR) -> int:
    """An Edm.Decimal times 10^digits, exactly. Raises ValueError for what is no decimal or has more digits."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"not a decimal: {text!r}")
    sign, whole, fraction = match[1], match[2], (match[3] or "").rstrip("0")
    if len(fraction) > digits:
        raise ValueError(f"more than {digits} decimals: {text!r}")
    value = int(whole + fraction.ljust(digits, "0"))
    if value > most:
        raise ValueError(f"more than can be counted with: {text[:40]!r}")
    return -value if sign else value


def count(text: str) -> int:
    """An Edm.Decimal that counts pieces. Raises ValueError for a fraction, and for more than an `Int` can say."""
    return scaled(text, 0, most=MOST_INT)
