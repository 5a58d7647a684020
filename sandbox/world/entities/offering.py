"""What can be built: brands, models, trims, option groups, options, packages, rules and saved configurations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from .common import BrandCode, Market, Text

Cardinality = Literal["EXACTLY_ONE", "ONE_OR_NONE", "ANY"]
Availability = Literal["BUILD", "STOCK", "SOLD_OUT"]
RuleKind = Literal["REQUIRES", "EXCLUDES", "AVAILABLE_IF", "AUTO_ADD"]

# A Boolean expression over option codes, as JSON: code | {"all": [...]} | {"any": [...]} | {"not": expr}.
Expr = str | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Brand:
    code: BrandCode
    name: Text


@dataclass(frozen=True, slots=True)
class VehicleModel:
    """A model line, e.g. ``A5``."""

    id: str
    brand: BrandCode
    name: Text
    description: Text
    body: Literal["SEDAN", "SUV", "HATCH"]
    model_year: int
    image: str
    trim_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrimOption:
    """One option as this trim offers it. ``standard``: in the base price (``price_fen`` 0) and selected by default
    where the group is EXACTLY_ONE; ``fixed``: built in, cannot be taken off.
    """

    code: str
    price_fen: int
    standard: bool
    fixed: bool


@dataclass(slots=True)
class Trim:
    """A model's equipment line. Prices are fen with 13 % VAT; ``default_options`` is a complete, buildable
    selection.

    ``options`` is keyed by option code and lists what the trim offers. ``stock`` counts built cars (STOCK) or
    build places left.
    """

    id: str
    model_id: str
    name: Text
    description: Text
    price_fen: int
    availability: Availability
    stock: int
    delivery_weeks_min: int
    delivery_weeks_max: int
    range_km: int
    power_kw: int
    options: dict[str, TrimOption]
    default_options: tuple[str, ...]
    package_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OptionGroup:
    code: str
    name: Text
    cardinality: Cardinality
    sort: int


@dataclass(slots=True)
class Option:
    """An option by its 3-4 character code. ``hardware_code`` is what a car that has it carries; ``withdrawn_on`` ends
    its sale.
    """

    code: str
    group: str
    name: Text
    description: Text
    price_fen: int
    image: str
    hardware_code: str | None = None
    withdrawn_on: date | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """Options sold together at ``price_fen``, which replaces the single prices of ``includes``."""

    code: str
    name: Text
    description: Text
    includes: tuple[str, ...]
    price_fen: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A Boolean rule over option codes; an atom is true when that option is selected (by itself, by package or as
    fixed).

    REQUIRES: where ``subject`` holds, ``expr`` must hold. EXCLUDES: ``subject`` and ``expr`` never hold together.
    AVAILABLE_IF: ``subject`` may be chosen only while ``expr`` holds. AUTO_ADD: where ``subject`` holds, the
    codes of ``expr`` (a code or ``{"all": codes}``) are added. In force for ``market`` (None: all) while
    ``valid_from <= day <= valid_to`` (None: open).
    """

    id: str
    kind: RuleKind
    subject: Expr
    expr: Expr
    market: Market | None
    valid_from: date
    valid_to: date | None
    message: Text

    def in_force(self, day: date, market: str) -> bool:
        return (
            self.market in (None, market) and self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)
        )


@dataclass(frozen=True, slots=True)
class SavedConfiguration:
    """An immutable saved configuration; ``share_code`` is 8 characters of Crockford base32."""

    share_code: str
    trim_id: str
    options: tuple[str, ...]
    packages: tuple[str, ...]
    market: Market
    price_fen: int
    rule_set_version: str
    price_version: str
    saved_at: datetime
    configuration_hash: str
