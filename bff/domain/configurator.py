"""What can be built: models, trims, options, Boolean rules, and a selection under check. Source: configurator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum
from typing import Protocol

from bff.domain.base import Found, Money, Outcome, Text, Value


class Availability(Enum):
    BUILD = "BUILD"
    STOCK = "STOCK"
    SOLD_OUT = "SOLD_OUT"
    UNKNOWN = "UNKNOWN"


class BodyStyle(Enum):
    SEDAN = "SEDAN"
    SUV = "SUV"
    HATCH = "HATCH"
    UNKNOWN = "UNKNOWN"


class VehicleModel(Value, frozen=True, kw_only=True):
    """`code` is what every system calls the model; `image_path` is relative to the content host."""

    code: str
    brand: str
    name: Text
    description: Text
    body: BodyStyle
    model_year: int
    image_path: str | None
    trim_codes: list[str]


class Trim(Value, frozen=True, kw_only=True):
    """An equipment line. `price` includes VAT and the default options; the range is the maker's CLTC figure."""

    code: str
    model_code: str
    name: Text
    description: Text
    price: Money
    availability: Availability
    range_km: int
    power_kw: int
    default_options: list[str]


class Cardinality(Enum):
    EXACTLY_ONE = "EXACTLY_ONE"
    ONE_OR_NONE = "ONE_OR_NONE"
    ANY = "ANY"
    UNKNOWN = "UNKNOWN"


class Option(Value, frozen=True, kw_only=True):
    """An option as one trim offers it: `standard` is in the base price, `fixed` cannot be taken off."""

    code: str
    group_code: str
    name: Text
    description: Text
    price: Money
    standard: bool
    fixed: bool
    image_path: str | None


class OptionGroup(Value, frozen=True, kw_only=True):
    code: str
    name: Text
    cardinality: Cardinality
    options: list[Option]


class OptionPackage(Value, frozen=True, kw_only=True):
    """Options sold together; `price` replaces the single prices of what it includes."""

    code: str
    name: Text
    description: Text
    includes: list[str]
    price: Money


class TrimOffer(Value, frozen=True, kw_only=True):
    """Everything that can be chosen on a trim."""

    groups: list[OptionGroup]
    packages: list[OptionPackage]


class Selection(Value, frozen=True, kw_only=True):
    """What a customer picked so far. `last_picked` is kept when alternatives are looked for."""

    trim_code: str
    options: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    last_picked: str | None = None
    market: str = "CN"


class OptionState(Enum):
    SELECTED = "SELECTED"
    AVAILABLE = "AVAILABLE"
    FORCED = "FORCED"
    BLOCKED = "BLOCKED"
    UNKNOWN = "UNKNOWN"


class OptionVerdict(Value, frozen=True, kw_only=True):
    """AVAILABLE can be picked, in place of its group's other option, without breaking a rule. `blocked_by` names the
    selected options that stand in the way; it is empty where something is missing instead.
    """

    code: str
    state: OptionState
    blocked_by: list[str]


class Conflict(Value, frozen=True, kw_only=True):
    """Rules that do not hold, and a minimal set of options or packages: taking any one away resolves it. Where only
    built-in options are at odds, they are named, and only adding helps.
    """

    message: Text
    rules: list[str]
    options: list[str]


class Alternative(Value, frozen=True, kw_only=True):
    """A smallest change, in options and packages, that makes the selection buildable, and what it does to the price."""

    add: list[str]
    remove: list[str]
    price_delta: Money


class PriceLineKind(Enum):
    BASE = "BASE"
    OPTION = "OPTION"
    PACKAGE = "PACKAGE"
    DISCOUNT = "DISCOUNT"
    TAX = "TAX"
    UNKNOWN = "UNKNOWN"


class PriceLine(Value, frozen=True, kw_only=True):
    """A DISCOUNT is negative; TAX tells the VAT contained in the others and adds nothing."""

    kind: PriceLineKind
    code: str
    text: Text
    amount: Money


class DeliveryEstimate(Value, frozen=True, kw_only=True):
    earliest: date
    latest: date
    as_of: datetime


class Check(Value, frozen=True, kw_only=True):
    """What the rules say of a selection on one day: buildable breaks none, complete leaves no EXACTLY_ONE group empty;
    an order needs both. At most five alternatives; `configuration_hash` binds an order.
    """

    selection: Selection
    is_buildable: bool
    is_complete: bool
    availability: Availability
    conflicts: list[Conflict]
    alternatives: list[Alternative]
    options: list[OptionVerdict]
    price_lines: list[PriceLine]
    total: Money
    delivery: DeliveryEstimate | None
    configuration_hash: str
    rule_set_version: str
    price_version: str


class SavedConfiguration(Value, frozen=True, kw_only=True):
    """Immutable, found by eight characters of Crockford base32, without personal data."""

    share_code: str
    selection: Selection
    total: Money
    saved_at: datetime
    rule_set_version: str
    price_version: str


class Drift(Value, frozen=True, kw_only=True):
    """What changed since a configuration was saved: options no longer sold, another price, newer rules."""

    withdrawn: list[str]
    price_delta: Money
    rules_changed: bool


class LoadedConfiguration(Value, frozen=True, kw_only=True):
    saved: SavedConfiguration
    check: Check
    drift: Drift


class ConfiguratorPort(Protocol):
    """Public data but for saving. Codes are the estate's; an unknown one is absent."""

    async def models(self, brand: str | None = None) -> list[VehicleModel]: ...

    async def models_by_code(self, codes: Sequence[str]) -> Found[str, VehicleModel]: ...

    async def trims(self, codes: Sequence[str]) -> Found[str, Trim]: ...

    async def offers(self, trim_codes: Sequence[str]) -> Found[str, TrimOffer]: ...

    async def option_names(self, codes: Sequence[str]) -> Found[str, Text]:
        """Of options and packages, also of those that are no longer sold."""
        ...

    async def check(self, selections: Sequence[Selection]) -> Found[Selection, Check]:
        """An unknown trim is absent; an unknown or withdrawn option is a conflict."""
        ...

    async def save(self, selection: Selection, idempotency_key: str) -> Outcome[SavedConfiguration]:
        """Refused as NOT_BUILDABLE when the rules do not hold."""
        ...

    async def load(self, share_codes: Sequence[str]) -> Found[str, LoadedConfiguration]:
        """Re-validated against today's rules and prices."""
        ...
