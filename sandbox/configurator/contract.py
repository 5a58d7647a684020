"""The service's JSON, as types: they write the answers, read the requests and make the OpenAPI document."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from sandbox.world import entities


class Wire(msgspec.Struct, kw_only=True, rename="camel"):
    """A JSON object in camel case."""


class Money(Wire):
    """An amount in minor units of its currency."""

    amount_minor: int
    currency: str = "CNY"


class Text(Wire):
    zh: str
    en: str

    @classmethod
    def of(cls, text: entities.Text) -> Text:
        return cls(zh=text.zh, en=text.en)


class Model(Wire):
    """`imagePath` is relative to the content host."""

    code: str
    brand: str
    name: Text
    description: Text
    body: Literal["SEDAN", "SUV", "HATCH"]
    model_year: int
    image_path: str
    trim_codes: list[str]


Availability = Literal["BUILD", "STOCK", "SOLD_OUT"]


class Trim(Wire):
    """`price` includes 13 % VAT and the default options; `rangeKm` is the CLTC figure."""

    code: str
    model_code: str
    name: Text
    description: Text
    price: Money
    availability: Availability
    range_km: int
    power_kw: int
    default_options: list[str]


class Option(Wire):
    """`standard` is in the base price, `fixed` is built in."""

    code: str
    group_code: str
    name: Text
    description: Text
    price: Money
    standard: bool
    fixed: bool
    image_path: str


class Group(Wire):
    code: str
    name: Text
    cardinality: Literal["EXACTLY_ONE", "ONE_OR_NONE", "ANY"]
    options: list[Option]


class Package(Wire):
    """`price` replaces the single prices of what it includes."""

    code: str
    name: Text
    description: Text
    includes: list[str]
    price: Money


class Offer(Wire):
    """What can be chosen on a trim today."""

    trim_code: str
    groups: list[Group]
    packages: list[Package]


class Named(Wire):
    """An option or package by its code, also one whose sale has ended."""

    code: str
    name: Text


Codes = Annotated[list[str], msgspec.Meta(max_length=300)]


class Selection(Wire, forbid_unknown_fields=True):
    """What is picked on a trim. Built-in options and what rules add need not be named."""

    trim_code: str
    options: Codes = []
    packages: Codes = []
    last_picked: str | None = None
    market: str = "CN"


class AskedSelection(Wire, forbid_unknown_fields=True):
    """`ref` is the caller's word for this selection and comes back with its check."""

    ref: str
    selection: Selection


class ChecksRequest(Wire, forbid_unknown_fields=True):
    selections: Annotated[list[AskedSelection], msgspec.Meta(min_length=1, max_length=100)]


class Conflict(Wire):
    """`options` is minimal and may name packages: without any one of them `rules` hold together."""

    message: Text
    rules: list[str]
    options: list[str]


class Alternative(Wire):
    """A change, in options and packages, that makes the selection buildable."""

    add: list[str]
    remove: list[str]
    price_delta: Money


class OptionState(Wire):
    code: str
    state: Literal["SELECTED", "AVAILABLE", "FORCED", "BLOCKED"]
    blocked_by: list[str]


class PriceLine(Wire):
    """TAX tells the VAT contained in the other lines."""

    kind: Literal["BASE", "OPTION", "PACKAGE", "DISCOUNT", "TAX"]
    code: str
    text: Text
    amount: Money


class Delivery(Wire):
    earliest: date
    latest: date
    as_of: datetime


class Check(Wire):
    """`isBuildable`: no rule is broken; `isComplete`: every EXACTLY_ONE group has its option."""

    is_buildable: bool
    is_complete: bool
    availability: Availability
    conflicts: list[Conflict]
    alternatives: list[Alternative]
    options: list[OptionState]
    price_lines: list[PriceLine]
    total: Money
    delivery: Delivery | None
    configuration_hash: str
    rule_set_version: str
    price_version: str


class AnsweredCheck(Wire):
    ref: str
    check: Check


class Saved(Wire):
    """Immutable. `selection` holds all options of the car, with what packages and rules brought."""

    share_code: str
    selection: Selection
    total: Money
    saved_at: datetime
    configuration_hash: str
    rule_set_version: str
    price_version: str


class Drift(Wire):
    """What is different since it was saved."""

    withdrawn: list[str]
    price_delta: Money
    rules_changed: bool


class Loaded(Wire):
    share_code: str
    saved: Saved
    check: Check
    drift: Drift
