"""Nested parameters as Stripe takes them: `metadata[charge_id]=7&line_items[0][quantity]=1`, form-encoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import urlencode

Form: TypeAlias = "Mapping[str, FormValue]"
FormValue: TypeAlias = "str | int | Form | Sequence[str | Form] | None"


def encode(form: Form) -> bytes:
    """None is left out."""
    return urlencode(list(_pairs("", form))).encode()


def _pairs(name: str, value: FormValue) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, (str, int)):
        yield name, str(value)
        return
    members = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, member in members:
        yield from _pairs(f"{name}[{key}]" if name else str(key), member)
