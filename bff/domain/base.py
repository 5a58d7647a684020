"""The shapes that every domain shares: values, found keys, money, pages."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Annotated, Generic, TypeVar

import msgspec

from bff.errors import BffError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

NO_KEYS = ("", ".", "..")
"""In the path of a system behind us these would be none, or another path (RFC 3986, section 5.2.4)."""

Found = Mapping[K, V | BffError]
"""Keys → value, or the error of that key alone. A key that is not in the mapping does not exist upstream."""


class Value(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A domain value: immutable, compared by content, cheap to build (docs/adr/0002-values-are-structs.md).

    The camel-case names are its natural JSON: a wire type may hold it where an upstream speaks just so
    (`Money`, `Text`).
    """


MOST_MINOR = 2**53 - 1
"""The largest whole number that every JSON reader keeps (RFC 8259, section 6); what `MinorUnits` may be at most."""
MOST_INT = 2**31 - 1
"""What GraphQL's `Int` may be at most (specification, section 3.5.1)."""

Int = Annotated[int, msgspec.Meta(ge=-MOST_INT - 1, le=MOST_INT)]
"""A whole number that is an `Int` of our schema: a system that sends a larger one has slipped."""


class Money(Value, frozen=True, kw_only=True):
    """An amount in minor units of an ISO 4217 currency: 21990000 CNY is ¥219,900.00. Never a float."""

    amount_minor: Annotated[int, msgspec.Meta(ge=-MOST_MINOR, le=MOST_MINOR)]
    currency: str = "CNY"


class Text(Value, frozen=True, kw_only=True):
    """Words in several languages; `pick` falls back to Chinese, which every text has."""

    zh: str
    en: str | None = None

    def pick(self, language: str) -> str:
        return self.en if self.en is not None and language.lower().startswith("en") else self.zh


class PageArgs(Value, frozen=True, kw_only=True):
    """Relay connection arguments, already bounded: one of `first` and `last` is set (Relay Cursor Connections 4.3)."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None


class Page(msgspec.Struct, Generic[V], frozen=True, kw_only=True):
    """A slice of a list and what lies on either side of it. `cursors[i]` belongs to `items[i]`."""

    items: list[V]
    cursors: list[str]
    has_next: bool = False
    has_previous: bool = False
    total: int | None = None


class PartialList(list[V]):
    """A list of which a part could not be fetched: what came, in order, and in `missing` why the rest did not."""

    __slots__ = ("missing",)

    def __init__(self, items: Iterable[V], missing: BffError) -> None:
        super().__init__(items)
        self.missing = missing


class Refusal(Value, frozen=True, kw_only=True):
    """An expected business outcome that is not success: slot taken, price changed, card declined.

    `code` is one of the enum of the mutation's userErrors; `field` is the path of the input it is about. Where the
    system named an article and how many are left of it, `item` and `left` say so.
    """

    code: str
    message: str
    field: list[str] | None = None
    item: str | None = None
    left: int | None = None


class Outcome(msgspec.Struct, Generic[V], frozen=True, kw_only=True):
    """What a write came to: the entity as it now is, or why not. Warnings accompany success."""

    entity: V | None = None
    refusals: list[Refusal] = []
    warnings: list[Refusal] = []
